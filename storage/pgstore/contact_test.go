package pgstore

import (
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/pgstore/pgtest"
)

// A node with nothing to ship does not take the database for one that answers: others may be
// given what it was lent.
func TestAloneAndIdle(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	s := startNode(t, server.Database(t), "n1", t.TempDir())
	eventually(t, "it has shipped", func() bool { return s.shippedAt.Load() > 0 })
	server.Crash()
	eventually(t, "it knows that the database is gone", func() bool { _, err := s.Reach(); return err != nil })
	shipped, contact := s.shippedAt.Load(), s.contact.Load()
	eventually(t, "it has looked for what to ship", func() bool { return s.shippedAt.Load() > shipped })
	if _, err := s.Reach(); err == nil || s.contact.Load() != contact {
		t.Error("it says that the database answers")
	}
}

// A clock that is set while the node runs is compared at once: before the next request is
// admitted, if it might spend another day's budget, and within a second in any case. A machine
// that has slept shows the same, and is right.
func TestClockSet(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	s := startNode(t, server.Database(t), "n1", t.TempDir())
	setBy := func(d time.Duration) {
		was := *s.compared.Load()
		was.shown = was.shown.Add(-d)
		s.compared.Store(&was)
	}
	setBy(time.Hour)
	if err := s.admits(true); err != nil {
		t.Errorf("the machine has slept for an hour: %v", err)
	}
	setBy(-30 * time.Second)
	eventually(t, "it is compared", func() bool { _, set := s.compared.Load().skew(); return !set })
	server.Crash()
	setBy(45 * time.Second)
	if err := s.admits(true); err != nil {
		t.Errorf("it is 45 s ahead: %v", err)
	}
	setBy(30 * time.Second)
	if err := s.admits(true); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("it is 75 s ahead: %v", err)
	}
}
