package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// The statements of a client cover all time once: what they come to together is what the
// ledger says, whatever is booked, for which day, and whenever months are closed. What was
// closed stays the same to the byte, also when records are pruned, names change, and the
// client is deleted.
func TestStatementsAreTheLedger(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		do(w, control.EngineSetup, control.Setup{TimeZone: control.Zone(rapid.SampledFrom([]string{"Asia/Kathmandu", "America/New_York", "Pacific/Kiritimati", "UTC"}).Draw(rt, "zone"))})
		gw := w.engine.catalog.Load().Gateways[0]
		do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: gw.Slug, GatewayFields: control.GatewayFields{CycleDay: to(rapid.SampledFrom([]int{1, 15, 31}).Draw(rt, "first day"))}})
		cl, key := w.client("Aurora")
		second := do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug, Label: "second"})
		other, otherKey := w.client("Other")
		closed := map[string]string{}
		begun := w.clock()
		for i := range rapid.IntRange(1, 40).Draw(rt, "acts") {
			w.wait(time.Duration(rapid.IntRange(0, 20*24*60).Draw(rt, "minutes")) * time.Minute)
			switch act := rapid.IntRange(0, 9).Draw(rt, "act"); act {
			case 0, 1, 2, 3:
				w.settled(1, func(r *tally.Record) {
					r.Gateway, r.Client, r.Key = gw.ID, cl.ID, rapid.SampledFrom([]tally.ID{key.ID, second.ID}).Draw(rt, "key")
					if act == 3 {
						r.Client, r.Key = other.ID, otherKey.ID
					}
					r.Model = rapid.SampledFrom([]string{"a", "b", ""}).Draw(rt, "model")
					r.Credits, r.Cost = tally.NanoUSD(rapid.Int64Range(0, 1e12).Draw(rt, "credits")), 7
				})
			case 4:
				do(w, control.ClientsAdjust, control.AdjustClient{Client: cl.Slug, Credits: control.Amount(rapid.Int64Range(1, 1e11).Draw(rt, "charged")), Reason: "fee"})
			case 5:
				do(w, control.ClientsTopUp, control.AddFunds{Client: cl.Slug, Funds: 5 * tally.Dollar})
			case 6: // of a day that may be long over
				day := w.clock().AddDate(0, 0, -rapid.IntRange(0, 70).Draw(rt, "days ago")).Format(time.DateOnly)
				if _, err := w.store.Enter(context.Background(), tally.Record{ID: tally.ID(fmt.Sprintf("en_%d", i)), At: w.clock(), Gateway: gw.ID, Client: cl.ID, Model: "a",
					Outcome: tally.Booked, Credits: tally.NanoUSD(rapid.Int64Range(-1e11, 1e11).Draw(rt, "recost")), Entry: &tally.Entry{Kind: tally.Recost, Day: day}}); err != nil {
					rt.Fatal(err)
				}
			case 7:
				do(w, control.ClientsTariff, control.SetTariff{Client: cl.Slug, Minimum: to(control.Amount(rapid.Int64Range(0, 500).Draw(rt, "minimum")) * control.Amount(tally.Dollar))})
			default:
				for _, v := range do(w, control.ClientsClose, control.StatementQuery{All: true, Month: "last"}) {
					if v.Problem != "" {
						rt.Errorf("not closed: %s", v.Problem)
					}
					text, _ := v.Statement.Text()
					if was, twice := closed[v.Number]; twice && was != text {
						rt.Errorf("closed as\n%s\nand is\n%s", was, text)
					}
					closed[v.Number] = text
				}
				for _, v := range do(w, control.ClientsStatement, control.StatementQuery{All: true, Month: "last"}) {
					if v.State() != "closed" {
						rt.Errorf("%s is %s once all are closed", v.Client.Slug, v.State())
					}
				}
			}
		}
		// All months, open and closed, of both clients.
		cal := calendarOf(w.engine.catalog.Load(), gw.ID, w.clock())
		for _, id := range []tally.ID{cl.ID, other.ID} {
			var sum, raised tally.NanoUSD
			for at := begun.AddDate(0, -4, 0); ; {
				p := tally.Window{Unit: tally.Month}.Period(at, cal.Zone, cal.CycleDay)
				v := do(w, control.ClientsStatement, control.StatementQuery{Client: string(id), Month: control.Month(p.Start.In(cal.Zone).Format("2006-01"))})[0]
				sum, raised = sum+v.Total, raised+v.Raised
				if !v.Period.From.Equal(p.Start) || !v.Period.Until.Equal(p.End) {
					rt.Fatalf("the month %v is %+v", p, v.Period)
				}
				byModel, byKey := tally.NanoUSD(0), tally.NanoUSD(0)
				for _, u := range v.Models {
					byModel += u.Credits
				}
				for _, u := range v.Keys {
					byKey += u.Credits
				}
				if byModel != v.Used || byKey != v.Used || v.Changed != nil {
					rt.Errorf("%s: %d by model, %d by key, %d used, changed %v", v.Period.Name, byModel, byKey, v.Used, v.Changed)
				}
				if x := v.Prepaid; x != nil && x.Before+x.Paid+x.Given+x.Expired-x.Charged != x.After {
					rt.Errorf("in advance: %+v", *x)
				}
				if at = p.End; at.After(w.clock()) {
					break
				}
			}
			points, err := w.store.Series(context.Background(), storage.SeriesQuery{Family: tally.ByClient, First: string(id), Edges: []time.Time{time.Unix(0, 0), bucketUp(w.clock().Add(time.Hour))}})
			if err != nil {
				rt.Fatal(err)
			}
			ledger := tally.NanoUSD(0)
			for _, x := range points {
				ledger += x.Credits
			}
			if sum-raised != ledger {
				rt.Errorf("statements of %s come to %d, the ledger to %d", id, sum-raised, ledger)
			}
		}
		// What was closed is the same when all else has gone.
		do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, NewSlug: "renamed", ClientFields: control.ClientFields{Name: to("Renamed")}})
		if _, err := w.store.Prune(context.Background(), storage.Before(w.clock().AddDate(0, 0, 2)), 0); err != nil {
			rt.Fatal(err)
		}
		do(w, control.ClientsDelete, control.Named{Name: "renamed"})
		list := do(w, control.StatementsList, control.ListStatements{})
		if len(list) != len(closed) {
			rt.Errorf("%d are listed of %d", len(list), len(closed))
		}
		numbers := []string{}
		for _, v := range list {
			numbers = append(numbers, v.Number)
			if shown := do(w, control.StatementsShow, control.PickStatement{Number: v.Number}); shown.State() != "closed" {
				rt.Errorf("%s is %s", v.Number, shown.State())
			} else if text, _ := shown.Statement.Text(); text != closed[v.Number] {
				rt.Errorf("closed as\n%s\nand is\n%s", closed[v.Number], text)
			}
		}
		if slices.Sort(numbers); len(slices.Compact(numbers)) != len(list) {
			rt.Errorf("a number was given twice: %v", numbers)
		}
	})
}

func TestStatementsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Aurora")
	spend := func() {
		w.settled(1, func(r *tally.Record) {
			r.Gateway, r.Client, r.Key, r.Model, r.Credits = cl.Gateway, cl.ID, key.ID, "m", tally.Dollar
		})
	}
	spend()
	for _, tc := range []struct {
		in   control.StatementQuery
		code tally.Code
		says string
	}{
		{control.StatementQuery{}, tally.Invalid, "say whose"},
		{control.StatementQuery{All: true, Client: cl.Slug}, tally.Invalid, "say whose"},
		{control.StatementQuery{Client: "nobody"}, tally.NotFound, "nobody"},
		{control.StatementQuery{Client: cl.Slug, Month: "2026-13"}, tally.Invalid, "2026-13"},
		{control.StatementQuery{Client: cl.Slug, Month: "last", Since: "2026-11-01"}, tally.Invalid, "span besides"},
		{control.StatementQuery{Client: cl.Slug, Since: "2026-11-20", Until: "2026-11-01"}, tally.Invalid, "empty"},
		{control.StatementQuery{Client: cl.Slug, Currency: "EUR"}, tally.Invalid, "needs a rate"},
		{control.StatementQuery{Client: cl.Slug, Tax: to(control.Percent(-1))}, tally.Invalid, "tax"},
	} {
		refused(w, control.ClientsStatement, tc.in, tc.code, tc.says)
	}
	refused(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug}, tally.Conflict, "not over")
	w.wait(20 * 24 * time.Hour)
	spend()
	one := do(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"})[0]
	if one.Number != "2026-0001" || one.Total != tally.Dollar || one.State() != "closed" {
		t.Errorf("closed %+v", one)
	}
	refused(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Since: "2026-11-15", Until: "2026-12-02"}, tally.Conflict, "2026-0001 has")
	// It is taken back once, and closed anew with another number.
	do(w, control.EntriesBack, control.ReverseEntry{Entry: string(one.Entry)})
	refused(w, control.EntriesBack, control.ReverseEntry{Entry: string(one.Entry)}, tally.Conflict, "taken back already")
	if back := do(w, control.StatementsShow, control.PickStatement{Number: "2026-0001"}); back.State() != "taken back" || back.Total != one.Total {
		t.Errorf("taken back: %+v", back)
	}
	refused(w, control.StatementsShow, control.PickStatement{Number: "2026-0009"}, tally.NotFound, "2026-0009")
	if again := do(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"})[0]; again.Number != "2026-0002" || again.Total != tally.Dollar {
		t.Errorf("closed anew %+v", again)
	}
}

