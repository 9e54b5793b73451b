package engine

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// spendDaily books what a client uses at noon of the days that come, which may be nothing.
func (w *world) spendDaily(cl *tally.Client, days ...tally.NanoUSD) {
	for _, cost := range days {
		if cost > 0 {
			w.settled(1, func(r *tally.Record) {
				r.Gateway, r.Client, r.Cost, r.Credits = cl.Gateway, cl.ID, cost, cost+cost/4
			})
		}
		w.wait(24 * time.Hour)
	}
}

// A forecast goes on as days have gone, says so where they are too few, tells nothing of what
// is used up, and never less than what is used already.
func TestForecast(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	steady, _ := w.client("Steady", "cost=20/month", "cost=100/month:20", "cost=1/day", "cost=1/6h", "cost=50/total", "cost=9/month per session")
	new, _ := w.client("New", "cost=20/month")
	out, _ := w.client("Out", "cost=5/month")
	first := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	w.wait(first.Sub(w.clock()))
	for range 10 {
		w.settled(1, func(r *tally.Record) { r.Gateway, r.Client, r.Cost = out.Gateway, out.ID, tally.Dollar })
		w.spendDaily(&steady, tally.Dollar)
	}
	w.spendDaily(&new, tally.Dollar, tally.Dollar) // it is noon of the 13th, two days without the others
	f := do(w, control.ForecastShow, control.ForecastQuery{})
	by := map[string]*control.LimitForecast{}
	for i := range f.Limits {
		by[f.Limits[i].Name+" "+f.Limits[i].Text] = &f.Limits[i]
	}
	want := func(name, state, why string) *control.LimitForecast {
		t.Helper()
		l := by[name]
		if l == nil || l.State() != state || l.Why != why {
			t.Fatalf("%s is %+v, want %s, %q", name, l, state, why)
		}
		return l
	}
	want("new cost=20/month", "unknown", "2 days of data: no forecast")
	want("out cost=5/month", "used up", "nothing is left")
	want("steady cost=1/6h", "unknown", "6h is less than a day: no forecast")
	want("steady cost=9/month per session", "unknown", "each session by itself: no forecast")
	if by["steady cost=50/total"] != nil {
		t.Error("a limit that never resets has a forecast")
	}
	if f.Limits[0].Name != "out" {
		t.Errorf("first comes %s", f.Limits[0].Name)
	}
	month := want("steady cost=20/month", "runs out", "")
	switch {
	case month.Used != 10*int64(tally.Dollar) || month.Low < month.Used || month.Low > month.Likely || month.Likely > month.High:
		t.Errorf("the month: %+v", month)
	case month.Likely < 22*int64(tally.Dollar) || month.Likely > 27*int64(tally.Dollar):
		t.Errorf("about %v is likely, of 10 days with a dollar each and two with none", tally.NanoUSD(month.Likely))
	case month.Earliest.After(month.Reached) || month.Earliest.Before(w.clock()) || month.Reached.After(month.ResetsAt):
		t.Errorf("used up at %v, at the earliest %v", month.Reached, month.Earliest)
	}
	want("steady cost=100/month:20", "lasts", "")

	// Of one client its own, and money of the month adds up.
	f = do(w, control.ForecastShow, control.ForecastQuery{Client: "steady"})
	if len(f.Limits) != 5 || len(f.Month) != 3 {
		t.Fatalf("of one client: %+v", f)
	}
	cost, credits, margin := f.Month[0], f.Month[1], f.Month[2]
	if cost.SoFar != 10*tally.Dollar || credits.SoFar-cost.SoFar != margin.SoFar || margin.Likely <= margin.SoFar || margin.Low > margin.Likely {
		t.Errorf("the month comes to %+v", f.Month)
	}
	sum := cost.SoFar
	for _, n := range cost.Ahead {
		sum += n
	}
	if len(cost.Ahead) != 19 || cost.Low < cost.SoFar || sum-cost.Likely > 19 || cost.Likely-sum > 19 {
		t.Errorf("ahead: %+v", cost)
	}
	if f := do(w, control.ForecastShow, control.ForecastQuery{MonthOnly: true}); len(f.Limits) != 0 || f.Month[0].Likely < cost.Likely {
		t.Errorf("of all: %+v", f)
	}
	refused(w, control.ForecastShow, control.ForecastQuery{Client: "steadi"}, tally.NotFound, "steady")
}

// Days after a limit was used up say nothing: what would have been used then nobody knows.
func TestAForecastLooksPastWhatWasUsedUp(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "cost=7/month")
	w.wait(time.Date(2026, 12, 18, 12, 0, 0, 0, time.UTC).Sub(w.clock()))
	w.spendDaily(&cl, tally.Dollar, tally.Dollar, tally.Dollar, tally.Dollar, tally.Dollar, tally.Dollar, tally.Dollar) // and then it is refused
	w.wait(8 * 24 * time.Hour)                                                                                          // it is the 2nd of January
	w.spendDaily(&cl, tally.Dollar)
	f := do(w, control.ForecastShow, control.ForecastQuery{Client: cl.Slug}).Limits[0]
	if f.Days != 9 || f.Reached.IsZero() || f.Reached.Sub(w.clock()) > 10*24*time.Hour {
		t.Errorf("a dollar a day: %d days, used up at %v, at the earliest %v: %s", f.Days, f.Reached, f.Earliest, f.Why)
	}
}
