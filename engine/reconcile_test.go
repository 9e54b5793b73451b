package engine

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// billing is a world with requests of a provider whose bills are compared.
type billing struct {
	*world
	up      tally.ID
	client  tally.ID
	gateway tally.ID
	prices  map[string]tally.ID
}

func newBilling(t *testing.T) *billing {
	w := newWorld(t)
	w.setUp()
	w.provider("up", newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`), upstreamKey)
	cl, _ := w.client("Aurora")
	c := w.engine.catalog.Load()
	b := &billing{world: w, client: cl.ID, gateway: cl.Gateway, prices: map[string]tally.ID{}}
	for _, m := range c.Models {
		if p := c.Provider(m.Provider); p.Name == "up" {
			b.up, b.prices[m.Name] = p.ID, m.Prices[0].ID
		}
	}
	return b
}

// request books a request of now for a model at a cost.
func (b *billing) request(model string, cost tally.NanoUSD, edit func(*tally.Record)) tally.ID {
	b.Helper()
	r := tally.Reservation{ID: tally.NewID("req", b.clock()), At: b.clock(), ExpiresAt: b.clock().Add(time.Minute),
		Draft: tally.Record{Gateway: b.gateway, Client: b.client, Model: model}}
	if _, err := b.store.Reserve(context.Background(), r); err != nil {
		b.Fatal(err)
	}
	rec := r.Draft
	rec.Outcome, rec.Status, rec.Provider, rec.Upstream, rec.Basis = tally.OK, 200, b.up, model, tally.Exact
	rec.Tokens, rec.Price, rec.Cost, rec.Credits = tally.Tokens{Input: 1000}, b.prices[model], cost, cost
	if edit != nil {
		edit(&rec)
	}
	if err := b.store.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: rec}); err != nil {
		b.Fatal(err)
	}
	return r.ID
}

// bill is an export of lines, from 21 November on.
func billOf(last string, lines ...control.BillLine) *control.Bill {
	for i := range lines {
		lines[i].Rows = 1
	}
	return &control.Bill{Format: "OpenAI costs", First: "2026-11-21", Last: last, Rows: int64(len(lines)), Unit: tally.Dollar / 10_000, Lines: lines}
}

func line(day, model string, cents int64) control.BillLine {
	return control.BillLine{Day: "2026-11-" + day, Model: model, Cost: tally.NanoUSD(cents) * tally.Dollar / 100}
}

// rowOf is a row of a day and a model.
func rowOf(t *testing.T, out *control.Reconciled, day, model string) *control.ReconcileRow {
	t.Helper()
	for i := range out.Rows {
		if r := &out.Rows[i]; r.Day == "2026-11-"+day && r.Model == model {
			return r
		}
	}
	t.Fatalf("nothing of %s on %s: %+v", model, day, out.Rows)
	return nil
}

// A request that they do not have and a model at another rate are found and named, what is the
// same differs by nothing; the owner is told until it is booked, which it is once.
func TestReconcile(t *testing.T) {
	b := newBilling(t)
	missing := b.request("gpt-mini", 70*tally.Dollar/100, nil)
	b.request("gpt-mini", 30*tally.Dollar/100, nil)
	for day := range 3 {
		b.request("gpt-large", tally.NanoUSD(day+1)*tally.Dollar, nil)
		if day == 1 {
			b.request("gpt-mini", 50*tally.Dollar/100, nil)
		}
		b.wait(24 * time.Hour)
	}
	ask := control.Reconcile{Provider: "up", Bill: billOf("2026-11-23", line("21", "gpt-mini-2026-07-18", 30), line("22", "gpt-mini-2026-07-18", 50),
		line("21", "gpt-large", 80), line("22", "gpt-large", 160), line("23", "gpt-large", 240))}
	out := do(b.world, control.ProvidersReconcile, ask)
	if out.First != "2026-11-21" || out.Last != "2026-11-23" || len(out.Rows) != 5 || out.Ours != 750*tally.Dollar/100 || out.Theirs != 560*tally.Dollar/100 || !out.Off || out.DaysOff != 3 {
		t.Errorf("%+v", out)
	}
	if r := rowOf(t, &out, "21", "gpt-mini"); r.Requests != 2 || r.Difference != -70*tally.Dollar/100 || r.Cause != control.CauseMissing || !strings.Contains(r.Why, string(missing)) {
		t.Errorf("a request that they have not: %+v", r)
	}
	if r := rowOf(t, &out, "22", "gpt-mini"); r.Difference != 0 || r.Cause != "" || r.Why != "" {
		t.Errorf("what is the same: %+v", r)
	}
	for _, day := range []string{"21", "22", "23"} {
		r := rowOf(t, &out, day, "gpt-large")
		if r.Cause != control.CauseRate || !strings.Contains(r.Why, "3 days they charged 0.800 times") || !strings.Contains(r.Why, string(b.prices["gpt-large"])) ||
			!strings.Contains(r.Next, "prices set gpt-large --provider up --price input=2 --price output=8 --from 2026-11-21") {
			t.Errorf("another rate: %+v", r)
		}
	}
	status := do(b.world, control.EngineStatus, control.None{})
	warned := func(s *control.Status) (all []control.Warning) {
		for _, w := range s.Warnings {
			if w.Kind == control.WarnReconcile {
				all = append(all, w)
			}
		}
		return all
	}
	if w := warned(&status); len(w) != 1 || w[0].Thing.Name != "up" || w[0].Alert == "" || !strings.Contains(w[0].Sentence, "up billed $5.60 from 2026-11-21 to 2026-11-23, and $7.50 is booked") ||
		!strings.Contains(w[0].Next, "prices set") {
		t.Errorf("warnings: %+v", w)
	}
	do(b.world, control.ProvidersReconcile, ask)
	if open := do(b.world, control.AlertsList, control.ListAlerts{Open: true}); len(open) != 1 || open[0].Alert.Alert != tally.AlertReconcile {
		t.Errorf("told of the same bill twice: %+v", open)
	}
	b.restart()
	if status = do(b.world, control.EngineStatus, control.None{}); len(warned(&status)) != 1 {
		t.Error("after a start nothing warns of the bill")
	}

	ask.Book = true
	booked := do(b.world, control.ProvidersReconcile, ask)
	if booked.Booked != -190*tally.Dollar/100 || rowOf(t, &booked, "21", "gpt-mini").Entry == "" || rowOf(t, &booked, "22", "gpt-mini").Entry != "" {
		t.Errorf("booked %+v", booked)
	}
	again := do(b.world, control.ProvidersReconcile, ask)
	if again.Booked != 0 || again.Difference != 0 || again.Off || again.Ours != out.Theirs {
		t.Errorf("the second time: %+v", again)
	}
	list := do(b.world, control.EntriesList, control.ListEntries{Kind: tally.Adjustment})
	if len(list) != 4 || list[0].Client != "" || list[0].Gateway == "" || list[0].Credits != 0 || list[0].Cost >= 0 || !strings.Contains(list[0].Reason, "up billed") {
		t.Errorf("entries: %+v", list)
	}
	status = do(b.world, control.EngineStatus, control.None{})
	if open := do(b.world, control.AlertsList, control.ListAlerts{Open: true}); len(open) != 0 || len(warned(&status)) != 0 {
		t.Errorf("once it is booked: %+v, %+v", open, warned(&status))
	}
	// What is taken back differs again, and is booked again.
	do(b.world, control.EntriesBack, control.ReverseEntry{Entry: string(list[0].ID), Reason: "no"})
	if once := do(b.world, control.ProvidersReconcile, ask); once.Booked != list[0].Cost {
		t.Errorf("after it was taken back: %+v", once)
	}
	if report := do(b.world, control.EngineVerify, control.None{}); !report.OK {
		t.Errorf("the books: %+v", report)
	}
}

// Each cause is named where the figures show it, and no other one.
func TestReconcileCauses(t *testing.T) {
	const cent = tally.Dollar / 100
	held := func(r *tally.Record) { r.Basis, r.Price = tally.Held, "" }
	for name, c := range map[string]struct {
		ours func(b *billing, day int) // what is asked on the three days
		bill []control.BillLine
		at   string // the day
		want control.BillCause
		why  string
	}{
		"a model of which they have nothing": {func(b *billing, day int) { b.request("gpt-mini", 5*cent, held) }, []control.BillLine{line("21", "gpt-mini", 5), line("23", "gpt-mini", 5)}, "22", control.CauseMissing, "1 request of which they have nothing, booked at what was held"},
		"after the last day of the export":   {func(b *billing, day int) { b.request("gpt-mini", 5*cent, nil) }, []control.BillLine{line("21", "gpt-mini", 5), line("22", "gpt-mini", 5)}, "23", control.CauseUncovered, "to 2026-11-22"},
		"somebody else uses the account":     {nil, []control.BillLine{line("22", "gpt-mini", 5)}, "22", control.CauseElsewhere, "used elsewhere"},
		"searches beside models":             {nil, []control.BillLine{{Day: "2026-11-22", Item: "gpt-mini", Cost: 5 * cent}}, "22", control.CauseBeside, "of no model"},
		"something given back":               {nil, []control.BillLine{line("22", "gpt-mini", -5)}, "22", control.CauseCredit, "given something back"},
		"rounding of their rows": {func(b *billing, day int) { b.request("gpt-mini", 5*cent+40_000, nil) }, []control.BillLine{line("22", "gpt-mini", 5)}, "22", control.CauseRounding,
			"1 row of theirs rounded to $0.0001"},
		"free of charge": {func(b *billing, day int) { b.request("gpt-mini", 5*cent, nil) }, []control.BillLine{line("22", "gpt-mini", 0)}, "22", control.CauseFree, "charged nothing"},
		"no price here":  {func(b *billing, day int) { b.request("gpt-mini", 0, nil) }, []control.BillLine{line("22", "gpt-mini", 5)}, "22", control.CauseFree, "1 request at a price of 0"},
		"around midnight": {func(b *billing, day int) { b.request("gpt-mini", 100*cent, nil) }, []control.BillLine{line("21", "gpt-mini", 90), line("22", "gpt-mini", 110), line("23", "gpt-mini", 100)}, "22",
			control.CauseShift, "2026-11-21"},
		"a discount": {func(b *billing, day int) { b.request("gpt-mini", 100*cent, nil) }, []control.BillLine{{Day: "2026-11-22", Model: "gpt-mini", Cost: 90 * cent, List: to(100 * cent)}}, "22",
			control.CauseDiscount, "$0.10 off"},
		"half on all days": {func(b *billing, day int) { b.request("gpt-mini", tally.NanoUSD(day+1)*100*cent, nil) }, []control.BillLine{line("21", "gpt-mini", 50), line("22", "gpt-mini", 100), line("23", "gpt-mini", 150)}, "22",
			control.CauseRate, "half, as for batch and flex"},
		"what was held": {func(b *billing, day int) {
			b.request("gpt-mini", 100*cent, nil)
			b.request("gpt-mini", 33*cent, held)
		}, []control.BillLine{line("22", "gpt-mini", 100)}, "22", control.CauseHeld, "exactly what 1 request came to"},
		"a part of what was held": {func(b *billing, day int) {
			b.request("gpt-mini", 100*cent, nil)
			b.request("gpt-mini", 33*cent, held)
		}, []control.BillLine{line("22", "gpt-mini", 111)}, "22", control.CauseHeld, "up to what 1 request came to"},
		"a stop in the middle": {func(b *billing, day int) {
			b.request("gpt-mini", 33*cent, func(r *tally.Record) { held(r); r.Outcome, r.Provider, r.Upstream = tally.Lost, "", "" })
		}, []control.BillLine{line("21", "gpt-mini", 33)}, "22", control.CauseUncovered, ""},
		"no discount of cached prompts": {func(b *billing, day int) {
			b.request("gpt-mini", 100*cent, func(r *tally.Record) { r.Saved = 7 * cent })
		}, []control.BillLine{line("22", "gpt-mini", 107)}, "22", control.CauseCache, "$0.07"},
		"an estimate": {func(b *billing, day int) {
			b.request("gpt-mini", 100*cent, func(r *tally.Record) { r.Basis = tally.Estimated })
		},
			[]control.BillLine{line("22", "gpt-mini", 93)}, "22", control.CauseEstimated, "by an estimate"},
		"a tier": {func(b *billing, day int) { b.request("gpt-mini", 100*cent, func(r *tally.Record) { r.Tier = "flex" }) },
			[]control.BillLine{line("22", "gpt-mini", 150)}, "22", control.CauseTier, "1 request asked for a tier"},
		"too little to tell": {func(b *billing, day int) { b.request("gpt-mini", cent/2, nil) }, []control.BillLine{{Day: "2026-11-22", Model: "gpt-mini", Cost: cent / 4}}, "22",
			control.CauseRounding, "below a cent"},
		"nothing that is known": {func(b *billing, day int) { b.request("gpt-mini", 100*cent, nil) }, []control.BillLine{line("22", "gpt-mini", 117)}, "22", control.CauseUnknown, ""},
		"by day alone": {func(b *billing, day int) { b.request("gpt-mini", 50*cent, nil); b.request("gpt-large", 50*cent, nil) },
			[]control.BillLine{line("21", "", 100), line("22", "", 50), line("23", "", 100)}, "22", control.CauseUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBilling(t)
			for day := range 3 {
				if c.ours != nil {
					c.ours(b, day)
				}
				b.wait(24 * time.Hour)
			}
			last := c.bill[len(c.bill)-1].Day
			if name == "a model of which they have nothing" {
				last = "2026-11-23"
			}
			out := do(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Since: "2026-11-21", Until: "2026-11-24", Bill: billOf(last, c.bill...)})
			model := "gpt-mini"
			if c.bill[0].Model == "" && c.bill[0].Item == "" {
				model = ""
			}
			if r := rowOf(t, &out, c.at, model); r.Cause != c.want || !strings.Contains(r.Why, c.why) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Of days whose records were deleted the sums are compared, re-costs and attempts at two
// providers count where they belong, and what is not over is not judged.
func TestReconcileLedger(t *testing.T) {
	const cent = tally.Dollar / 100
	b := newBilling(t)
	b.request("gpt-mini", 10*cent, nil)
	b.request("gpt-mini", 10*cent, func(r *tally.Record) { // answered by another provider in the end
		r.Tries = []tally.Attempt{{Provider: b.up, Upstream: "gpt-mini", Basis: tally.Held, Cost: 4 * cent, Cause: "timeout"},
			{Provider: "prov_other", Upstream: "mini", Basis: tally.Exact, Tokens: r.Tokens, Cost: 6 * cent}}
		r.Provider, r.Upstream = "prov_other", "mini"
	})
	ask := control.Reconcile{Provider: "up", Bill: billOf("2026-11-21", line("21", "gpt-mini", 14))}
	out := do(b.world, control.ProvidersReconcile, ask)
	if r := rowOf(t, &out, "21", "gpt-mini"); r.Ours != 14*cent || r.Requests != 2 || r.Difference != 0 {
		t.Errorf("attempts: %+v", r)
	}
	ask.Bill.Lines[0].Cost = 99 * cent
	if out = do(b.world, control.ProvidersReconcile, ask); out.Off || rowOf(t, &out, "21", "gpt-mini").Cause != control.CauseOpen {
		t.Errorf("a day that is not over is judged: %+v", out)
	}
	b.wait(48 * time.Hour)
	if out = do(b.world, control.ProvidersReconcile, ask); !out.Off {
		t.Errorf("off by six times: %+v", out)
	}
	e := tally.Record{ID: tally.NewID("en", b.clock()), At: b.clock(), Gateway: b.gateway, Client: b.client, Model: "gpt-mini", Outcome: tally.Booked, Cost: 32 * cent,
		Entry: &tally.Entry{Kind: tally.Recost, Day: "2026-11-21"}}
	if _, err := b.store.Enter(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	// Of both providers' cost for the model, 10 of 20 cents are of requests that were answered here.
	if out = do(b.world, control.ProvidersReconcile, ask); rowOf(t, &out, "21", "gpt-mini").Ours != 30*cent {
		t.Errorf("with a re-cost: %+v", out.Rows)
	}
	if _, err := b.store.Prune(t.Context(), storage.Before(b.clock()), 0); err != nil {
		t.Fatal(err)
	}
	out = do(b.world, control.ProvidersReconcile, ask)
	if r := rowOf(t, &out, "21", "gpt-mini"); out.Thinned != 1 || r.Ours != 26*cent || r.Requests != 1 {
		t.Errorf("without records: %+v", out)
	}
}

// Of a day that the export does not have nothing follows: it is not booked away.
func TestReconcileBeyondTheExport(t *testing.T) {
	b := newBilling(t)
	for range 3 {
		b.request("gpt-mini", tally.Dollar, nil)
		b.wait(24 * time.Hour)
	}
	ask := control.Reconcile{Provider: "up", Month: "this", Book: true, Bill: billOf("2026-11-22", line("22", "gpt-mini", 90))}
	ask.Bill.First = "2026-11-22"
	out := do(b.world, control.ProvidersReconcile, ask)
	if out.Booked != -tally.Dollar/10 || len(out.Rows) != 3 || rowOf(t, &out, "21", "gpt-mini").Cause != control.CauseUncovered ||
		rowOf(t, &out, "23", "gpt-mini").Cause != control.CauseUncovered {
		t.Errorf("%+v", out)
	}
	// Nor is what was booked of a day before.
	ask.Bill = billOf("2026-11-23", line("23", "gpt-mini", 100))
	ask.Bill.First = "2026-11-23"
	if out = do(b.world, control.ProvidersReconcile, ask); out.Booked != 0 || out.Off {
		t.Errorf("%+v", out)
	}
}

// More money than there is cannot come out as less.
func TestReconcileTooMuch(t *testing.T) {
	b := newBilling(t)
	bill := billOf("2026-11-21")
	for i := range 100 {
		bill.Lines = append(bill.Lines, line("21", "m"+strconv.Itoa(i), 1))
		bill.Lines[i].Cost = tally.MaxMoney
	}
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Bill: bill}, tally.Invalid, "more money than can be counted")
	bill.Lines = bill.Lines[:1]
	bill.Lines[0].Cost, bill.Lines[0].Rows = 1, math.MaxInt64
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Bill: bill}, tally.Invalid, "rows")
}

// Without an export what answers said is compared with the prices here, and nothing is booked.
func TestReconcileAnswers(t *testing.T) {
	const cent = tally.Dollar / 100
	b := newBilling(t)
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up"}, tally.NotFound, "said what it cost", "reconcile up FILE")
	for range 2 {
		b.request("gpt-mini", 10*cent, func(r *tally.Record) { r.Billed, r.Listed = to(8*cent), 10*cent })
		b.wait(24 * time.Hour)
	}
	out := do(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Since: "2026-11-21"})
	if r := rowOf(t, &out, "21", "gpt-mini"); out.Format != "" || out.Theirs != 16*cent || out.Ours != 20*cent || r.Cause != control.CauseRate {
		t.Errorf("%+v", out)
	}
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Book: true}, tally.Invalid, "export")
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", File: "x.csv"}, tally.Invalid, "x.csv")
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "upp", Bill: billOf("2026-11-21")}, tally.NotFound, "up")
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Month: "last", Since: "7d", Bill: billOf("2026-11-21")}, tally.Invalid, "month")
	refused(b.world, control.ProvidersReconcile, control.Reconcile{Provider: "up", Bill: billOf("soon")}, tally.Invalid, "days")
}

// Names of requests, consoles and invoices meet where they mean the same, and only there.
func TestModelKey(t *testing.T) {
	for _, same := range [][]string{
		{"claude-haiku-4-5-20251001", "Claude Haiku 4.5", "claude-haiku-4-5", "claude-haiku-4-5-latest"},
		{"gpt-4o", "gpt-4o-2024-08-06"},
		{"anthropic/claude-opus-4.8", "anthropic/claude-4.8-opus-20260528"},
		{"Claude Sonnet 3.5", "claude-3-5-sonnet-20241022"},
		{"2024", "2024"},
	} {
		for _, name := range same[1:] {
			if modelKey(name) != modelKey(same[0]) {
				t.Errorf("%q and %q: %q, %q", same[0], name, modelKey(same[0]), modelKey(name))
			}
		}
	}
	for _, pair := range [][2]string{{"gpt-4o", "gpt-4o-mini"}, {"gpt-5", "gpt-5.1"}, {"claude-haiku-4-5", "claude-sonnet-4-5"}, {"llama-3-8b", "llama-3-70b"}} {
		if modelKey(pair[0]) == modelKey(pair[1]) {
			t.Errorf("%q is taken for %q", pair[0], pair[1])
		}
	}
}
