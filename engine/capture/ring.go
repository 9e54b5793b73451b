package capture

import (
	"slices"
	"sync/atomic"

	"tallygate/engine/tally"
)

// ring is one capture and what it has kept, the oldest first.
type ring struct {
	Terms
	until, size atomic.Int64 // of Terms, for those who do not hold the mutex
	missed      atomic.Int64
	kept        []*kept
	bytes       int64
	pushed      int64
}

// kept is an exchange in a ring.
type kept struct {
	Head
	size int64
	x    *Exchange // nil: it is in a file
}

func (r *ring) state() State {
	return State{Terms: r.Terms, Kept: len(r.kept), Bytes: r.bytes, Pushed: r.pushed, Missed: r.missed.Load()}
}

// put keeps an exchange, with mu held.
func (s *Store) put(r *ring, x *Exchange) {
	k := &kept{Head: x.Head, size: x.size(), x: x}
	if r.Disk {
		sealed, err := s.sealed(r, x.ID, x)
		k.x, k.size = nil, int64(len(sealed))
		if err == nil && k.size <= r.Size {
			s.push(r, k.size)
			err = s.write(r, x.ID, sealed)
		}
		if err != nil {
			if r.missed.Add(1) == 1 {
				s.log.Error("a request that is captured could not be written", "err", err)
			}
			return
		}
	}
	if k.size > r.Size {
		r.missed.Add(1)
		return
	}
	s.push(r, k.size)
	r.kept, r.bytes = append(r.kept, k), r.bytes+k.size
}

// push pushes out the oldest until there is room for so many bytes, with mu held.
func (s *Store) push(r *ring, room int64) {
	n := 0
	for n < len(r.kept) && r.bytes+room > r.Size {
		s.forget(r, r.kept[n])
		n++
	}
	r.kept, r.pushed = slices.Delete(r.kept, 0, n), r.pushed+int64(n)
}

// forget removes what is kept of an exchange but for its place in the list, with mu held.
func (s *Store) forget(r *ring, k *kept) {
	r.bytes -= k.size
	if r.Disk {
		s.remove(r, k.ID)
	}
}

// Heads are the exchanges that are kept of one capture, or of all, the latest first.
func (s *Store) Heads(only func(*Head) bool) (out []Head) {
	if s.Off() {
		return nil
	}
	s.flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rings {
		for _, k := range r.kept {
			if only(&k.Head) {
				out = append(out, k.Head)
			}
		}
	}
	tally.OrderStable(out, func(a, b Head) int { return b.At.Compare(a.At) })
	return out
}

// Get is the exchange of a request, or the latest that is counted by its record: refusals of
// one kind are counted together. ok is false if none is kept.
func (s *Store) Get(id tally.ID) (x Exchange, ok bool, err error) {
	if s.Off() {
		return x, false, nil
	}
	s.flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	var in *ring
	var found *kept
	for _, r := range s.rings {
		for _, k := range r.kept {
			if k.ID == id || k.Record == id && (found == nil || found.ID != id && k.At.After(found.At)) {
				in, found = r, k
			}
		}
	}
	switch {
	case found == nil:
		return x, false, nil
	case found.x != nil:
		return *found.x, true, nil
	}
	x, err = s.read(in, found.ID)
	return x, err == nil, err
}
