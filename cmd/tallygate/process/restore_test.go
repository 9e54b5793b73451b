package process

import (
	"runtime"
	"strings"
	"testing"
)

// A command of the owner's gets the environment and what it is told, but not the password
// of the nodes' database.
func TestShellDoesNotKnowTheStore(t *testing.T) {
	t.Setenv(StoreVariable, "postgres://tally:hunter2@db/tally")
	t.Setenv("OF_THE_OWNER", "kept")
	command := "env"
	if runtime.GOOS == "windows" {
		command = "set"
	}
	said, err := Shell(t.Context(), command, strings.NewReader(""), "TALLYGATE_BACKUP=told")
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
