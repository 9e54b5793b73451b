package memory_test

import (
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// A copy has come to the same point, and goes its own way from there.
func TestClone(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	refusal := func(id tally.ID) tally.Record { return tally.Record{ID: id, At: at, Outcome: tally.OutcomeDenied} }
	s := memory.New(nil)
	if _, err := s.Apply(t.Context(), tally.Act{At: at}, tally.Put(&tally.Client{Meta: tally.Meta{ID: "cl"}, Slug: "acme"}, at)); err != nil {
		t.Fatal(err)
	}
	if err := s.Refuse(t.Context(), refusal("req_1")); err != nil {
		t.Fatal(err)
	}
	var told []tally.Record
	c := s.Clone(func(r []tally.Record) { told = append(told, r...) })
	for _, err := range []error{c.Refuse(t.Context(), refusal("req_2")), c.Refuse(t.Context(), refusal("req_3")), s.Refuse(t.Context(), refusal("req_4"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 2 || told[0].ID != "req_2" || told[0].Seq != 2 {
		t.Errorf("the copy tells of %+v", told)
	}
	for store, want := range map[*memory.Store]int{s: 2, c: 3} {
		records, _, err := store.Records(t.Context(), storage.RecordQuery{})
		if err != nil || len(records) != want || records[want-1].ID != "req_1" {
			t.Errorf("%+v, %v, want %d records", records, err, want)
		}
		if log, err := store.VerifyAudit(t.Context()); err != nil || log.Entries != 1 {
			t.Errorf("its audit log: %+v, %v", log, err)
		}
		if entities, rev, err := store.Load(t.Context()); err != nil || len(entities) != 1 || rev != 1 {
			t.Errorf("%v, %d, %v", entities, rev, err)
		}
	}
}
