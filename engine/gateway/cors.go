package gateway

import (
	"net/http"
	"slices"
	"strings"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// pageOf says where a request comes from, as far as a browser tells. Others may write
// there what a terminal obeys.
func pageOf(r *http.Request) (p auth.Page) {
	if v := r.Header["Origin"]; len(v) > 0 {
		p.Origin = tally.Printable(v[0])
	}
	if v := r.Header["Referer"]; len(v) > 0 {
		p.Referer = tally.Printable(v[0])
	}
	return p
}

// allowOrigin lets a page read the answer. For a client's key that is one whose origin
// the owner lists: a secret key doesn't belong in a page. An access token does, and by
// now it is certain that an answer, not a refusal, goes only to a page that may have it;
// the refusal any page may read, or its author would see nothing but "failed to fetch". A
// refusal of an unknown credential may be read by any page for the same reason.
func (x *exchange) allowOrigin(origin string) {
	allowed := x.principal == nil || x.principal.Visitor
	if c := clientOf(x.principal); c != nil {
		allowed = auth.AllowsOrigin(c.Origins, origin)
	}
	if allowed && ofPage(origin) {
		h := x.w.Header()
		h["Access-Control-Allow-Origin"] = []string{origin}
		h["Access-Control-Expose-Headers"] = exposed
		h["Vary"] = varyOrigin
	}
}

func clientOf(p *tally.Principal) *tally.Client {
	if p == nil {
		return nil
	}
	return p.Client
}

// ofPage reports whether an origin is that of a page on the web: files and
// sandboxed frames all share the origin null.
func ofPage(origin string) bool {
	return strings.HasPrefix(origin, "https://") || strings.HasPrefix(origin, "http://")
}

// preflight answers what a browser asks before it sends a request. The
// credential is not known yet, so an origin is let on if there is any with which
// it may be; the request itself is checked against its own.
func (x *exchange) preflight(method string) {
	h := x.w.Header()
	h.Set("Allow", method+", OPTIONS")
	h["Vary"] = varyOrigin
	if origin := x.r.Header.Get("Origin"); ofPage(origin) && len(origin) <= maxName && x.maySend(origin) {
		x.letOn(origin, method)
	}
	x.writeHead(http.StatusNoContent)
}

// letOn tells a browser that pages of an origin may send what it asks for.
func (x *exchange) letOn(origin, method string) {
	h := x.w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", method+", OPTIONS")
	if asked := x.r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	if x.r.Header.Get("Access-Control-Request-Private-Network") == "true" { // from a public page to this machine
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
}

// maySend reports whether a page of an origin may have a credential: an access
// token of any gateway that takes them, or a key of a client that lists it.
func (x *exchange) maySend(origin string) bool {
	return slices.ContainsFunc(x.cat.Gateways, func(g *tally.Gateway) bool { return g.Enabled && g.Access != tally.AccessByKey }) ||
		slices.ContainsFunc(x.cat.Clients, func(c *tally.Client) bool { return auth.AllowsOrigin(c.Origins, origin) })
}
