package badgerdb

import (
	"context"
	"log/slog"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Profile is a set of sizes for Badger.
type Profile string

// The profiles: about 50 MB of memory on a desktop, more caches on a server.
const (
	Desktop Profile = "desktop"
	Server  Profile = "server"
)

// Durability says what an act waits for.
type Durability string

// The durabilities. Normal waits for the memory-mapped log, which survives the
// process; about each second it is synced to the disk. Strict waits for the
// sync, too.
const (
	Normal Durability = "normal"
	Strict Durability = "strict"
)

// Options say how to open a store. Zero fields mean the defaults.
type Options struct {
	Dir        string
	Profile    Profile    // default Desktop
	Durability Durability // default Normal
	Logger     *slog.Logger
	Hook       storage.Hook
}

// Store is a storage.Store on Badger.
type Store struct {
	storage.Store // of the version in the making
}

// Open opens the store in a folder, or makes one.
func Open(ctx context.Context, o Options) (*Store, error) {
	return nil, tally.Errorf(tally.Unavailable, "the store is not there yet")
}
