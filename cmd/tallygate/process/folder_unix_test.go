//go:build unix

package process

import (
	"os"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// Nobody works on the folder of another user, root neither: it would leave files there
// that lock the owner out.
func TestFolderOfAnotherUser(t *testing.T) {
	dir := "/"
	if os.Geteuid() == 0 { // whose that is
		dir = t.TempDir()
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	err := checkFolder(dir, false)
	if e := tally.AsError(err); e.Code != tally.Denied || !strings.Contains(e.Message, "belongs to user") || !strings.Contains(e.Hint, "sudo -u ") {
		t.Errorf("%s: %v", dir, err)
	}
}
