package pgstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// A node has its place once its row says so, and whoever is refused changes nothing there. The
// folder of a new node says first which one it is going to be: then one that is cut off comes
// back as itself, whether its row was made or not.

// row is what of a node's row decides who may have its place.
type row struct {
	host, state string
	idle        time.Duration
	shipped     uint64
	seen        int64
}

// choose decides which node the folder is going to be. was is which one it is, nil if none.
func (s *Store) choose(ctx context.Context, store string, was *Identity) error {
	s.id = newIdentity(s.opts, store, s.pool)
	if was != nil {
		if was.Nodes != store {
			return tally.Errorf(tally.Conflict, "the folder %s belongs to node %s of another database, %s", s.opts.Dir,
				was.Name, was.Store).
				WithHint("start with that database, or with an empty folder as a new node")
		}
		s.id.ID, s.id.Name = was.ID, cmp.Or(s.opts.Name, was.Name)
	}
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.findRow(ctx, tx, was)
		return err
	})
	if err != nil || was != nil {
		return err
	}
	return s.id.write(s.opts.Dir)
}

// enroll makes the node's row, or finds it, and takes its place, if the journal has all that
// the database has of it.
func (s *Store) enroll(ctx context.Context, was *Identity) error {
	var is *row
	err := again(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
			if _, err = lock(ctx, tx); err != nil {
				return err
			}
			if is, err = s.findRow(ctx, tx, was); err != nil {
				return err
			}
			sql := `UPDATE node SET name = $2, host = $3, version = $4 WHERE id = $1`
			if is == nil {
				is, sql = &row{}, sqlEnroll
			}
			if end := s.journal.Latest(); end < is.shipped {
				return tally.Errorf(tally.Conflict, "the folder %s ends with record %d, and the nodes' database has up to %d of it: it is an old copy",
					s.opts.Dir, end, is.shipped).
					WithHint("use the folder that is newer; if it is lost, start with an empty one as a new node, then: tallygate nodes forget %s", s.id.Name)
			}
			_, err = tx.Exec(ctx, sql, s.id.ID, s.id.Name, s.opts.Host, s.opts.Journal.Version)
			return taken(err, s.id.Name)
		})
	})
	if err != nil {
		return err
	}
	if is.seen > 0 {
		s.ledger.See(time.Unix(0, is.seen).UTC())
	}
	s.shipped.Store(is.shipped)
	return s.id.write(s.opts.Dir)
}

// findRow reads the node's row, nil if there is none, and says what stands in the way of its
// process.
func (s *Store) findRow(ctx context.Context, tx pgx.Tx, was *Identity) (*row, error) {
	var is row
	var other bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM node WHERE name = $1 AND id <> $2)`, s.id.Name,
		s.id.ID).Scan(&other); err != nil {
		return nil, err
	}
	if other {
		return nil, nameTaken(s.id.Name)
	}
	if err := s.mayJoin(ctx, tx); err != nil {
		return nil, err
	}
	err := tx.QueryRow(ctx, `SELECT host, state, now() - beat, shipped, seen FROM node WHERE id = $1`,
		s.id.ID).Scan(&is.host, &is.state, &is.idle, &is.shipped, &is.seen)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && was != nil && was.Moving:
		return nil, tally.Errorf(tally.Conflict, "the move of %s into the nodes' database was broken off before it had anything", s.opts.Dir).
			WithHint("move once more, which goes on with it: tallygate move --to URL")
	case errors.Is(err, pgx.ErrNoRows): // a new node, or the database was set back to before it
		return nil, nil
	case err != nil:
		return nil, err
	case is.state == forgotten:
		return nil, wasForgotten(s.id.Name)
	case is.host != s.opts.Host && is.state == string(storage.NodeLive) && is.idle < goneAfter:
		return nil, tally.Errorf(tally.InUse, "node %s runs at %s", s.id.Name, is.host).
			WithHint("each node needs a folder of its own: start here with an empty one; if that process has ended for good, wait until it was silent for ten minutes")
	}
	return &is, nil
}

// sqlMoves says that what a node's folder has is not all in the database yet. The row of duty is
// no duty: it stays until the node has shipped that, however long that takes.
const sqlMoves = `INSERT INTO duty (name, node, until) VALUES ('move', $1, now())
	ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until`

// mayJoin finds out whether a store moves in. Until all of it is here nobody else may spend: a
// counter begins with what was shipped, and what comes later is not used of it.
func (s *Store) mayJoin(ctx context.Context, tx pgx.Tx) error {
	var id, name string
	err := tx.QueryRow(ctx, `SELECT node.id, node.name FROM duty JOIN node ON node.id = duty.node
		WHERE duty.name = 'move' AND node.state <> $1`, forgotten).Scan(&id, &name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	case id == s.id.ID:
		s.moves.Store(true)
		return nil
	}
	return tally.Errorf(tally.Conflict,
		"node %s moves in, and what it has is not all in the nodes' database yet", name).
		WithHint("wait until it has moved; if that was broken off, move once more, which goes on with it: " +
			"tallygate move --to URL; if its folder is lost, take an empty database")
}

// hasMoved says that all is here that the folder of this node had, if it was moving.
func (s *Store) hasMoved(ctx context.Context) error {
	if !s.moves.Load() {
		return nil
	}
	_, err := s.pool.Exec(ctx, `DELETE FROM duty WHERE name = 'move' AND node = $1`, s.id.ID)
	if err == nil {
		s.moves.Store(false)
	}
	return err
}

func wasForgotten(name string) error {
	return tally.Errorf(tally.Conflict, "node %s was forgotten, and what it was lent is others' now", name).
		WithHint("start with an empty --data folder, as a new node; what it had shipped is kept")
}

func nameTaken(name string) error {
	return tally.Errorf(tally.Conflict, "another node has the name %s", name).
		WithHint("choose another one: --node NAME")
}

// taken is the error of a name that another node has.
func taken(err error, name string) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return nameTaken(name)
	}
	return err
}
