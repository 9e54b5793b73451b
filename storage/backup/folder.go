package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// extension is that of backups; partly that of one that is being written.
const (
	extension = ".tgbackup"
	partly    = ".partly"
)

// File is a backup in a folder.
type File struct {
	Path  string
	Bytes int64
	Info
}

// List returns the backups in a folder, the earliest first. Files that are none, or cannot
// be read, are left out.
func List(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, folderError(dir, err)
	}
	var all []File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), extension) {
			continue
		}
		if f, err := Look(filepath.Join(dir, e.Name())); err == nil {
			all = append(all, f)
		}
	}
	tally.Order(all, func(a, b File) int { return a.At.Compare(b.At) })
	return all, nil
}

// Look reads what a file says of itself.
func Look(path string) (File, error) {
	file, err := os.Open(path)
	if err != nil {
		return File{}, folderError(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return File{}, folderError(path, err)
	}
	r, err := NewReader(file)
	if err != nil {
		return File{}, of(path, err)
	}
	defer r.Close()
	return File{path, info.Size(), r.Info}, nil
}

// Chain are the backups that are restored together: the file itself and those it needs,
// the latest first. One that is missing is NotFound.
func Chain(f File) ([]File, error) {
	all, err := List(filepath.Dir(f.Path))
	if err != nil {
		return nil, err
	}
	chain := []File{f}
	for !f.Whole() {
		i := slices.IndexFunc(all, func(b File) bool { return b.ID == f.Base })
		if i < 0 || slices.ContainsFunc(chain, func(c File) bool { return c.ID == all[i].ID }) {
			return nil, tally.Errorf(tally.NotFound, "%s goes on from the backup %s, which is not beside it", f.Path, f.Base).
				WithHint("put all files of the folder together, or restore a whole backup")
		}
		f = all[i]
		chain = append(chain, f)
	}
	return chain, nil
}

// Latest is the latest backup in a folder that was made up to a time, the zero time for
// any; NotFound if there is none.
func Latest(dir string, until time.Time) (File, error) {
	all, err := List(dir)
	if err != nil {
		return File{}, err
	}
	for _, f := range slices.Backward(all) {
		if until.IsZero() || !f.At.After(until) {
			return f, nil
		}
	}
	if len(all) == 0 {
		return File{}, tally.Errorf(tally.NotFound, "there is no backup in %s", dir)
	}
	return File{}, tally.Errorf(tally.NotFound, "the earliest backup in %s is of %s", dir, all[0].At.Format(time.RFC3339)).
		WithHint("tallygate backup list %s shows all", tally.ShellWord(dir))
}

// Source writes a backup: a whole one, or what has come since another.
type Source func(ctx context.Context, since *Info, w io.Writer) error

// Make writes a backup into a folder, reads it again to its end, and gives it its name
// only then. With since it is one of what has come since then.
func Make(ctx context.Context, dir string, since *Info, from Source) (File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return File{}, folderError(dir, err)
	}
	for _, path := range Leftovers(dir) {
		os.Remove(path) // best effort: the next one tries again
	}
	temp, err := os.CreateTemp(dir, "tallygate-*"+partly)
	if err != nil {
		return File{}, folderError(dir, err)
	}
	defer os.Remove(temp.Name()) // fails once it has another name
	defer temp.Close()
	if err := from(ctx, since, temp); err != nil {
		return File{}, err
	}
	if err := temp.Sync(); err != nil {
		return File{}, folderError(temp.Name(), err)
	}
	if _, err := temp.Seek(0, io.SeekStart); err != nil {
		return File{}, folderError(temp.Name(), err)
	}
	info, _, err := Check(temp)
	if err != nil {
		return File{}, of(temp.Name(), err)
	}
	is, err := temp.Stat()
	if err != nil {
		return File{}, folderError(temp.Name(), err)
	}
	path := filepath.Join(dir, nameOf(&info))
	if err := errors.Join(temp.Close(), os.Link(temp.Name(), path)); err != nil {
		// Where there are no links, a name of this second is not taken but by chance.
		if _, there := os.Lstat(path); there == nil || os.Rename(temp.Name(), path) != nil {
			return File{}, folderError(path, err)
		}
	}
	return File{path, is.Size(), info}, syncFolder(dir)
}

// abandoned is how long nobody has written to a backup that nobody will finish.
const abandoned = time.Hour

// Leftovers are the files of backups that were begun, and that nobody goes on with: their
// process was killed. The next backup in the folder removes them.
func Leftovers(dir string) (paths []string) {
	entries, _ := os.ReadDir(dir) // what could be read
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "tallygate-") || !strings.HasSuffix(e.Name(), partly) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// nameOf is what the file of a backup is called: its time, and whether it needs others.
func nameOf(i *Info) string {
	kind := "whole"
	if !i.Whole() {
		kind = "since"
	}
	return "tallygate-" + i.At.UTC().Format("20060102T150405.000Z") + "-" + kind + extension
}

// Since is the backup of a store that the next one may go on from, nil where the next one
// has to be whole: the latest of a store, unless the whole one at its beginning is older
// than a time.
func Since(dir, store string, wholeAfter time.Time) (*Info, error) {
	all, err := List(dir)
	if err != nil {
		if tally.CodeOf(err) == tally.NotFound {
			err = nil
		}
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f File) bool { return f.Store != store })
	if len(all) == 0 {
		return nil, nil
	}
	last := all[len(all)-1]
	chain, err := Chain(last)
	if err != nil || chain[len(chain)-1].At.Before(wholeAfter) {
		return nil, nil
	}
	return &last.Info, nil
}

// Rotate removes the oldest backups of a store, all but those that begin with its latest
// whole ones, of which so many stay. It returns what it has removed.
func Rotate(dir, store string, whole int) (gone []File, err error) {
	all, err := List(dir)
	if err != nil || whole <= 0 {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f File) bool { return f.Store != store })
	keep := len(all)
	for i, f := range slices.Backward(all) {
		if f.Whole() {
			if keep, whole = i, whole-1; whole == 0 {
				break
			}
		}
	}
	for _, f := range all[:keep] {
		if err := os.Remove(f.Path); err != nil {
			return gone, folderError(f.Path, err)
		}
		gone = append(gone, f)
	}
	return gone, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return folderError(dir, err)
	}
	defer d.Close()
	d.Sync() // not everywhere possible
	return nil
}

// of names the file of an error.
func of(path string, err error) error {
	e := *tally.AsError(err)
	e.Message = path + ": " + e.Message
	return &e
}

func folderError(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	code, hint := tally.Internal, "look at the disk, or name another folder"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code, hint = tally.NotFound, "name a folder of backups, or one of them"
	case errors.Is(err, fs.ErrPermission):
		code, hint = tally.Denied, "make it writable for this user, or name another folder"
	}
	return tally.Errorf(code, "%s: %w", path, err).WithHint("%s", hint)
}
