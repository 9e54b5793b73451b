package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// randomHistory does the same random acts to the store and to its
// specification, and wants the same answers. A history that fails is shrunk,
// then printed act by act.
func randomHistory(t *testing.T, s Subject) {
	parent := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		h := &history{T: rt, want: memory.New(nil), revs: map[tally.ID]int64{}, orphans: map[tally.ID]bool{}}
		h.bench = &bench{tester: rt, subject: s, parent: parent, folders: n << 16, now: time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC)}
		h.bench.open(h.folder())
		defer h.finish()
		acts := map[string]func(*rapid.T){
			"enter": h.enter, "reserve": h.reserve, "reserve again": h.reserve, "reserve once more": h.reserve,
			"settle": h.settle, "settle again": h.settle,
			"clock": h.clock, "clock again": h.clock,
			"refuse": h.refuse, "extend": h.extend, "expire": h.expire,
			"usage": h.usage, "last used": h.lastUsed, "status": h.status,
			"records": h.records, "series": h.series, "prune": h.prune, "forget": h.forget, "coarsen": h.coarsen,
			"apply": h.apply, "accept the clock": h.acceptClock,
		}
		if s.Keeps {
			acts["close and open"] = func(*rapid.T) { h.reopen((*bench).reopen) }
			acts["kill and open"] = func(*rapid.T) { h.reopen((*bench).kill) }
		}
		if s.Apart { // what the clock had reached when entries were made is not the records'
			delete(acts, pick(rt, "without", "enter", "accept the clock"))
		}
		rt.Repeat(acts)
		h.status(rt)
		h.compareRecords(storage.RecordQuery{})
	})
}

// history is the state of a random history.
type history struct {
	*rapid.T
	bench   *bench
	want    storage.Store // the specification
	held    []tally.Reservation
	past    []tally.Reservation // settled or lost
	orphans map[tally.ID]bool   // holds that are older than the store's process
	horizon time.Time           // the latest pruned day ends here
	revs    map[tally.ID]int64
}

func (h *history) folder() string { return h.bench.folder() }

// finish closes the store; a check that has failed must not leave it open.
func (h *history) finish() {
	if h.Failed() {
		if h.bench.Store != nil {
			h.bench.Store.Close()
		}
		return
	}
	h.bench.end()
}

// same compares an answer with the specification's and logs the act.
func (h *history) same(got, want any, err, wantErr error, act string, args ...any) {
	h.Helper()
	act = fmt.Sprintf(act, args...)
	h.Logf("%s %s: %s", h.bench.now.Format("Jan 02 15:04:05.000"), act, outcome(want, wantErr))
	if outcome(nil, err) != outcome(nil, wantErr) || err == nil && !reflect.DeepEqual(got, want) {
		h.Fatalf("%s:\ngot  %s\nwant %s", act, outcome(got, err), outcome(want, wantErr))
	}
}

// outcome writes what an act came to; of an error only what the port promises.
func outcome(v any, err error) string {
	var limit *tally.LimitError
	switch {
	case errors.As(err, &limit):
		return fmt.Sprintf("limit %+v", *limit)
	case err != nil:
		return string(tally.CodeOf(err))
	}
	return fmt.Sprintf("%+v", v)
}

// Draws.

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func upTo(t *rapid.T, label string, most int64) int64 {
	return rapid.Int64Range(0, most).Draw(t, label)
}

var zones = []string{"UTC", "Europe/Lisbon", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"}

// longest is more days than any period with an end has.
const longest = 93

func (h *history) counter(t *rapid.T, at time.Time) tally.Counter {
	zone, err := time.LoadLocation(pick(t, "zone", zones...))
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := pick(t, "window", tally.Window{Unit: tally.Minute}, tally.Window{Unit: tally.Hour}, tally.Window{Unit: tally.DayPart, Hours: 6}, tally.Window{Unit: tally.Day}, tally.Window{Unit: tally.Week},
		tally.Window{Unit: tally.Month}, tally.Window{Unit: tally.Month, Day: 29}, tally.Window{Unit: tally.Quarter}, tally.Window{Unit: tally.Total})
	return tally.Counter{
		Subject: pick[tally.Subject](t, "subject", gateway, client, "client/cl_2", key, "key/ke_2", "token/to_1", "visitor/v1",
			"part/client/cl_1/model=m_1", "part/client/cl_1/model=m_2", "part/client/cl_2/project=a", "part/client/cl_1/project=a",
			"part/key/ke_1/model=m_1", "part/key/ke_1/run=1", "part/client/cl_1/project=", "part/client/cl_1/session=me"),
		Metric: pick(t, "metric", tally.Metrics[:]...),
		Period: w.Period(at, zone, pick(t, "cycle day", 0, 15, 31)),
	}
}
