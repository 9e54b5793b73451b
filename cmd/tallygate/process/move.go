package process

import (
	"context"
	"errors"
	"path/filepath"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore"
)

// MoveIn makes the store of a data folder the first node of o.Shared. progress is told how
// many records were shipped, of how many. If it is broken off, the same call goes on.
func MoveIn(ctx context.Context, o Options, progress func(shipped, of uint64)) (pgstore.Moved, error) {
	if there, err := HasStore(o.Dir); err != nil || !there {
		if err == nil {
			err = tally.Errorf(tally.NotFound, "%s has no store that could move", o.Dir).
				WithHint("name the folder with --data; a new gateway needs no move: tallygate serve --store URL")
		}
		return pgstore.Moved{}, err
	}
	return held(ctx, o.Dir, func() (pgstore.Moved, error) {
		of, err := pgstore.ReadIdentity(o.Dir)
		if err != nil {
			return pgstore.Moved{}, err
		}
		nodes, err := o.nodes(of, nil)
		if err != nil {
			return pgstore.Moved{}, err
		}
		return pgstore.MoveIn(ctx, nodes, progress)
	})
}

// MoveOut makes a new data folder, but for its key file, of all that nodes have. The folder
// of o is that of one of them.
func MoveOut(ctx context.Context, o Options, dir string) (pgstore.Moved, error) {
	if there, err := HasStore(dir); err != nil || there {
		if err == nil {
			err = tally.Errorf(tally.Conflict, "%s has data already", dir).WithHint("name a new folder")
		}
		return pgstore.Moved{}, err
	}
	print, err := auth.Print(o.keys())
	if err != nil {
		return pgstore.Moved{}, err
	}
	if err := Prepare(dir); err != nil {
		return pgstore.Moved{}, err
	}
	return held(ctx, dir, func() (pgstore.Moved, error) {
		return pgstore.MoveOut(ctx, o.Shared.URL, print, badgerdb.Options{
			Dir: filepath.Join(dir, StoreFolder), Profile: badgerdb.Server, Logger: o.Log, Version: o.Version,
		})
	})
}

// held does something while a folder is this process's.
func held(ctx context.Context, dir string, do func() (pgstore.Moved, error)) (pgstore.Moved, error) {
	l, other, err := Take(ctx, dir, "move")
	if err != nil {
		return pgstore.Moved{}, err
	}
	if l == nil {
		return pgstore.Moved{}, other.InUse(dir)
	}
	m, err := do()
	return m, errors.Join(err, l.Release())
}
