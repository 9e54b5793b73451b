package badgerdb

import (
	"context"
	"testing"

	"tallygate/storage"
	"tallygate/storage/storetest"
)

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
