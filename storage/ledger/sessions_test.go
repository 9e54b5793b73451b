package ledger

import (
	"fmt"
	"testing"
	"time"
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