// A month is closed once nothing of it is under way: what was held at its end is on its
// statement, and on no other.
func TestClosingWaits(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Aurora", "credits=30/month")
	do(w, control.ClientsTariff, control.SetTariff{Client: cl.Slug, Minimum: to(control.Amount(30 * tally.Dollar))})
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) // Lisbon's
	w.wait(end.Add(-10 * time.Second).Sub(w.clock()))
	rec := tally.Record{ID: "req_late", At: w.clock(), Gateway: cl.Gateway, Client: cl.ID, Key: key.ID, Model: "m", Status: 200, Outcome: tally.OK, Count: 1}
	if _, err := w.store.Reserve(context.Background(), tally.Reservation{ID: rec.ID, At: rec.At, ExpiresAt: rec.At.Add(time.Hour), Draft: rec}); err != nil {
		t.Fatal(err)
	}
	w.wait(time.Minute)
	refused(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"}, tally.Conflict, "waiting for room", "from 00:05 on")
	w.wait(5 * time.Minute)
	refused(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"}, tally.Conflict, "1 request is", "in a minute")
	rec.Credits = 7 * tally.Dollar
	if err := w.store.Settle(context.Background(), tally.Settlement{ID: rec.ID, Record: rec}); err != nil {
		t.Fatal(err)
	}
	v := do(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"})[0]
	if v.Used != 7*tally.Dollar || v.Raised != 23*tally.Dollar || v.Total != 30*tally.Dollar {
		t.Errorf("closed %+v", v)
	}
	// What the minimum adds is owed, and takes nothing from this month's limit.
	if now := do(w, control.ClientsShow, control.Named{Name: cl.Slug}); now.Refused != nil || now.Month.CreditsNanoUSD != 0 {
		t.Errorf("the month after has %+v, refused %+v", now.Month, now.Refused)
	}
}

// The calendar of a gateway may change: a closed month stays the same, and the next one goes
// on where it ended.
func TestStatementsOverACalendarThatChanges(t *testing.T) {
	for _, change := range []control.GatewayFields{{TimeZone: to(control.Zone("America/New_York"))}, {TimeZone: to(control.Zone("Asia/Tokyo"))}, {CycleDay: to(3)}} {
		w := newWorld(t)
		w.setUp()
		cl, key := w.client("Aurora")
		spend := func(at time.Time) {
			w.wait(at.Sub(w.clock()))
			w.settled(1, func(r *tally.Record) {
				r.Gateway, r.Client, r.Key, r.Model, r.Credits = cl.Gateway, cl.ID, key.ID, "m", tally.Dollar
			})
		}
		spend(noon.Add(time.Hour))
		spend(time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC))
		one := do(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"})[0]
		gw := w.engine.catalog.Load().Gateways[0]
		do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: gw.Slug, GatewayFields: change})
		if again := do(w, control.ClientsStatement, control.StatementQuery{Client: cl.Slug, Month: "2026-11"})[0]; again.Number != one.Number || again.Total != tally.Dollar {
			t.Errorf("November was %s of %d, and is %q of %d", one.Number, one.Total, again.Number, again.Total)
		}
		spend(time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC))
		next := do(w, control.ClientsStatement, control.StatementQuery{Client: cl.Slug, Month: "2026-12"})[0]
		if next.Used != 2*tally.Dollar || !next.Period.From.Equal(one.Period.Until) {
			t.Errorf("%+v: December has %d from %v on, want 2 dollars from %v on", change, next.Used, next.Period.From, one.Period.Until)
		}
	}
}

// A client that is deleted owes what it has used, and its minimum, by the calendar of its
// gateway; of another one that had its name nothing is on its statement.
func TestStatementsOfDeletedClients(t *testing.T) {
	w := newWorld(t)
	do(w, control.EngineSetup, control.Setup{TimeZone: "Asia/Tokyo"})
	gw := w.engine.catalog.Load().Gateways[0]
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: gw.Slug, GatewayFields: control.GatewayFields{CycleDay: to(15)}})
	ids := []tally.ID{}
	for i := range 2 {
		cl, key := w.client("Aurora")
		do(w, control.ClientsTariff, control.SetTariff{Client: cl.Slug, Minimum: to(control.Amount(30 * tally.Dollar))})
		w.settled(1, func(r *tally.Record) {
			r.Gateway, r.Client, r.Key, r.Model, r.Credits = cl.Gateway, cl.ID, key.ID, "m", tally.NanoUSD(i+1)*tally.Dollar
		})
		do(w, control.ClientsDelete, control.Named{Name: cl.Slug})
		ids = append(ids, cl.ID)
	}
	for i, id := range ids {
		v := do(w, control.ClientsStatement, control.StatementQuery{Client: string(id), Month: "2026-11"})[0]
		want := tally.NanoUSD(i+1) * tally.Dollar
		if v.Used != want || v.Total != 30*tally.Dollar || v.Client.Name != "Aurora" || v.Period.First != "2026-11-15" || v.Period.Zone != "Asia/Tokyo" {
			t.Errorf("%s: %+v", id, v.Statement)
		}
		if len(v.Keys) != 1 || v.Keys[0].Name != "default" || v.Keys[0].Credits != want {
			t.Errorf("%s has the keys %+v", id, v.Keys)
		}
	}
	w.wait(60 * 24 * time.Hour)
	if later := do(w, control.ClientsStatement, control.StatementQuery{All: true}); len(later) != 0 {
		t.Errorf("later they owe %+v", later)
	}
}
