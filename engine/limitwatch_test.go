package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
)

// Within a day the rest is taken to be like what has passed; days to come like those of the
// last weeks, if three of them say something.
func TestWhenALimitIsReached(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora")
	busy, _ := w.client("Borealis")
	gw := w.engine.catalog.Load().Gateways[0]
	zone := w.engine.catalog.Load().Zone(gw.ID)
	for day := range 5 { // the last of them is today
		if day > 0 {
			w.wait(24 * time.Hour)
		}
		w.settled(3, func(r *tally.Record) { r.Gateway, r.Client, r.Cost = gw.ID, busy.ID, 10 })
		if day >= 3 {
			w.settled(50, func(r *tally.Record) { r.Gateway, r.Client, r.Cost = gw.ID, cl.ID, 10 })
		}
	}
	now := w.clock()
	state := func(unit tally.Unit, used, most int64) meter.Standing {
		window := tally.Window{Unit: unit}
		return meter.Standing{Limit: tally.Limit{Metric: tally.Requests, Window: window, Max: most}, Period: window.Period(now, zone, 1), Usage: tally.Usage{Used: used}}
	}
	long := now.AddDate(-1, 0, 0)
	half := now.Sub(state(tally.Day, 1, 1).Period.Start)
	for _, tc := range []struct {
		name  string
		id    tally.ID
		limit meter.Standing
		since time.Time
		known bool
		want  time.Time // zero: not before the reset
	}{
		{"two thirds of the day's", cl.ID, state(tally.Day, 66, 99), long, true, now.Add(half / 2)},
		{"a third of the day's", cl.ID, state(tally.Day, 33, 99), long, true, time.Time{}},
		{"a clock that was set back", cl.ID, state(tally.Day, 50, 100), now.Add(time.Hour), false, time.Time{}},
		{"three a day in the mean", busy.ID, state(tally.Month, 15, 18), long, true, now.Add(24 * time.Hour)},
		{"three a day, which is enough", busy.ID, state(tally.Month, 15, 100), long, true, time.Time{}},
		{"for good", busy.ID, state(tally.Total, 15, 21), long, true, now.Add(48 * time.Hour)},
		{"for good, years ahead", busy.ID, state(tally.Total, 15, 1e15), long, true, time.Time{}},
		{"one day that is over tells nothing", cl.ID, state(tally.Month, 100, 110), long, false, time.Time{}},
		{"nothing used", busy.ID, state(tally.Month, 0, 100), long, false, time.Time{}},
		{"all used", busy.ID, state(tally.Month, 100, 100), long, false, time.Time{}},
	} {
		x := watched{Thing: control.Thing{Kind: "client"}, id: tc.id, since: tc.since, p: &tally.Principal{Gateway: gw}}
		at, known, err := w.engine.reaches(t.Context(), &x, &tc.limit, now, zone)
		if err != nil || known != tc.known || at.IsZero() != tc.want.IsZero() || at.Sub(tc.want).Abs() > time.Minute {
			t.Errorf("%s: %v, %v, %v; want %v, %v", tc.name, at, known, err, tc.want, tc.known)
		}
	}
}

// What is near a limit is told once, by its fullest, with the line that raises it; what
// is refused or stopped is told as that and not as near, and of very many only the
// gravest one by one.
func TestWhatIsNearALimit(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, near := w.client("Near", "requests=6/month", "requests=10/day")
	_, calm := w.client("Calm", "requests=100/month")
	_, rushing := w.client("Rushing", "requests=5/minute")
	_, warned := w.client("Warned", "requests=4/month,warn")
	stopped, _ := w.client("Stopped", "requests=1/month")
	for range 5 {
		for _, key := range []control.KeyCreated{near, calm, rushing, warned} {
			w.served(key.Key, "sim-small")
		}
	}
	do(w, control.ClientsSuspend, control.Named{Name: stopped.Slug})
	w.wait(watchedFor)
	told := func() (out []string) {
		for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
			if x.Thing.Kind == "client" {
				out = append(out, strings.Join([]string{string(x.Kind), x.Thing.Name, x.Sentence, x.Next}, " | "))
			}
		}
		return out
	}
	want := []string{
		"near | warned | Warned is at 125% of 4 requests/month | ",
		"near | near | Near is at 83% of 6 requests/month | tallygate clients raise near requests/month --by 3 --until fri",
		"off | stopped | Stopped is suspended | tallygate clients activate stopped",
	}
	if got := told(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range maxTold + 3 {
		w.client(fmt.Sprint("Nothing ", i), "requests=0/month")
	}
	s := do(w, control.EngineStatus, control.None{})
	if s.Refused.Clients != maxTold+3 || !warns(s, "3 more are refused now", "tallygate clients list --filter now:refused") {
		t.Errorf("of many: %+v", s)
	}
}
