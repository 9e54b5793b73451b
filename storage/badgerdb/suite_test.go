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

var every = flag.Bool("every", false, "let every commit of a history fail, not one in some")

// raced is whether the race detector looks on. Under it a history takes ten times as long, and
// finds nothing that it does not find without: there are fewer then, unless the caller says
// how many.
var raced bool

func TestMain(m *testing.M) {
	info, _ := debug.ReadBuildInfo()
	if raced = slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}); raced {
		flag.Set("rapid.checks", cmp.Or(os.Getenv("RAPID_CHECKS"), "15"))
	}
	os.Exit(m.Run())
}

// stride is from one commit that fails to the next one, where one in so many is usual.
func stride(usual int) int {
	switch {
	case *every:
		return 1
	case raced:
		return 4 * usual
	}
	return usual
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
