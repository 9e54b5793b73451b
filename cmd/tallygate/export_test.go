package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// tail tells what is new, once, in order, whatever comes between two looks.
func TestTailLooks(t *testing.T) {
	c := testEngine(t, 3)
	var got []string
	look := tail{caller: c, write: func(r *control.RequestView) error { got = append(got, r.Model); return nil }}
	if err := look.look(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if len(got) != 0 || look.seen != 3 {
		t.Fatalf("the first look told %q and saw %d", got, look.seen)
	}
	look.seen = 1 // two have come since
	for range 2 {
		if err := look.look(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if want := `=model,"1" =model,"2"`; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	look.query.Outcome, look.seen, got = "ok", 0, nil
	if err := look.look(t.Context(), false); err != nil || len(got) != 0 || look.seen != 3 {
		t.Errorf("a filter let %q through, saw %d, %v", got, look.seen, err)
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
