package ledger

import (
	"fmt"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// What is told of sessions is what has changed, whatever else runs; those that went
// on are not forgotten with those that ended, and each end is told once.
func TestSessionsAreToldOnce(t *testing.T) {
	s := newSessions()
	key := func(i int) session { return session{"cl_1", fmt.Sprint(i)} }
	const n = 2*maxEnded + 10
	for i := range n {
		s.set(key(i), noon.Add(time.Minute), true)
	}
	if got := len(s.take()); got != n {
		t.Fatalf("%d sessions are told, want %d", got, n)
	}
	s.set(key(1), noon.Add(time.Hour), true)
	s.set(key(1), noon.Add(2*time.Hour), true)
	if got := s.take(); len(got) != 1 || got[0].Over || !got[0].Ends.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("told %+v", got)
	}
	over := map[string]int{}
	for range 4 {
		s.sweep(noon.Add(10 * time.Minute))
		told := s.take()
		if len(told) > maxEnded {
			t.Errorf("%d were forgotten at once", len(told))
		}
		for _, x := range told {
			over[x.Member]++
		}
	}
	if len(over) != n-1 || over["1"] != 0 || len(s.of) != 1 || s.clients["cl_1"] != 1 {
		t.Errorf("%d have ended, %d are left", len(over), len(s.of))
	}
	s.sweep(noon.Add(3 * time.Hour))
	if got := s.take(); len(got) != 1 || !got[0].Over || len(s.of)+len(s.clients)+len(s.due) != 0 {
		t.Errorf("in the end %+v, %d left", got, len(s.of))
	}
}

// The sessions of one client do not fill the memory, and do not displace the sessions of
// another client.
func TestSessionsAreBounded(t *testing.T) {
	s := newSessions()
	for i := range maxSessions + 10 {
		s.set(session{"cl_1", fmt.Sprint(i)}, noon.Add(time.Minute), true)
	}
	s.set(session{"cl_2", "me"}, noon.Add(time.Minute), true)
	s.set(session{"cl_1", "0"}, noon.Add(time.Hour), true)
	if len(s.of) != maxSessions+1 || s.end(session{"cl_2", "me"}).IsZero() || !s.end(session{"cl_1", "0"}).Equal(noon.Add(time.Hour)) {
		t.Errorf("%d sessions are remembered", len(s.of))
	}
}

// A request that outlasts its session pays for that one alone, whatever becomes of the next.
func TestDropAfterSession(t *testing.T) {
	l := New()
	c := counterOf("client/cl_1", tally.Sessions, tally.Day, noon)
	l.Adopt(c, 0)
	begin := func(id tally.ID, at time.Time) *Hold {
		r := reservation(id, at, tally.Charge{Counter: c, Max: 10})
		r.Session = &tally.SessionUse{Client: "cl_1", Member: "me", Until: at.Add(time.Minute)}
		h, _, _, err := try(l, r)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	l.Commit([]*Hold{begin("req_1", noon)}, nil)
	l.Drop(begin("req_2", noon.Add(time.Hour)))
	if held := l.Held(&c); held != 1 {
		t.Errorf("%d sessions are held, want 1", held)
	}
	if out := make([]tally.Usage, 1); l.Usage([]tally.Counter{c}, out) != nil || out[0].Held != 1 {
		t.Errorf("%+v", out[0])
	}
}
