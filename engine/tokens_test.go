package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
)

// site is a world with a gateway for a web page, and no client in it.
func site(t *testing.T) (*world, control.GatewayCreated) {
	w := newWorld(t)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "sim", ProviderKind: "sim"})
	return w, do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}})
}

// The life of an access token: minted, used, explained, listed, revoked.
func TestTokensLife(t *testing.T) {
	w, gw := site(t)
	minted := do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{Requests: "3/day", Cost: "10", Expires: "90d", AllowCountries: []string{}}})
	if !strings.HasPrefix(minted.Token, "wlm-"+gw.PublicID+".") || minted.Gateway != gw.PublicID || minted.ExpiresAt.Sub(w.clock()) < 89*24*time.Hour || minted.Allows[0] != "up to 3 requests a day" {
		t.Fatalf("%+v", minted)
	}
	w.served(minted.Token, "sim-small")
	w.served(minted.Token, "")
	report := do(w, control.TokensInspect, control.InspectToken{Token: " " + minted.Token + "\n"})
	if !report.Works || report.Signature != "valid" || report.Gateway != "site" || report.ID != minted.ID || len(report.Limits) != 2 || report.Limits[0].Left != 1 {
		t.Errorf("%+v", report)
	}
	list := do(w, control.TokensList, control.ListTokens{Gateway: "site"})
	if len(list) != 1 || list[0].ID != minted.ID || list[0].State != "active" || list[0].Used.Requests != 2 || list[0].Gateway != "site" || list[0].LastUsedAt.IsZero() || list[0].Limits[0].Left != 1 {
		t.Errorf("%+v", list)
	}
	w.served(minted.Token, "sim-small")
	if a := w.chat(minted.Token, "sim-small"); a.status != 429 || a.code != "requests_limit" {
		t.Errorf("%+v", a)
	}
	if got := do(w, control.TokensRevoke, control.RevokeToken{Token: minted.Token}); got.Token != minted.ID || got.Gateway != "site" {
		t.Errorf("%+v", got)
	}
	if a := w.chat(minted.Token, "sim-small"); a.status != 401 || a.code != "token_revoked" {
		t.Errorf("%+v", a)
	}
	report = do(w, control.TokensInspect, control.InspectToken{Token: minted.Token})
	if report.Works || !strings.Contains(strings.Join(report.Wrong, " "), "was revoked on") {
		t.Errorf("%+v", report)
	}
	refused(w, control.TokensRevoke, control.RevokeToken{Token: minted.ID}, tally.Conflict, "already")
	if list := do(w, control.TokensList, control.ListTokens{}); len(list) != 1 || list[0].State != "revoked" || list[0].Used.Requests != 3 || list[0].Used.Refused != 2 {
		t.Errorf("%+v", list)
	}
	w.consistent()
	do(w, control.GatewaysDelete, control.Named{Name: "site"}) // and its revocations with it
	w.consistent()
}

// All tokens of a gateway can be ended at once; those minted after work.
func TestRevokingAllTokens(t *testing.T) {
	w, _ := site(t)
	before := do(w, control.TokensMint, control.MintToken{}).Token
	w.served(before, "sim-small")
	do(w, control.TokensRevoke, control.RevokeToken{All: true})
	after := do(w, control.TokensMint, control.MintToken{}).Token // within the same second
	if a := w.chat(before, "sim-small"); a.code != "token_revoked" {
		t.Errorf("%+v", a)
	}
	w.served(after, "sim-small")
	refused(w, control.TokensRevoke, control.RevokeToken{}, tally.Invalid, "say which")
	refused(w, control.TokensRevoke, control.RevokeToken{All: true, Token: "tok_1"}, tally.Invalid, "say which")
	refused(w, control.TokensRevoke, control.RevokeToken{Token: "a b"}, tally.Invalid, "tok_")
}

