package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/engine/token"
)

// child makes a short-lived token with a longer one.
func (w *world) child(t *testing.T, parent, body string) (auth string, until time.Time) {
	t.Helper()
	a := w.send(http.MethodPost, "/v1/tokens", body, parent)
	var made struct {
		Token   string
		Expires time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 200 || made.Token == "" {
		t.Fatalf("%s: %d %s", body, a.status, a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("a token may be kept by a cache")
	}
	return "Authorization: Bearer " + made.Token, made.Expires
}

const says = `{"messages":[{"role":"user","content":"hi"}]}`

func TestAShortLivedTokenIsServed(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.gw.Templates = []tally.Template{{Name: "faq", System: concierge}, {Name: "sales", System: "Sell."}}
	parent := w.mint(token.Options{Domains: []string{"mysite.com"}, Requests: "5/month", IPQuota: "4/day", Templates: []string{"faq", "sales"}, Mints: true, ExpiresIn: 2 * time.Hour})
	w.open()
	anna, until := w.child(t, parent, `{"expires_in":600,"templates":["faq"],"visitor":"anna","limits":{"requests":"2/day"},"label":"cart"}`)
	if left := time.Until(until); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("it works for %s", left)
	}
	bert, _ := w.child(t, parent, `{"templates":["faq"],"visitor":"bert"}`)
	for range 2 {
		if a := w.send("POST", "/v1/chat/completions", says, anna, page); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if !strings.Contains(m.field("messages"), "concierge") {
		t.Errorf("the template of its own is not there: %s", m.field("messages"))
	}
	again, _ := w.child(t, parent, `{"templates":["faq"],"visitor":"anna","limits":{"requests":"2/day"}}`)
	for _, auth := range []string{anna, again} { // another token is no other visitor
		a := w.send("POST", "/v1/chat/completions", says, auth, page)
		if _, code, message := a.refusal(t); a.status != 429 || code != "ip_quota" || !strings.Contains(message, "This visitor") || !strings.Contains(message, "2 of 2 requests today") {
			t.Errorf("%d %s: %s", a.status, code, message)
		}
	}
	for range 2 { // the address has its four, whoever it is
		if a := w.send("POST", "/v1/chat/completions", says, bert, page); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	a := w.send("POST", "/v1/chat/completions", says, bert, page)
	if _, code, message := a.refusal(t); a.status != 429 || code != "ip_quota" || !strings.Contains(message, "4 of 4 requests today") {
		t.Errorf("%d %s: %s", a.status, code, message)
	}
	if a := w.send("POST", "/v1/chat/completions", says, bert, "Origin: https://evil.example"); a.status != 403 {
		t.Errorf("another page: %d %s", a.status, a.body)
	}
	visitors := map[string]bool{}
	for _, r := range w.records() {
		if r.Outcome == tally.OK {
			visitors[string(r.Visitor)] = true
		}
		if _, id := tally.SplitTokenName(r.Token); !strings.Contains(parentClaims(parent), `"tid":"`+id+`"`) {
			t.Errorf("counted on %s, not on the parent", r.Token)
		}
	}
	if len(visitors) != 2 {
		t.Errorf("%d visitors were seen, not 2", len(visitors))
	}
}

func parentClaims(auth string) string {
	report := token.Inspect(strings.TrimPrefix(auth, "Authorization: Bearer "), nil, time.Now())
	return string(report.Claims)
}

// A parent that is revoked, switched off or past takes its children with it, at once; and
// one child can be ended alone.
func TestChildrenEndWithTheirParent(t *testing.T) {
	w := newWorld(t)
	w.mirror()
	parent := w.mint(token.Options{Mints: true})
	w.open()
	first, _ := w.child(t, parent, "")
	second, _ := w.child(t, parent, `{}`)
	ask := func(auth string) (int, string) {
		a := w.send("POST", "/v1/chat/completions", `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`, auth, page)
		if a.status == 200 {
			return 200, ""
		}
		_, code, _ := a.refusal(t)
		return a.status, code
	}
	revoke := func(auth string) {
		claims := struct{ Tid string }{}
		json.Unmarshal([]byte(parentClaims(auth)), &claims)
		w.more = append(w.more, &tally.Revocation{Meta: tally.Meta{ID: tally.ID(tally.TokenName(w.gw.PublicID, claims.Tid)), CreatedAt: time.Now()}, Gateway: w.gw.ID})
		w.use()
	}
	if status, _ := ask(first); status != 200 {
		t.Fatal(status)
	}
	revoke(first)
	if status, code := ask(first); status != 401 || code != "token_revoked" {
		t.Errorf("a child that was revoked: %d %s", status, code)
	}
	if status, _ := ask(second); status != 200 {
		t.Errorf("its sister: %d", status)
	}
	revoke(parent)
	if status, code := ask(second); status != 401 || code != "token_revoked" {
		t.Errorf("a child of a revoked parent: %d %s", status, code)
	}
	a := w.send("POST", "/v1/tokens", "", parent)
	if _, code, _ := a.refusal(t); a.status != 401 || code != "token_revoked" {
		t.Errorf("a revoked parent makes another: %d %s", a.status, a.body)
	}
}

// "All tokens from before" means by when the parent was issued, not the child.
func TestRevokingAllMeansChildrenToo(t *testing.T) {
	w := newWorld(t)
	w.mirror()
	parent := w.mint(token.Options{Mints: true})
	w.open()
	auth, _ := w.child(t, parent, "")
	gw := *w.gw
	gw.NotBefore = time.Now().Add(2 * time.Second)
	w.gw = &gw
	w.use()
	if a := w.send("POST", "/v1/chat/completions", says, auth, page); a.status != 401 {
		t.Errorf("%d %s", a.status, a.body)
	}
	p := &tally.AccessToken{ID: "c", Parent: "p", IssuedAt: time.Unix(2000, 0), ParentIssuedAt: time.Unix(1000, 0)}
	if !p.IssuedBefore(time.Unix(1500, 0)) || p.IssuedBefore(time.Unix(1000, 0)) {
		t.Error("the parent's time does not count")
	}
}

func TestMintsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.mirror()
	w.gw.Templates = []tally.Template{{Name: "faq", System: "x"}, {Name: "sales", System: "y"}}
	parent := w.mint(token.Options{Mints: true, Templates: []string{"faq"}, Requests: "100/month", IPQuota: "20/day", Cost: "5", Domains: []string{"mysite.com"}})
	plain := w.mint(token.Options{})
	past := w.mint(token.Options{Mints: true, ExpiresIn: time.Second})
	w.clock = func() time.Time { return time.Now().Add(2 * time.Second) }
	w.open()
	child, _ := w.child(t, parent, "")
	for _, tc := range []struct {
		name, body string
		headers    []string
		status     int
		code, says string
	}{
		{"in a page", "", []string{parent, page}, 403, "token_mints_only", "belongs on the site's own server"},
		{"in a page that hides", "", []string{parent, "Referer: https://mysite.com/x"}, 403, "token_mints_only", "belongs on the site's own server"},
		{"without the right", "", []string{plain}, 403, "mint_refused", "may not make others"},
		{"a child", "", []string{child}, 403, "mint_refused", "is itself short-lived"},
		{"a client's key", "", nil, 403, "mint_refused", "access token"},
		{"the private key", "", []string{"Authorization: Bearer " + w.private}, 403, "mint_refused", "access token"},
		{"forged", "", []string{parent[:len(parent)-3] + "AAA"}, 401, "invalid_api_key", "was not signed"},
		{"expired", "", []string{past}, 401, "token_expired", "expired"},
		{"nobody", "", []string{"Authorization: "}, 401, "invalid_api_key", ""},
		{"for too long", `{"expires_in":86401}`, []string{parent}, 400, "mint_refused", "86400"},
		{"for no time", `{"expires_in":0}`, []string{parent}, 400, "mint_refused", "from 1"},
		{"for a text", `{"expires_in":"600"}`, []string{parent}, 400, "mint_refused", "whole number"},
		{"another template", `{"templates":["sales"]}`, []string{parent}, 400, "mint_refused", "sales"},
		{"no template", `{"templates":[]}`, []string{parent}, 400, "mint_refused", "empty"},
		{"a template that is not there", `{"templates":["none"]}`, []string{parent}, 400, "mint_refused", "no template"},
		{"a wider limit", `{"limits":{"requests":"101/month"}}`, []string{parent}, 400, "mint_refused", "up to 100 requests a month"},
		{"a wider limit of each address", `{"limits":{"ip_quota":"21/day"}}`, []string{parent}, 400, "mint_refused", "up to 20 requests a day"},
		{"a wider cost", `{"limits":{"cost":"6"}}`, []string{parent}, 400, "mint_refused", "up to $5.00 in all"},
		{"a limit that is none", `{"limits":{"requests":"-1"}}`, []string{parent}, 400, "mint_refused", "whole number above 0"},
		{"a limit of another name", `{"limits":{"tokens":"1"}}`, []string{parent}, 400, "mint_refused", "no limit"},
		{"other pages", `{"domains":["evil.example"]}`, []string{parent}, 400, "mint_refused", `"domains"`},
		{"the right to make more", `{"mints":true}`, []string{parent}, 400, "mint_refused", `"mints"`},
		{"a field twice", `{"expires_in":60,"expires_\u0069n":86400}`, []string{parent}, 400, "invalid_request", "occurs twice"},
		{"a visitor who obeys a terminal", `{"visitor":"a\u001b[2J"}`, []string{parent}, 400, "mint_refused", "printed"},
		{"no JSON", `{`, []string{parent}, 400, "invalid_value", "not valid JSON"},
		{"a large body", `{"label":"` + strings.Repeat("x", 9000) + `"}`, []string{parent}, 413, "request_too_large", ""},
	} {
		a := w.send("POST", "/v1/tokens", tc.body, tc.headers...)
		if _, code, message := a.refusal(t); a.status != tc.status || code != tc.code || !strings.Contains(message, tc.says) {
			t.Errorf("%s: %d %s: %s", tc.name, a.status, code, message)
		}
		if strings.Contains(a.body, "wlm-") && !strings.Contains(a.body, "wlm-…") || strings.Contains(a.body, w.private) {
			t.Errorf("%s: a credential is told: %s", tc.name, a.body)
		}
	}
	// Nor does it do anything else.
	for _, headers := range [][]string{{parent, page}, {parent}} {
		if a := w.send("POST", "/v1/chat/completions", says, headers...); a.status != 403 || !strings.Contains(a.body, "token_mints_only") {
			t.Errorf("asks itself: %d %s", a.status, a.body)
		}
	}
	if a := w.send("GET", "/v1/tokens", "", parent); a.status != 405 {
		t.Errorf("GET: %d", a.status)
	}
}

// A child lasts no longer than its parent.
func TestAChildIsNeverLonger(t *testing.T) {
	w := newWorld(t)
	parent := w.mint(token.Options{Mints: true, ExpiresIn: 10 * time.Minute})
	w.open()
	if _, until := w.child(t, parent, `{"expires_in":3600}`); time.Until(until) > 10*time.Minute {
		t.Errorf("it works until %s", until)
	}
}

// Minting is bounded, and the bound ends with its minute.
func TestMintingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m mints
		for i := range mostMints {
			if !m.take("a", time.Now()) {
				t.Fatalf("the %d-th is refused", i+1)
			}
		}
		if m.take("a", time.Now()) || !m.take("b", time.Now()) {
			t.Error("one is let through, or another token pays for it")
		}
		time.Sleep(time.Minute)
		if !m.take("a", time.Now()) {
			t.Error("refused in the next minute")
		}
	})
	w := newWorld(t)
	parent := w.mint(token.Options{Mints: true})
	w.open()
	name := ""
	w.child(t, parent, "")
	for found := range w.server.Verifier.Tokens(w.picture(), w.gw) {
		name = found
	}
	w.server.minted = mints{minute: w.server.minted.minute, of: map[string]int{name: mostMints}}
	now := time.Unix(w.server.minted.minute*60+30, 0)
	w.server.Clock = func() time.Time { return now }
	a := w.send("POST", "/v1/tokens", "", parent)
	if _, code, message := a.refusal(t); a.status != 429 || code != "rate_limit" || a.header.Get("Retry-After") != "30" || !strings.Contains(message, fmt.Sprint(mostMints)) {
		t.Errorf("%d %s %q: %s", a.status, code, a.header.Get("Retry-After"), message)
	}
}
