// Package memory is the store as plain maps: the executable specification of
// package storage.
//
// Nothing is kept twice. What a counter has used is found by adding up the
// records, what it holds by adding up the open holds, whether a session runs by
// looking at both. So every act costs time in proportion to the history; the
// package is for tests and for reading, not for serving. It shares no code with
// storage/ledger, so that the two can be compared.
//
// Nothing survives the process.
package memory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Store is a storage.Store. Make one with New.
type Store struct {
	hook storage.Hook

	mu       sync.Mutex // guards the fields that follow, and the order of calls of hook
	closed   bool
	rev      int64
	entities map[entityKey]tally.Entity
	log      []tally.AuditEntry // by Seq, from 1
	chain    tally.AuditChain
	records  []settled // by Seq, from 1; pruned ones stay as the history of counters
	pruned   int       // how many of records are
	holds    map[tally.ID]*hold
	lastAt   map[tally.Subject]time.Time
	lastSeen time.Time
	ended    int                       // sessions of so many records are over
	coarse   map[time.Time][]time.Time // edges of days that are coarse
	line     []*waiter                 // in the order of when they first asked
}

var _ storage.Store = (*Store)(nil)

// settled is a record with the time at which it was settled, which never runs
// backwards.
type settled struct {
	tally.Record
	settledAt time.Time
	pruned    bool
}

// hold is an open reservation.
type hold struct {
	tally.Reservation
	output      int64
	newSession  bool
	sessionEnds time.Time
	raises      []*hold // what other attempts of it may use beside
}

// New returns an empty store. hook may be nil.
func New(hook storage.Hook) *Store {
	return &Store{
		hook:     hook,
		entities: map[entityKey]tally.Entity{},
		holds:    map[tally.ID]*hold{},
		lastAt:   map[tally.Subject]time.Time{},
		coarse:   map[time.Time][]time.Time{},
	}
}

// enter locks the store for one act and says whether it may go on.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, tally.Errorf(tally.Unavailable, "the store is closed")
	}
	return s.mu.Unlock, nil
}

// Close implements storage.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Clone returns a store that has come to the same point, with a hook of its own. No
// reservation may be held or wait.
func (s *Store) Clone(hook storage.Hook) *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New(hook)
	c.rev, c.pruned, c.lastSeen, c.ended = s.rev, s.pruned, s.lastSeen, s.ended
	c.entities, c.lastAt = maps.Clone(s.entities), maps.Clone(s.lastAt)
	c.log, c.chain, c.coarse = slices.Clone(s.log), s.chain, maps.Clone(s.coarse)
	c.records = make([]settled, len(s.records))
	for i := range s.records {
		c.records[i] = settled{clone(&s.records[i].Record), s.records[i].settledAt, s.records[i].pruned}
	}
	return c
}

// A request counts on the subjects that its record names and on those it is charged on.
// The second part matters for visitors, whom records do not name.

func (h *hold) on(s tally.Subject) bool {
	return h.Draft.Names(s) || slices.ContainsFunc(h.Charges, func(c tally.Charge) bool { return c.Subject == s })
}

func (h *hold) subjects() []tally.Subject {
	out := h.Draft.Subjects()
	for _, c := range h.Charges {
		if !slices.Contains(out, c.Subject) {
			out = append(out, c.Subject)
		}
	}
	return out
}

func (r *settled) on(s tally.Subject) bool {
	return r.Names(s) || slices.ContainsFunc(r.Charges, func(c tally.Charged) bool { return c.Subject == s })
}

// amount is what the hold holds of a metric.
func (h *hold) amount(m tally.Metric) int64 {
	if m == tally.Sessions {
		if h.newSession {
			return 1
		}
		return 0
	}
	n := h.Bounds[m.Index()].At(h.output)
	for _, more := range h.raises {
		n = tally.AddSat(n, more.amount(m))
	}
	return n
}

// usage adds up a counter from the whole history.
func (s *Store) usage(c tally.Counter) tally.Usage {
	var u tally.Usage
	for i := range s.records {
		r := &s.records[i]
		if c.Period.Contains(r.At) && r.on(c.Subject) {
			u.Used = tally.AddSat(u.Used, r.Amounts().Of(c.Metric))
		}
	}
	for _, h := range s.holds {
		if c.Period.Contains(h.At) && h.on(c.Subject) {
			u.Held = tally.AddSat(u.Held, h.amount(c.Metric))
		}
	}
	return u
}

// sessionEnd is when the session of a client's member ends, zero if there has
// been none.
func (s *Store) sessionEnd(client tally.ID, member string) time.Time {
	var end time.Time
	for i := s.ended; i < len(s.records); i++ {
		if r := &s.records[i]; r.Client == client && r.Session == member && r.SessionEnds.After(end) {
			end = r.SessionEnds
		}
	}
	for _, h := range s.holds {
		if h.Session != nil && h.Session.Client == client && h.Session.Member == member && h.sessionEnds.After(end) {
			end = h.sessionEnds
		}
	}
	return end
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// utc is a time as a store keeps it.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

// clone copies what a record shares, but for what Billed points to: nobody changes
// that once the record is settled.
func clone(r *tally.Record) tally.Record {
	c := *r
	c.Charges, c.Visitor, c.Tries = slices.Clone(r.Charges), slices.Clone(r.Visitor), slices.Clone(r.Tries)
	if r.Reached != nil {
		c.Reached = new(*r.Reached)
	}
	if r.Entry != nil {
		c.Entry = new(*r.Entry)
	}
	return c
}
