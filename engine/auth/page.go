package auth

import (
	"fmt"
	"slices"
	"strings"

	"tallygate/engine/tally"
	"tallygate/engine/token"
)

// Page is where a request comes from, as a browser says.
type Page struct {
	Origin  string // the header; "" if there is none
	Referer string
}

// public finds the public gateway of a visitor without a credential: the only
// one, or the one that lists the page's origin.
func public(cat *tally.Catalog, origin string) (*tally.Principal, *tally.Refusal) {
	var found []*tally.Gateway
	for _, gw := range cat.Gateways {
		if gw.Access == tally.AccessPublic && gw.Enabled {
			found = append(found, gw)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(gw *tally.Gateway) bool { return !AllowsOrigin(gw.Origins, origin) })
		if len(found) != 1 {
			return nil, unknown("Several gateways here are public, and the page's origin does not tell which one is meant. Send an access token as Authorization: Bearer wlm-…")
		}
	}
	if len(found) == 0 {
		return nil, unknown("No API key was sent. Send it as Authorization: Bearer llm_gw_…")
	}
	return &tally.Principal{Gateway: found[0], Visitor: true}, nil
}

// CheckPage refuses a page that may not use the principal's credential.
//
// A visitor's page must be on one of the token's domains and of the gateway's origins,
// where there are such lists. A client's key is checked only for requests that name an
// origin, and only if the client lists origins; pages that it does not list get no CORS
// headers. The private key is not checked: it belongs to a server and to no page.
func CheckPage(p *tally.Principal, page Page) *tally.Refusal {
	switch {
	case p.Visitor:
		return checkVisitorsPage(p, page)
	case p.Client == nil || page.Origin == "" || len(p.Client.Origins) == 0 || AllowsOrigin(p.Client.Origins, page.Origin):
		return nil
	}
	return forbidden(tally.CodeOrigin, fmt.Sprintf("Client %q may not be used from pages of %s.", p.Client.Name, page.Origin))
}

func checkVisitorsPage(p *tally.Principal, page Page) *tally.Refusal {
	if p.Token != nil && p.Token.Mints {
		if refusal := ofServer(p, page); refusal != nil {
			return refusal
		}
		return forbidden(tally.CodeTokenMints, fmt.Sprintf("%s makes short-lived tokens at POST /v1/tokens, and asks for nothing else. Ask with one of those.", p.Who()))
	}
	domains := p.Token != nil && len(p.Token.Domains) > 0
	if !domains && len(p.Gateway.Origins) == 0 {
		return nil
	}
	from := page.Origin
	if from == "" {
		from = page.Referer
	}
	if from == "" {
		return forbidden(tally.CodeOrigin, fmt.Sprintf("%s is for pages only: the request names none, neither in Origin nor in Referer.", p.Who()))
	}
	if domains {
		host, ok := token.HostOf(from)
		switch {
		case !ok:
			return forbidden(tally.CodeOrigin, fmt.Sprintf("%s may not be used from %q: that is no page of a site with https.", p.Who(), shorten(from)))
		case !token.AllowsHost(p.Token.Domains, host):
			return forbidden(tally.CodeOrigin, fmt.Sprintf("%s may not be used from pages of %s. It is for %s.", p.Who(), host, strings.Join(p.Token.Domains, ", ")))
		}
	}
	if len(p.Gateway.Origins) == 0 {
		return nil
	}
	if origin := originOf(from); !AllowsOrigin(p.Gateway.Origins, origin) {
		return forbidden(tally.CodeOrigin, fmt.Sprintf("Gateway %q may not be used from pages of %q.", p.Gateway.Name, shorten(origin)))
	}
	return nil
}

// ofServer refuses a token that makes others to every page.
func ofServer(p *tally.Principal, page Page) *tally.Refusal {
	if page.Origin != "" || page.Referer != "" {
		return forbidden(tally.CodeTokenMints, fmt.Sprintf("%s makes tokens for pages and belongs on the site's own server: whoever reads it in a page could make any number of them. Revoke it, and put a token that it made into the page.", p.Who()))
	}
	return nil
}

// CheckMint refuses whoever may not make short-lived tokens.
func CheckMint(p *tally.Principal, page Page) *tally.Refusal {
	switch {
	case p.Token == nil:
		return forbidden(tally.CodeMintRefused, "Short-lived tokens are made of an access token that may make others. Send one as Authorization: Bearer wlm-…")
	case p.Token.Parent != "":
		return forbidden(tally.CodeMintRefused, fmt.Sprintf("%s is itself short-lived, and makes no others.", p.Who()))
	case !p.Token.Mints:
		return forbidden(tally.CodeMintRefused, fmt.Sprintf("%s may not make others. One that may is made with: tallygate tokens mint --mints", p.Who()))
	}
	return ofServer(p, page)
}

// originOf is the origin of a page's address: scheme, host and port.
func originOf(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return scheme + "://" + host
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// CheckCountry refuses a visitor from a country that the token or the gateway
// does not serve. An unknown country is refused by an allow list and passed by a
// block list.
func CheckCountry(p *tally.Principal) *tally.Refusal {
	if !p.Visitor {
		return nil
	}
	allows := func(allowed, blocked []string) bool {
		return (len(allowed) == 0 || slices.Contains(allowed, p.Country)) && !slices.Contains(blocked, p.Country)
	}
	if allows(p.Gateway.AllowedCountries, p.Gateway.BlockedCountries) &&
		(p.Token == nil || allows(p.Token.AllowedCountries, p.Token.BlockedCountries)) {
		return nil
	}
	where := p.Country
	if where == "" {
		where = "an unknown country"
	}
	return forbidden(tally.CodeCountry, fmt.Sprintf("%s does not serve visitors from %s.", p.Who(), where))
}
