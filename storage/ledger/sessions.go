package ledger

import (
	"time"

	"tallygate/engine/tally"
)

const (
	// maxSessions is how many sessions of a client are remembered. If a client has more end
	// users within the length of a session, the others are counted each time they are seen.
	// A limit is then reached too early, never too late.
	maxSessions = 100_000
	// maxEnded bounds what one Sweep forgets: admission waits for it.
	maxEnded = 5_000
)

type session struct {
	client tally.ID
	member string
}

// running is when a session ends, and whether the store has not been told so yet.
type running struct {
	ends  time.Time
	dirty bool
}

// sessions are the sessions that run. Those that have changed and those that are over are
// found without a look at all of them: there may be many, and admission waits meanwhile.
type sessions struct {
	of      map[session]running
	clients map[tally.ID]int      // how many each has
	changed []session             // those that are dirty
	due     map[int64][]session   // each once, by the minute in which it was seen to end
	over    []Session             // ended, and not told yet
	payers  map[session]*Hold     // the holds that began them and may still be dropped
	begun   map[session]tally.ID  // by which request, of those begun in this process
	told    map[session]time.Time // the ends that other ledgers know; nil if there are none
}

func newSessions() sessions {
	return sessions{of: map[session]running{}, clients: map[tally.ID]int{}, due: map[int64][]session{}, payers: map[session]*Hold{}}
}

// end is when a session ends, zero if it is not known.
func (s *sessions) end(k session) time.Time { return s.of[k].ends }

// set remembers when a session ends; dirty is whether the store is to be told.
func (s *sessions) set(k session, ends time.Time, dirty bool) {
	x, known := s.of[k]
	if !known {
		if s.clients[k.client] >= maxSessions {
			return
		}
		s.clients[k.client]++
		s.dueAt(k, ends)
	}
	if dirty && !x.dirty {
		s.changed = append(s.changed, k)
	}
	s.of[k] = running{ends, dirty || x.dirty}
}

// begins remembers which request has begun a session. Whoever tells others of the session tells
// them of that one: nobody else pays for it.
func (s *sessions) begins(k session, by tally.ID) {
	if s.begun == nil {
		s.begun = map[session]tally.ID{}
	}
	s.begun[k] = by
}

// tell remembers that other ledgers know when a session ends.
func (s *sessions) tell(k session, ends time.Time) {
	if _, known := s.of[k]; !known {
		return
	}
	if s.told == nil {
		s.told = map[session]time.Time{}
	}
	s.told[k] = ends
}

func (s *sessions) dueAt(k session, ends time.Time) {
	minute := ends.Unix() / 60
	s.due[minute] = append(s.due[minute], k)
}

// take returns what the store has not been told yet.
func (s *sessions) take() []Session {
	out := s.over
	s.over = nil
	for _, k := range s.changed {
		if x, ok := s.of[k]; ok && x.dirty {
			out = append(out, Session{k.client, k.member, x.ends, false})
			s.of[k] = running{x.ends, false}
		}
	}
	s.changed = s.changed[:0]
	if cap(s.changed) > maxEnded {
		s.changed = nil
	}
	return out
}

// endAll ends all sessions.
func (s *sessions) endAll() {
	over := s.over
	for k := range s.of {
		over = append(over, Session{Client: k.client, Member: k.member, Over: true})
	}
	*s = newSessions()
	s.over = over
}

// sweep forgets some of the sessions that have ended before a time.
func (s *sessions) sweep(before time.Time) {
	left := maxEnded
	for minute, list := range s.due {
		if (minute+1)*60 > before.Unix() || left <= 0 {
			continue
		}
		n := len(list) - min(len(list), left)
		for _, k := range list[n:] {
			if x := s.of[k]; !x.ends.Before(before) { // the session has gone on
				s.dueAt(k, x.ends)
				continue
			}
			delete(s.of, k)
			delete(s.told, k)
			delete(s.begun, k)
			if s.clients[k.client]--; s.clients[k.client] == 0 {
				delete(s.clients, k.client)
			}
			s.over = append(s.over, Session{Client: k.client, Member: k.member, Over: true})
		}
		left -= len(list) - n
		if s.due[minute] = list[:n]; n == 0 {
			delete(s.due, minute)
		}
	}
}
