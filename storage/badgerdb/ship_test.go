package badgerdb

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// A journal is read in pieces of any size, over days and a reopening, and each record reads
// back from what is shipped of it.
func TestTail(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "store")
	open := func() *Store {
		s, err := Open(context.Background(), Options{Dir: dir, chunkBits: 2})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	at := time.Date(2026, 3, 10, 12, 0, 0, 1, time.UTC)
	const n = 57
	for i := range n {
		r := tally.Record{ID: tally.ID(fmt.Sprint("rf_", i)), At: at, Gateway: "gw_1", Client: "cl_1", Outcome: tally.OutcomeDenied, Status: 429,
			Tries: []tally.Attempt{{Provider: "pr_1", Cause: "busy", Detail: fmt.Sprint("said ", i)}}}
		if err := s.Refuse(ctx, r); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			at = at.Add(31 * time.Hour)
		}
	}
	check := func(from, most int) {
		t.Helper()
		var got []tally.Record
		for seq := uint64(from); ; {
			list, err := s.Tail(ctx, seq, most)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for i := range list {
				k := &list[i]
				back, err := DecodeRecord(EncodeRecord(k))
				if err != nil {
					t.Fatal(err)
				}
				if err := DecodeDetails(EncodeDetails(&k.Record), &back.Record); err != nil || !reflect.DeepEqual(back, *k) {
					t.Fatalf("read back %+v, %v; want %+v", back, err, *k)
				}
				if k.Day != dayOf(k.Settled) {
					t.Fatalf("record %d is of day %d", k.Seq, k.Day)
				}
				got = append(got, k.Record)
			}
			seq = list[len(list)-1].Seq
		}
		if len(got) != n-from {
			t.Fatalf("behind %d, %d at a time: %d records", from, most, len(got))
		}
		for i := range got {
			if got[i].Seq != uint64(from+i+1) || got[i].Tries[0].Detail != fmt.Sprint("said ", from+i) {
				t.Fatalf("behind %d, %d at a time: record %d is %+v", from, most, i, got[i])
			}
		}
	}
	for _, from := range []int{0, 1, 9, 10, 11, 12, 30, 56, 57} {
		check(from, 1)
		check(from, 7)
		check(from, 1000)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	check(13, 5)
	if _, err := s.Prune(ctx, storage.Before(at.AddDate(0, 0, -1)), 0); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Tail(ctx, 0, 1000); err != nil || len(list) == 0 || list[0].Seq == 1 || list[len(list)-1].Seq != n {
		t.Errorf("pruned: %d records, %v", len(list), err)
	}
}
