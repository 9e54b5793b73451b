package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// made writes a backup with as many records into a folder, so many minutes after noon.
func made(t *testing.T, dir string, since *File, records uint64, minutes int) File {
	t.Helper()
	i := Info{ID: NewID("bk"), Store: "st", Records: records, At: noon.Add(time.Duration(minutes) * time.Minute)}
	var from *Info
	if since != nil {
		from, i.Base, i.After = &since.Info, since.ID, since.Records
	}
	f, err := Make(context.Background(), dir, from, func(_ context.Context, _ *Info, w io.Writer) error {
		out, err := NewWriter(w, i)
		if err != nil {
			return err
		}
		return out.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func left(t *testing.T, dir string) (paths []string) {
	t.Helper()
	all, not, err := List(dir)
	if err != nil || len(not) > 0 {
		t.Fatal(err, not)
	}
	for _, f := range all {
		paths = append(paths, f.Path)
	}
	return paths
}

// Where a clock is set back, the newest backup stands before the others by its time. It is
// gone on from, restored and kept all the same.
func TestAClockIsSetBack(t *testing.T) {
	dir := t.TempDir()
	whole := made(t, dir, nil, 10, 60)
	first := made(t, dir, &whole, 20, 120)
	second := made(t, dir, &first, 30, 0)
	for _, keep := range []int{1, 4} {
		if gone, err := Rotate(dir, second, keep); err != nil || len(gone) > 0 {
			t.Fatalf("with %d to keep: removed %v, %v", keep, gone, err)
		}
	}
	if last, err := Latest(dir, time.Time{}); err != nil || last.ID != second.ID {
		t.Errorf("the latest is %v, %v; want that of %v", last.At, err, second.At)
	}
	same := made(t, dir, &second, 30, -5) // nothing was used since
	if since, err := Since(dir, "st", noon, noon.Add(3*time.Hour)); err != nil || since == nil || since.ID != same.ID {
		t.Errorf("the next goes on from %v, %v; want %v", since, err, same.ID)
	}
	if since, err := Since(dir, "st", noon, noon); err != nil || since != nil {
		t.Errorf("it goes on from %v, %v, whose whole one is of a time to come", since, err)
	}
	anew := made(t, dir, nil, 30, -4)
	if gone, err := Rotate(dir, anew, 1); err != nil || len(gone) != 4 || !slices.Equal(left(t, dir), []string{anew.Path}) {
		t.Errorf("removed %v, %v; what was just made has to stay alone", gone, err)
	}
}

// What begins with a whole backup that goes, goes with it, as does what has lost its own.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	lost := made(t, dir, nil, 1, 1)
	made(t, dir, &lost, 2, 2)
	os.Remove(lost.Path)
	old := made(t, dir, nil, 3, 3)
	made(t, dir, &old, 4, 4)
	kept := made(t, dir, nil, 5, 5)
	on := made(t, dir, &kept, 6, 6)
	last := made(t, dir, nil, 7, 7)
	os.WriteFile(markOf(old), nil, 0o600)
	if gone, err := Rotate(dir, last, 2); err != nil || len(gone) != 3 {
		t.Errorf("removed %v, %v; want 3", gone, err)
	}
	if got := left(t, dir); !slices.Equal(got, []string{kept.Path, on.Path, last.Path}) {
		t.Errorf("left are %v", got)
	}
	if _, err := os.Stat(markOf(old)); err == nil {
		t.Error("the mark of one that is gone stays")
	}
}

// What cannot be read is named, and not passed over as if it had never been.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	whole := made(t, dir, nil, 10, 0)
	middle := made(t, dir, &whole, 20, 1)
	last := made(t, dir, &middle, 30, 2)
	if err := os.Truncate(middle.Path, 25); err != nil {
		t.Fatal(err)
	}
	all, not, err := List(dir)
	if err != nil || len(all) != 2 || len(not) != 1 || not[0].Path != middle.Path || !not[0].At.Equal(middle.At) {
		t.Errorf("list: %v, %v, %v", all, not, err)
	}
	if _, err := Chain(last); tally.CodeOf(err) != tally.NotFound || !errors.Is(err, not[0].Err) && !strings.Contains(err.Error(), filepath.Base(middle.Path)) {
		t.Errorf("the chain: %v", err)
	}
}

// One that was not taken elsewhere is taken there before those that go on from it, and once.
func TestBring(t *testing.T) {
	dir := t.TempDir()
	whole := made(t, dir, nil, 1, 1)
	on := made(t, dir, &whole, 2, 2)
	last := made(t, dir, &on, 3, 3)
	var took []string
	full := errors.New("it is full there")
	refuse := on.ID
	take := func(f File) error {
		if f.ID == refuse {
			return full
		}
		took = append(took, f.ID)
		return nil
	}
	if err := Bring(last, take); !errors.Is(err, full) || !slices.Equal(took, []string{whole.ID}) {
		t.Errorf("%v was taken, %v", took, err)
	}
	refuse = ""
	for range 2 {
		if err := Bring(last, take); err != nil || !slices.Equal(took, []string{whole.ID, on.ID, last.ID}) {
			t.Errorf("%v was taken, %v", took, err)
		}
	}
}
