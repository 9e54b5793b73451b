package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tallygate/engine/tally"
)

func TestLockIsOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	first, _, err := takeLock(dir, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.announce("/somewhere/control.sock"); err != nil {
		t.Fatal(err)
	}
	_, other, err := takeLock(dir, "clients list")
	if !errors.Is(err, errLocked) || other.PID != os.Getpid() || other.Doing != "serve" || other.Socket != "/somewhere/control.sock" {
		t.Fatalf("got %+v, %v", other, err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, _, err := takeLock(dir, "clients list")
	if err != nil {
		t.Fatalf("a lock that was released: %v", err)
	}
	defer second.Release()
	if h := ReadHolder(dir); h.Doing != "clients list" || h.Socket != "" {
		t.Errorf("the file still speaks of another process: %+v", h)
	}
}

// A lock file that a killed process left behind is in nobody's way, whatever it
// says.
func TestStaleLockFile(t *testing.T) {
	for _, text := range []string{"", "{", `{"pid":1,"socket":"/nowhere/control.sock"}`, "\x00\x00"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, lockFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, other, err := Take(t.Context(), dir, "test")
		if err != nil || l == nil {
			t.Fatalf("%q: got %v, %+v, %v", text, l, other, err)
		}
		l.Release()
	}
}

// A command waits for another one that is about to end.
func TestLockIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	first, _, err := takeLock(dir, "usage")
	if err != nil {
		t.Fatal(err)
	}
	released := make(chan error)
	go func() {
		time.Sleep(50 * time.Millisecond)
		released <- first.Release()
	}()
	second, _, err := Take(t.Context(), dir, "clients list")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	if err := <-released; err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Take(impatient, dir, "verify"); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted wait: %v", err)
	}
	e := tally.AsError(ReadHolder(dir).InUse(dir))
	if e.Code != tally.InUse || e.Hint == "" {
		t.Errorf("got %+v", e)
	}
}