// An access token is listed from its minting, with what it may do, also after a restart;
// one that was minted elsewhere is known from its use.
func TestTokensAreListed(t *testing.T) {
	w, gw := site(t)
	list := func() map[string]control.TokenView {
		t.Helper()
		w.consistent()
		out := map[string]control.TokenView{}
		for _, v := range do(w, control.TokensList, control.ListTokens{}) {
			out[v.ID] = v
		}
		return out
	}
	minted := do(w, control.TokensMint, control.MintToken{Label: "product-page", TokenFields: control.TokenFields{Requests: "2/day"}})
	if v := list()[minted.ID]; v.Label != "product-page" || v.State != "active" || v.MintedBy == "" || !v.MintedAt.Equal(w.clock()) || v.Limits[0].Max != 2 || v.ExpiresAt.Sub(w.clock()).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("just minted: %+v", v)
	}
	refused(w, control.TokensMint, control.MintToken{Label: "Product-Page"}, tally.Conflict, "already")
	elsewhere, from, err := token.Mint(gw.PrivateKey, token.Options{Requests: "5/day"}, w.clock())
	if err != nil {
		t.Fatal(err)
	}
	w.served(elsewhere, "sim-small")
	w.served(minted.Token, "sim-small")
	w.restart()
	if v := list()[from.ID]; v.State != "unknown" || !v.MintedAt.IsZero() || v.Month.Requests != 1 {
		t.Errorf("minted elsewhere: %+v", v)
	}
	if v := list()[minted.ID]; v.State != "active" || v.Limits[0].Left != 1 || v.Month.Requests != 1 {
		t.Errorf("minted here: %+v", v)
	}
	w.served(minted.Token, "sim-small")
	a := w.chat(minted.Token, "sim-small")
	v := list()[minted.ID]
	if v.State != "used up" || v.Refused == nil || v.Refused.Count != 1 || v.Refused.Sentence != a.text || control.TokenTable.Tone(&v) != control.Bad {
		t.Errorf("used up: %+v", v)
	}
	if s := do(w, control.EngineStatus, control.None{}); s.Refused != (control.RefusedCounts{Tokens: 1}) {
		t.Errorf("status: %+v", s.Refused)
	}
	rows := do(w, control.TokensList, control.ListTokens{Rows: control.Rows{Filter: "label:product state:used"}})
	if len(rows) != 1 || rows[0].ID != minted.ID {
		t.Errorf("filtered: %+v", rows)
	}
	w.wait(91 * 24 * time.Hour)
	if v := list()[minted.ID]; v.State != "expired" {
		t.Errorf("expired: %+v", v)
	}
	refused(w, control.AuditUndo, control.UndoChange{}, tally.Invalid, "tokens revoke product-page")
	do(w, control.TokensRevoke, control.RevokeToken{Token: "product-page"})
	if v := list()[minted.ID]; v.State != "revoked" {
		t.Errorf("revoked: %+v", v)
	}
	if u := do(w, control.UsageShow, control.UsageQuery{Token: minted.ID, Since: "2026-11-01"}); u.Total.Requests != 2 {
		t.Errorf("its usage: %+v", u.Total)
	}
	do(w, control.TokensMint, control.MintToken{Label: "product-page"}) // the label is free again
}

// Whoever revokes an access token is told if nobody has ever seen it.
func TestRevokingWhatWasNeverSeen(t *testing.T) {
	w, gw := site(t)
	second := do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Second")}})
	elsewhere, from, err := token.Mint(second.PrivateKey, token.Options{}, w.clock())
	if err != nil {
		t.Fatal(err)
	}
	refused(w, control.TokensRevoke, control.RevokeToken{Token: from.ID, Gateway: "second"}, tally.NotFound, "never seen", "--force")
	if got := do(w, control.TokensRevoke, control.RevokeToken{Token: from.ID, Gateway: "second", Force: true}); got.Token != from.ID {
		t.Errorf("%+v", got)
	}
	if a := w.chat(elsewhere, "sim-small"); a.code != "token_revoked" {
		t.Errorf("%+v", a)
	}
	// One that was used is known, and its gateway found.
	used, from, err := token.Mint(gw.PrivateKey, token.Options{}, w.clock())
	if err != nil {
		t.Fatal(err)
	}
	w.served(used, "sim-small")
	w.restart()
	if got := do(w, control.TokensRevoke, control.RevokeToken{Token: from.ID}); got.Gateway != "site" {
		t.Errorf("%+v", got)
	}
}

