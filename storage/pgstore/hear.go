package pgstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"tallygate/storage/lease"
)

// watched is the bank, and tells what becomes of each talk with it.
type watched struct {
	*bank
	of   *Store
	once sync.Once
}

// Join implements lease.Bank.
func (w *watched) Join(ctx context.Context, node string, atLeast int64) (epoch int64, err error) {
	asked := time.Now()
	epoch, err = w.bank.Join(ctx, node, atLeast)
	if err == nil {
		err = w.of.beginAnew(ctx)
	}
	if w.of.reached(asked, err); err == nil && epoch != lease.Forgotten {
		again := true
		w.once.Do(func() { again = false; close(w.of.joined) })
		if again {
			w.of.wasSetBack()
		}
	}
	return epoch, err
}

// Exchange implements lease.Bank.
func (w *watched) Exchange(ctx context.Context, op *lease.Exchange) (lease.Reply, error) {
	asked := time.Now()
	r, err := w.bank.Exchange(ctx, op)
	w.of.reached(asked, err)
	return r, err
}

// Poll implements lease.Bank.
func (w *watched) Poll(ctx context.Context, node string) (lease.News, error) {
	asked := time.Now()
	n, err := w.bank.Poll(ctx, node)
	w.of.reached(asked, err)
	return n, err
}

// wasSetBack notes that the database has forgotten what it had told this process.
func (s *Store) wasSetBack() {
	now := time.Now()
	s.setBack.Store(&now)
	s.log.Warn("the nodes' database was set back; this node tells it again what it has used and shipped")
	s.shippedAt.Store(0)
	s.shipAnew.Store(true)
	select {
	case s.shipNow <- struct{}{}:
	default:
	}
}

// setBackTold is for how long a node says that the database was set back.
const setBackTold = 24 * time.Hour

// wrong is what the owner should know of the database.
func (s *Store) wrong() []string {
	at := s.setBack.Load()
	if at == nil || time.Since(*at) > setBackTold {
		return s.faults
	}
	return append(slices.Clone(s.faults), "the database was set back at "+at.UTC().Format("2006-01-02 15:04 UTC")+
		": what was changed since is gone, like new clients and revoked keys; a limit may be passed")
}

// beginAnew takes the database's word for how far it has come: one that was restored has come
// less far than it had.
func (s *Store) beginAnew(ctx context.Context) error {
	var rev, entries int64
	if err := s.banking.QueryRow(ctx, `SELECT rev, entries FROM cluster WHERE one = 1`).Scan(&rev,
		&entries); err != nil {
		return err
	}
	if s.rev.Load() > rev {
		s.rev.Store(rev)
	}
	if s.entriesHeard.Load() > entries {
		s.entriesHeard.Store(entries)
	}
	for i := range s.gone { // it may have again what was removed
		s.gone[i].Store(0)
	}
	return nil
}

// heard takes what a poll tells of all nodes.
func (s *Store) heard(rev, _ int64) {
	s.heardRev(rev)
	select {
	case s.hearNow <- struct{}{}:
	default:
	}
}

// heardRev notes a revision, unless a later one is known.
func (s *Store) heardRev(rev int64) {
	for {
		is := s.rev.Load()
		if is >= rev || s.rev.CompareAndSwap(is, rev) {
			return
		}
	}
}

// lookEvery is after how many seconds a node looks after what is common.
const lookEvery = 30

// lentEvery is after how many seconds a node adds up what it was lent.
const lentEvery = 10

// keepHearing learns what others have done, and looks after what all have in common.
func (s *Store) keepHearing() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; {
		select {
		case <-s.life.Done():
			return
		case <-s.hearNow:
		case <-tick.C:
			if n++; n%lentEvery == 0 && s.lookAtLent(s.life) != nil {
				continue
			}
		}
		if s.hearEntries() != nil {
			continue // whoever ships tells that the database is out of reach
		}
		_, set := s.compared.Load().skew(time.Now())
		if set || n%lookEvery == 0 {
			if err := s.lookAtClock(s.life); err != nil {
				continue
			}
		}
		if n%lookEvery == 0 {
			n++
			if mine, err := s.Duty(s.life, "sweep", time.Minute); err == nil && mine {
				if _, err := s.bank.sweep(s.life); err != nil {
					s.log.Warn("counters whose periods are over were not removed", "error", err)
				}
				if err := s.sweepActs(s.life); err != nil {
					s.log.Warn("what acts came to was not removed", "error", err)
				}
			}
		}
	}
}

// sweepActs forgets what acts came to that nobody asks for any more, and sessions that are
// over.
func (s *Store) sweepActs(ctx context.Context) error {
	_, err := s.exec(ctx, `DELETE FROM act WHERE made < now() - interval '1 hour'`)
	if err == nil {
		_, err = s.exec(ctx, sqlDropSessions, time.Now().Add(-24*time.Hour).UnixNano())
	}
	return err
}
