package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// policy keeps the page to itself: nothing of it comes from elsewhere, nothing
// stands in its HTML, and nobody frames it to have a token typed in.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// site answers what browsers are served: the page at / and the JavaScript client
// below /sdk. It reports whether the path is one of these.
func (x *exchange) site(path string) bool {
	if name, ok := strings.CutPrefix(path, "/sdk/webllm."); ok && x.SDK != nil {
		return x.sdk(name)
	}
	if x.Page == nil {
		return false
	}
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		name = "index.html"
	}
	content, err := fs.ReadFile(x.Page, name)
	if err != nil || strings.Contains(name, "/") {
		return false
	}
	h := x.w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	x.file(name, content)
	return true
}

// sdk serves the JavaScript client. It is for any page: it is no secret, and
// without a token it can do nothing.
func (x *exchange) sdk(name string) bool {
	kind := map[string]string{"js": "text/javascript; charset=utf-8", "d.ts": "text/plain; charset=utf-8", "tgz": "application/gzip"}[name]
	if kind == "" {
		return false
	}
	base := x.publicURL()
	if name == "tgz" && base == "" {
		var refusal *tally.Refusal
		if base, refusal = x.askedAt(); refusal != nil { // a package does not know where it came from
			x.tell(refusal)
			return true
		}
	}
	c, err := x.clients.of(base, x.SDK)
	if err != nil {
		x.Logger.Error("make the JavaScript client", "request", x.id, "err", err)
		x.tell(internalError())
		return true
	}
	h := x.w.Header()
	h.Set("Content-Type", kind)
	h["Access-Control-Allow-Origin"] = anyOrigin
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	x.file("webllm."+name, map[string][]byte{"js": c.module, "d.ts": c.types, "tgz": c.tarball}[name])
	return true
}

// file serves a file, unless the browser has it already.
func (x *exchange) file(name string, content []byte) {
	if !x.method(http.MethodGet) {
		return
	}
	sum := sha256.Sum256(content)
	h := x.w.Header()
	h.Set("Etag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h["Cache-Control"] = noCache // ask again: it changes with the program and the settings
	x.started = true
	http.ServeContent(x.w, x.r, name, time.Time{}, bytes.NewReader(content))
}

// publicURL is the address that the owner gives to pages: of the gateway that the
// request came to by that address, or the only one there is.
func (x *exchange) publicURL() string {
	var urls []string
	for _, g := range x.cat.Gateways {
		if !g.Enabled || g.PublicURL == "" {
			continue
		}
		if u, err := url.Parse(g.PublicURL); err == nil && strings.EqualFold(u.Host, x.r.Host) {
			return g.PublicURL
		}
		urls = append(urls, g.PublicURL)
	}
	if len(urls) == 1 {
		return urls[0]
	}
	return ""
}

// askedAt is the address that the request came to, as far as that can be written
// into a program: a caller chooses its Host.
func (x *exchange) askedAt() (string, *tally.Refusal) {
	host := x.r.Host
	u := url.URL{Scheme: "http", Host: host}
	if x.r.TLS != nil {
		u.Scheme = "https"
	}
	name := strings.TrimSuffix(u.Hostname(), ".")
	_, err := netip.ParseAddr(name)
	if len(host) > maxName || name == "" || err != nil && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" ||
		strings.Trim(u.Port(), "0123456789") != "" || strings.Contains(host, "@") {
		return "", tally.BadRequest("", fmt.Sprintf("%.100q is not the host of this gateway.", host))
	}
	return u.String(), nil
}

// client is the JavaScript client of one address.
type client struct{ module, types, tarball []byte }

// mostClients is how many addresses' clients are kept: as a rule there is one.
const mostClients = 8

// clients keeps the clients that were asked for.
type clients struct {
	mu sync.Mutex // guards the field that follows
	at map[string]client
}

func (c *clients) of(base string, build func(string) (module, types, tarball []byte, err error)) (client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.at[base]; ok {
		return made, nil
	}
	var made client
	var err error
	if made.module, made.types, made.tarball, err = build(base); err != nil {
		return client{}, err
	}
	if c.at == nil || len(c.at) >= mostClients {
		c.at = map[string]client{}
	}
	c.at[base] = made
	return made, nil
}
