package process

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"tallygate/engine/tally"
)

// Whether there is data in a folder that one may not look into is not known.
func TestAFolderThatIsClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, StoreFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if there, err := HasStore(dir); !there || err != nil {
		t.Errorf("one's own: %v, %v", there, err)
	}
	if there, err := HasStore(dir + "-none"); there || err != nil {
		t.Errorf("none: %v, %v", there, err)
	}
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the rights it has given up
		if os.Geteuid() == 0 {
			syscall.Setfsuid(65534) // of this thread only: root looks into any folder
		}
		_, err := HasStore(dir)
		done <- err
	}()
	if err := <-done; tally.CodeOf(err) != tally.Denied || tally.AsError(err).Hint == "" {
		t.Errorf("a closed folder: %v, want that it is denied", err)
	}
}
