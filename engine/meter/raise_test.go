package meter

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// A raise holds up to its last instant and not a moment longer, and what was used
// with it counts.
func TestRaiseEndsByItself(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limits(t, "requests=2/day", "requests=100/month")
	until := noon.Add(time.Hour)
	w.client.Raises = []tally.Raise{
		{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, By: 2, Until: until},
		{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, By: 1, Until: until.Add(time.Hour)},
		{Metric: tally.Requests, Window: tally.Window{Unit: tally.Month}, By: 7, Until: noon},
	}
	w.use()
	w.spend(4)
	w.now = until.Add(-time.Nanosecond)
	w.spend(1)
	w.refused()
	standing := func() Standing {
		t.Helper()
		list, err := w.meter.StandingsOf(context.Background(), w.cat, w.principal(), w.now)
		if err != nil || list[1].Max != 100 || len(list[1].Raises) != 0 {
			t.Fatalf("%+v, %v", list, err)
		}
		return list[0]
	}
	if s := standing(); s.Base != 2 || s.Max != 5 || len(s.Raises) != 2 || s.Left() != 0 {
		t.Errorf("raised it stands at %+v", s)
	}
	w.now = until
	if s := standing(); s.Base != 2 || s.Max != 3 || len(s.Raises) != 1 || s.Used != 5 {
		t.Errorf("when one is over it stands at %+v", s)
	}
	if r := w.refused(); r.Reached == nil || r.Reached.Max != 3 || r.Reached.Used != 5 {
		t.Errorf("refused with %+v", r.Reached)
	}
	w.now = until.Add(24 * time.Hour)
	w.spend(2)
	w.refused()
}

// Requests that wait for room which only the raise gave are told when it is over.
func TestRaiseEndsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.now = time.Now()
		w.client.Limits = limits(t, "requests=1/total")
		w.client.Raises = []tally.Raise{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}, By: 1, Until: w.now.Add(3 * time.Second)}}
		w.use()
		w.spend(1)
		open := w.admit() // with what the raise gives
		r := w.request(func(r *Request) {
			r.Since = r.At
			r.Waiting = func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }
		})
		ticket, refusal := w.meter.Admit(context.Background(), r)
		if ticket != nil || refusal != nil || time.Since(w.now) != 3*time.Second {
			t.Fatalf("after %v: %v, %v; want to be asked again", time.Since(w.now), ticket, refusal)
		}
		w.now = time.Now()
		r.At = w.now
		if _, refusal := w.meter.Admit(context.Background(), r); refusal == nil {
			t.Error("it was admitted after the raise")
		}
		w.settle(open, answered(1, 1))
	})
}

// Whatever came before, and wherever the clock was taken, a request meets its limits
// as raised at its own instant.
func TestChargesAreRaisedAtTheirInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := []tally.Unit{tally.Minute, tally.Hour, tally.Day, tally.Total}
		at := func(label string) time.Time {
			return noon.Add(time.Duration(rapid.Int64Range(-200, 200).Draw(t, label)) * time.Minute / 2)
		}
		pl := &plan{}
		var raises []tally.Raise
		for range rapid.IntRange(0, 6).Draw(t, "raises") {
			raises = append(raises, tally.Raise{Metric: tally.Cost, Window: tally.Window{Unit: rapid.SampledFrom(units).Draw(t, "of")},
				By: rapid.Int64Range(1, 9).Draw(t, "by"), Until: at("until")})
		}
		for _, u := range units {
			pl.limits = append(pl.limits, planned{subject: "client/cl_1", Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: u}, Max: 10}, raises: raises, zone: time.UTC})
		}
		for range 20 {
			now := at("now")
			for i, c := range (&Meter{}).chargesAt(pl, now).list {
				want := int64(10)
				for _, r := range raises {
					if r.Window == pl.limits[i].Window && now.Before(r.Until) {
						want += r.By
					}
				}
				if c.Max != want {
					t.Fatalf("at %v the %s allows %d, want %d of %+v", now, units[i], c.Max, want, raises)
				}
			}
		}
	})
}
