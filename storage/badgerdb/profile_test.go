package badgerdb

import (
	"bytes"
	"fmt"
	"testing"
)

// What a killed process of the larger profile leaves opens in the smaller one, which is
// that of commands.
func TestProfileAfterKill(t *testing.T) {
	dir := t.TempDir() + "/store"
	s, err := Open(t.Context(), Options{Dir: dir, Profile: Server})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := s.db.NewWriteBatch()
	for i := range 14 << 10 {
		if err := b.Set(fmt.Appendf(nil, "~%08d", i), bytes.Repeat([]byte{1}, 900)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, reads := range []bool{true, false} {
		killed := t.TempDir() + "/store"
		if err := copyFolder(killed, dir); err != nil {
			t.Fatal(err)
		}
		again, err := Open(t.Context(), Options{Dir: killed, Reads: reads})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}
