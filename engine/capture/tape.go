package capture

import (
	"time"

	"tallygate/engine/tally"
)

// Tape takes down one request. It belongs to the goroutine of the request.
type Tape struct {
	Exchange
	of   *ring
	all  *Store
	most int   // of each body, in bytes
	took int64 // of what all tapes may take
}

// Begin begins a tape for a request of a key, nil if it is not captured.
func (s *Store) Begin(key, client tally.ID, at time.Time) *Tape {
	on := s.on.Load()
	if on == nil {
		return nil
	}
	r := (*on)[key]
	if r == nil {
		r = (*on)[client]
	}
	if r == nil || at.UnixNano() >= r.until.Load() {
		return nil
	}
	t := &Tape{of: r, all: s, most: int(min(r.size.Load()/4, MostBody))}
	t.Key, t.Client, t.At = key, client, at
	return t
}

// Asked takes down the body of the request.
func (t *Tape) Asked(body []byte) {
	t.RequestBytes = int64(len(body))
	t.Request, t.RequestCut = t.add(t.Request[:0], body)
}

// Answered takes down a part of the answer.
func (t *Tape) Answered(part []byte) {
	t.AnswerBytes += int64(len(part))
	if !t.AnswerCut {
		t.Answer, t.AnswerCut = t.add(t.Answer, part)
	}
}

// add adds a part of a body to what is kept of it, as far as there is room.
func (t *Tape) add(to, part []byte) (_ []byte, cut bool) {
	n := min(len(part), t.most-len(to))
	if n > 0 && t.all.passing.Add(int64(n)) > underWay {
		t.all.passing.Add(int64(-n))
		n = 0
	}
	n = max(n, 0)
	t.took += int64(n)
	return append(to, part[:n]...), n < len(part)
}

// Keep ends a tape: it is kept when its time comes, and nobody waits for that. Nothing may
// use it afterwards.
func (s *Store) Keep(t *Tape) {
	s.queue.Lock()
	defer s.queue.Unlock()
	if len(s.waiting) == mostWaiting {
		t.of.missed.Add(1)
		s.passing.Add(-t.took)
		return
	}
	s.waiting = append(s.waiting, t)
	if !s.working {
		s.working = true
		go s.work()
	}
}

// work keeps what waits, in the order in which it came.
func (s *Store) work() {
	s.queue.Lock()
	defer s.queue.Unlock()
	for len(s.waiting) > 0 {
		t := s.waiting[0]
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		s.queue.Unlock()
		t.redact()
		s.mu.Lock()
		if s.rings[t.of.Of] == t.of { // it goes on
			s.put(t.of, &t.Exchange)
		}
		s.mu.Unlock()
		s.passing.Add(-t.took)
		s.queue.Lock()
	}
	s.working, s.waiting = false, nil
	s.done.Broadcast()
}

// flush waits until nothing waits.
func (s *Store) flush() {
	s.queue.Lock()
	defer s.queue.Unlock()
	for s.working {
		s.done.Wait()
	}
}
