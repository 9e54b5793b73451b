package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares output with a file that people have looked at.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", path, got, want)
	}
}

func clientsForTables() *[]control.ClientView {
	sums := func(requests int64, cost tally.NanoUSD) control.Sums {
		return control.Sums{Requests: requests, CostNanoUSD: cost, CreditsNanoUSD: cost}
	}
	limit := tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: 50e9}
	reset := time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local)
	return &[]control.ClientView{
		{Client: tally.Client{Slug: "hotel-aurora", Name: "Hotel Aurora", Company: "Aurora Lda", Status: tally.Active, Limits: []tally.Limit{limit}}, Keys: 2, Month: sums(12_345, 41_200_000_000),
			LimitStates: []control.LimitState{{Limit: limit, Used: 50e9, ResetsAt: reset}},
			Refused: &control.RefusedNow{Of: "client", Name: "hotel-aurora", Limit: "cost=50/month", Metric: tally.Cost, Used: 50e9, Max: 50e9, Count: 312,
				Since: time.Date(2026, 11, 25, 9, 0, 0, 0, time.Local), Until: reset, Raise: "tallygate clients raise hotel-aurora cost/month --by 25 --until fri"},
			LastUsedAt: time.Date(2026, 11, 25, 9, 30, 0, 0, time.Local)},
		{Client: tally.Client{Slug: "cafe", Name: "Café \x1b[31mred\x1b]0;title\a\u202e", Status: tally.Suspended}, Month: sums(7, 900_001)},
		{Client: tally.Client{Slug: "old", Name: "Old", Status: tally.Inactive}},
	}
}

func TestTables(t *testing.T) {
	for _, test := range []struct {
		name string
		to   terminal
	}{
		{"clients", terminal{}},
		{"clients-80", terminal{is: true, width: 80}},
		{"clients-30", terminal{is: true, width: 30}},
		{"clients-colour", terminal{is: true, width: 120, colour: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			p := &printer{&b, test.to}
			rows(p, control.ClientTable, *clientsForTables(), "")
			refusals(p, control.ClientTable, control.Pointers(*clientsForTables()))
			golden(t, test.name, b.Bytes())
		})
	}
}

// Refusals that were folded into one record say how many they are, where there are any.
func TestFoldedRefusals(t *testing.T) {
	for count, want := range map[int64]string{312: "TIMES", 1: ""} {
		var b bytes.Buffer
		rows(&printer{&b, terminal{}}, control.RequestTable, []control.RequestView{{ID: "req_1", Outcome: tally.OutcomeLimited, Count: count}}, "")
		if head := b.String(); strings.Contains(head, "TIMES") != (want != "") || strings.Contains(head, " 312 ") != (want != "") {
			t.Errorf("%d refusals:\n%s", count, head)
		}
	}
}

// However narrow the terminal, a table that can shed columns fits.
func TestTablesFit(t *testing.T) {
	for width := 60; width < 140; width += 7 {
		var b bytes.Buffer
		rows(&printer{&b, terminal{is: true, width: width}}, control.ClientTable, *clientsForTables(), "")
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
		}
	}
}

func TestShownThings(t *testing.T) {
	var b bytes.Buffer
	p := &printer{&b, terminal{}}
	state := func(text string, max, used, held int64) control.LimitState {
		e, err := tally.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		return control.LimitState{Limit: e.Limit, Text: text, Used: used, Held: held, Left: max - used - held, ResetsAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local)}
	}
	showClient(p, &control.ClientView{
		Client: tally.Client{Meta: tally.Meta{ID: "cl_1"}, Slug: "hotel-aurora", Name: "Hotel Aurora", Status: tally.Active, Tariffs: []tally.Tariff{{Added: 1250}}, MaxInFlight: 8,
			Session: tally.SessionRule{Length: 24 * time.Hour, Missing: tally.MissingIgnore}},
		GatewaySlug: "main", Keys: 1, InFlight: 2,
		LimitStates: []control.LimitState{state("cost=50/month", 50e9, 41_200_000_001, 300_000_000), state("requests=60/minute", 60, 60, 0)},
		Last30Days:  control.Sums{Requests: 10, InputTokens: 1_000_000, OutputTokens: 2, CostNanoUSD: 5, CreditsNanoUSD: 6, P50MS: 5.657, P99MS: 1448, FirstByteMS: 3},
	})
	p.section("Usage")
	showUsage(p, &control.UsageQuery{By: "client"}, &control.Usage{
		Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local), Until: time.Date(2026, 11, 25, 0, 0, 0, 0, time.Local),
		Rows: []control.UsageRow{{Name: "hotel-aurora", Sums: control.Sums{Requests: 10, InputTokens: 1_000_000, CostNanoUSD: 41_200_000_000, CreditsNanoUSD: 50_000_000_000}},
			{ID: "cl_gone", Sums: control.Sums{Refused: 3}}},
		Total: control.Sums{Requests: 10, Refused: 3, InputTokens: 1_000_000, CostNanoUSD: 41_200_000_000, CreditsNanoUSD: 50_000_000_000},
	})
	golden(t, "shown", b.Bytes())
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":          "plain",
		"Ünïcödé 日本 🌍":   "Ünïcödé 日本 🌍",
		"\x1b[2J":        `\x1b[2J`,
		"a\nb\tc":        `a\nb\tc`,
		"\u202egnp.exe":  `\u202egnp.exe`,
		"\u0085\u009bm":  `\u0085\u009bm`,
		"bad \xff bytes": `bad \ufffd bytes`,
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "a\x1b[0m", "\xff\xfe", "\u2028", "ok 🌍"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if strings.ContainsFunc(got, unsafe) || !utf8.ValidString(got) {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "", 999: "999 B", 1000: "1 kB", 999_999: "1 MB", 12_345_678: "12.3 MB", 5e12: "5 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
