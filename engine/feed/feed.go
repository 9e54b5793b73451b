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
	ring    []entry       // guarded by mu; event seq is at seq % len(ring)
	last    uint64        // guarded by mu; sequence number of the latest event
	waiting chan struct{} // guarded by mu; closed at the next event, nil if nobody waits
	now     second        // guarded by mu; the second that is being summed up
	idle    bool          // guarded by mu; the second before had no traffic
	seconds []second      // guarded by mu; the second of tick i is at i % kept
	ticks   int           // guarded by mu
}

// entry is an event with its record and second inside, so that publishing
// allocates nothing.
type entry struct {
	tally.Event
	record tally.Record
	second tally.Second
}

// New makes a feed that keeps the latest n events. Their numbers begin at the
// microsecond of now, so that a reader who comes back with a number of an
// earlier run of the engine is behind, and learns what it has missed.
func New(n int) *Feed {
	now := time.Now().UTC()
	first := uint64(now.UnixMicro())
	return &Feed{began: now, first: first, last: first, ring: make([]entry, max(n, 1)), seconds: make([]second, kept), idle: true}
}

// Publish tells of durable records. It is the store's hook: it never blocks and
// keeps copies, but the records' slices must not change any more.
func (f *Feed) Publish(records []tally.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.publish(records, &f.now.own)
}

// PublishOthers tells of records of other nodes. They count in the second in which they
// are told.
func (f *Feed) PublishOthers(records []tally.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.publish(records, &f.now.others)
}

// publish tells of records and counts them. The caller holds mu.
func (f *Feed) publish(records []tally.Record, s *tally.Second) {
	for i := range records {
		r := &records[i]
		count(s, r)
		e := f.add(tally.RecordEvent, r.At.Add(r.Total))
		e.record = *r
	}
	f.wake()
}

// PublishConfig tells of a new revision of the catalog.
func (f *Feed) PublishConfig(rev int64, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(tally.ConfigEvent, at).Rev = rev
	f.wake()
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
