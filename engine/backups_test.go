package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tallygate/storage/backup"
)

// A backup that could not be taken elsewhere is taken there later, before the one that goes on
// from it; what is there already is not taken again by a process that starts. While that takes
// long, the backup that was made is told of.
func TestBackupsAreBrought(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now() // backups have the wall clock's time
	var took []string
	var fails error
	w.engine.opts.Backups = Backups{Dir: t.TempDir(), Every: time.Hour, Whole: 24 * time.Hour, Keep: 4,
		After: func(_ context.Context, f backup.File) error {
			if w.engine.backedUp.Load().At.IsZero() {
				t.Error("nobody is told of a backup while it is taken elsewhere")
			}
			if fails == nil {
				took = append(took, f.ID)
			}
			return fails
		}}
	w.engine.lookForBackups()
	step := func(after time.Duration, want int) {
		t.Helper()
		w.now = w.now.Add(after)
		err := w.engine.backUp(t.Context())
		if is := w.engine.backedUp.Load(); (fails == nil) != (is.Problem == "") || !errors.Is(err, fails) {
			t.Errorf("it ended with %v, and tells of %q", err, is.Problem)
		}
		if len(took) != want {
			t.Errorf("%d were taken; want %d", len(took), want)
		}
	}
	fails = errors.New("nobody answers there")
	step(0, 0)
	fails = nil
	step(backupAgain, 1)
	fails = errors.New("again")
	step(time.Hour, 1)
	fails = nil
	step(time.Hour, 3) // the second with the third
	all, _, err := backup.List(w.engine.opts.Backups.Dir)
	if err != nil || !slices.EqualFunc(all, took, func(f backup.File, id string) bool { return f.ID == id }) {
		t.Errorf("taken were %v of %v, %v", took, all, err)
	}
	w.engine.lookForBackups()
	w.now = time.Now()
	step(0, 3)
}
