package storetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// copyFolder copies the files of a folder as they are at one moment. The store
// may tidy up by itself: then files have come or gone, and it is done again.
func copyFolder(to, from string) error {
	for range 20 {
		before, err := list(from)
		if err != nil {
			return err
		}
		var failed error
		for name := range before {
			failed = errors.Join(failed, copyFile(filepath.Join(to, name), filepath.Join(from, name)))
		}
		after, err := list(from)
		if err != nil {
			return err
		}
		if failed == nil && maps.Equal(before, after) {
			return nil
		}
		if failed != nil && !errors.Is(failed, fs.ErrNotExist) {
			return failed
		}
		for name := range before {
			os.Remove(filepath.Join(to, name))
		}
	}
	return errors.New("the store does not come to rest")
}

// list returns the files of a folder and their sizes.
func list(dir string) (map[string]int64, error) {
	out := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			var name string
			name, err = filepath.Rel(dir, path)
			out[name] = info.Size()
		}
		return err
	})
	return out, err
}

// copyFile copies a file. Runs of zeros become holes: a store may have reserved
// far more room than it uses.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	block, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	var at int64
	for {
		n, err := io.ReadFull(in, block)
		if !bytes.Equal(block[:n], zeros[:n]) {
			if _, err := out.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if err := out.Truncate(at); err != nil {
				return err
			}
			return out.Close()
		case err != nil:
			return err
		}
	}
}
