package pgstore

import (
	"testing"

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
