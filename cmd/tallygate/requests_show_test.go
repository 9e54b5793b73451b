package main

import (
	"bytes"
	"encoding/csv"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// eventful is a request to which everything happened that a record can tell.
func eventful() *control.RequestView {
	r := tally.Record{
		ID: "req_1", Seq: 7, At: time.Date(2026, 11, 25, 9, 30, 0, 0, time.Local), Endpoint: "chat/completions", Model: "smart", Upstream: "gpt-4.1", Status: 200, Outcome: tally.OK,
		Stream: true, Attempts: 2, Basis: tally.Held, Count: 1, Piece: tally.Search, Pieces: 3, Cost: 1_200_000_000, Credits: 1_440_000_000, Billed: new(tally.NanoUSD(800_000_000)), Listed: 750_000_000,
		Tokens: tally.Tokens{Input: 1200, CachedInput: 300, CacheWriteLong: 40, Output: 500, Reasoning: 60, AudioOutput: 7},
		Price:  "pc_2", Tier: tally.TierPriority, Answered: "=gpt-5", Waited: 3240 * time.Millisecond, FirstByte: 900 * time.Millisecond, Total: 4 * time.Second, Cut: true,
		Tries: []tally.Attempt{
			{Provider: "pr_1", Upstream: "gpt-4.1", Price: "pc_1", Basis: tally.Held, Tokens: tally.Tokens{Input: 600, Output: 250}, Cost: 400_000_000, Cause: "timeout", Took: 30 * time.Second},
			{Provider: "pr_2", Upstream: "gpt-4.1", Price: "pc_2", Basis: tally.Exact, Tokens: tally.Tokens{Input: 600, CachedInput: 300, Output: 250}, Piece: tally.Search, Pieces: 3, Cost: 800_000_000, Status: 200, Took: 4 * time.Second},
		},
	}
	v := control.NewRequestView(&r, r.At, func(id tally.ID) string { return map[tally.ID]string{"pr_1": "spare", "pr_2": "openai"}[id] })
	v.Client, v.Provider = "hotel-aurora", "openai"
	return &v
}

func TestShownRequest(t *testing.T) {
	var b bytes.Buffer
	p := &printer{&b, terminal{}}
	showRequest(p, eventful())
	p.section("One that failed for free")
	showRequest(p, &control.RequestView{ID: "req_2", Status: 502, Outcome: tally.OutcomeFailed, Count: 1, Attempts: 1, WaitedMS: 0.4, Uncounted: true,
		Tries: []control.AttemptView{{Provider: "openai", Cause: "bad_answer", Status: 500, CostUSD: "0"}}})
	p.section("One of several that were refused")
	showRequest(p, &control.RequestView{ID: "req_3", Status: 429, Outcome: tally.OutcomeLimited, Count: 8, Code: "requests_limit", Reason: "Client \"A\" has used 2 of 2 requests today."})
	golden(t, "request", b.Bytes())
}

// The columns of before keep their places, and each has a name.
func TestExportedRequest(t *testing.T) {
	var b bytes.Buffer
	w := control.RequestTable.Writer(&b, control.CSV)
	if err := w.Write(eventful()); err != nil {
		t.Fatal(err)
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("%v: %q", err, rows)
	}
	if rows[0][34] != "visitor" || rows[0][0] != "id" {
		t.Errorf("the columns of before have moved: %q", rows[0])
	}
	got := map[string]string{}
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	for name, want := range map[string]string{
		"piece": "search", "pieces": "3", "billed_usd": "0.8", "billed_nano_usd": "800000000", "listed_usd": "0.75", "price": "pc_2", "tier": "priority", "answered": "'=gpt-5",
		"waited_ms": "3240", "cut": "true", "uncounted": "false", "cache_write_long_tokens": "40", "audio_output_tokens": "7", "image_input_tokens": "0",
		"tries": "spare timeout 0.4; openai ok 0.8",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}
