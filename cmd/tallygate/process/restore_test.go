package process

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A command of the owner's gets the environment and what it is told, but not the URL of the
// nodes' database, and of alerts not its password: only what dumps it needs that.
func TestShellDoesNotKnowTheStore(t *testing.T) {
	t.Setenv(StoreVariable, "postgres://tally:hunter2@db/tally")
	t.Setenv("OF_THE_OWNER", "kept")
	command := "env"
	if runtime.GOOS == "windows" {
		command = "set"
	}
	t.Setenv(PasswordVariable, "swordfish")
	for _, hidden := range [][]string{nil, {PasswordVariable}} {
		said, err := Shell(t.Context(), command, strings.NewReader(""), hidden)
		if err != nil || strings.Contains(said, "swordfish") != (hidden == nil) {
			t.Errorf("with %q hidden it has the password, or lacks it, %v", hidden, err)
		}
	}
	said, err := Shell(t.Context(), command, strings.NewReader(""), nil, "TALLYGATE_BACKUP=told")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, StoreVariable) {
		t.Error("the command has the URL of the nodes' database")
	}
	for _, line := range []string{"OF_THE_OWNER=kept", "TALLYGATE_BACKUP=told"} {
		if !strings.Contains(said, line) {
			t.Errorf("the command lacks %s", line)
		}
	}
}

// Who ends a command that hangs ends what that has started, too.
func TestShellEndsAll(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what a command has started is not known there")
	}
	mark := filepath.Join(t.TempDir(), "went on")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Shell(ctx, "(sleep 2; touch '"+mark+"'); true", strings.NewReader(""), nil); err == nil {
		t.Error("a command that was cut off has succeeded")
	}
	time.Sleep(2500 * time.Millisecond)
	if _, err := os.Stat(mark); err == nil {
		t.Error("what it has started went on")
	}
}
