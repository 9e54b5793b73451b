package memory_test

import (
	"testing"

	"tallygate/storage"
	"tallygate/storage/memory"
	"tallygate/storage/storetest"
)

// TestStore: the checks of the suite are written by hand; its random histories
// say little here, where the store is compared with itself.
func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open: func(_ string, hook storage.Hook) (storage.Store, error) { return memory.New(hook), nil },
	})
}
