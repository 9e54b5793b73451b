// Package capture keeps what clients have really sent, and what came back, for the owner to
// look at: for a time that ends by itself, and no more of it than fits into a size. It is off
// until the owner starts it for a key or a client, and then costs the requests of all others
// one look at a pointer.
//
// It begins with a [Tape] beside a request, which takes copies of what passes and never makes
// it wait. When the request is over, [Store.Keep] hands the tape to a goroutine that lives
// while there is something to do: it replaces what looks like a secret, and only then is
// the exchange kept, in memory or as a sealed file. The latest push out the oldest.
//
// The package knows nothing of HTTP servers, of the catalog and of the store: the gateway
// fills tapes, the engine says when a key is gone.
package capture

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
)

// The bounds of a capture.
const (
	UsualTime = time.Hour
	LongTime  = 7 * 24 * time.Hour
	UsualSize = 20_000_000 // bytes
	LeastSize = 100_000
	// AllSizes is what the sizes of all captures may come to together, in bytes.
	AllSizes = 200_000_000
	// MostBody is the most that is kept of one body; of a small capture it is a quarter.
	MostBody = 4 << 20
	// underWay is the most that the tapes of requests under way may take together.
	underWay = 64 << 20
	// mostWaiting is how many tapes may wait to be kept.
	mostWaiting = 256
)

// Terms are what the owner has asked for.
type Terms struct {
	Of    tally.Subject `json:"of"` // a key, or a client: all its keys
	Since time.Time     `json:"since"`
	Until time.Time     `json:"until"`
	Size  int64         `json:"size"` // bytes
	Disk  bool          `json:"disk,omitempty"`
	By    string        `json:"by,omitempty"`
}

// State is how a capture stands.
type State struct {
	Terms
	Kept   int   // exchanges
	Bytes  int64 // that they take
	Pushed int64 // exchanges that later ones have pushed out
	Missed int64 // that came faster than they could be kept, or could not be written
}

// Sealer seals files; see auth.Sealer.
type Sealer interface {
	Seal(owner tally.ID, plain []byte) tally.Sealed
	Open(owner tally.ID, sealed tally.Sealed) ([]byte, error)
}

// Store is all captures. Its methods may be called concurrently.
type Store struct {
	dir  string // "" where nothing may be written
	seal Sealer
	log  *slog.Logger

	on      atomic.Pointer[map[tally.ID]*ring] // by the IDs of keys and clients; nil: nothing is captured
	passing atomic.Int64                       // bytes of tapes

	mu    sync.Mutex // guards rings and what they hold; held over what is read and written of files
	rings map[tally.Subject]*ring

	queue   sync.Mutex // guards the fields that follow; requests wait for it, and it for nothing
	waiting []*Tape
	working bool
	done    sync.Cond // when it works no more
}

// Open opens the captures that a folder has of a process before, and removes those whose
// time is over, or that do not open. The folder is made when something is written.
func Open(dir string, seal Sealer, log *slog.Logger, now time.Time) *Store {
	s := &Store{dir: dir, seal: seal, log: log, rings: map[tally.Subject]*ring{}}
	s.done.L = &s.queue
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load(now)
	s.arm()
	return s
}

// Start begins a capture, or changes the terms of one that goes on. What it has kept stays.
func (s *Store) Start(t Terms) (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, sum := s.rings[t.Of], t.Size
	for of, r := range s.rings {
		if of != t.Of {
			sum += r.Size
		}
	}
	switch {
	case sum > AllSizes:
		return State{}, tally.Errorf(tally.Invalid, "all captures together may take %s bytes, and with this one they would take %s",
			tally.Group(AllSizes), tally.Group(sum)).WithHint("give a smaller --size, or stop another: tallygate capture list")
	case t.Disk && s.dir == "":
		return State{}, tally.Errorf(tally.Invalid, "there is no folder here to keep a capture in").WithHint("leave out --disk")
	case old != nil && old.Disk != t.Disk:
		return State{}, tally.Errorf(tally.Conflict, "it is captured already, and kept elsewhere").
			WithHint("stop that first, which removes what it has kept: tallygate capture stop")
	}
	r := old
	if r == nil {
		r = &ring{}
	} else {
		t.Since = old.Since
	}
	was := r.Terms
	r.Terms = t
	if t.Disk {
		if err := s.writeTerms(r); err != nil {
			r.Terms = was
			return State{}, err
		}
	}
	r.until.Store(t.Until.UnixNano())
	r.size.Store(t.Size)
	s.rings[t.Of] = r
	s.push(r, 0)
	s.arm()
	return r.state(), nil
}

// Stop ends a capture and removes what it has kept; false if there is none.
func (s *Store) Stop(of tally.Subject) (State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rings[of]
	if r == nil {
		return State{}, false
	}
	was := r.state()
	s.drop(r)
	return was, true
}

// drop ends a capture, with mu held.
func (s *Store) drop(r *ring) {
	delete(s.rings, r.Of)
	s.removeFolder(r)
	r.kept = nil
	s.arm()
}

// End ends the captures whose time is over, and those whose key or client is gone, and
// removes what keys have sent that are gone; it returns those that have ended.
func (s *Store) End(now time.Time, gone func(of tally.Subject) bool) (ended []State) {
	if s.Off() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rings {
		if !now.Before(r.Until) || gone(r.Of) {
			ended = append(ended, r.state())
			s.drop(r)
			continue
		}
		kept := r.kept[:0]
		for _, k := range r.kept {
			if gone(tally.SubjectOf("key", k.Key)) {
				s.forget(r, k)
			} else {
				kept = append(kept, k)
			}
		}
		clear(r.kept[len(kept):])
		r.kept = kept
	}
	return ended
}

// arm puts in force what is captured, with mu held.
func (s *Store) arm() {
	if len(s.rings) == 0 {
		s.on.Store(nil)
		return
	}
	on := map[tally.ID]*ring{}
	for _, r := range s.rings {
		_, id := r.Of.Split()
		on[id] = r
	}
	s.on.Store(&on)
}

// Off reports whether nothing is captured.
func (s *Store) Off() bool { return s == nil || s.on.Load() == nil }

// States are all captures, by what they are of. It does not wait for what is to be kept.
func (s *Store) States() (out []State) {
	if s.Off() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rings {
		out = append(out, r.state())
	}
	tally.Order(out, func(a, b State) int {
		if a.Of < b.Of {
			return -1
		}
		return 1
	})
	return out
}

// Of is the capture that a key of a client is under; ok is false if it is under none.
func (s *Store) Of(key, client tally.ID) (t Terms, ok bool) {
	if s.Off() {
		return t, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range [...]tally.Subject{tally.SubjectOf("key", key), tally.SubjectOf("client", client)} {
		if r := s.rings[of]; r != nil {
			return r.Terms, true
		}
	}
	return t, false
}

// Close waits until what has come is kept.
func (s *Store) Close() { s.flush() }
