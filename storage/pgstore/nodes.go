package pgstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	// goneAfter is how long a node that was not heard may be there all the same.
	goneAfter = 10 * time.Minute
	// aloneFor is how long a node spends what it was lent without the database: less than
	// after which others may be given it.
	aloneFor = 8 * time.Minute
	// mostSkew is how far a clock may be from the database's. A node that is further off would
	// spend another day's budget.
	mostSkew = time.Minute
	// forgotten is the state of a node that must not come back.
	forgotten = "forgotten"
)

// said is what a node says of itself with each heartbeat.
type said struct {
	Clock     time.Duration       `json:"clock_ns"` // ahead of the database's
	Latest    uint64              `json:"latest"`   // its latest record
	Shipped   time.Time           `json:"shipped"`  // before when all was shipped
	Holds     map[tally.ID]holder `json:"holds,omitempty"`
	Exchanges int64               `json:"exchanges"`
	Requests  int64               `json:"requests"`
	Faults    []string            `json:"faults,omitempty"`
	Lent      []lent              `json:"lent,omitempty"`
}

// holder is what a client holds at a node.
type holder struct {
	Count  int           `json:"n"`
	Held   tally.Amounts `json:"held"`
	Oldest time.Time     `json:"oldest"` // admission
}

// say tells what this node says of itself, as JSON.
func (s *Store) say() string {
	skew, _ := s.compared.Load().skew(time.Now())
	x := said{Clock: skew, Latest: s.journal.Latest(),
		Shipped: time.Unix(0, s.shippedAt.Load()).UTC(), Holds: map[tally.ID]holder{},
		Requests: s.requests.Load(), Faults: s.wrong()}
	x.Exchanges = s.lender.Stats().Exchanges
	if list := s.lent.Load(); list != nil {
		x.Lent = *list
	}
	s.ledger.HoldsOf(func(draft *tally.Record) bool {
		h := x.Holds[draft.Client]
		h.Count++
		if h.Oldest.IsZero() || draft.At.Before(h.Oldest) {
			h.Oldest = draft.At
		}
		x.Holds[draft.Client] = h
		return false
	})
	for client := range x.Holds {
		h := x.Holds[client]
		_, h.Held = s.ledger.HoldsOf(func(draft *tally.Record) bool { return draft.Client == client })
		x.Holds[client] = h
	}
	b, err := json.Marshal(&x)
	if err != nil {
		return "{}" // figures are always JSON
	}
	return string(b)
}

// peer is a row of node.
type peer struct {
	storage.Node
	id   string
	idle time.Duration
	said said
}

// nodes reads the nodes, by name.
func (s *Store) nodes(ctx context.Context) (out []peer, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		out, err = peers(ctx, tx)
		return err
	})
	for i := range out {
		out[i].Me = out[i].id == s.id.ID
	}
	return out, err
}

