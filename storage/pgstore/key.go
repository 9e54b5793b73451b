package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// KeepKey implements storage.Cluster.
func (s *Store) KeepKey(ctx context.Context, print string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	_, err := s.act(ctx, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		if err := sameKey(c.print, print); err != nil || c.print == print {
			return c.rev, err
		}
		_, err := tx.Exec(ctx, `UPDATE cluster SET key_print = $1 WHERE one = 1`, print)
		return c.rev, err
	})
	return err
}

// sameKey says what is wrong with a key file that is not the nodes'.
func sameKey(is, print string) error {
	if is == "" || is == print {
		return nil
	}
	what := "the key file of this node is not that of the other nodes"
	if print == "" {
		what = "this node has no key file, and the other nodes have one"
	}
	return tally.Errorf(tally.Denied, "%s", what).
		WithHint("copy secrets.key from the data folder of another node: all nodes need the same one; if all have lost it, stop them, and start one with: serve --forget-secrets")
}

// forgetKey lets the next node say which key file all have. None may run meanwhile: it has the
// one that would be forgotten.
func (s *Store) forgetKey(ctx context.Context) error {
	me, err := ReadIdentity(s.opts.Dir)
	if err != nil {
		return err
	}
	_, err = s.act(ctx, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		list, err := peers(ctx, tx)
		if err != nil {
			return 0, err
		}
		for i := range list {
			if x := &list[i]; x.State == storage.NodeLive && (me == nil || x.id != me.ID) {
				return 0, tally.Errorf(tally.Conflict, "node %s was heard %s ago, at %s, and has the key file", x.Name,
					x.idle.Round(time.Second), x.Host).
					WithHint("copy its secrets.key; to forget the key, stop that node: one that was killed is gone after ten minutes")
			}
		}
		_, err = tx.Exec(ctx, `UPDATE cluster SET key_print = '' WHERE one = 1`)
		return c.rev, err
	})
	return err
}
