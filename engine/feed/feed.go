package feed

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Live, as the sequence number to read after, skips what is kept: only what
// happens from now on.
const Live = math.MaxUint64

// Feed is the ring of the latest events. Its methods may be called
// concurrently.
type Feed struct {
	began time.Time
	first uint64 // sequence number before the first event

	mu      sync.Mutex
	ring    []entry        // guarded by mu; event seq is at seq % len(ring)
	last    uint64         // guarded by mu; sequence number of the latest event
	waiting chan struct{}  // guarded by mu; closed at the next event, nil if nobody waits
	now     tally.Second   // guarded by mu; the second that is being summed up
	idle    bool           // guarded by mu; the second before had no traffic
	seconds []tally.Second // guarded by mu; the second of tick i is at i % kept
	ticks   int            // guarded by mu
}

// entry is an event with its record and second inside, so that publishing
// allocates nothing.
type entry struct {
	tally.Event
	record tally.Record
	second tally.Second
}

// kept is how many seconds are kept for charts: the last 15 minutes.
const kept = 15 * 60

// New makes a feed that keeps the latest n events. Their numbers begin at the
// microsecond of now, so that a reader who comes back with a number of an
// earlier run of the engine is behind, and learns what it has missed.
func New(n int) *Feed {
	now := time.Now().UTC()
	first := uint64(now.UnixMicro())
	return &Feed{began: now, first: first, last: first, ring: make([]entry, max(n, 1)), seconds: make([]tally.Second, kept), idle: true}
}

// Publish tells of durable records. It is the store's hook: it never blocks and
// keeps copies, but the records' slices must not change any more.
func (f *Feed) Publish(records []tally.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range records {
		r := &records[i]
		count(&f.now, r)
		e := f.add(tally.RecordEvent, r.At.Add(r.Total))
		e.record = *r
	}
	f.wake()
}

// count adds a record to a second, as [tally.Sums.Count] does to a rollup.
func count(s *tally.Second, r *tally.Record) {
	if r.Outcome.Refused() {
		s.Refused += r.Count
		return
	}
	s.Requests++
	if r.Outcome.Failed() {
		s.Errors++
	}
	s.Tokens += r.Tokens.Total()
	s.Cost += r.Cost
	s.Total += r.Total
}

// PublishConfig tells of a new revision of the catalog.
func (f *Feed) PublishConfig(rev int64, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(tally.ConfigEvent, at).Rev = rev
	f.wake()
}

// Tick ends a second: what was published since the last tick is its traffic.
// Quiet seconds are kept for charts and told once, so that a quiet night does
// not push what is worth keeping out of the ring.
func (f *Feed) Tick(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.now
	s.At = now.UTC().Truncate(time.Second)
	f.now = tally.Second{}
	f.seconds[f.ticks%kept] = s
	f.ticks++
	quiet := s.Requests == 0 && s.Refused == 0
	if quiet && f.idle {
		return
	}
	f.idle = quiet
	f.add(tally.TickEvent, s.At).second = s
	f.wake()
}

// Seed tells what was settled from one instant to another, before the first
// tick: so the charts of an engine that was just started are not empty.
func (f *Feed) Seed(from, to time.Time, records []tally.Record) {
	to = to.UTC().Truncate(time.Second)
	from = from.UTC().Truncate(time.Second)
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(int(to.Sub(from)/time.Second), kept)
	if f.ticks > 0 || n <= 0 {
		return
	}
	f.ticks = n
	first := to.Add(-time.Duration(n) * time.Second)
	for i := range n {
		f.seconds[i] = tally.Second{At: first.Add(time.Duration(i+1) * time.Second)} // named by its end
	}
	for i := range records {
		r := &records[i]
		if at := r.At.Add(r.Total).Sub(first); at >= 0 && at < time.Duration(n)*time.Second {
			count(&f.seconds[at/time.Second], r)
		}
	}
}