// Minting without a word is safe, and that nothing shall bound it has to be said.
func TestMintingIsSafe(t *testing.T) {
	w, _ := site(t)
	out := do(w, control.TokensMint, control.MintToken{})
	says := strings.Join(out.Allows, "\n")
	for _, want := range []string{"up to 10,000 requests a month", "up to $10.00 in all", "each visitor's address: up to 20 requests a day", "for 90 days", "answered by sim-large, the cheapest that chats"} {
		if !strings.Contains(says, want) {
			t.Errorf("it does not say %q:\n%s", want, says)
		}
	}
	// A quota of each visitor bounds nothing that all of them use together.
	out = do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{IPQuota: "5/day"}})
	if says := strings.Join(out.Allows, "\n"); !strings.Contains(says, "up to $10.00 in all") || !strings.Contains(says, "up to 5 requests a day") || strings.Contains(says, "10,000") {
		t.Errorf("with a quota of each visitor alone:\n%s", says)
	}
	out = do(w, control.TokensMint, control.MintToken{Unlimited: true, TokenFields: control.TokenFields{Expires: "never"}})
	if !out.ExpiresAt.IsZero() || !strings.HasPrefix(out.Allows[0], "no limit") {
		t.Errorf("unlimited: %+v", out)
	}
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "site", GatewayFields: control.GatewayFields{Limits: edits(t, "cost=5/month"), DefaultModel: to("sim-small")}})
	out = do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{IPQuota: "5/day"}})
	if says := strings.Join(out.Allows, "\n"); !strings.Contains(says, "answered by sim-small, the gateway's default") || strings.Contains(says, "$10.00") {
		t.Errorf("it does not say which model answers:\n%s", says)
	}
	if g := do(w, control.GatewaysShow, control.Named{Name: "site"}); g.DefaultModelUsed != "sim-small" {
		t.Errorf("the gateway says %q", g.DefaultModelUsed)
	}
}

func TestBadTokens(t *testing.T) {
	w, gw := site(t)
	for _, tc := range []struct {
		f    control.TokenFields
		says string
	}{
		{control.TokenFields{Requests: "0/day"}, "requests: the limit"},
		{control.TokenFields{IPQuota: "-1"}, "ipQuota: the limit"},
		{control.TokenFields{Cost: "5 EUR"}, "the currency is USD, not EUR"},
		{control.TokenFields{Quota: "dollars=5"}, "quota: the type"},
		{control.TokenFields{Domains: []string{"https://mysite.com"}}, "domains: "},
		{control.TokenFields{AllowCountries: []string{"US"}, BlockCountries: []string{"RU"}}, "contradict"},
		{control.TokenFields{AllowCountries: []string{"UK"}}, "allowedCountries: UK"},
		{control.TokenFields{MaxOutput: new(int64(0))}, "maxOutput: the limit is a whole number above 0, not 0"},
		{control.TokenFields{MaxOutput: new(int64(4096))}, ""},
		{control.TokenFields{Expires: "some day"}, "not an expiry"},
		{control.TokenFields{Expires: "20w"}, ""},
	} {
		if tc.says == "" {
			do(w, control.TokensMint, control.MintToken{TokenFields: tc.f})
			continue
		}
		refused(w, control.TokensMint, control.MintToken{TokenFields: tc.f}, tally.Invalid, tc.says)
	}
	refused(w, control.TokensMint, control.MintToken{Gateway: "none"}, tally.NotFound, "site")
	for credential, says := range map[string]string{
		gw.PrivateKey:         "must stay secret",
		"wlm-zzzzzzzzz.a.b.c": "gateway zzzzzzzzz is not here",
		"hello":               "not an access token",
		do(w, control.TokensMint, control.MintToken{}).Token + "x": "not signed",
	} {
		got := do(w, control.TokensInspect, control.InspectToken{Token: credential})
		if got.Works || !strings.Contains(strings.Join(got.Wrong, "\n"), says) {
			t.Errorf("%.30s: %+v, want %q", credential, got, says)
		}
	}
}

