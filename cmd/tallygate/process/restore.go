package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/backup"
	"tallygate/storage/badgerdb"
)

// Restore makes a new data folder from backups, the latest first. The error is Conflict if
// the folder has something in it but a key file.
func Restore(ctx context.Context, dir string, from []backup.File, version string) (tally.Report, error) {
	if there, err := HasStore(dir); err != nil || there {
		if err == nil {
			err = tally.Errorf(tally.Conflict, "%s has data already", dir).WithHint("restore into a new folder, and serve that with --data")
		}
		return tally.Report{}, err
	}
	if err := Prepare(dir); err != nil {
		return tally.Report{}, err
	}
	l, other, err := Take(ctx, dir, "backup restore")
	if err != nil {
		return tally.Report{}, err
	}
	if l == nil {
		return tally.Report{}, other.InUse(dir)
	}
	readers := make([]io.Reader, len(from))
	for i, f := range from {
		file, err := os.Open(f.Path)
		if err != nil {
			return tally.Report{}, errors.Join(folderError(f.Path, err), l.Release())
		}
		defer file.Close()
		readers[i] = file
	}
	report, err := badgerdb.Restore(ctx, badgerdb.Options{Dir: filepath.Join(dir, StoreFolder), Profile: badgerdb.Server, Version: version}, readers...)
	return report, errors.Join(err, l.Release())
}

// HasKeyFile reports whether a data folder has what opens its secrets.
func HasKeyFile(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, keyFile))
	return err == nil
}

// Bounds on a command of the owner's.
const (
	shellPatience = time.Hour
	maxSaid       = 4 << 10 // of what it says, in bytes
)

// StoreVariable is the environment variable that may have the URL of the nodes' database,
// its password included. A process that goes on as another one needs it still.
const StoreVariable = "TALLYGATE_STORE"

// PasswordVariable is the environment variable that may have the password of the nodes'
// database. What dumps that database wants it, too.
const PasswordVariable = "PGPASSWORD"

// WithoutStore is an environment for commands that are not tallygate: without the URL of
// the nodes' database, and without what else they are not to learn.
func WithoutStore(env []string, others ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return name == StoreVariable || slices.Contains(others, name)
	})
}

// Shell runs a command of the owner's with an input and more of an environment than that of
// this process, and returns the end of what it says. The command does not learn of the nodes'
// database, nor of the variables that are hidden.
func Shell(ctx context.Context, command string, input io.Reader, hidden []string, env ...string) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, shellPatience)
	defer cancel()
	words := []string{"/bin/sh", "-c", command}
	if runtime.GOOS == "windows" {
		words = []string{"cmd", "/C", command}
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(WithoutStore(os.Environ(), hidden...), env...)
	cmd.WaitDelay = time.Second
	withAll(cmd) // the shell's own end would leave what it has started
	var out tail
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, &out
	err = cmd.Run()
	return out.String(), err
}

// tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	n, _ := t.Buffer.Write(b)
	if over := t.Len() - maxSaid; over > 0 {
		t.Next(over)
	}
	return n, nil
}
