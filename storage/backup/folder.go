package backup

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// extension is that of backups; partly that of one that is being written, and brought that
// of the mark that one was taken to another place.
const (
	extension = ".tgbackup"
	partly    = ".partly"
	brought   = ".brought"
)

// File is a backup in a folder.
type File struct {
	Path  string
	Bytes int64
	Info
}

// Unreadable is a file in a folder that is called like a backup, and of which nobody can read
// what it is.
type Unreadable struct {
	Path string
	At   time.Time // by its name, zero where that has none
	Err  error     // names the file
}

// List returns the backups in a folder, the earliest first, and beside them those that cannot
// be read. Other files are left out.
func List(dir string) (all []File, not []Unreadable, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, folderError(dir, err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), extension) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch f, err := Look(path); {
		case err == nil:
			all = append(all, f)
		case tally.CodeOf(err) != tally.NotFound: // it was removed meanwhile
			not = append(not, Unreadable{path, atOf(e.Name()), err})
		}
	}
	tally.Order(all, func(a, b File) int { return a.At.Compare(b.At) })
	return all, not, nil
}

// atOf is the time in the name of a backup, zero if it has none.
func atOf(name string) time.Time {
	name, ours := strings.CutPrefix(name, "tallygate-")
	stamp, _, _ := strings.Cut(name, "-")
	at, err := time.Parse(stampLayout, stamp)
	if !ours || err != nil {
		return time.Time{}
	}
	return at
}

// byContent orders the backups of one store by what they have. Their times do not: a clock
// may have been set back between two of them.
func byContent(a, b File) int {
	return cmp.Or(cmp.Compare(a.Records, b.Records), a.At.Compare(b.At))
}

// newest is the backup of a store that has most of it, nil if there is none.
func newest(all []File, store string) *File {
	var last *File
	for i := range all {
		if f := &all[i]; f.Store == store && (last == nil || byContent(*f, *last) > 0) {
			last = f
		}
	}
	for range all { // one that goes on from it is newer, with as many records and an earlier time, too
		i := slices.IndexFunc(all, func(f File) bool { return last != nil && f.Base == last.ID })
		if i < 0 {
			break
		}
		last = &all[i]
	}
	return last
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
	all, not, err := List(filepath.Dir(f.Path))
	if err != nil {
		return nil, err
	}
	return chainOf(all, not, f)
}

func chainOf(all []File, not []Unreadable, f File) ([]File, error) {
	chain := []File{f}
	for !f.Whole() {
		i := slices.IndexFunc(all, func(b File) bool { return b.ID == f.Base })
		if i < 0 || slices.ContainsFunc(chain, func(c File) bool { return c.ID == all[i].ID }) {
			const hint = "put all files of the folder together, or restore a whole backup"
			if len(not) > 0 {
				return nil, tally.Errorf(tally.NotFound, "%s goes on from the backup %s, which is not beside it, or cannot be read: %w",
					f.Path, f.Base, not[0].Err).
					WithHint(hint)
			}
			return nil, tally.Errorf(tally.NotFound, "%s goes on from the backup %s, which is not beside it", f.Path, f.Base).
				WithHint(hint)
		}
		f = all[i]
		chain = append(chain, f)
	}
	return chain, nil
}

// Latest is the latest backup in a folder that was made up to a time, the zero time for
// any; NotFound if there is none. Of the store that it is of it is the one that has most.
func Latest(dir string, until time.Time) (File, error) {
	all, not, err := List(dir)
	if err != nil {
		return File{}, err
	}
	upTo := all
	if !until.IsZero() {
		upTo = all[:sort.Search(len(all), func(i int) bool { return all[i].At.After(until) })]
	}
	if len(upTo) > 0 {
		return *newest(upTo, upTo[len(upTo)-1].Store), nil
	}
	if len(all) == 0 && len(not) > 0 {
		return File{}, not[len(not)-1].Err
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
	return "tallygate-" + i.At.UTC().Format(stampLayout) + "-" + kind + extension
}

const stampLayout = "20060102T150405.000Z"

// Since is the backup of a store that the next one may go on from, nil where the next one
// has to be whole: the newest of a store, unless the whole one at its beginning is older
// than a time, or of a time that is still to come, when a clock was wrong.
func Since(dir, store string, wholeAfter, now time.Time) (*Info, error) {
	all, not, err := List(dir)
	if err != nil {
		if tally.CodeOf(err) == tally.NotFound {
			err = nil
		}
		return nil, err
	}
	last := newest(all, store)
	if last == nil {
		return nil, nil
	}
	chain, err := chainOf(all, not, *last)
	if err != nil {
		return nil, nil
	}
	if whole := chain[len(chain)-1].At; whole.Before(wholeAfter) || whole.After(now) {
		return nil, nil
	}
	return &last.Info, nil
}

// Rotate removes the oldest backups of the store of one that was just made: all but so many
// whole ones, the newest and that of the one just made, and those that go on from them. It
// returns what it has removed.
func Rotate(dir string, made File, whole int) (gone []File, err error) {
	all, not, err := List(dir)
	if err != nil || whole <= 0 {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f File) bool { return f.Store != made.Store })
	tally.Order(all, byContent)
	began := make(map[string]string, len(all)) // by backup, the whole one that it needs; none where that is not there
	var wholes []string                        // the oldest first, that of the one just made last
	for _, f := range all {
		if chain, err := chainOf(all, not, f); err == nil {
			began[f.ID] = chain[len(chain)-1].ID
		}
	}
	for _, f := range all {
		if f.Whole() && f.ID != began[made.ID] {
			wholes = append(wholes, f.ID)
		}
	}
	if began[made.ID] != "" {
		wholes = append(wholes, began[made.ID])
	}
	wholes = wholes[max(len(wholes)-whole, 0):]
	kept := slices.IndexFunc(all, func(f File) bool { return slices.Contains(wholes, f.ID) })
	for i, f := range all {
		is, needed := began[f.ID], i >= kept
		if is != "" {
			needed = slices.Contains(wholes, is)
		}
		if needed {
			continue
		}
		if err := os.Remove(f.Path); err != nil {
			return gone, folderError(f.Path, err)
		}
		os.Remove(markOf(f)) // where there is one
		gone = append(gone, f)
	}
	return gone, nil
}

// markOf is the file that says that a backup was taken to another place.
func markOf(f File) string { return strings.TrimSuffix(f.Path, extension) + brought }

// Bring takes a backup to another place, by a function, after those that it goes on from and
// that were not taken there yet: there it would be of no use without them. What has arrived is
// marked beside it, so that this holds when the process ends in the middle, too.
func Bring(f File, take func(File) error) error {
	chain, err := Chain(f)
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(chain) {
		if _, err := os.Lstat(markOf(f)); err == nil {
			continue
		}
		if err := take(f); err != nil {
			return err
		}
		if _, err := os.Lstat(f.Path); err != nil {
			continue // it was moved there
		}
		if err := os.WriteFile(markOf(f), nil, 0o600); err != nil {
			return folderError(markOf(f), err)
		}
	}
	return nil
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
