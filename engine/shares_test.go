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

// look asks for what the page of a link shows.
func (w *world) look(path, secret string) (status int, body string, h http.Header) {
	w.Helper()
	r := httptest.NewRequest(http.MethodGet, "/share/"+path, nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Origin", "https://elsewhere.example")
	rec := httptest.NewRecorder()
	w.engine.Public().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String(), rec.Header()
}

// secretOf is what a link has behind its page's address.
func secretOf(t *testing.T, made control.ShareCreated) string {
	t.Helper()
	_, secret, ok := strings.Cut(made.URL, "/share#")
	if !ok {
		t.Fatalf("the link is %s", made.URL)
	}
	return secret
}

// Whoever has a link sees the client's own figures and statements, and nothing that is its
// owner's alone or another client's.
func TestAClientsOwnPage(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	w.provider("secret-source", newUpstream(t, `{"id":"gpt-mini"}`), upstreamKey)
	cl, own := w.client("Aurora", "cost=40/month", "credits=30/month", "requests=3/month")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Markup: to(control.Percent(10_000))}})
	w.client("Borealis")
	do(w, control.ClientsTopUp, control.AddFunds{Client: cl.Slug, Funds: 7 * tally.Dollar})
	w.wait(time.Minute)
	for range 3 {
		w.served(own.Key, "gpt-mini")
	}
	w.served(key, "gpt-mini")
	w.chat(own.Key, "gpt-mini") // which is refused
	w.wait(12 * 24 * time.Hour) // it is December
	do(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"})
	w.served(own.Key, "gpt-mini")
	w.chat(own.Key, "gpt-none")

	secret := secretOf(t, do(w, control.ShareCreate, control.CreateShare{Client: cl.Slug}))
	status, body, h := w.look("data", secret)
	if status != http.StatusOK || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Access-Control-Allow-Origin") != "" {
		t.Fatalf("status %d, %v: %s", status, h, body)
	}
	var page sharedPage
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	v := do(w, control.ClientsShow, control.Named{Name: cl.Slug})
	if page.Client != "Aurora" || page.Month.Requests != 1 || page.Month.Credits != v.Month.CreditsNanoUSD || page.Month.Credits != 2*v.Month.CostNanoUSD {
		t.Errorf("the month is %+v, the client %+v", page.Month, v.Month)
	}
	if len(page.Refused) != 1 || page.Refused[0].Times != 1 || len(page.Models) != 1 || page.Models[0].Name != "gpt-mini" {
		t.Errorf("refused %+v, models %+v", page.Refused, page.Models)
	}
	if len(page.Limits) != 3 || page.Limits[0].Text != "0% of the budget" || page.Limits[0].Left != "" || !strings.HasSuffix(page.Limits[1].Text, " of $30.00") {
		t.Errorf("limits %+v", page.Limits)
	}
	if page.Balance == "" || len(page.Statements) != 1 {
		t.Fatalf("balance %q, statements %+v", page.Balance, page.Statements)
	}
	status, text, _ := w.look("statements/"+page.Statements[0].Number, secret)
	if status != http.StatusOK || !strings.Contains(text, "Aurora") || !strings.Contains(text, "gpt-mini") {
		t.Errorf("its statement: %d %s", status, text)
	}
	for _, hidden := range []string{"secret-source", "cost", "margin", "Borealis", "$40", string(cl.ID)} {
		if strings.Contains(body, hidden) || strings.Contains(text, hidden) {
			t.Errorf("it tells %q: %s\n%s", hidden, body, text)
		}
	}
	if status, body, _ := w.look("statements/2026-9999", secret); status != http.StatusNotFound {
		t.Errorf("a statement that is not there: %d %s", status, body)
	}
}

// A link opens one page and nothing else, no other credential opens it, and one that has
// ended is told like one that never was.
func TestALinkOpensNothingElse(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	cl, own := w.client("Aurora")
	site := do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}})
	admin := do(w, control.AdminAdd, control.AddAdmin{Name: "ci", Role: tally.RoleOwner}).Token
	made := do(w, control.ShareCreate, control.CreateShare{Client: cl.Slug, Expires: "2d"})
	secret := secretOf(t, made)
	if a := w.chat(secret, "sim-small"); a.status != http.StatusUnauthorized || a.code != tally.CodeInvalidKey {
		t.Errorf("as a key: %+v", a)
	}
	if _, _, _, ok := w.engine.AdminBy(secret); ok {
		t.Error("it opens the control plane")
	}
	_, never, _ := w.look("data", "tgs_"+strings.Repeat("x", 43))
	dead := func(why, credential string) {
		t.Helper()
		for _, path := range []string{"data", "statements/2026-0001"} {
			if status, body, _ := w.look(path, credential); status != http.StatusUnauthorized || body != never {
				t.Errorf("%s, %s: %d %s", path, why, status, body)
			}
		}
	}
	for _, other := range []string{key, own.Key, site.PrivateKey, admin, "", secret + "x", secret[:len(secret)-1]} {
		dead("another credential", other)
	}
	before := w.engine.Public().Unknown()
	dead("a guess", "tgs_"+strings.Repeat("y", 43))
	if w.engine.Public().Unknown() <= before {
		t.Error("a guess is not counted")
	}
	if status, _, _ := w.look("data", secret); status != http.StatusOK {
		t.Errorf("the link itself: %d", status)
	}
	w.wait(48 * time.Hour)
	dead("expired", secret)

	made = do(w, control.ShareCreate, control.CreateShare{Client: cl.Slug})
	if list := do(w, control.ShareList, control.ListShares{Client: cl.Slug}); len(list) != 1 || list[0].State != "active" {
		t.Errorf("what has expired made no room: %+v", list)
	}
	do(w, control.ShareRevoke, control.PickShare{ID: string(made.ID)})
	dead("revoked", secretOf(t, made))
	refused(w, control.AuditUndo, control.UndoChange{}, tally.Invalid)
	refused(w, control.ShareRevoke, control.PickShare{ID: string(made.ID)}, tally.NotFound)

	made = do(w, control.ShareCreate, control.CreateShare{Client: cl.Slug})
	w.restart()
	if status, _, _ := w.look("data", secretOf(t, made)); status != http.StatusOK {
		t.Errorf("after a restart: %d", status)
	}
	do(w, control.ClientsDelete, control.Named{Name: cl.Slug})
	dead("of a client that was deleted", secretOf(t, made))
	if list := do(w, control.ShareList, control.ListShares{}); len(list) != 0 {
		t.Errorf("links are left: %+v", list)
	}
	w.consistent()
}
