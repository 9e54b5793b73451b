//go:build unix

package control

import (
	"os"

	"tallygate/engine/tally"
)

// checkPrivate refuses a folder that others may enter: what they cannot reach
// they cannot replace.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return tally.Errorf(tally.Internal, "look at the folder of the control socket: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return tally.Errorf(tally.Denied, "others may enter %s (mode %04o)", dir, info.Mode().Perm()).WithHint("chmod 700 %s", dir)
	}
	return nil
}
