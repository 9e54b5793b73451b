//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A process that is stopped while it is asked is named, with what to do, by every kind of
// call; the same calls work once it goes on.
func TestEngineThatIsStopped(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	env := append(os.Environ(), "TALLYGATE_DATA="+dir, "GORACE=atexit_sleep_ms=0")
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command("tallygate", args...)
		cmd.Env = env
		return cmd
	}
	if out, err := run("init", "--yes", "--json").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	served := run("serve", "--listen", "127.0.0.1:"+freePort())
	if err := served.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		served.Process.Signal(syscall.SIGCONT)
		served.Process.Signal(syscall.SIGTERM)
		served.Wait()
	}()
	var by process.Holder
	for by.Socket == "" || !by.Answers(t.Context()) {
		time.Sleep(20 * time.Millisecond)
		by = process.ReadHolder(dir)
	}
	c := attachTo(by, dir, commandLine)
	defer c.close()
	calls := map[string]func(context.Context) error{
		"a call": func(ctx context.Context) error {
			_, err := control.ClientsList.Do(ctx, c, control.Listing{})
			return err
		},
		"a stream": func(ctx context.Context) error {
			return control.BackupCreate.Do(ctx, c, control.BackupSince{}, io.Discard)
		},
	}
	for what, call := range calls {
		if err := call(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if err := served.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// It has stopped once its parent can be told so.
	if _, err := syscall.Wait4(served.Process.Pid, nil, syscall.WUNTRACED, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	for what, call := range calls {
		go func() {
			err := call(t.Context())
			named := err != nil && strings.Contains(err.Error(), strconv.Itoa(served.Process.Pid))
			if tally.CodeOf(err) != tally.InUse || !named || !strings.Contains(tally.AsError(err).Hint, "kill -CONT") {
				t.Errorf("%s: %v", what, err)
			}
			ended <- err
		}()
	}
	for range calls {
		<-ended
	}
	if err := served.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for what, call := range calls {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s, once it goes on: %v", what, err)
		}
	}
}