func peers(ctx context.Context, tx pgx.Tx) (out []peer, err error) {
	rows, err := tx.Query(ctx, `SELECT id, name, host, version, state, joined, beat, now() - beat, shipped, records, said FROM node WHERE state <> $1`, forgotten)
	if err != nil {
		return nil, err
	}
	var x peer
	var shipped uint64
	var words string
	_, err = pgx.ForEachRow(rows, []any{&x.id, &x.Name, &x.Host, &x.Version, &x.State, &x.Joined, &x.Heard, &x.idle,
		&shipped, &x.Records, &words}, func() error {
		m := x
		m.said = said{}
		if err := json.Unmarshal([]byte(words), &m.said); err != nil {
			return err
		}
		if m.State == storage.NodeLive && m.idle > goneAfter {
			m.State = storage.NodeGone
		}
		m.Shipped = m.said.Shipped
		m.Clock, m.Exchanges, m.Requests, m.Faults = m.said.Clock, m.said.Exchanges, m.said.Requests, m.said.Faults
		if m.said.Latest > shipped {
			m.Unshipped = int64(m.said.Latest - shipped)
		}
		for _, h := range m.said.Holds {
			m.Node.Holds += h.Count
		}
		m.Lent = map[string]int64{}
		for _, l := range m.said.Lent {
			if now := m.Heard.Add(m.idle); l.Ends > now.Unix() {
				m.Lent[string(l.Metric)] += l.Amount
			}
		}
		out = append(out, m)
		return nil
	})
	tally.Order(out, func(a, b peer) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

// Nodes implements storage.Cluster.
func (s *Store) Nodes(ctx context.Context) ([]storage.Node, error) {
	list, err := s.nodes(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]storage.Node, len(list))
	for i := range list {
		out[i] = list[i].Node
	}
	return out, nil
}

// Me implements storage.Cluster.
func (s *Store) Me() string { return s.id.Name }

// Duty implements storage.Cluster.
func (s *Store) Duty(ctx context.Context, name string, hold time.Duration) (mine bool, err error) {
	if err := s.usable(ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if hold <= 0 {
		until, had := s.duties.LoadAndDelete(name)
		if !had {
			return false, nil
		}
		// What arrives late must not take it away when this node has it anew.
		_, err := s.exec(ctx, `DELETE FROM duty WHERE name = $1 AND node = $2 AND until <= $3`, name, s.id.ID, until)
		return false, err
	}
	var until time.Time
	err = s.pool.QueryRow(ctx, `INSERT INTO duty (name, node, until) VALUES ($1, $2, now() + $3::interval)
		ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until
		WHERE duty.node = excluded.node OR duty.until < now()
		RETURNING until`, name, s.id.ID, hold).Scan(&until)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, cannot(err)
	}
	s.duties.Store(name, until)
	return true, nil
}

// Revision implements storage.Cluster.
func (s *Store) Revision() int64 { return s.rev.Load() }

// Reach implements storage.Cluster.
func (s *Store) Reach() (since time.Time, cause error) {
	if x := s.apart.Load(); x != nil {
		return x.since, x.cause
	}
	return time.Time{}, nil
}

// unreached is since when the database does not answer.
type unreached struct {
	since time.Time
	cause error
}

// reached notes what became of the latest talk with the database. One that has become
// read-only, as after a failover, is connected to anew, and so is one that does not answer: if
// its machine has vanished all connections are as dead, and each would be waited for. asked is
// when this node began to tell that it is there, zero if it did not: an answer may have waited
// for a process that stood still, for so long that others were given what it was lent.
func (s *Store) reached(asked time.Time, err error) {
	var pg *pgconn.PgError
	var ours *tally.Error
	says := errors.As(err, &pg) && pg.Code != readOnly || errors.As(err, &ours)
	if err != nil && !says && s.life.Err() == nil {
		s.pool.Reset()
		s.banking.Reset()
	}
	switch {
	case err == nil:
		if !asked.IsZero() {
			s.contact.Store(&asked)
		}
		if s.apart.Swap(nil) != nil {
			s.log.Info("the nodes' database answers again")
		}
	case s.life.Err() == nil:
		x := &unreached{time.Now(), causesOf(err)}
		if old := s.apart.Load(); old != nil {
			x.since = old.since
		} else {
			s.log.Warn("the nodes' database is out of reach; requests go on with what this node was lent", "error", x.cause)
		}
		s.apart.Store(x)
	}
}

// lookAtClock compares the clock with the database's, and looks whether the database keeps
// what it is given.
func (s *Store) lookAtClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	before := time.Now()
	var theirs time.Time
	if err := s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&theirs); err != nil {
		return err
	}
	now := time.Now()
	s.compared.Store(&compared{off: before.Add(now.Sub(before) / 2).Sub(theirs), read: now, shown: now.Round(0)})
	return nil
}

// compared is what came of it when the clock was compared with the database's.
type compared struct {
	off   time.Duration // ahead of the database's
	read  time.Time     // when, by the reading that only goes forward
	shown time.Time     // and by what the clock showed
}

// skew says how far the clock is ahead of the database's, and whether it shows another time
// than what has elapsed since: then it was set, or the machine has slept, so that it is to be
// compared again.
func (c *compared) skew(now time.Time) (off time.Duration, set bool) {
	moved := now.Round(0).Sub(c.shown) - now.Sub(c.read)
	return c.off + moved, moved.Abs() > 500*time.Millisecond
}

// doubts are what is not as it should be with the database.
func doubts(ctx context.Context, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}) (out []string) {
	var fsync, commit string
	var async int
	if q.QueryRow(ctx, syncSettings).Scan(&fsync, &commit, &async) != nil {
		return nil // another engine than PostgreSQL: its own documents tell
	}
	if fsync == "off" {
		out = append(out, "the database has fsync = off: after a crash of its machine limits may be spent twice")
	}
	if commit == "off" {
		out = append(out, "the database has synchronous_commit = off: after a crash of it limits may be spent twice")
	}
	if async > 0 {
		out = append(out, "the database is replicated asynchronously: after a failover, limits may be spent twice for a moment; set synchronous_standby_names")
	}
	return out
}