// Of a token from the future the report says so once, and a simulated visitor is
// told as a real one.
func TestTokenFromTheFuture(t *testing.T) {
	w, _ := site(t)
	gw := w.engine.catalog.Load().Gateways[0]
	key, err := w.engine.verifier.PrivateKey(w.engine.catalog.Load(), gw)
	if err != nil {
		t.Fatal(err)
	}
	credential, _, err := token.Mint(string(key), token.Options{}, w.clock().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	got := do(w, control.TokensInspect, control.InspectToken{Token: credential})
	if got.Works || len(got.Wrong) != 1 || !strings.Contains(got.Wrong[0], "has not come yet") {
		t.Errorf("%+v", got)
	}
	visit := do(w, control.TokensSimulate, control.SimulateVisit{Token: credential})
	if last := visit.Steps[len(visit.Steps)-1]; visit.Passes || visit.Status != 401 || last.Name != stepTime || !strings.Contains(last.Detail, "has not come yet") {
		t.Errorf("%+v", visit)
	}
}

// A simulated visitor is told what a real one would be, and nothing is counted.
func TestSimulatedVisits(t *testing.T) {
	w, _ := site(t)
	minted := do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{Domains: []string{"mysite.com"}, AllowCountries: []string{"PT"}, IPQuota: "1/day", Cost: "1", Models: []string{"sim-small"}}})
	page, other := "https://mysite.com", "https://evil.example"
	for _, tc := range []struct {
		in     control.SimulateVisit
		code   string // "" passes
		failed string
	}{
		{control.SimulateVisit{Token: minted.Token, Origin: page, Country: "pt"}, "", ""},
		{control.SimulateVisit{Token: minted.Token, Origin: other, Country: "PT"}, "origin_not_allowed", "page"},
		{control.SimulateVisit{Token: minted.Token, Origin: page, Country: "ES"}, "country_not_allowed", "country"},
		{control.SimulateVisit{Token: minted.Token, Origin: page, Address: "203.0.113.9"}, "country_not_allowed", "country"},
		{control.SimulateVisit{Token: minted.Token, Origin: page, Country: "PT", Model: "sim-large"}, "model_not_allowed", "model"},
		{control.SimulateVisit{Token: minted.Token + "x", Origin: page}, "invalid_api_key", "signature"},
		{control.SimulateVisit{Origin: page}, "invalid_api_key", "gateway"},
	} {
		got := do(w, control.TokensSimulate, tc.in)
		at := slices.IndexFunc(got.Steps, func(s control.TryStep) bool { return !s.OK })
		failed := ""
		if at >= 0 {
			failed = got.Steps[at].Name
		}
		if got.Passes != (tc.code == "") || got.Code != tc.code || failed != tc.failed || tc.code != "" && at != len(got.Steps)-1 {
			t.Errorf("%+v: %+v, want %s at %s", tc.in, got, tc.code, tc.failed)
		}
	}
	do(w, control.TokensRevoke, control.RevokeToken{Token: minted.ID})
	if got := do(w, control.TokensSimulate, control.SimulateVisit{Token: minted.Token, Origin: page}); got.Code != "token_revoked" || len(got.Steps) != 3 {
		t.Errorf("%+v", got)
	}
	refused(w, control.TokensSimulate, control.SimulateVisit{Token: minted.Token, Address: "here"}, tally.Invalid, "IP address")
	refused(w, control.TokensSimulate, control.SimulateVisit{Token: minted.Token, Country: "ZZ"}, tally.Invalid, "ISO 3166")
	refused(w, control.TokensSimulate, control.SimulateVisit{Gateway: "site"}, tally.Invalid, "not public")
	if records := do(w, control.RequestsList, control.RequestQuery{}); len(records.Requests) != 0 {
		t.Errorf("%d records", len(records.Requests))
	}
}

// Visitors are added up from the records, without their addresses.
func TestVisitorsAreListed(t *testing.T) {
	w, _ := site(t)
	minted := do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{IPQuota: "2/day", Cost: "1"}})
	for range 3 {
		w.chat(minted.Token, "sim-small")
	}
	got := do(w, control.VisitorsList, control.ListVisitors{Gateway: "site", Token: minted.ID})
	if len(got.Visitors) != 1 || got.Partial || got.Visitors[0].Requests != 2 || got.Visitors[0].Refused != 1 || got.Visitors[0].Network != "192.0.2.0/24" || len(got.Visitors[0].Visitor) != 22 {
		t.Errorf("%+v", got)
	}
	if got := do(w, control.VisitorsList, control.ListVisitors{Token: "tok_other"}); len(got.Visitors) != 0 {
		t.Errorf("%+v", got)
	}
}

// A public gateway needs limits, and then serves whoever comes.
func TestPublicGateways(t *testing.T) {
	w, _ := site(t)
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "site", GatewayFields: control.GatewayFields{
		Access: to(tally.AccessPublic), Limits: edits(t, "requests=60/minute", "cost=5/day"), VisitorLimits: edits(t, "requests=1/day"),
	}})
	w.served("", "sim-small")
	if a := w.chat("", "sim-small"); a.code != "ip_quota" {
		t.Errorf("%+v", a)
	}
	if got := do(w, control.TokensSimulate, control.SimulateVisit{Gateway: "site"}); !got.Passes || got.Steps[0].Name != "gateway" {
		t.Errorf("%+v", got)
	}
	refused(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "site", GatewayFields: control.GatewayFields{VisitorLimits: edits(t, "requests=none/day")}}, tally.Invalid, "--visitor-limit")
}

