package auth

import (
	"slices"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func TestClientsPages(t *testing.T) {
	client := &tally.Client{Name: "Hotel Aurora", Origins: []string{"https://Aurora.example", "http://localhost:3000/"}}
	for _, tc := range []struct {
		origin string
		want   bool
	}{
		{"https://aurora.example", true},
		{"HTTPS://AURORA.EXAMPLE", true},
		{"http://localhost:3000", true},
		{"", true}, // not a page: origins stop browsers, the key itself stops the rest
		{"https://aurora.example:8443", false},
		{"http://aurora.example", false},
		{"https://www.aurora.example", false},
		{"https://aurora.example.evil.test", false},
		{"http://localhost", false},
		{"null", false}, // a sandboxed frame, or a file
	} {
		r := CheckPage(&tally.Principal{Client: client}, Page{Origin: tc.origin})
		if (r == nil) != tc.want {
			t.Errorf("CheckPage(%q) = %v, want let through: %v", tc.origin, r, tc.want)
		}
		if r != nil && (r.Status != 403 || r.Type != "permission_error" || r.Code != "origin_not_allowed" ||
			r.Message != `Client "Hotel Aurora" may not be used from pages of `+tc.origin+".") {
			t.Errorf("CheckPage(%q) = %+v", tc.origin, r)
		}
	}
	for name, p := range map[string]*tally.Principal{"no list": {Client: &tally.Client{}}, "private key": {}} {
		if r := CheckPage(p, Page{Origin: "https://any.example"}); r != nil {
			t.Errorf("%s: refused: %v", name, r)
		}
	}
	if AllowsOrigin(nil, "https://any.example") || AllowsOrigin(client.Origins, "") {
		t.Error("AllowsOrigin lets through what no list names: such pages would get CORS headers")
	}
}

// A visitor's page must be on the token's domains and of the gateway's origins.
func TestVisitorsPages(t *testing.T) {
	domains := []string{"mysite.com", "*.mysite.com"}
	for _, tc := range []struct {
		name             string
		domains, origins []string
		page             Page
		says             string // "" lets through
	}{
		{"anywhere", nil, nil, Page{}, ""},
		{"anywhere, from a page", nil, nil, Page{Origin: "http://any.example"}, ""},
		{"a frame without an origin", nil, nil, Page{Origin: "null"}, ""},
		{"its domain", domains, nil, Page{Origin: "https://mysite.com"}, ""},
		{"below its domain, with a port", domains, nil, Page{Origin: "https://beta.mysite.com:8443"}, ""},
		{"by the Referer", domains, nil, Page{Referer: "https://mysite.com/a/b?c#d"}, ""},
		{"the Origin rules", domains, nil, Page{Origin: "https://evil.example", Referer: "https://mysite.com/"}, "from pages of evil.example"},
		{"neither header", domains, nil, Page{}, "the request names none"},
		{"null", domains, nil, Page{Origin: "null"}, `from "null"`},
		{"without https", domains, nil, Page{Origin: "http://mysite.com"}, "https"},
		{"a longer name", domains, nil, Page{Origin: "https://mysite.com.evil.example"}, "from pages of mysite.com.evil.example"},
		{"the name's end", domains, nil, Page{Origin: "https://notmysite.com"}, "from pages of notmysite.com"},
		{"a user of that name", domains, nil, Page{Referer: "https://mysite.com@evil.example/"}, "https"},
		{"an origin of the gateway", nil, []string{"https://mysite.com"}, Page{Origin: "https://mysite.com"}, ""},
		{"an origin by the Referer", nil, []string{"https://mysite.com"}, Page{Referer: "https://mysite.com/x?https://evil.example"}, ""},
		{"an intranet's origin", nil, []string{"http://wiki:8080"}, Page{Origin: "http://wiki:8080"}, ""},
		{"another origin", nil, []string{"https://mysite.com"}, Page{Origin: "https://mysite.com:444"}, "of \"https://mysite.com:444\""},
		{"no origin", nil, []string{"https://mysite.com"}, Page{}, "the request names none"},
		{"both lists, one fits", domains, []string{"https://mysite.com"}, Page{Origin: "https://beta.mysite.com"}, "Gateway \"Main\" may not"},
		{"both lists fit", domains, []string{"https://mysite.com"}, Page{Origin: "https://mysite.com"}, ""},
	} {
		p := &tally.Principal{Gateway: &tally.Gateway{Name: "Main", Origins: tc.origins}, Token: &tally.AccessToken{ID: "tok_1", Domains: tc.domains}, Visitor: true}
		r := CheckPage(p, tc.page)
		if (r == nil) != (tc.says == "") || r != nil && (r.Status != 403 || r.Code != tally.CodeOrigin || !strings.Contains(r.Message, tc.says)) {
			t.Errorf("%s: %+v, want %q", tc.name, r, tc.says)
		}
	}
}

func TestVisitorsCountries(t *testing.T) {
	type lists struct{ allowed, blocked []string }
	us, ru := []string{"US", "PT"}, []string{"RU"}
	for _, tc := range []struct {
		token, gateway lists
		country        string
		want           bool
	}{
		{lists{}, lists{}, "PT", true},
		{lists{}, lists{}, "", true},
		{lists{allowed: us}, lists{}, "PT", true},
		{lists{allowed: us}, lists{}, "ES", false},
		{lists{allowed: us}, lists{}, "", false}, // unknown: an allow list refuses
		{lists{blocked: ru}, lists{}, "RU", false},
		{lists{blocked: ru}, lists{}, "ES", true},
		{lists{blocked: ru}, lists{}, "", true}, // unknown: a block list passes
		{lists{}, lists{allowed: us}, "ES", false},
		{lists{}, lists{blocked: ru}, "RU", false},
		{lists{allowed: us}, lists{blocked: []string{"PT"}}, "PT", false}, // both must let through
		{lists{allowed: us}, lists{allowed: []string{"ES"}}, "US", false},
	} {
		p := &tally.Principal{
			Gateway: &tally.Gateway{Name: "Main", AllowedCountries: tc.gateway.allowed, BlockedCountries: tc.gateway.blocked},
			Token:   &tally.AccessToken{ID: "tok_1", AllowedCountries: tc.token.allowed, BlockedCountries: tc.token.blocked},
			Visitor: true, Country: tc.country,
		}
		r := CheckCountry(p)
		if (r == nil) != tc.want || r != nil && (r.Status != 403 || r.Code != tally.CodeCountry) {
			t.Errorf("%+v from %q: %+v", tc, tc.country, r)
		}
		if p.Visitor = false; CheckCountry(p) != nil {
			t.Error("the owner's own server is no visitor")
		}
	}
}

// Whatever the lists are, a country that a list blocks is never served, and where
// there is a list of those allowed, nobody else is.
func FuzzCheckCountry(f *testing.F) {
	f.Add("US PT", "RU", "", "", "PT")
	f.Add("", "CN", "US", "", "")
	f.Fuzz(func(t *testing.T, tokenAllows, tokenBlocks, siteAllows, siteBlocks, country string) {
		p := &tally.Principal{
			Gateway: &tally.Gateway{AllowedCountries: strings.Fields(siteAllows), BlockedCountries: strings.Fields(siteBlocks)},
			Token:   &tally.AccessToken{AllowedCountries: strings.Fields(tokenAllows), BlockedCountries: strings.Fields(tokenBlocks)},
			Visitor: true, Country: country,
		}
		served := CheckCountry(p) == nil
		in := func(list string) bool { return slices.Contains(strings.Fields(list), country) }
		want := !in(tokenBlocks) && !in(siteBlocks) && (strings.TrimSpace(tokenAllows) == "" || in(tokenAllows)) && (strings.TrimSpace(siteAllows) == "" || in(siteAllows))
		if served != want {
			t.Errorf("%q of %+v %+v: served %v", country, p.Gateway, p.Token, served)
		}
	})
}
