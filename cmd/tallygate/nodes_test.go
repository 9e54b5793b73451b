package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func nodesForTables() []control.NodeView {
	return []control.NodeView{
		{Name: "fra-1", Me: true, State: "live", Host: "fra-1.example.com", Version: "1.4.0",
			Heard: time.Unix(1, 0),
			Lent:  map[tally.Metric]int64{tally.Cost: 4_200_000_000, tally.TokensIO: 120_000}},
		{Name: "fra-2", State: "live", Host: "fra-2.example.com", Version: "1.4.0", Heard: time.Unix(1, 0),
			Silent: 4 * time.Minute,
			Clock:  12 * time.Second, Unshipped: 12_000, Holds: 3, Faults: []string{"the database does not sync"}},
		{Name: "ams-1", State: "gone", Host: "ams-1", Version: "1.3.9", Heard: time.Unix(1, 0),
			Silent: 14 * time.Hour,
			Lent:   map[tally.Metric]int64{tally.Credits: 420_000_000}},
		{Name: "old\x1b[2J", State: "left", Version: "1.3.0"},
	}
}

func TestNodesTable(t *testing.T) {
	for name, to := range map[string]terminal{"nodes": {}, "nodes-60": {is: true, width: 60}} {
		var b bytes.Buffer
		rows(&printer{&b, to}, control.NodeTable, nodesForTables(), "")
		golden(t, name, b.Bytes())
	}
	if got := faultsOf(nodesForTables()); got != "fra-2: the database does not sync" {
		t.Errorf("below the list stands %q", got)
	}
	if got := nodesText(nodesForTables()); got != "2 live, 1 left, 1 gone" {
		t.Errorf("status says %q", got)
	}
	if got := nodesText(nil); got != "" {
		t.Errorf("status of one node says %q", got)
	}
}

// nodesCaller answers with nodes, as an engine does that has several.
type nodesCaller struct{ control.Caller }

func (nodesCaller) Call(_ context.Context, op string, _, out any) error {
	if op != control.NodesList.Name {
		return tally.Errorf(tally.NotFound, "there is no operation %s", op)
	}
	*out.(*[]control.NodeView) = nodesForTables()
	return nil
}

// Before a node is forgotten its owner is told what is given up, and what is free again. Of
// one that cannot be forgotten nobody is asked.
func TestForgetAsks(t *testing.T) {
	for name, words := range map[string][]string{
		"ams-1": {"Forget node ams-1, last heard 14h ago", "$0.42 of credits",
			"what it has served since it was last heard", "cannot be undone"},
		"fra-2": {"last heard 4m ago", "holds nothing of any limit", "12,000 of its records", "3 of its requests"},
		"fra-1": nil, "none": nil,
	} {
		text, err := asksForgetNode(t.Context(), nodesCaller{}, &control.ForgetNode{Node: name})
		if err != nil || words == nil && text != "" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		for _, word := range words {
			if !strings.Contains(text, word) {
				t.Errorf("%s: %q does not say %q", name, text, word)
			}
		}
	}
}
