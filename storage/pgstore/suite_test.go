package pgstore

import (
	"cmp"
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore/pgtest"
	"tallygate/storage/storetest"
)

// A random history starts a node again and again, which takes time, and under the race detector
// ten times as long, where it finds nothing that it does not find without: there are fewer,
// unless the caller says how many.
func TestMain(m *testing.M) {
	checks := "30"
	if info, _ := debug.ReadBuildInfo(); slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		checks = "5"
	}
	flag.Set("rapid.checks", cmp.Or(os.Getenv("RAPID_CHECKS"), checks))
	os.Exit(m.Run())
}

// opened opens the node of a folder. A folder of a new one gets a database of its own; where
// it is stands in the folder, so that a copy of it leads there, too.
func opened(dir string, hook storage.Hook, made func() string) (*Store, error) {
	at := filepath.Join(dir, "url")
	url, err := os.ReadFile(at)
	if err != nil {
		url = []byte(made())
		if err := os.WriteFile(at, url, 0o600); err != nil {
			return nil, err
		}
	}
	return Open(context.Background(), Options{URL: string(url), Dir: dir, Name: "one", Host: "here",
		Journal: badgerdb.Options{Dir: filepath.Join(dir, "store"), Hook: hook}})
}

// TestStore runs the suite that every store passes on a node that has a database alone.
func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Keeps: true, Apart: true,
		Open: func(dir string, hook storage.Hook) (storage.Store, error) {
			return opened(dir, hook, func() string { return pgtest.Database(t) })
		},
	})
}

// TestStoreOnABadLine does the same where all transactions are serializable and one message
// in sixty is lost, repeated or answered by an error. It stands for what other databases do
// under load, and for networks.
func TestStoreOnABadLine(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Keeps: true, Apart: true,
		Open: func(dir string, hook storage.Hook) (storage.Store, error) {
			return opened(dir, hook, func() string {
				return pgtest.Flaky(t, pgtest.Database(t)+"&default_transaction_isolation=serializable", 60).URL
			})
		},
	})
}
