//go:build !linux && !darwin

package badgerdb

import "os"

// allocate does nothing: these systems have no call for it that leaves a mapped file as it
// is.
func allocate(*os.File, int64) error { return nil }
