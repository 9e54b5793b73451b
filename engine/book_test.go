package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A client that pays in advance is served for what it has paid, and no further.
func TestPaidInAdvance(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`), upstreamKey)
	cl, key := w.client("Aurora", "credits=balance")
	show := func() control.ClientView { return do(w, control.ClientsShow, control.Named{Name: cl.Slug}) }
	refused := func(when, words string) {
		t.Helper()
		if a := w.chat(key.Key, "gpt-mini"); a.status != 429 || a.code != "balance_limit" || !strings.Contains(a.text, words) {
			t.Errorf("%s: %d %s: %s", when, a.status, a.code, a.text)
		}
	}
	refused("nothing paid", "used up what was paid in advance")
	if v := show(); v.Balance != nil || v.Refused == nil || v.LimitStates[0].Text != "credits=balance" {
		t.Errorf("nothing paid: %+v", v)
	}
	paid := do(w, control.ClientsTopUp, control.AddFunds{Client: cl.Slug, Funds: tally.Dollar, Reference: "invoice 7"})
	if paid.Kind != tally.TopUp || paid.Funds != tally.Dollar || paid.Balance != tally.Dollar || paid.By == "" || paid.ClientSlug != cl.Slug {
		t.Errorf("paid: %+v", paid)
	}
	w.served(key.Key, "gpt-mini")
	v := show()
	used := v.Month.CreditsNanoUSD
	if used <= 0 || v.Balance.Left != tally.Dollar-used || v.Refused != nil {
		t.Errorf("served: %+v, %+v", v.Balance, v.Refused)
	}
	if s := v.LimitStates[0]; s.Max != int64(tally.Dollar) || s.Used != int64(used) || s.Left != int64(tally.Dollar-used) {
		t.Errorf("where the balance stands: %+v", s)
	}

	// What is taken back is gone, once.
	back := do(w, control.EntriesBack, control.ReverseEntry{Entry: string(paid.ID), Reason: "booked twice"})
	if back.Reverses != paid.ID || back.Funds != -tally.Dollar || back.Balance != -used {
		t.Errorf("taken back: %+v", back)
	}
	for _, id := range []tally.ID{paid.ID, back.ID} {
		if _, err := control.EntriesBack.Do(context.Background(), w.owner, control.ReverseEntry{Entry: string(id)}); err == nil {
			t.Errorf("%s was taken back again", id)
		}
	}
	refused("taken back", "used up what was paid in advance")
	do(w, control.ClientsGrant, control.AddFunds{Client: cl.Slug, Funds: used + 1})
	refused("a nano-dollar", "left of what was paid in advance, and this request needs up to")

	// An adjustment gives back what was used, and a limit by the month sees it, too.
	got := do(w, control.ClientsAdjust, control.AdjustClient{Client: cl.Slug, Credits: -control.Amount(used), Reason: "outage"})
	if got.Kind != tally.Adjustment || got.Credits != -used || show().Month.CreditsNanoUSD != 0 {
		t.Errorf("adjusted: %+v", got)
	}
	list := do(w, control.EntriesList, control.ListEntries{Client: cl.Slug})
	if len(list) != 4 || list[3].ReversedBy != back.ID || list[0].ID != got.ID {
		t.Errorf("entries: %+v", list)
	}
	if list := do(w, control.EntriesList, control.ListEntries{Kind: tally.Gift, Month: "2026-11"}); len(list) != 1 || list[0].Kind != tally.Gift {
		t.Errorf("gifts of the month: %+v", list)
	}
	if page := do(w, control.RequestsList, control.RequestQuery{Client: cl.Slug, Outcome: tally.OK}); len(page.Requests) != 1 {
		t.Errorf("entries are no requests: %+v", page)
	}
	do(w, control.ClientsDelete, control.Named{Name: cl.Slug})
	if list := do(w, control.EntriesList, control.ListEntries{}); len(list) != 4 || list[0].ClientSlug != cl.Slug {
		t.Errorf("entries of a client that is gone: %+v", list)
	}
	w.consistent()
}

// What is left of funds is taken back when their time is over, after what was used.
func TestFundsExpire(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`), upstreamKey)
	cl, key := w.client("Aurora", "credits=balance")
	do(w, control.ClientsTopUp, control.AddFunds{Client: cl.Slug, Funds: tally.Dollar})
	gift := do(w, control.ClientsGrant, control.AddFunds{Client: cl.Slug, Funds: tally.Dollar, Expires: "3d"})
	w.served(key.Key, "gpt-mini")
	expire := func() control.ClientView {
		t.Helper()
		if err := w.engine.expireFunds(context.Background()); err != nil {
			t.Fatal(err)
		}
		return do(w, control.ClientsShow, control.Named{Name: cl.Slug})
	}
	v := expire()
	used := v.Month.CreditsNanoUSD
	if v.Balance.Left != 2*tally.Dollar-used || v.Balance.Expiring != tally.Dollar-used || !v.Balance.ExpiresAt.Equal(gift.Expires) {
		t.Errorf("before: %+v", v.Balance)
	}
	w.wait(73 * time.Hour)
	for range 2 {
		if v = expire(); v.Balance.Left != tally.Dollar || v.Balance.Expiring != 0 {
			t.Errorf("after: %+v", v.Balance)
		}
	}
	list := do(w, control.EntriesList, control.ListEntries{Client: cl.Slug, Kind: tally.Expiry})
	if len(list) != 1 || list[0].Reverses != gift.ID || list[0].Funds != used-tally.Dollar {
		t.Errorf("expiries: %+v", list)
	}
	w.consistent()
}

func TestBookRefuses(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora")
	refused := func(err error, words string) {
		t.Helper()
		if e := tally.AsError(err); err == nil || e.Hint == "" || !strings.Contains(e.Message, words) {
			t.Errorf("%v (%s), want %q", err, e.Hint, words)
		}
	}
	ctx := context.Background()
	_, err := control.ClientsTopUp.Do(ctx, w.owner, control.AddFunds{Client: cl.Slug})
	refused(err, "above 0")
	_, err = control.ClientsTopUp.Do(ctx, w.owner, control.AddFunds{Client: cl.Slug, Funds: 1, Expires: "2026-01-01"})
	refused(err, "2026-01-01")
	_, err = control.ClientsAdjust.Do(ctx, w.owner, control.AdjustClient{Client: cl.Slug, Reason: "why"})
	refused(err, "how much")
	_, err = control.ClientsAdjust.Do(ctx, w.owner, control.AdjustClient{Client: cl.Slug, Credits: 5})
	refused(err, "say why")
	_, err = control.ClientsAdjust.Do(ctx, w.owner, control.AdjustClient{Client: cl.Slug, Credits: -5, As: tally.Fee, Reason: "why"})
	refused(err, "a fee is charged more")
	_, err = control.ClientsAdjust.Do(ctx, w.owner, control.AdjustClient{Client: cl.Slug, Credits: -5, As: tally.Recost, Reason: "why"})
	refused(err, "recost")
	_, err = control.EntriesBack.Do(ctx, w.owner, control.ReverseEntry{Entry: "en_none"})
	refused(err, "no entry")
	_, err = control.GatewaysUpdate.Do(ctx, w.owner, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{Limits: edits(t, "credits=balance")}})
	refused(err, "only a client has a balance")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, "credits=balance")}})
	_, err = control.ClientsRaise.Do(ctx, w.owner, control.RaiseClient{Client: cl.Slug, RaiseFields: control.RaiseFields{By: "5", Until: "3d"}})
	refused(err, "not raised")
}
