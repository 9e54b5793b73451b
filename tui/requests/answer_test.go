package requests

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// A request to which everything happened is explained, however narrow the place.
func TestAnEventfulRequestIsExplained(t *testing.T) {
	price := func(id tally.ID, in, out tally.NanoUSD) tally.Price {
		return tally.Price{ID: id, Input: new(in * tally.Dollar), Output: new(out * tally.Dollar), Pieces: map[tally.Piece]tally.NanoUSD{tally.Search: tally.Dollar / 100}}
	}
	snap := &live.Snapshot{Models: []control.ModelView{{ProviderName: "openai", Model: tally.Model{Name: "gpt-4.1", Prices: tally.Prices{price("pc_1", 2, 8)}}}}}
	view := func(change func(r *tally.Record)) *control.RequestView {
		r := tally.Record{ID: "req_1", At: noon, Provider: "pr_2", Model: "gpt-4.1", Upstream: "gpt-4.1", Price: "pc_1", Status: 200, Outcome: tally.OK, Basis: tally.Exact, Attempts: 1, Count: 1,
			Tokens: tally.Tokens{Input: 1_000_000}, Piece: tally.Search, Pieces: 3, Cost: 2_030_000_000, Credits: 2_030_000_000, Total: time.Second}
		change(&r)
		v := control.NewRequestView(&r, r.At, func(id tally.ID) string { return map[tally.ID]string{"pr_1": "spare", "pr_2": "openai"}[id] })
		v.Provider = "openai"
		return &v
	}
	for _, tc := range []struct {
		name      string
		change    func(r *tally.Record)
		want, not []string
	}{
		{"plain", func(*tally.Record) {}, []string{"search", "$0.03", "cost $2.03"}, []string{"changed since", "waited", "cut at", "billed"}},
		{"changed", func(r *tally.Record) { r.Cost++ }, []string{"price has been changed since"}, nil},
		{"waited and cut", func(r *tally.Record) { r.Waited, r.Cut = 3200*time.Millisecond, true }, []string{"waited 3.2 s for room", "cut at our bound"}, nil},
		{"billed", func(r *tally.Record) { r.Billed, r.Listed, r.Cost = new(tally.NanoUSD(3e9)), r.Cost, 3e9 },
			[]string{"by our prices $2.03", "billed by the provider $3", "cost $3"}, []string{"changed since"}},
		{"answered", func(r *tally.Record) { r.Answered, r.Price, r.Cost = "gpt-5", "pc_9", 9e9 }, []string{"answered by gpt-5", "price of the model that answered"}, []string{"changed since"}},
		{"held", func(r *tally.Record) { r.Basis, r.Cost = tally.Held, 9e9 }, []string{"nobody told what was used"}, []string{"changed since"}},
		{"attempts", func(r *tally.Record) {
			r.Attempts, r.Cost = 3, 9e9
			r.Tries = []tally.Attempt{{Provider: "pr_1", Cause: "timeout", Basis: tally.Held, Cost: 4e8, Took: 30 * time.Second},
				{Provider: "pr_1", Cause: "server", Status: 503, Took: time.Second}, {Provider: "pr_2", Basis: tally.Exact, Cost: 8e8, Status: 200, Took: 2 * time.Second}}
		}, []string{"spare: timeout held $0.40 30 s", "spare: server 503 free", "openai: answered $0.80", "cost is that of all attempts"}, []string{"changed since"}},
	} {
		for _, width := range []int{36, 48, 76} {
			s := New(&screen.Env{Theme: theme.New(theme.ASCII), Zone: time.UTC, Clock: func() time.Time { return noon }})
			s.Snap = snap
			var lines []string
			for _, l := range s.explain(view(tc.change), width) {
				if widget.Width(l) > width {
					t.Errorf("%s: a line of %d at %d: %q", tc.name, widget.Width(l), width, widget.Strip(l))
				}
				lines = append(lines, widget.Strip(l))
			}
			text := strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s at %d: no %q in\n%s", tc.name, width, want, strings.Join(lines, "\n"))
				}
			}
			for _, not := range tc.not {
				if strings.Contains(text, not) {
					t.Errorf("%s at %d: %q in\n%s", tc.name, width, not, strings.Join(lines, "\n"))
				}
			}
		}
	}
}
