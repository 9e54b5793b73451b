package pgstore

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
)

// patience is how long an act is tried while the database does not answer, or answers that
// others were in the way.
const patience = 3 * time.Second

// state is the row of cluster.
type state struct {
	rev, entries, pruned, coarse int64
	print                        string
	chain                        tally.AuditChain
}

// again does something that may be done any number of times, until the database has answered,
// or has not for a while. Errors of package tally end it.
func again(ctx context.Context, do func(ctx context.Context) error) error {
	until := time.Now().Add(patience)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || !passing(err) || time.Now().After(until) {
			return cannot(err)
		}
		time.Sleep(pause)
	}
}

// exec carries out a statement that may be carried out any number of times.
func (s *Store) exec(ctx context.Context, sql string, args ...any) (rows int64, err error) {
	err = again(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, readPatience)
		defer cancel()
		tag, err := s.pool.Exec(ctx, sql, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// act does something that changes what all nodes have in common. Acts come one after the
// other, since each locks the row of cluster, and each is done once, whatever becomes of
// its connection: what it came to is kept under an ID of its own, in the same transaction.
// do may be called several times; what it returns is the act's number, a revision or an
// entry's. Its errors that are of package tally end the act.
func (s *Store) act(ctx context.Context, do deed) (n int64, err error) {
	return s.actFor(ctx, patience, do)
}

// deed is what an act does, within the time that it has.
type deed func(ctx context.Context, tx pgx.Tx, c *state) (int64, error)

// actFor is act with so much time for an attempt. Other acts wait for it meanwhile.
func (s *Store) actFor(ctx context.Context, most time.Duration, do deed) (n int64, err error) {
	id, asked := rand.Text(), false
	err = again(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		n, err = s.try(ctx, id, do, &asked)
		return err
	})
	var e *tally.Error
	if errors.As(err, &e) && e.Code == tally.Unavailable && ctx.Err() == nil {
		e = tally.Errorf(tally.Unavailable, "%s", e.Message).
			WithHint("nothing was changed: do it again once the database does what it is asked")
		if asked {
			e.Hint = "it may have been done all the same: look, before you do it again"
		}
		return 0, e
	}
	return n, err
}

// try is one attempt of an act. It sets asked where the database was asked to commit, and has
// not said that it did not.
func (s *Store) try(ctx context.Context, id string, do deed, asked *bool) (n int64, err error) {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer rollback(ctx, tx)
	c, err := lock(ctx, tx)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT rev FROM act WHERE id = $1`, id).Scan(&n)
	if err == nil {
		return n, nil // it was done, and nobody said so
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, err
	}
	if n, err = do(ctx, tx, c); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO act (id, rev, made) VALUES ($1, $2, now())`, id, n); err != nil {
		return 0, err
	}
	var pg *pgconn.PgError
	if err = tx.Commit(ctx); err != nil && !(errors.As(err, &pg) && strings.HasPrefix(pg.Code, "40")) {
		*asked = true
	}
	return n, err
}

// rollback ends a transaction, unless it has ended, also once its time is over. Nobody waits for
// long where the answer does not come: the connection is thrown away then.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	tx.Rollback(ctx)
}

// lock locks the row of cluster.
func lock(ctx context.Context, tx pgx.Tx) (*state, error) {
	var c state
	err := tx.QueryRow(ctx, `SELECT rev, entries, pruned, coarse, key_print, audit_seq, audit_hash FROM cluster WHERE one = 1 FOR UPDATE`).
		Scan(&c.rev, &c.entries, &c.pruned, &c.coarse, &c.print, &c.chain.Seq, &c.chain.Hash)
	return &c, err
}

// passing reports whether an error may be another one, or none, at the next try.
func passing(err error) bool {
	var pg *pgconn.PgError
	var ours *tally.Error
	switch {
	case errors.As(err, &ours):
		return false
	case !errors.As(err, &pg):
		return true // of the connection
	}
	if pg.Code == readOnly { // another server may be the primary by now
		return true
	}
	switch pg.Code[:2] {
	case "08", "40", "53", "55", "57": // connections, rollbacks, resources, locks, a server that comes or goes
		return true
	}
	return false
}

// readOnly is the code of a server's refusal to change anything.
const readOnly = "25006"

// cannot is the error of an act for which the database was needed.
func cannot(err error) error {
	var ours *tally.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return tally.Errorf(tally.Unavailable, "the nodes' database does not do it: %w", causesOf(err)).
		WithHint("look at the database; requests go on with what this node was lent of the limits, and status and nodes tell what this node knows")
}

// reads is a read that sees one instant.
var reads = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// read reads at one instant. do may be called again from the start, if it was broken off.
func (s *Store) read(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return s.readFor(ctx, readPatience, do)
}

// readFor is read with so much time for an attempt. While the database is known to be out of
// reach it is only looked whether it is back: who asks how the node is asks for several things.
func (s *Store) readFor(ctx context.Context, most time.Duration, do func(ctx context.Context, tx pgx.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if x := s.apart.Load(); x != nil && time.Since(x.since) > patience {
		if err := s.glimpse(); err != nil {
			return cannot(err)
		}
	}
	select { // the other connections are for those who ship and act
	case s.readers <- struct{}{}:
		defer func() { <-s.readers }()
	case <-ctx.Done():
		return tally.Errorf(tally.Unavailable, "the nodes' database was not waited for: %w", context.Cause(ctx))
	}
	once := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		defer context.AfterFunc(s.life, cancel)() // a store that is closed does not wait for readers
		return pgx.BeginTxFunc(ctx, s.pool, reads, func(tx pgx.Tx) error { return do(ctx, tx) })
	}
	return again(ctx, once)
}

// glimpse looks whether a database that was out of reach is back, and takes changes. Those who
// come meanwhile share what it sees.
func (s *Store) glimpse() error {
	_, err, _ := s.looks.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(s.life, glimpsePatience)
		defer cancel()
		err := causesOf(s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			return takesChanges(ctx, c.Conn().PgConn())
		}))
		s.reached(time.Time{}, err) // nobody has heard of this node by that
		return nil, err
	})
	return err
}

// glimpsePatience bounds how long it is looked whether the database is back.
const glimpsePatience = 500 * time.Millisecond

// readPatience bounds how long a question to the database may take.
const readPatience = 30 * time.Second