// Seconds returns the seconds of the last 15 minutes, the oldest first.
func (f *Feed) Seconds() []tally.Second {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ticks <= kept {
		return append([]tally.Second(nil), f.seconds[:f.ticks]...)
	}
	at := f.ticks % kept
	return append(append(make([]tally.Second, 0, kept), f.seconds[at:]...), f.seconds[:at]...)
}

// add puts a new event in the place of the oldest one. The caller holds mu.
func (f *Feed) add(kind tally.EventKind, at time.Time) *entry {
	f.last++
	e := &f.ring[f.last%uint64(len(f.ring))]
	*e = entry{Event: tally.Event{Seq: f.last, Kind: kind, At: at.UTC()}}
	return e
}

// wake lets every waiting reader look again. The caller holds mu.
func (f *Feed) wake() {
	if f.waiting != nil {
		close(f.waiting)
		f.waiting = nil
	}
}

// Last is the number of the latest event.
func (f *Feed) Last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Since shows the records among the events after a sequence number, as far as they
// are kept, and returns the number of the latest event. see must not block, nor keep
// what it is shown.
func (f *Feed) Since(after uint64, see func(*tally.Record)) (last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at := max(after+1, f.oldest()); at <= f.last; at++ {
		if e := &f.ring[at%uint64(len(f.ring))]; e.Kind == tally.RecordEvent {
			see(&e.record)
		}
	}
	return f.last
}

// Events yields the events after a sequence number, first those that are kept
// and then each as it happens, until ctx ends or the reader stops. Where events
// were dropped before the reader came to them, or its number is from another
// run of the engine, it first gets a GapEvent; 0 asks for whatever is kept.
func (f *Feed) Events(ctx context.Context, after uint64) iter.Seq[tally.Event] {
	return func(yield func(tally.Event) bool) {
		at := f.start(&after)
		if at != nil && !yield(*at) {
			return
		}
		var batch []entry
		for {
			var wait <-chan struct{}
			batch, wait = f.read(batch[:0], &after)
			for i := range batch {
				if ctx.Err() != nil || !yield(batch[i].event()) {
					return
				}
			}
			if wait == nil {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-wait:
			}
		}
	}
}

// start settles where a reader begins, and returns the gap to tell it of.
func (f *Feed) start(after *uint64) *tally.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case *after == Live:
		*after = f.last
	case *after == 0:
		*after = f.oldest() - 1
	case *after > f.last:
		*after = f.oldest() - 1
		lost := f.gap(*after)
		gap := lost.event()
		return &gap
	}
	return nil
}

// oldest is the sequence number of the oldest event kept. The caller holds mu.
func (f *Feed) oldest() uint64 {
	return max(f.first, f.last-uint64(len(f.ring))) + 1
}

// gap tells that everything up to a sequence number is lost to a reader. The
// caller holds mu.
func (f *Feed) gap(upTo uint64) entry {
	at := f.began
	if upTo < f.last {
		at = f.ring[(upTo+1)%uint64(len(f.ring))].At
	}
	return entry{Event: tally.Event{Seq: upTo, Kind: tally.GapEvent, At: at}}
}

// maxBatch bounds how long a reader holds the lock.
const maxBatch = 64

// read copies the next entries, and moves after past them. With none, the
// channel returned is closed at the next event.
func (f *Feed) read(batch []entry, after *uint64) ([]entry, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *after == f.last {
		if f.waiting == nil {
			f.waiting = make(chan struct{})
		}
		return batch, f.waiting
	}
	if oldest := f.oldest(); *after+1 < oldest {
		*after = oldest - 1
		batch = append(batch, f.gap(*after))
	}
	for *after < f.last && len(batch) < maxBatch {
		*after++
		batch = append(batch, f.ring[*after%uint64(len(f.ring))])
	}
	return batch, nil
}

// event returns the event with copies of what it carries.
func (e *entry) event() tally.Event {
	out := e.Event
	switch e.Kind {
	case tally.RecordEvent:
		r := e.record
		out.Record = &r
	case tally.TickEvent:
		s := e.second
		out.Second = &s
	}
	return out
}
