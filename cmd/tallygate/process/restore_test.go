package process

import (
	"runtime"
	"strings"
	"testing"
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
