//go:build unix

package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// A process that is stopped while it is asked is named, with what to do, by every kind of
// call; the same calls work once it goes on.
func TestEngineThatIsStopped(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := (&app{}).attachTo(s.by, s.dir, commandLine)
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
	if err := s.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// It has stopped once its parent can be told so.
	if _, err := syscall.Wait4(s.process.Pid, nil, syscall.WUNTRACED, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	for what, call := range calls {
		go func() {
			err := call(t.Context())
			named := err != nil && strings.Contains(err.Error(), strconv.Itoa(s.process.Pid))
			if tally.CodeOf(err) != tally.InUse || !named || !strings.Contains(tally.AsError(err).Hint, "kill -CONT") {
				t.Errorf("%s: %v", what, err)
			}
			ended <- err
		}()
	}
	for range calls {
		<-ended
	}
	if err := s.process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for what, call := range calls {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s, once it goes on: %v", what, err)
		}
	}
}
