package storetest

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// raises are random histories of a client whose limits are raised for a while: what
// is admitted is what the limits and the raises that the store kept allow at that
// instant, over restarts and crashes, and counters do not know of raises.
func raises(t *testing.T, s Subject) {
	parent := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		h := &raising{T: rt, bench: &bench{tester: rt, subject: s, parent: parent, folders: n << 16, now: start}, used: map[string]int64{}}
		h.bench.open(h.bench.folder())
		defer func() {
			if rt.Failed() {
				h.bench.Store.Close()
				return
			}
			h.bench.end()
		}()
		h.client = &tally.Client{Meta: meta("cl_1"), Name: "a", Slug: "a", Limits: []tally.Limit{
			{Metric: tally.Requests, Window: tally.Window{Unit: tally.Hour}, Max: 3},
			{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}, Max: 5},
		}}
		h.bench.apply(tally.Put(h.client, h.bench.now))
		acts := map[string]func(*rapid.T){"request": h.request, "request again": h.request, "raise": h.raise, "to an end": h.toAnEnd, "wait": h.wait}
		if s.Keeps {
			acts["open again"] = h.openAgain
		}
		rt.Repeat(acts)
	})
}

type raising struct {
	*rapid.T
	bench  *bench
	client *tally.Client
	used   map[string]int64 // by period
}

func (h *raising) raise(t *rapid.T) {
	list := append([]tally.Raise(nil), h.client.Raises...)
	if len(list) > 0 && rapid.Bool().Draw(t, "ends early") {
		list = list[1:]
	} else {
		l := pick(t, "limit", h.client.Limits...)
		list = append(list, tally.Raise{Metric: l.Metric, Window: l.Window, By: 1 + upTo(t, "by", 3), Until: h.bench.now.Add(time.Duration(1+upTo(t, "minutes", 90)) * time.Minute)})
	}
	h.client.Raises = list
	h.bench.apply(tally.Put(h.client, h.bench.now))
}

func (h *raising) wait(t *rapid.T) {
	h.bench.now = h.bench.now.Add(time.Duration(1+upTo(t, "minutes", 40)) * time.Minute)
}

// openAgain ends the process now and then: it takes long.
func (h *raising) openAgain(t *rapid.T) {
	switch upTo(t, "how", 9) {
	case 0:
		h.bench.reopen()
	case 1:
		h.bench.kill()
	}
}

// toAnEnd goes to the end of a raise, or to the last instant before it.
func (h *raising) toAnEnd(t *rapid.T) {
	for _, r := range h.client.Raises {
		end := r.Until.Add(-time.Duration(upTo(t, "before", 1)))
		if end.After(h.bench.now) {
			h.bench.now = end
			return
		}
	}
}

func (h *raising) request(*rapid.T) {
	all, _ := h.bench.loaded()
	kept := all["cl_1"].(*tally.Client)
	r := h.bench.request()
	fits := true
	for i, l := range kept.Limits {
		c := h.bench.counter(client, l.Metric, l.Window.Unit)
		r.Charges = append(r.Charges, tally.Charge{Counter: c, Max: l.MaxAt(kept.Raises, h.bench.now)})
		most := h.client.Limits[i].Max
		for _, more := range h.client.Raises {
			if more.Window == l.Window && h.bench.now.Before(more.Until) {
				most += more.By
			}
		}
		fits = fits && h.used[c.Period.Label] < most
	}
	_, err := h.bench.Reserve(ctx, r)
	var limit *tally.LimitError
	if fits != (err == nil) || err != nil && !errors.As(err, &limit) {
		h.Fatalf("at %v, used %v of %+v with %+v: %v", h.bench.now, h.used, h.client.Limits, h.client.Raises, err)
	}
	if err == nil {
		h.bench.settle(r, 1)
	}
	for _, c := range r.Charges {
		if err == nil {
			h.used[c.Period.Label]++
		}
		h.bench.wantUsage(c.Counter, h.used[c.Period.Label], 0)
	}
}
