package sshd

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tallygate/engine/tally"
)

// The host key is made once, for its owner only; one that others can read, or that is
// damaged, is refused with what to do.
func TestHostKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, HostKeyFile)
	first, err := hostKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := hostKey(dir); err != nil || !bytes.Equal(first, again) {
		t.Errorf("it changes: %v", err)
	}
	files, _ := os.ReadDir(dir)
	info, err := os.Stat(path)
	if err != nil || len(files) != 1 || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, %v", files, info, err)
	}
	refused := func(code tally.Code) {
		t.Helper()
		if _, err := hostKey(dir); tally.CodeOf(err) != code || tally.AsError(err).Hint == "" {
			t.Errorf("%v, want %s", err, code)
		}
	}
	if runtime.GOOS != "windows" {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
			os.Chmod(path, mode)
			refused(tally.Denied)
		}
		os.Chmod(path, 0o600)
	}
	if err := os.WriteFile(path, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(tally.Corrupt)
}
