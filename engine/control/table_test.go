package control

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// A column is declared once: its name is its own, its unit is known without a row,
// and what CSV calls it is a field of the JSON.
func TestColumns(t *testing.T) {
	checkTable(t, ClientTable)
	checkTable(t, KeyTable)
	checkTable(t, GatewayTable)
	checkTable(t, ProviderTable)
	checkTable(t, KindTable)
	checkTable(t, ModelTable)
	checkTable(t, TokenTable)
	checkTable(t, VisitorTable)
	checkTable(t, RequestTable)
	checkTable(t, AttemptTable)
	checkTable(t, ChargeTable)
	checkTable(t, UsageTable)
	checkTable(t, LimitTable)
	checkTable(t, StepTable)
	checkTable(t, FaultTable)
	checkTable(t, ChangeTable)
	checkTable(t, PartTable("country"))
}

func checkTable[V any](t *testing.T, table *Table[*V]) {
	t.Helper()
	known := jsonNames(reflect.TypeFor[V](), "")
	seen, heads := map[string]bool{}, map[string]bool{}
	for i := range table.Columns {
		c := &table.Columns[i]
		if seen[c.Name] || !isName(c.Name) {
			t.Errorf("%s: the column %q is there twice, or is no name", table.Thing, c.Name)
		}
		seen[c.Name] = true
		if c.Unit() == "" {
			t.Errorf("%s: the column %s has no unit", table.Thing, c.Name)
		}
		if c.Derived {
			continue
		}
		if f := cmp.Or(c.Field, c.Name); !slices.Contains(known, f) {
			t.Errorf("%s: the column %s is of %q, and JSON has no such field: %v", table.Thing, c.Name, f, known)
		}
		for _, f := range c.Fields() {
			if heads[f] {
				t.Errorf("%s: CSV has two columns %s", table.Thing, f)
			}
			heads[f] = true
		}
	}
	for _, o := range table.Orders {
		if table.Column(o) == nil {
			t.Errorf("%s cannot be ordered by %s", table.Thing, o)
		}
	}
}

// jsonNames lists the fields of the JSON of a type, those of objects behind a dot.
func jsonNames(t reflect.Type, before string) (out []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			out = append(out, jsonNames(f.Type, before)...)
		case name == "-" || !f.IsExported():
		default:
			out = append(out, before+name, strings.TrimSuffix(before+name, "_nano_usd"))
			if f.Type.Kind() == reflect.Struct && f.Type.NumField() > 0 && f.Type != reflect.TypeFor[time.Time]() {
				out = append(out, jsonNames(f.Type, before+name+".")...)
			}
		}
	}
	return out
}

func requests() []RequestView {
	return []RequestView{
		{ID: "req_1", At: noon.Add(-time.Hour), Client: "hotel-aurora", Model: "gpt-4.1", Status: 200, Outcome: tally.OK, InputTokens: 9000, OutputTokens: 380, CostNanoUSD: 20_000_000, TotalMS: 2400},
		{ID: "req_2", At: noon.Add(-50 * time.Hour), Client: "hotel-aurora-2", Model: "gpt-4.1-mini", Status: 429, Outcome: tally.OutcomeLimited, Code: "cost_limit", Reason: "Client has used $50 of $50"},
		{ID: "req_3", At: noon.Add(-time.Minute), Client: "acme", Model: "gpt-4.1-mini", Status: 502, Outcome: tally.OutcomeFailed, Code: "provider_error", InputTokens: 1, CostNanoUSD: 900_000_000, TotalMS: 900},
	}
}