// Usage of one gateway and of one token, by country and by reason of refusal.
func TestUsageOfVisitors(t *testing.T) {
	w, _ := site(t)
	w.withCountries()
	do(w, control.SettingsSet, control.SettingsFields{TrustedProxies: to([]string{"192.0.2.1"})})
	minted := do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{Requests: "2/day"}})
	for range 3 {
		w.from = "8.8.8.8"
		w.chat(minted.Token, "sim-small")
	}
	for _, in := range []control.UsageQuery{{Gateway: "site"}, {Token: minted.ID}} {
		in.By = "country"
		got := do(w, control.UsageShow, in)
		if len(got.Rows) != 1 || got.Rows[0].ID != "US" || got.Rows[0].Requests != 2 || got.Rows[0].Refused != 1 || got.Total.Requests != 2 || got.Total.Refused != 1 {
			t.Errorf("%+v: %+v", in, got)
		}
		in.By = "code"
		if got := do(w, control.UsageShow, in); len(got.Rows) != 2 || got.Rows[0].ID != "requests_limit" || got.Rows[0].Refused != 1 || got.Rows[1].ID != "" || got.Rows[1].Requests != 2 {
			t.Errorf("%+v: %+v", in, got)
		}
		in.By = "model"
		refused(w, control.UsageShow, in, tally.Invalid, "by code, country")
	}
	refused(w, control.UsageShow, control.UsageQuery{Gateway: "site", Token: minted.ID}, tally.Invalid, "one by one")
	v := do(w, control.GatewaysShow, control.Named{Name: "site"})
	if len(v.Countries) != 1 || v.Countries[0] != (control.Part{Name: "US", Requests: 2, Refused: 1}) || len(v.Refusals) != 1 || v.Refusals[0].Name != "requests_limit" {
		t.Errorf("%+v %+v", v.Countries, v.Refusals)
	}
}

// Whoever has the private key of a gateway chooses the IDs of its tokens. One that
// another gateway has as well shares neither its counters nor its end.
func TestTokensOfOneIDAreTwo(t *testing.T) {
	w, first := site(t)
	second := do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Other")}})
	minted := do(w, control.TokensMint, control.MintToken{Gateway: "site", TokenFields: control.TokenFields{Requests: "1/day"}})
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(minted.Token, ".")[2])
	if err != nil {
		t.Fatal(err)
	}
	signed := strings.Split(minted.Token, ".")[1] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), first.PublicID, second.PublicID, 1)))
	mac := hmac.New(sha256.New, []byte(second.PrivateKey))
	mac.Write([]byte(signed))
	twin := "wlm-" + second.PublicID + "." + signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))

	w.served(minted.Token, "sim-small")
	w.wait(time.Second)
	w.served(twin, "sim-small")
	if a := w.chat(twin, "sim-small"); a.code != "requests_limit" {
		t.Errorf("%+v", a)
	}
	if got := do(w, control.UsageShow, control.UsageQuery{By: "token"}); len(got.Rows) != 2 || got.Rows[0].ID != minted.ID || got.Rows[1].ID != minted.ID {
		t.Errorf("%+v", got.Rows)
	}
	if got := do(w, control.RequestsList, control.RequestQuery{Token: minted.Token}); len(got.Requests) != 1 || got.Requests[0].Token != minted.ID || got.Requests[0].Gateway != "site" {
		t.Errorf("%+v", got.Requests)
	}
	if got := do(w, control.RequestsList, control.RequestQuery{Token: minted.ID}); len(got.Requests) == 0 || got.Requests[0].Gateway != "other" {
		t.Errorf("the one that was used last: %+v", got.Requests)
	}
	do(w, control.TokensRevoke, control.RevokeToken{Token: minted.ID, Gateway: "other"})
	if a := w.chat(twin, "sim-small"); a.code != "token_revoked" {
		t.Errorf("%+v", a)
	}
	if a := w.chat(minted.Token, "sim-small"); a.code != "requests_limit" {
		t.Errorf("%+v", a)
	}
}
