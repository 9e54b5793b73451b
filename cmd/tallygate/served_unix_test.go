//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tallygate/cmd/tallygate/process"
)

// served is the program in a process of its own, which serves a new folder until the test ends.
type served struct {
	dir, address string
	by           process.Holder
	process      *os.Process
}

func serve(t *testing.T) *served {
	t.Helper()
	return serveWith(t, 1000)
}

// serveWith is serve, with so many files that the program may have open.
func serveWith(t *testing.T, files int) *served {
	t.Helper()
	s := &served{dir: filepath.Join(t.TempDir(), "data"), address: "127.0.0.1:" + freePort()}
	if out, err := s.command("init", "--yes", "--json").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := s.command("serve", "--listen", s.address)
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "ulimit -n " + strconv.Itoa(files) + ` && exec "$0" "$@"`,
		cmd.Path, "serve", "--listen", s.address}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	t.Cleanup(func() {
		s.process.Signal(syscall.SIGCONT)
		s.process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	for s.by.Socket == "" || !s.by.Answers(t.Context()) {
		time.Sleep(20 * time.Millisecond)
		s.by = process.ReadHolder(s.dir)
	}
	return s
}

// command is one of the program's for the folder.
func (s *served) command(args ...string) *exec.Cmd {
	cmd := exec.Command("tallygate", args...)
	cmd.Env = append(os.Environ(), "TALLYGATE_DATA="+s.dir, "GORACE=atexit_sleep_ms=0")
	return cmd
}
