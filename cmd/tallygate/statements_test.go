package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/demo"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// An agency with nine clients closes its month: what each owes is the sum of the records
// that it exports, to the nano-dollar, and the same command prints the same bytes again.
func TestAnAgencyClosesItsMonth(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var out, aside bytes.Buffer
	a := &app{version: "dev", env: func(string) (string, bool) { return "", false }, stdin: strings.NewReader(""), stdout: &out, stderr: &aside}
	run := func(args ...string) string {
		t.Helper()
		out.Reset()
		aside.Reset()
		if err := a.execute(t.Context(), append(args, "--data", dir)); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	now := time.Now()
	agency, err := demo.New(demo.Options{Now: now, Days: 65, Share: .1, Logger: slog.New(slog.DiscardHandler), AtOnce: 8})
	if err != nil {
		t.Fatal(err)
	}
	o := serveOptions{profile: string(badgerdb.Desktop), durability: string(badgerdb.Normal)}
	if err := process.Fill(t.Context(), o.process(a, dir, agency.Logger), agency.Fill); err != nil {
		t.Fatal(err)
	}
	run("clients", "tariff", "cafe-lumiere", "--minimum", "80", "--from", now.AddDate(0, -3, 0).Format(time.DateOnly))
	run("clients", "adjust", "gym-pulse", "--credits", "-1.5", "--reason", "outage")
	run("settings", "set", "--statement-head", "Agency GmbH\nBerlin", "--tax", "19")

	credits := map[string]tally.NanoUSD{}
	rows, err := csv.NewReader(strings.NewReader(run("requests", "export", "--month", "last"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]int{}
	for i, name := range rows[0] {
		columns[name] = i
	}
	for _, row := range rows[1:] {
		n, err := strconv.ParseInt(row[columns["credits_nano_usd"]], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		credits[row[columns["client"]]] += tally.NanoUSD(n)
	}
	delete(credits, "") // visitors

	month := []string{"clients", "statement", "--all", "--month", "last", "--close", "--currency", "EUR", "--rate", "0.86"}
	first := run(month...)
	var list []control.StatementView
	if err := json.Unmarshal([]byte(run(append(month, "--json")...)), &list); err != nil {
		t.Fatal(err)
	}
	if again := run(month...); again != first {
		t.Errorf("closed as\n%s\nand again\n%s", first, again)
	}
	if len(list) < 9 {
		t.Errorf("%d statements", len(list))
	}
	for _, v := range list {
		want := credits[v.Client.Slug]
		delete(credits, v.Client.Slug)
		if v.Used != want {
			t.Errorf("%s has used %d, its records come to %d", v.Client.Slug, v.Used, want)
		}
		if v.Client.Slug == "cafe-lumiere" {
			want = 80 * tally.Dollar
		}
		if v.Total != want || v.State() != "closed" || v.Margin != v.Total-v.Cost || v.Cost <= 0 {
			t.Errorf("%s owes %d, want %d: %s, cost %d, margin %d", v.Client.Slug, v.Total, want, v.State(), v.Cost, v.Margin)
		}
		if by := v.Digest(); by != v.SHA256 {
			t.Errorf("%s is %s, closed as %s", v.Number, by, v.SHA256)
		}
	}
	for slug, n := range credits {
		t.Errorf("%s has used %d and has no statement", slug, n)
	}
	for _, format := range []string{"txt", "html", "md", "csv", "json"} {
		to := filepath.Join(dir, format)
		args := []string{"clients", "statement", "--all", "--month", "last", "--to", to}
		if format != "txt" {
			args = append(args, "--format", format)
		}
		run(args...)
		files, err := os.ReadDir(to)
		if err != nil || len(files) != len(list) || !strings.HasSuffix(files[0].Name(), "."+format) {
			t.Errorf("%d files of %s, %v", len(files), format, err)
		}
	}
	shown := run("statements", "list")
	if n := strings.Count(shown, "closed"); n < len(list) || !strings.Contains(shown, "EUR 81.87") { // 80 at 0.86, and 19 %
		t.Errorf("the list says\n%s", shown)
	}
	if one := run("statements", "show", list[0].Number); !strings.Contains(first, one) {
		t.Errorf("alone it is\n%s", one)
	}
	if text := run("clients", "statement", "gym-pulse"); !strings.Contains(text, "adjustment, outage") || !strings.Contains(text, "Statement so far") {
		t.Errorf("this month:\n%s", text)
	}
	if testing.Verbose() {
		t.Log("\n" + first[:min(len(first), 5000)] + shown)
	}
}
