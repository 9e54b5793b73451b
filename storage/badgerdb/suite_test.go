package badgerdb

import (
	"cmp"
	"context"
	"flag"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"tallygate/storage"
	"tallygate/storage/storetest"
)

// Under the race detector a random history takes ten times as long and finds nothing that
// it does not find without: there are fewer then, unless the caller says how many.
func TestMain(m *testing.M) {
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		flag.Set("rapid.checks", cmp.Or(os.Getenv("RAPID_CHECKS"), "15"))
	}
	os.Exit(m.Run())
}

// TestStore runs the suite that every store passes: the random histories
// compare this one with storage/memory, act for act, over restarts and crashes.
func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Keeps: true,
		Open: func(dir string, hook storage.Hook) (storage.Store, error) {
			return Open(context.Background(), Options{Dir: dir, Hook: hook, chunkBits: 2})
		},
	})
}
