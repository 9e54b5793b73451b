package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"tallygate/engine/tally"
	"tallygate/storage/pgstore"
)

// What lies in a data folder. The lock file is made first.
const (
	LogFile     = "tallygate.log"
	lockFile    = "tallygate.lock"
	StoreFolder = "store"
	keyFile     = "secrets.key" // wraps the secrets in the store; backups leave it out
	captures    = "captures"    // what is captured on disk, sealed; backups leave it out, too
)

// DefaultFolder is the platform's usual place for the data of programs.
func DefaultFolder(env func(string) (string, bool)) (string, error) {
	get := func(name string) string { v, _ := env(name); return v }
	home := get("HOME")
	switch {
	case runtime.GOOS == "windows":
		if local := get("LOCALAPPDATA"); local != "" {
			return filepath.Join(local, "tallygate"), nil
		}
	case runtime.GOOS == "darwin" && home != "":
		return filepath.Join(home, "Library", "Application Support", "tallygate"), nil
	case filepath.IsAbs(get("XDG_DATA_HOME")): // a relative one is to be ignored, says its standard
		return filepath.Join(get("XDG_DATA_HOME"), "tallygate"), nil
	case home != "":
		return filepath.Join(home, ".local", "share", "tallygate"), nil
	}
	return "", tally.Errorf(tally.Invalid, "there is no home folder to keep data in").WithHint("name a folder with --data or TALLYGATE_DATA")
}

// HasStore reports whether a data folder was used before. Whether there is anything in a
// folder that one may not look into is not known, and an error.
func HasStore(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, StoreFolder))
	if errors.Is(err, fs.ErrNotExist) { // a node that was cut off as it joined
		_, err = os.Stat(filepath.Join(dir, pgstore.IdentityFile))
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	if theirs := checkFolder(dir, false); theirs != nil { // says whose it is
		return false, theirs
	}
	return false, folderError(dir, err)
}

// Prepare makes the data folder, or makes sure that an existing one is ours
// and closed to others: a store that others can write is no proof of anything.
func Prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return folderError(dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return folderError(dir, err)
	}
	ours := len(entries) == 0
	for _, e := range entries {
		ours = ours || e.Name() == lockFile || e.Name() == keyFile // either may have been taken away by hand
	}
	if !ours {
		return tally.Errorf(tally.Invalid, "%s holds other files and no data of tallygate", dir).WithHint("name a folder of its own with --data; it will be made")
	}
	return checkFolder(dir, len(entries) == 0)
}

func folderError(dir string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the folder is named already
	}
	code, hint := tally.Internal, "name another folder with --data"
	switch {
	case errors.Is(err, fs.ErrPermission):
		code, hint = tally.Denied, "make it yours, or name another folder with --data"
	case errors.Is(err, syscall.EROFS):
		code, hint = tally.Unavailable, "look at the disk and its mount, or name another folder with --data"
	case isNotFolder(dir):
		code, hint = tally.Invalid, "name a folder with --data"
	}
	return tally.Errorf(code, "data folder %s: %w", dir, err).WithHint("%s", hint)
}

func isNotFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
