package engine

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A visit is a visitor on a day: who asks twice is one, who comes again tomorrow another.
// Whoever was only refused made none.
func TestVisitsOfATokenAreCounted(t *testing.T) {
	w, _ := site(t)
	w.withCountries()
	do(w, control.SettingsSet, control.SettingsFields{TrustedProxies: to([]string{"192.0.2.1"})})
	for _, model := range []string{"sim-small"} {
		do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: model}, ModelFields: control.ModelFields{Prices: []control.PriceField{{Class: "input", Amount: tally.Dollar}, {Class: "output", Amount: tally.Dollar}}}})
	}
	minted := do(w, control.TokensMint, control.MintToken{Label: "page", TokenFields: control.TokenFields{IPQuota: "2/day", BlockCountries: []string{"RU"}, Cost: "5"}})
	from := func(address string, times int) {
		for range times {
			w.from = address
			w.chat(minted.Token, "sim-small")
		}
	}
	from("8.8.8.8", 3) // the third is refused
	from("8.8.4.4", 1)
	from("95.24.6.1", 1) // from where nobody is served
	w.wait(24 * time.Hour)
	from("8.8.8.8", 1)
	v := do(w, control.TokensShow, control.PickToken{Token: "page", Gateway: "site"})
	if v.ID != minted.ID || v.Total.Visits != 3 || v.Total.Requests != 4 || v.Total.Refused != 2 {
		t.Errorf("in all %+v", v.Total)
	}
	if len(v.Days) != 2 || v.Days[0].Visits != 1 || v.Days[1].Visits != 2 || v.Days[0].Name <= v.Days[1].Name {
		t.Errorf("by day %+v", v.Days)
	}
	if len(v.Countries) != 2 || v.Countries[0].Name != "US" || v.Countries[0].Visits != 3 || v.Countries[1].Name != "RU" || v.Countries[1].Visits != 0 || v.Countries[1].Refused != 1 {
		t.Errorf("by country %+v", v.Countries)
	}
	if v.Total.CostNano <= 0 || v.CostVisitNano != v.Total.CostNano/3 || v.CostVisitUSD != v.CostVisitNano.String() {
		t.Errorf("a visit costs %s of %s", v.CostVisitUSD, v.Total.CostUSD)
	}
	sum := tally.NanoUSD(0)
	for _, day := range v.Days {
		sum += day.CostNano
	}
	if sum != v.Total.CostNano || sum != v.Used.CostNanoUSD {
		t.Errorf("the days cost %s, all %s, and the books have %s", sum, v.Total.CostNano, v.Used.CostNanoUSD)
	}
	if since := do(w, control.TokensShow, control.PickToken{Token: minted.ID, Since: "1h"}); since.Total.Visits != 1 {
		t.Errorf("in the last hour %+v", since.Total)
	}
	refused(w, control.TokensShow, control.PickToken{Token: "pagx"}, tally.NotFound, "pagx")
	e := refused(w, control.TokensShow, control.PickToken{Token: minted.Token + "x", Gateway: "main"}, tally.NotFound, "")
	if strings.Contains(e.Message+e.Hint, "eyJ") {
		t.Errorf("the error has the token: %s", e.Message)
	}
}

// What a short-lived token uses is its parent's, wherever the owner looks, and it ends with
// that.
func TestAShortLivedTokenIsItsParents(t *testing.T) {
	w, _ := site(t)
	parent := do(w, control.TokensMint, control.MintToken{Label: "server", TokenFields: control.TokenFields{Mints: true, Requests: "2/day", Expires: "30d"}})
	if !parent.Mints || !strings.Contains(strings.Join(parent.Allows, "\n"), "it is for no page") {
		t.Errorf("minted %+v", parent)
	}
	made := struct{ Token string }{}
	r := httptest.NewRequest(http.MethodPost, "/v1/tokens", strings.NewReader(`{"expires_in":600,"visitor":"anna"}`))
	r.Header.Set("Authorization", "Bearer "+parent.Token)
	rec := httptest.NewRecorder()
	w.engine.Public().ServeHTTP(rec, r)
	if err := json.Unmarshal(rec.Body.Bytes(), &made); err != nil || made.Token == "" {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	w.served(made.Token, "sim-small")
	w.served(made.Token, "sim-small")
	if a := w.chat(made.Token, "sim-small"); a.code != "requests_limit" {
		t.Errorf("%+v", a)
	}
	list := do(w, control.TokensList, control.ListTokens{})
	if len(list) != 1 || list[0].Label != "server" || list[0].State != "used up" || list[0].Month.Requests != 2 || !list[0].Mints {
		t.Errorf("the list is %+v", list)
	}
	report := do(w, control.TokensInspect, control.InspectToken{Token: made.Token})
	if says := strings.Join(report.Says, "\n"); !report.Works || report.Signature != "valid" || !strings.Contains(says, "made of "+parent.ID) {
		t.Errorf("it is explained as %+v", report)
	}
	do(w, control.TokensRevoke, control.RevokeToken{Token: "server"})
	if a := w.chat(made.Token, "sim-small"); a.code != "token_revoked" {
		t.Errorf("%+v", a)
	}
	w.consistent()
}
