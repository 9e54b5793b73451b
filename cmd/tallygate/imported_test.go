package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
)

// An import is told figure by figure, with what was refused and how to take it.
func TestAnImportIsShown(t *testing.T) {
	seen := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	in := control.Imported{
		Provider: "oa", Offered: 9, Added: 2, Priced: 1, Unpriced: []string{"mystery"}, Refused: []string{"gpt-b", "auto"},
		Changes: []control.PriceChange{
			{Model: "gpt-a", Class: "input", OldUSD: "1.5", NewUSD: "2", Percent: "33.3", Source: "its page", Seen: seen, Applied: true},
			{Model: "gpt-a", Class: "cached_input", Tier: "flex", OldUSD: "0.5", Applied: true, Seen: seen},
			{Model: "gpt-a", Class: "output", OldUSD: "6", NewUSD: "12", Percent: "100.0", From: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Applied: true},
			{Model: "gpt-a", Class: "input", Tier: "priority", NewUSD: "4", Applied: true}, {Model: "gpt-a", Class: "output", Tier: "priority", NewUSD: "8", Applied: true},
			{Model: "gpt-a", Class: "input", AboveTokens: 272000, NewUSD: "4", Applied: true}, {Model: "gpt-a", Class: "search", NewUSD: "0.01", Applied: true},
			{Model: "gpt-b", Class: "input", OldUSD: "1", NewUSD: "1000", Percent: "99900.0", Reason: "about 1,000 times as much"},
			{Model: "gpt-c", Class: "input", OldUSD: "1", NewUSD: "11", Percent: "1000.0", Applied: true, Reason: "more than 10 times as much"},
			{Model: "auto", Reason: "the price is negative"},
		},
		Missing:   []control.MissingInfo{{Model: "gone", Since: seen}},
		Shutdowns: []control.Shutdown{{Model: "old", At: time.Now().Add(time.Hour), ReplacedBy: "new"}, {Model: "later", At: time.Now().AddDate(1, 0, 0)}},
	}
	var out bytes.Buffer
	showImport(&printer{Writer: &out}, &in)
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	got := strings.Join(lines, "\n")
	for _, want := range []string{
		"9 models offered, 2 new, 1 of them priced", "without a price, so refused: mystery",
		"PRICE OF CLASS WAS IS % SOURCE SEEN WHAT BECAME OF IT",
		"gpt-a input 1.5 2 +33.3 its page 2026-11-18 taken", "gpt-a cached input, flex 0.5 as its parent 2026-11-18 taken", "gpt-a output, from 2027-01-01 UTC 6 12 +100.0",
		"gpt-b input 1 1000 +99900.0 refused: about 1,000 times as much", "gpt-c input 1 11 +1000.0 accepted, though more than 10 times as much", "auto refused: the price is negative",
		"priced for the first time, gpt-a: priority tier, prompts above 272,000, search",
		"refused: the prices of gpt-b, auto. Take one with: tallygate models import oa --accept MODEL, or all with --accept-all",
		"no longer listed: gone, since 2026-11-18", ": old; use new",
	} {
		if !strings.Contains(got+"\n", want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "later") || strings.Contains(got, "nothing is changed") {
		t.Errorf("it says too much:\n%s", got)
	}
}

func TestInstant(t *testing.T) {
	for _, tc := range []struct {
		at, zone string
		owner    bool
		want     string
	}{
		{"2026-11-30T15:00:00Z", "Asia/Tokyo", true, "2026-12-01 Asia/Tokyo"}, {"2026-12-01T00:00:00Z", "Asia/Tokyo", false, "2026-12-01 UTC"},
		{"2026-12-01T01:30:00Z", "Asia/Tokyo", true, "2026-12-01 10:30 Asia/Tokyo"}, {"2026-12-01T01:30:05Z", "", false, "2026-12-01 01:30:05 UTC"}, {"0001-01-01T00:00:00Z", "", true, "always"},
	} {
		at, _ := time.Parse(time.RFC3339, tc.at)
		if got := control.Instant(at, tc.zone, tc.owner); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
