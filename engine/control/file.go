package control

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tallygate/engine/tally"
)

// WriteFile writes a file that only this user can read. It takes its name once
// it is complete: what fails leaves nothing behind, and what was there stays. A
// file is replaced only with force.
func WriteFile(path string, force bool, write func(io.Writer) error) (err error) {
	if !force {
		claim, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return tally.Errorf(tally.Conflict, "%s is there already", path).WithHint("give another name, or say that it may be replaced: --force")
		}
		if err != nil {
			return cannotWrite(path, err)
		}
		claim.Close()
	}
	done := false
	defer func() {
		if !done && !force {
			os.Remove(path)
		}
	}()
	file, err := os.CreateTemp(filepath.Dir(path), ".tallygate-*") // mode 0600
	if err != nil {
		return cannotWrite(path, err)
	}
	w := bufio.NewWriter(file)
	if err = write(w); err == nil {
		err = errors.Join(w.Flush(), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
		if _, ours := errors.AsType[*tally.Error](err); ours {
			return err
		}
		return cannotWrite(path, err)
	}
	done = true
	return nil
}

func cannotWrite(path string, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return tally.Errorf(tally.Invalid, "%s cannot be written: %w", path, err)
}
