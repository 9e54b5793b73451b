package control

import (
	"encoding/json"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// Scripts go by these names.
func TestRequestViewNames(t *testing.T) {
	r := tally.Record{
		ID: "req_1", Token: "abc123xyz.tok_1", Billed: new(tally.NanoUSD(5)), Listed: 0, Price: "pc_1", Tier: tally.TierPriority, Answered: "gpt-5", Waited: 1500 * time.Millisecond,
		Cut: true, Uncounted: true, Piece: tally.Search, Pieces: 2, Tokens: tally.Tokens{CacheWriteLong: 1, AudioInput: 2, ImageInput: 3, AudioOutput: 4, ImageOutput: 5},
		Tries: []tally.Attempt{{Provider: "pr_1", Upstream: "m", Price: "pc_1", Basis: tally.Held, Tokens: tally.Tokens{Input: 7, Output: 8}, Piece: tally.Search, Pieces: 1, Cost: 9, Status: 503, Cause: "server", Took: time.Second}},
	}
	text, err := json.Marshal(NewRequestView(&r, time.Time{}, func(tally.ID) string { return "openai" }))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"token": `"tok_1"`, "billed_usd": `"0.000000005"`, "billed_nano_usd": "5", "listed_usd": `"0"`, "listed_nano_usd": "0", "price": `"pc_1"`, "tier": `"priority"`,
		"answered": `"gpt-5"`, "waited_ms": "1500", "cut": "true", "uncounted": "true", "piece": `"search"`, "pieces": "2",
		"tokens": `{"cache_write_long":1,"audio_in":2,"image_in":3,"audio_out":4,"image_out":5}`,
		"tries":  `[{"provider":"openai","upstream_model":"m","price":"pc_1","basis":"held","input_tokens":7,"output_tokens":8,"tokens":{"input":7,"output":8},"piece":"search","pieces":1,"cost_usd":"0.000000009","cost_nano_usd":9,"status":503,"cause":"server","took_ms":1000}]`,
	} {
		if string(got[name]) != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}
