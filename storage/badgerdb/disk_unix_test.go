//go:build unix

package badgerdb

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"tallygate/engine/tally"
)

var fullDisk error = unix.ENOSPC

// A file that this user may not read is another user's, and no damage: nobody is to
// restore a backup over a store that is whole.
func TestFilesOfAnotherUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	w := full(t)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"MANIFEST", "*.sst", "*.vlog"} {
		files, err := filepath.Glob(filepath.Join(w.dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, mode := range []os.FileMode{0, 0o600} {
			want := tally.Code("")
			if mode == 0 {
				want = tally.Denied
			}
			if err := os.Chmod(files[0], mode); err != nil {
				t.Fatal(err)
			}
			s, err := Open(ctx, Options{Dir: w.dir})
			if tally.CodeOf(err) != want {
				t.Errorf("%s with mode %04o: %v", pattern, mode, err)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	w.orphan()
	w.start()
	w.agree()
}
