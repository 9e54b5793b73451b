package badgerdb

import (
	"context"
	"errors"
	"io"
	"os"

	"tallygate/engine/tally"
)

// Backup implements storage.Store. It writes what [Restore] reads, as it is at
// one instant; requests go on meanwhile.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := s.queue.alone(s.completeCheckpoint); err != nil {
		return err
	}
	if _, err := s.db.Backup(stoppable{ctx, w}, 0); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return tally.Errorf(tally.Internal, "write the backup: %w", err)
	}
	return nil
}

// stoppable is a writer until its context ends.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s stoppable) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}

// maxRestoring is how many transactions of a backup are under way at once.
const maxRestoring = 16

// Restore makes a store in a new folder of a backup, as it would be opened, and
// verifies it. The error is Conflict if the folder has something in it, Corrupt if
// the backup is not whole.
func Restore(ctx context.Context, o Options, r io.Reader) error {
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		return tally.Errorf(tally.Conflict, "%s is not empty", o.Dir).WithHint("restore into a new folder")
	}
	if err := loadBackup(ctx, o, r); err != nil {
		return errors.Join(err, os.RemoveAll(o.Dir))
	}
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	report, err := s.Verify(ctx, 0)
	if err == nil && !report.OK {
		err = tally.Errorf(tally.Corrupt, "the backup is damaged: %s", report.Faults[0].Message).WithHint("restore an older one")
	}
	return errors.Join(err, s.Close())
}

func loadBackup(ctx context.Context, o Options, r io.Reader) error {
	s, err := newStore(ctx, o, nil)
	if err != nil {
		return err
	}
	err = s.db.Load(r, maxRestoring)
	if err != nil {
		err = tally.Errorf(tally.Corrupt, "the backup cannot be read: %w", err).WithHint("restore another one")
	}
	return errors.Join(err, s.db.Close())
}
