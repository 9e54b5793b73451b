package badgerdb

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"pgregory.net/rapid"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// together records refusals in one transaction, so that they share a block.
func (w *world) together(list []tally.Record) {
	w.Helper()
	var jobs []*job
	for i := range list {
		j := w.queue.newJob(jobRefuse)
		j.entry.Record = list[i]
		jobs = append(jobs, j)
	}
	if err := w.queue.send(jobs...); err != nil {
		w.Fatal(err)
	}
	for i, j := range jobs {
		if err := w.queue.wait(j); err != nil {
			w.Fatal(err)
		}
		if err := w.spec.Refuse(ctx, list[i]); err != nil {
			w.Fatal(err)
		}
	}
}

// A search that passes over chunks finds what one that looks at every record
// finds, page by page.
func TestSearchesAgree(t *testing.T) {
	t.Parallel()
	pick := func(rt *rapid.T, label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer func() { w.Store.Close() }()
		id := 0
		crash, prune := rapid.IntRange(0, 30).Draw(rt, "crash after"), rapid.IntRange(0, 20).Draw(rt, "prune after")
		for batch := range rapid.IntRange(1, 12).Draw(rt, "batches") {
			var list []tally.Record
			rare := rapid.IntRange(0, 5).Draw(rt, "rare") == 0
			for range rapid.IntRange(1, 20).Draw(rt, "records") {
				id++
				r := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%d", id)), At: w.now, Outcome: tally.OutcomeLimited, Count: 1, Client: "cl_1", Model: "m_1"}
				if rare {
					r.Client, r.Key = tally.ID(pick(rt, "client", "cl_1", "cl_2", "")), tally.ID(pick(rt, "key", "", "ke_1", "cl_2"))
					r.Token, r.Model = pick(rt, "token", "", "to_1"), pick(rt, "model", "m_1", "m_2", "m_2\x00")
					r.Gateway, r.Provider = tally.ID(pick(rt, "gateway", "", "gw_1")), tally.ID(pick(rt, "provider", "", "gw_1", "pr_1"))
					r.Status, r.Endpoint, r.Code = rapid.SampledFrom([]int{0, 200, 429, 502, 504}).Draw(rt, "status"), pick(rt, "endpoint", "", "504", "chat"), pick(rt, "code", "", "a", "b")
					r.Outcome = tally.Outcome(pick(rt, "outcome", "denied", "limited"))
				}
				list = append(list, r)
			}
			w.together(list)
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours")) * time.Hour)
			if rapid.Bool().Draw(rt, "checkpoint") {
				w.queue.alone(w.completeCheckpoint)
			}
			if batch == crash { // takes far longer than the rest
				w.crash()
			}
			if batch == prune {
				w.prune(w.now.AddDate(0, 0, -rapid.IntRange(0, 2).Draw(rt, "days")))
			}
		}
		for range 6 {
			q := storage.RecordQuery{Client: tally.ID(pick(rt, "client", "", "cl_1", "cl_2", "cl_3")), Key: tally.ID(pick(rt, "key", "", "", "ke_1", "cl_2")),
				Token: pick(rt, "token", "", "", "to_1"), Models: rapid.SampledFrom([][]string{nil, nil, {"m_2"}, {"m_2\x00"}, {"m_2", "m_3"}}).Draw(rt, "models"), Limit: rapid.IntRange(1, 30).Draw(rt, "limit"),
				Gateway: tally.ID(pick(rt, "gateway", "", "", "gw_1")), Provider: tally.ID(pick(rt, "provider", "", "", "", "gw_1", "pr_1")), Endpoint: pick(rt, "endpoint", "", "", "", "504"),
				Status:   rapid.SampledFrom([]int{0, 0, 0, 2, 3, 5, 504}).Draw(rt, "status"),
				Codes:    rapid.SampledFrom([][]string{nil, nil, {"a"}, {"a", "b"}, {"", "b"}}).Draw(rt, "codes"),
				Outcomes: rapid.SampledFrom([][]tally.Outcome{nil, nil, {"denied"}, {"denied", "limited"}, {"", "limited"}}).Draw(rt, "outcomes")}
			if rapid.Bool().Draw(rt, "since") {
				q.Since = w.now.Add(-time.Duration(rapid.IntRange(0, 200).Draw(rt, "hours ago")) * time.Hour)
			}
			w.samePages(rt, q)
		}
		w.sound()
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// samePages compares the pages of a query.
func (w *world) samePages(rt *rapid.T, q storage.RecordQuery) {
	mine, theirs := q, q
	for {
		got, next, err := w.Records(ctx, mine)
		want, wantNext, _ := w.spec.Records(ctx, theirs)
		if err != nil || len(got) != len(want) || (next == "") != (wantNext == "") {
			rt.Fatalf("%+v: %d records, %q, %v; want %d, %q", mine, len(got), next, err, len(want), wantNext)
		}
		for i := range got {
			if got[i].ID != want[i].ID {
				rt.Fatalf("%+v: record %d is %s, want %s", mine, i, got[i].ID, want[i].ID)
			}
		}
		if next == "" {
			return
		}
		if _, seq, ok := parseCursor(next); !ok || seq != got[len(got)-1].Seq {
			rt.Fatalf("the cursor %q is not of the last record, %d", next, got[len(got)-1].Seq)
		}
		mine.After, theirs.After = next, wantNext
	}
}

// A search looks at the chunks of what it finds, and at what no checkpoint has.
func TestSearchPassesOver(t *testing.T) {
	w := newWorld(t)
	var rare []tally.ID
	for i := range 400 {
		r := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%d", i)), At: w.now, Outcome: tally.OutcomeLimited, Count: 1, Client: "cl_1"}
		if i == 57 || i == 203 {
			r = tally.Record{ID: r.ID, At: w.now, Outcome: tally.OutcomeDenied, Count: 1, Gateway: "gw_rare", Client: "cl_rare", Key: "ke_rare", Token: "to_rare",
				Model: "rare", Provider: "pr_rare", Endpoint: "rare", Code: "rare", Status: 504}
			rare = append(rare, r.ID)
		}
		w.together([]tally.Record{r})
		w.now = w.now.Add(time.Hour)
		if i == 389 {
			w.queue.alone(w.completeCheckpoint)
		}
	}
	looked := func(q storage.RecordQuery) (n int, found []tally.ID) {
		behind := w.durable.Load()
		err := w.view(func(txn *badger.Txn) error {
			return w.backwards(txn, nil, w.committed.Load(), w.search(txn, &q, behind), func(_ uint32, x *entry) bool {
				if n++; q.Match(&x.Record) {
					found = append(found, x.ID)
				}
				return true
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, found
	}
	slices.Reverse(rare)
	for _, q := range []storage.RecordQuery{{Client: "cl_rare"}, {Gateway: "gw_rare"}, {Key: "ke_rare"}, {Token: "to_rare"}, {Models: []string{"rare"}}, {Provider: "pr_rare"},
		{Endpoint: "rare"}, {Codes: []string{"rare"}}, {Codes: []string{"none", "rare"}}, {Status: 504}, {Status: 5}, {Outcomes: []tally.Outcome{tally.OutcomeDenied, tally.Lost}},
		{Client: "cl_rare", Outcomes: []tally.Outcome{tally.OutcomeDenied, tally.OutcomeLimited}}} {
		if n, found := looked(q); n > 30 || !slices.Equal(found, rare) {
			t.Errorf("%+v: %v were found among %d, want %v among at most 30", q, found, n, rare)
		}
	}
	for _, q := range []storage.RecordQuery{{Client: "cl_none"}, {Status: 503}, {Status: 3}, {Codes: []string{"none"}}, {Client: "cl_none", Provider: "pr_rare"}} {
		if n, found := looked(q); n > 20 || len(found) > 0 {
			t.Errorf("%+v: %v were found among %d, want none among at most 20", q, found, n)
		}
	}
	if n, found := looked(storage.RecordQuery{Client: "cl_1"}); n != 400 || len(found) != 398 {
		t.Errorf("%d were found among %d, want 398 among all", len(found), n)
	}
}
