package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// testEngine is an engine over a store of its own, with records of refusals.
func testEngine(t *testing.T, records int) *control.Client {
	t.Helper()
	dir := t.TempDir()
	o := process.Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Version: "test"}
	l, _, err := process.Take(t.Context(), dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Fill(t.Context(), o, func(ctx context.Context, e engine.Options) error {
		at := time.Now()
		for i := range records {
			r := tally.Record{ID: tally.NewID("req", at), At: at, Model: fmt.Sprintf("=model,\"%d\"", i), Status: 404, Outcome: tally.OutcomeDenied, Code: "model_not_found", Count: 1}
			if err := e.Store.Refuse(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p, err := process.Open(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Start()
	t.Cleanup(func() {
		c.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// An export spans pages, with every record once, the latest first, in both
// formats.
func TestExportIsComplete(t *testing.T) {
	const records = 2*maxPage + 345
	c := testEngine(t, records)
	var asJSON, asCSV bytes.Buffer
	for format, to := range map[control.Format]io.Writer{control.JSON: &asJSON, control.CSV: &asCSV} {
		if err := export(t.Context(), c, control.RequestQuery{}, control.RequestTable.Writer(to, format)); err != nil {
			t.Fatal(err)
		}
	}
	var list []control.RequestView
	if err := json.Unmarshal(asJSON.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&asCSV).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != records || len(rows) != records+1 {
		t.Fatalf("got %d requests in JSON and %d rows in CSV, want %d and a header", len(list), len(rows), records)
	}
	for i, r := range list {
		if i > 0 && r.Seq >= list[i-1].Seq {
			t.Fatalf("request %d is not older than the one before", i)
		}
		row := rows[i+1]
		if row[0] != string(r.ID) || row[6] != "'"+r.Model {
			t.Fatalf("row %d is %q, want the request %s with its model %q made harmless", i, row, r.ID, r.Model)
		}
	}
}

// A file takes its name when it is complete: a failure leaves what was there.
func TestExportToFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{}
	failed := errors.New("no more")
	if err := a.toFile(destination{path: path, force: true}, func(w io.Writer) error { io.WriteString(w, "half"); return failed }); !errors.Is(err, failed) {
		t.Fatalf("got %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "before" {
		t.Errorf("a failed export has left %q", text)
	}
	if err := a.toFile(destination{path: path, force: true}, func(w io.Writer) error { _, err := io.WriteString(w, "after"); return err }); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "after" {
		t.Errorf("got %q", text)
	}
	if err := a.toFile(destination{path: path}, func(io.Writer) error { return nil }); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("without force the file is replaced: %v", err)
	}
	if err := a.toFile(destination{path: path + "2"}, func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}
}

// An export that meets a record that is lost fails, and its file does not take its name:
// bills are made from it.
func TestExportThatIsNotWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	for _, format := range []control.Format{control.JSON, control.CSV} {
		err := (&app{}).toFile(destination{path: path, force: true}, func(w io.Writer) error {
			return export(t.Context(), &gapped{}, control.RequestQuery{}, control.RequestTable.Writer(w, format))
		})
		if tally.CodeOf(err) != tally.Corrupt || exitCode(err) == 0 {
			t.Errorf("%s: %v, exit code %d", format, err, exitCode(err))
		}
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
		t.Errorf("%d files are left", len(files))
	}
}

// gapped is an engine that has one page of requests, and has lost the next.
type gapped struct {
	control.Caller
	pages int
}

func (g *gapped) Call(_ context.Context, _ string, _, out any) error {
	if g.pages++; g.pages > 1 {
		return tally.Errorf(tally.Corrupt, "record 7 is missing")
	}
	return json.Unmarshal([]byte(`{"requests":[{"id":"req_1"}],"next":"req_1"}`), out)
}

// What is exported takes the place of a link, and leaves what it leads to alone; nobody
// else may read it.
func TestExportOverALink(t *testing.T) {
	dir := t.TempDir()
	precious, path := filepath.Join(dir, "precious"), filepath.Join(dir, "out.csv")
	if err := errors.Join(os.WriteFile(precious, []byte("precious"), 0o600), os.Symlink(precious, path)); err != nil {
		t.Skip(err) // Windows lets only some make links
	}
	if err := (&app{}).toFile(destination{path: path, force: true}, func(w io.Writer) error { _, err := io.WriteString(w, "id"); return err }); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(precious); string(text) != "precious" {
		t.Errorf("what the link led to is %q", text)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the export: %v, %v", info.Mode(), err)
	}
}

// telling is an engine whose events are given.
type telling struct {
	control.Caller
	events []control.Event
}

func (l *telling) Events(context.Context, uint64) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		for _, e := range l.events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// tail tells what is new, once and in order: what events carry, and after a gap what
// they have left out. What was there before, and what no flag asks for, it does not
// tell.
func TestTailLosesNothing(t *testing.T) {
	c := testEngine(t, 4)
	all, err := control.RequestsList.Do(t.Context(), c, control.RequestQuery{})
	if err != nil || len(all.Requests) != 4 {
		t.Fatalf("%d requests, %v", len(all.Requests), err)
	}
	slices.Reverse(all.Requests)
	told := func(n int) control.Event { return control.Event{Kind: tally.RecordEvent, Request: &all.Requests[n]} }
	gap := control.Event{Kind: tally.GapEvent}
	later := control.RequestView{Seq: 5, Model: "later", Outcome: "ok"}
	far := control.Event{Kind: tally.RecordEvent,
		Request: &control.RequestView{Node: "n2", Seq: 1, Model: "far", Outcome: "ok"}}
	for _, test := range []struct {
		name   string
		query  control.RequestQuery
		events []control.Event
		want   string
	}{
		{"every event", control.RequestQuery{}, []control.Event{told(0), told(1), told(2), told(3)}, "1 2 3"},
		{"a gap", control.RequestQuery{}, []control.Event{told(1), gap, told(3), {Kind: tally.RecordEvent, Request: &later}}, "1 2 3 later"},
		{"a gap at once, twice", control.RequestQuery{}, []control.Event{gap, told(2), gap}, "1 2 3"},
		{"a status", control.RequestQuery{Status: 404}, []control.Event{told(1), gap, {Kind: tally.RecordEvent, Request: &later}}, "1 2 3"},
		{"an outcome", control.RequestQuery{Outcome: "ok"}, []control.Event{told(1), gap, {Kind: tally.RecordEvent, Request: &later}}, "later"},
		{"a filter", control.RequestQuery{Filter: "-code:model_not_found"}, []control.Event{told(1), gap, {Kind: tally.RecordEvent, Request: &later}}, "later"},
		{"another node", control.RequestQuery{}, []control.Event{told(1), far, told(2), gap, far}, "1 far 2 3"},
		{"a model", control.RequestQuery{Model: "later"}, []control.Event{gap, {Kind: tally.RecordEvent, Request: &later}}, "later"},
	} {
		var got []string
		l := tail{caller: c, query: test.query, write: func(r *control.RequestView) error {
			got = append(got, strings.Trim(strings.TrimPrefix(r.Model, "=model,"), `"`))
			return nil
		}}
		if _, err := l.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l.seen[""] != 4 {
			t.Errorf("%s: it begins after %v", test.name, l.seen)
		}
		l.caller, l.seen[""] = &telling{c, test.events}, all.Requests[0].Seq // the others have come since
		if err := l.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: got %q, want %q", test.name, text, test.want)
		}
	}
}

// No line of what is followed is longer than the terminal, whatever comes after the
// columns were chosen, and the usual fits 80 columns whole.
func TestTailFits(t *testing.T) {
	usual := control.RequestView{At: time.Now(), Client: "hotel-aurora", Key: "bot", Model: "claude-sonnet-4-5-20250929", Provider: "anthropic", Outcome: "ok",
		Status: 200, InputTokens: 12_345, OutputTokens: 678, CostNanoUSD: 41_200_000, TotalMS: 1234}
	long := usual
	long.Client, long.Model, long.Code = strings.Repeat("c", 60), strings.Repeat("m", 80), "model_not_found"
	for _, width := range []int{60, 80, 100, 120, 200} {
		for _, latest := range [][]control.RequestView{nil, {usual}, {long}} {
			var b bytes.Buffer
			p := &printer{&b, terminal{is: true, width: width}}
			write := stream(p, control.RequestTable, control.Pointers(latest))
			write(&usual)
			write(&long)
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("width %d: a line of %d: %s", width, n, line)
				}
			}
			if whole := latest != nil && width >= 80; whole && !strings.Contains(b.String(), "hotel-aurora") {
				t.Errorf("width %d:\n%s", width, b.String())
			}
		}
	}
}

func TestProgressOnlyOfWhatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		a := &app{stderr: &b}
		done := a.progress("verifying")
		time.Sleep(progressAfter - 1)
		done()
		if b.Len() > 0 {
			t.Errorf("said %q of something quick", b.String())
		}
		done = a.progress("verifying")
		time.Sleep(5 * progressAfter)
		done()
		if got := b.String(); got != "verifying…\n" {
			t.Errorf("a log got %q", got)
		}
		b.Reset()
		a.err.is = true
		done = a.progress("verifying")
		time.Sleep(progressAfter * 5 / 2)
		done()
		if got, want := b.String(), "\rverifying… 1s\rverifying… 2s\r\x1b[K"; got != want {
			t.Errorf("a terminal got %q, want %q", got, want)
		}
	})
}

func TestExitCodes(t *testing.T) {
	for code, want := range map[tally.Code]int{tally.Invalid: 2, tally.Unavailable: 3, tally.NotFound: 4, tally.Conflict: 5, tally.InUse: 6,
		tally.Denied: 1, tally.Corrupt: 1, tally.Internal: 1, tally.Upstream: 1} {
		if got := exitCode(fmt.Errorf("while closing: %w", tally.Errorf(code, "x"))); got != want {
			t.Errorf("%s: got %d, want %d", code, got, want)
		}
	}
	for _, err := range []error{context.Canceled, tally.Errorf(tally.Unavailable, "call: %w", context.Canceled)} {
		if got := exitCode(err); got != 130 {
			t.Errorf("%v: got %d", err, got)
		}
	}
	if exitCode(nil) != 0 || exitCode(errors.New("else")) != 1 {
		t.Error("success and other failures are told apart by nobody")
	}
}
