package engine

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/backup"
)

// Backups say when the engine backs its store up, and where.
type Backups struct {
	Dir   string // "" for never
	Every time.Duration
	Whole time.Duration // after which one does not go on from the ones before
	Keep  int           // whole ones, with those that go on from them; 0 keeps all
	// After takes each to another place, nil for nobody. One that it has failed for is given
	// to it again, before those that go on from it.
	After func(context.Context, backup.File) error
}

const (
	backupsEvery = time.Minute      // looks whether one is due
	backupAgain  = 15 * time.Minute // after one that failed, if the next is not due before
)

// backup writes a backup.
func (e *Engine) backup(ctx context.Context, in control.BackupSince, w io.Writer) error {
	var since *backup.Info
	if in.ID != "" {
		since = &backup.Info{ID: in.ID, Store: in.Store, Records: in.Records}
	}
	_, err := e.store.Backup(ctx, since, w)
	return err
}

// lookForBackups finds the latest one, which an earlier process may have made.
func (e *Engine) lookForBackups() {
	b := e.opts.Backups
	if b.Dir == "" {
		return
	}
	is := &control.Backups{Dir: b.Dir, Every: b.Every}
	if last, err := backup.Latest(b.Dir, time.Time{}); err == nil {
		is.At, is.File, is.Bytes = last.At, filepath.Base(last.Path), last.Bytes
	}
	e.unbrought = b.After != nil // an earlier process may have ended in the middle
	e.backedUp.Store(is)
}

// backUps returns the step that makes backups. Of several nodes that have a folder for them
// one makes them, and tells of them.
func (e *Engine) backUps() func(context.Context) error {
	d := e.duty("backups")
	return func(ctx context.Context) error {
		is := e.backedUp.Load()
		if is == nil {
			return nil
		}
		mine := d.mine(ctx)
		if mine && e.othersBackUp.Load() { // that may have been into the same folder
			e.lookForBackups()
		}
		if e.othersBackUp.Store(!mine); !mine {
			return nil
		}
		return e.backUp(ctx)
	}
}

// backUp makes a backup if one is due, and takes it to another place, or the latest one if
// that has failed before. The time is the wall clock's, which is that of the files: a clock
// that is behind must not keep backups from being made.
func (e *Engine) backUp(ctx context.Context) error {
	b, now := e.opts.Backups, e.opts.Clock()
	is := e.backedUp.Load()
	if is == nil {
		return nil
	}
	due := now.Sub(is.At) >= b.Every || is.At.After(now)
	if !due && !e.unbrought {
		return nil
	}
	if is.Problem != "" && now.Sub(is.Tried) < min(b.Every, backupAgain) && !is.Tried.After(now) {
		return nil
	}
	next := *is
	next.Tried = now
	err := error(nil)
	if s, failed := e.store.Status(ctx); due && failed == nil && !s.Admitting {
		err = tally.Errorf(tally.Unavailable, "the disk of the store is nearly full, or has a fault")
	} else if due {
		var made backup.File
		if made, err = e.makeBackup(ctx, now); err == nil {
			next.At, next.File, next.Bytes, e.unbrought = made.At, filepath.Base(made.Path), made.Bytes, b.After != nil
			said := next // what takes it elsewhere may take long
			e.backedUp.Store(&said)
		}
	}
	if err == nil && e.unbrought {
		err = e.bring(ctx, next.File)
	}
	if next.Problem = ""; err != nil {
		if ctx.Err() != nil {
			return err
		}
		next.Problem = cmp.Or(tally.AsError(err).Message, "it failed")
	}
	e.backedUp.Store(&next)
	return err
}

// bring takes a backup to another place, with those that it needs and that are not there yet.
func (e *Engine) bring(ctx context.Context, file string) error {
	if file != "" {
		f, err := backup.Look(filepath.Join(e.opts.Backups.Dir, file))
		if err == nil {
			err = backup.Bring(f, func(f backup.File) error { return e.opts.Backups.After(ctx, f) })
		} else if tally.CodeOf(err) == tally.NotFound {
			err = nil // somebody has removed it
		}
		if err != nil {
			return err
		}
	}
	e.unbrought = false
	return nil
}

func (e *Engine) makeBackup(ctx context.Context, now time.Time) (backup.File, error) {
	b, began := e.opts.Backups, time.Now()
	since, err := e.goesOnFrom(ctx, now)
	if err != nil {
		return backup.File{}, err
	}
	from := func(ctx context.Context, since *backup.Info, w io.Writer) error {
		_, err := e.store.Backup(ctx, since, w)
		return err
	}
	made, err := backup.Make(ctx, b.Dir, since, from)
	if tally.CodeOf(err) == tally.Conflict && since != nil { // of another past of this store
		made, err = backup.Make(ctx, b.Dir, nil, from)
	}
	if err != nil {
		return backup.File{}, err
	}
	gone, err := backup.Rotate(b.Dir, made, b.Keep)
	if err != nil {
		e.log.Error("old backups were not removed", "folder", b.Dir, "error", err)
	}
	e.log.Info("backed up", "file", made.Path, "bytes", made.Bytes, "whole", made.Whole(), "took", time.Since(began).Round(time.Millisecond), "removed", len(gone))
	return made, nil
}

// goesOnFrom is the backup that the next one goes on from, nil if it has to be whole.
func (e *Engine) goesOnFrom(ctx context.Context, now time.Time) (*backup.Info, error) {
	var last string
	if all, _, err := backup.List(e.opts.Backups.Dir); err == nil && len(all) > 0 {
		last = all[len(all)-1].Store // if it is another store's, this one's Backup says so
	}
	if last == "" {
		return nil, ctx.Err()
	}
	return backup.Since(e.opts.Backups.Dir, last, now.Add(-e.opts.Backups.Whole), now)
}

// lateBackup warns of scheduled backups that are not made.
func (e *Engine) lateBackup(b *control.Backups) []control.Warning {
	if b == nil || e.othersBackUp.Load() {
		return nil
	}
	since, late := "there is none yet", e.opts.Clock().Sub(cmp.Or(b.At, e.started)) > 2*b.Every
	if !b.At.IsZero() {
		since = "the latest is of " + b.At.UTC().Format("2006-01-02 15:04") + " (UTC)"
	}
	w := control.Warning{Kind: control.WarnBackup, Gravity: control.Bad, Detail: since, Next: "tallygate backup list " + tally.ShellWord(b.Dir)}
	switch {
	case b.Problem != "":
		w.Sentence = "The backup failed: " + b.Problem
	case late:
		w.Sentence = "The backup is late"
	default:
		return nil
	}
	return []control.Warning{w}
}