func TestFilters(t *testing.T) {
	all := requests()
	at := Calendar{Now: noon, Zone: time.UTC}
	for filter, want := range map[string]string{
		"": "123", "aurora": "12", "client:hotel-aurora": "12", "client:=hotel-aurora": "1", "-client:acme": "12", "GPT-4.1": "123", "model:=gpt-4.1": "1",
		"latency:>1s": "1", "latency:<=900ms": "3", "cost:>0.01": "13", "cost:>$0.5": "3", "cost:=0.02": "1", "tokens:>9k": "1", "tokens:<10": "23", "input:9000": "1", "status:4": "2", "status:4xx": "2", "status:200": "1",
		"status:>=400": "23", "outcome:ok": "1", "outcome:lim": "2", "at:>2d": "13", "at:<yesterday": "2", `"$50 of"`: "2", "at:today": "13", "-at:today": "2", "at:yesterday": "", "at:2026-11-19": "2", "at:=2026-11-19": "2", "at:2026-11": "123", "at:2026-10": "", `at:"this month"`: "123", "at:thu": "2",
		"at:<=2026-11-19": "2", "at:<2026-11-19": "", "at:>=2026-11-19": "123", "at:>today": "13", "at:<=now": "123", "client:aurora": "12", "client:=aurora": "", "model:mini": "23", "model:4.1": "123", "model:pt-4": "", "-client:aurora": "3", "status:00": "", "aurora cost:>0": "1", "-aurora -acme": "", "http://x": "",
	} {
		f, err := RequestTable.ParseFilter(filter, at)
		if err != nil {
			t.Errorf("%q: %v", filter, err)
			continue
		}
		span := f.Span("at")
		for i := range all {
			if a := all[i].At; f.Match(&all[i]) && (a.Before(span.Start) || !span.End.IsZero() && !a.Before(span.End)) {
				t.Errorf("%q selects %s, and spans %s to %s", filter, a, span.Start, span.End)
			}
		}
		got := ""
		for i := range all {
			if f.Match(&all[i]) {
				got += strings.TrimPrefix(string(all[i].ID), "req_")
			}
		}
		if got != want {
			t.Errorf("%q selects %q, want %q", filter, got, want)
		}
	}
	for filter, says := range map[string]string{
		"latncy:>1s": "latency", "latency:>soon": "latency:>1s", "cost:>much": "0.01", "outcome:perfect": "canceled", "tokens:>1e9": "10k", "at:>never": "2d", "at:soon": "at:today", "at:2d": "at:>2d", "at:now": "at:today", "at:": "at:today", "at:2026-13": "at:2026-11", "outcome:imited": "limited",
	} {
		_, err := RequestTable.ParseFilter(filter, at)
		if e := tally.AsError(err); err == nil || e.Code != tally.Invalid || !strings.Contains(e.Hint, says) {
			t.Errorf("%q: %v does not say %q", filter, err, says)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"aurora -acme", `"a b`, "cost:>0.01", "status:4xx", ":", "-:", "a:b:c", "at:>2d", "--", `"`} {
		f.Add(seed)
	}
	all := requests()
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := RequestTable.ParseFilter(s, Calendar{Now: noon, Zone: time.UTC})
		if err != nil {
			if tally.AsError(err).Code != tally.Invalid {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		for i := range all {
			filter.Match(&all[i])
		}
	})
}

func TestSelectSorts(t *testing.T) {
	for sort, want := range map[string]string{"cost": "312", "-cost": "213", "latency": "132", "client": "312", "-client": "213", "": "123", "at": "312"} {
		got, err := Select(RequestTable, requests(), Rows{Sort: sort}, Calendar{Now: noon, Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		order := ""
		for _, v := range got {
			order += strings.TrimPrefix(string(v.ID), "req_")
		}
		if order != want {
			t.Errorf("by %q: %s, want %s", sort, order, want)
		}
	}
	_, err := Select(RequestTable, nil, Rows{Sort: "price of"}, Calendar{Now: noon, Zone: time.UTC})
	if tally.CodeOf(err) != tally.Invalid {
		t.Errorf("%v", err)
	}
}

// Both formats have every row, CSV with as many cells as names, also for none.
func TestWriters(t *testing.T) {
	for _, n := range []int{0, 3} {
		var asCSV, asJSON bytes.Buffer
		for f, to := range map[Format]*bytes.Buffer{CSV: &asCSV, JSON: &asJSON} {
			w := RequestTable.Writer(to, f)
			all := requests()
			for i := range n {
				if err := w.Write(&all[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.End(); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := csv.NewReader(&asCSV).ReadAll() // refuses lines of different lengths
		if err != nil || len(rows) != n+1 {
			t.Errorf("%d rows, %v", len(rows), err)
		}
		var back []RequestView
		if err := json.Unmarshal(asJSON.Bytes(), &back); err != nil || len(back) != n {
			t.Errorf("%d values, %v", len(back), err)
		}
	}
}

// People read names, and type slugs: filters find both, in the column and anywhere.
func TestNamesAreShownForSlugs(t *testing.T) {
	rows := []KeyView{{ClientSlug: "cafe-lumiere", ClientName: "Café Lumière"}, {ClientSlug: "aurora", ClientName: "Hotel Aurora"}, {ClientSlug: "cl_gone"}}
	client := KeyTable.Column("client")
	for i, want := range []string{"Café Lumière", "Hotel Aurora", "cl_gone"} {
		if got := client.Cell(&rows[i]).Text; got != want {
			t.Errorf("row %d shows %q, want %q", i, got, want)
		}
	}
	for filter, want := range map[string]string{"client:=aurora": "aurora", `client:="hotel aurora"`: "aurora", "client:hotel": "aurora", "lumière": "cafe-lumiere", "cafe-l": "cafe-lumiere"} {
		got, err := Select(KeyTable, rows, Rows{Filter: filter}, Calendar{})
		if err != nil || len(got) != 1 || got[0].ClientSlug != want {
			t.Errorf("%s finds %+v, %v", filter, got, err)
		}
	}
}
