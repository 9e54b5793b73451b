package tuitest

import (
	"os"
	"path/filepath"
	"testing"
)

// Written compares a file that is generated with what it should hold. -update writes
// it anew.
func Written(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	switch {
	case err == nil && string(got) == want:
	case *update:
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case err != nil:
		t.Fatal(err)
	default:
		t.Errorf("%s is not as the program is (-update writes it):\n%s", path, differences(string(got), want))
	}
}
