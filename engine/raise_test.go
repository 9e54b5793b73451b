package engine

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A limit that is used up is raised until Friday: the client is served again at once,
// until then, and no longer.
func TestRaise(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Aurora", "requests=1/month", "cost=50/month")
	raise := func(limit, by string, until control.Expiry) control.RaiseClient {
		return control.RaiseClient{Client: cl.Slug, RaiseFields: control.RaiseFields{Limit: limit, By: by, Until: until}}
	}
	state := func() control.LimitState {
		t.Helper()
		w.consistent()
		return do(w, control.ClientsShow, control.Named{Name: cl.Slug}).LimitStates[0]
	}
	refusedNow := func(when string) {
		t.Helper()
		if a := w.chat(key.Key, "sim-small"); a.code != "requests_limit" {
			t.Errorf("%s: %d %s", when, a.status, a.code)
		}
	}
	w.served(key.Key, "sim-small")
	refusedNow("used up")

	until := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC) // in Lisbon, too
	got := do(w, control.ClientsRaise, raise("requests/month", "2", "2026-11-27"))
	if got.Base != 1 || got.Max != 3 || got.Left != 2 || len(got.Raises) != 1 || !got.Raises[0].Until.Equal(until) || got.Text != "requests=1/month +2 until 2026-11-27 00:00" {
		t.Errorf("raised: %+v", got)
	}
	if x := last(w); x.Op != "clients.raise" || len(x.Fields) != 1 || x.Fields[0].Field != "raises" {
		t.Errorf("the audit log says %+v", x)
	}
	w.served(key.Key, "sim-small")
	w.served(key.Key, "sim-small")
	refusedNow("used up again")

	// Another one adds to it; a changed limit keeps both.
	do(w, control.ClientsRaise, raise("requests", "1", "30m"))
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, "requests=2/month")}})
	if s := state(); s.Base != 2 || s.Max != 5 {
		t.Errorf("changed while it is raised: %+v", s)
	}
	w.wait(30 * time.Minute)
	if s := state(); s.Max != 4 || s.Used != 3 {
		t.Errorf("when the shorter is over: %+v", s)
	}
	w.wait(until.Sub(w.clock()) - time.Nanosecond)
	w.served(key.Key, "sim-small")
	w.wait(time.Nanosecond)
	refusedNow("at the end")
	if s := state(); s.Max != 2 || s.Used != 4 || s.Left != -2 || len(s.Raises) != 0 {
		t.Errorf("when it is over: %+v", s)
	}

	// It ends early by hand, and with its limit.
	do(w, control.ClientsRaise, raise("requests/month", "10", "2d"))
	w.served(key.Key, "sim-small")
	do(w, control.ClientsRaise, raise("requests/month", "none", ""))
	refusedNow("ended early")
	refused(w, control.ClientsRaise, raise("requests/month", "none", ""), tally.NotFound, "not raised")
	do(w, control.ClientsRaise, raise("requests/month", "10", "2d"))
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, "requests=none/month", "requests=5/month")}})
	if v := do(w, control.ClientsShow, control.Named{Name: cl.Slug}); len(v.Raises) != 0 {
		t.Errorf("its limit was removed, and made anew: %+v", v.Raises)
	}

	// Keys and gateways alike.
	do(w, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Key: string(key.ID)}, Limits: edits(t, "cost=1/day")})
	if s := do(w, control.KeysRaise, control.RaiseKey{PickKey: control.PickKey{Key: string(key.ID)}, RaiseFields: control.RaiseFields{Limit: "cost", By: "0.50", Until: "1d"}}); s.Max != 1_500_000_000 || s.Of != "key" {
		t.Errorf("of a key: %+v", s)
	}
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{Limits: edits(t, "tokens=1k/total")}})
	if s := do(w, control.GatewaysRaise, control.RaiseGateway{Gateway: "main", RaiseFields: control.RaiseFields{Limit: "tokens/total", By: "2k", Until: "1d"}}); s.Max != 3000 {
		t.Errorf("of a gateway: %+v", s)
	}

	for _, c := range []struct {
		in    control.RaiseClient
		code  tally.Code
		words string
	}{
		{raise("cost/day", "1", "1d"), tally.NotFound, "cost/month"},
		{raise("cost/month", "-1", "1d"), tally.Invalid, "raised by"},
		{raise("cost/month", "much", "1d"), tally.Invalid, "raised by"},
		{raise("cost/month", "1", ""), tally.Invalid, "needs an end"},
		{raise("cost/month", "1", "never"), tally.Invalid, "needs an end"},
		{raise("cost/month", "1", "2026-01-01"), tally.Invalid, "passed"},
		{raise("requests/month", "1000000000000000", "1d"), tally.Invalid, "between"},
		{control.RaiseClient{Client: "nobody", RaiseFields: control.RaiseFields{Limit: "cost", By: "1", Until: "1d"}}, tally.NotFound, "nobody"},
	} {
		refused(w, control.ClientsRaise, c.in, c.code, c.words)
	}
}

// What is raised is named by the error, not only the form of the command.
func TestRaiseNamesTheLimits(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "cost=50/month", "requests=60/minute")
	raise := func(client string) control.RaiseClient {
		return control.RaiseClient{Client: client, RaiseFields: control.RaiseFields{By: "9", Until: "friday"}}
	}
	refused(w, control.ClientsRaise, raise(cl.Slug), tally.Invalid, "cost/month, requests/minute")
	refused(w, control.ClientsRaise, raise("auror"), tally.NotFound, "aurora")
	one, _ := w.client("Borealis", "cost=50/month")
	if s := do(w, control.ClientsRaise, raise(one.Slug)); s.Max != 59e9 {
		t.Errorf("the only limit is %+v", s)
	}
	refused(w, control.ClientsRaise, control.RaiseClient{Client: one.Slug, RaiseFields: control.RaiseFields{Until: "friday"}}, tally.Invalid, "--by 20")
}
