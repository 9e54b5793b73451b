package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestTheBookIsUpToDate(t *testing.T) {
	want, err := makeBook()
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("../prices.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shipped, want) {
		t.Error("prices.json is not what the lists say: go run ./assets/book")
	}
}

// written is the book as a reader finds it, without the types it was written
// with.
type written struct {
	Sources []string
	Models  []map[string]any
}

// finder takes figures out of the book, so that none is found twice and what the
// lists do not have is left over.
type finder struct {
	t      *testing.T
	book   written
	models map[string]map[string]any
}

func open(t *testing.T) *finder {
	text, err := os.ReadFile("../prices.json")
	if err != nil {
		t.Fatal(err)
	}
	f := &finder{t: t, models: map[string]map[string]any{}}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&f.book); err != nil {
		t.Fatal(err)
	}
	for _, m := range f.book.Models {
		f.models[fmt.Sprint(m["publisher"], "/", m["model"])] = m
	}
	return f
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// source is what a line says of where it is from.
func (f *finder) source(of map[string]any) string {
	var n int
	fmt.Sscan(text(of["source"]), &n)
	if n < 1 || n > len(f.book.Sources) {
		return "none"
	}
	return f.book.Sources[n-1] + " on " + text(of["seen"])
}

// row finds a row of a model by what it is for.
func (f *finder) row(m map[string]any, from, until, hours, tier, above string) map[string]any {
	prices, _ := m["prices"].([]any)
	for _, p := range prices {
		if p := p.(map[string]any); text(p["from"]) == from && text(p["until"]) == until && text(p["hours"]) == hours && text(p["tier"]) == tier && text(p["above_tokens"]) == above {
			return p
		}
	}
	return nil
}

// take asserts a figure of a row with its source, and takes it out.
func (f *finder) take(what string, row map[string]any, heading, name, amount, source string) {
	f.t.Helper()
	cites, _ := row["cites"].(map[string]any)
	cited, key := row, heading
	var got any
	if heading == "request" {
		got = row["request"]
		delete(row, "request")
	} else {
		in, _ := row[heading].(map[string]any)
		got, key = in[name], heading+"."+name
		delete(in, name)
	}
	if c, ok := cites[key].(map[string]any); ok {
		cited = c
		delete(cites, key)
	}
	if text(got) != amount || f.source(cited) != source {
		f.t.Errorf("%s: %s %s is %q from %s, want %q from %s", what, heading, name, got, f.source(cited), amount, source)
	}
}

// Nothing of the lists is lost on the way, and nothing is in the book that they
// do not have.
func TestTheBookIsWhole(t *testing.T) {
	f := open(t)
	source := func(l line) string { return l["source"] + " on " + l["seen"] }
	aliases := 0
	if err := eachLine("prices.csv", func(l line) error {
		what := l["provider"] + "/" + l["model"]
		m := f.models[what]
		for column, field := range map[string]string{"mode": "mode", "alias_of": "alias_of", "status": "status", "shutdown_date": "shutdown", "replaced_by": "replaced_by", "confidence": "confidence",
			"context_tokens": "context_tokens", "max_output_tokens": "max_output_tokens", "max_input_tokens": "max_input_tokens", "image_tokens_max": "image_tokens"} {
			if text(m[field]) != l[column] {
				t.Errorf("%s: %s is %q, want %q", what, field, m[field], l[column])
			}
		}
		if f.source(m) != source(l) {
			t.Errorf("%s is from %s, want %s", what, f.source(m), source(l))
		}
		of := f.models[l["provider"]+"/"+l["alias_of"]]
		if l["alias_of"] != "" {
			aliases++
			if of == nil || m["prices"] != nil {
				t.Errorf("%s has prices of its own, or is an alias of nothing", what)
			}
			return nil
		}
		for column, class := range map[string]string{"input_usd_per_mtok": "input", "output_usd_per_mtok": "output", "cached_input_usd_per_mtok": "cached_input", "cache_write_usd_per_mtok": "cache_write"} {
			if l[column] != "" {
				f.take(what, f.row(m, "", "", "", "", ""), "rates", class, shift(l[column], 0), source(l))
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	figures := 0
	if err := eachLine("price_tiers.csv", func(l line) error {
		figures++
		what := l["provider"] + "/" + l["model"] + " " + l["litellm_field"]
		tier, hours := "", ""
		for suffix, name := range map[string]string{"_batches": "batch", "_flex": "flex", "_priority": "priority", "_fast": "fast"} {
			if strings.HasSuffix(l["litellm_field"], suffix) {
				tier = name
			}
		}
		if l["hours"] != "" {
			hours = offPeakSpans
		}
		row := f.row(f.models[l["provider"]+"/"+l["model"]], l["from"], l["until"], hours, tier, l["above_tokens"])
		if row == nil {
			t.Errorf("%s has no row", what)
			return nil
		}
		place, err := place(l["litellm_field"], l["above_tokens"])
		if err != nil {
			t.Fatal(err)
		}
		amount := shift(l["usd_per_mtok"]+l["usd_per_unit"], map[string]int{"million_characters": -6, "multiplier": 4}[l["unit"]])
		if strings.Contains(l["model"], "-search-api") && place.name == "search" {
			f.take(what, row, "request", "", amount, source(l))
			return nil
		}
		f.take(what, row, string(place.heading), place.name, amount, source(l))
		if place.name == "search_high" { // the dearest of three is paid for on every request
			f.take(what, row, "request", "", amount, source(l))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(f.models) != 503 || aliases != 107 || figures != 994 {
		t.Errorf("%d models, %d aliases, %d figures", len(f.models), aliases, figures)
	}
	for name, m := range f.models {
		prices, _ := m["prices"].([]any)
		for _, p := range prices {
			for _, heading := range []string{"rates", "pieces", "other", "factors", "cites"} {
				in, _ := p.(map[string]any)[heading].(map[string]any)
				if heading == "pieces" && in["search"] == "0" { // of a model that always searches: its fee is of the call
					delete(in, "search")
				}
				if len(in) > 0 {
					t.Errorf("%s has %s that no list has: %v", name, heading, in)
				}
			}
			if fee := p.(map[string]any)["request"]; fee != nil {
				t.Errorf("%s has a fee of %v that no list has", name, fee)
			}
		}
	}
	if by := f.models["gemini/gemini-2.5-flash"]["answered_by"]; by != "gemini-3.5-flash-lite" {
		t.Errorf("gemini-2.5-flash is answered by %v", by)
	}
}

func TestFieldsThatAreNotKnown(t *testing.T) {
	for _, tc := range [][2]string{{"input_cost_per_tokens", ""}, {"input_cost_per_token_ultrafast", ""}, {"input_cost_per_token_above_200k_tokens", ""}, {"input_cost_per_token", "5"},
		{"output_cost_per_token_above_1hr", ""}, {"", ""}, {"input_cost_per_token_above_1hr", ""}} {
		if f, err := place(tc[0], tc[1]); err == nil {
			t.Errorf("%q is taken for %+v", tc, f)
		}
	}
	for _, tc := range []struct{ unit, mtok, each string }{{"call", "1", ""}, {"usd_per_mtok", "", "1"}, {"fortnight", "", "1"}} {
		if a, err := (&figure{heading: rates, name: "input"}).amount(tc.unit, tc.mtok, tc.each); err == nil {
			t.Errorf("%+v is taken for %q", tc, a)
		}
	}
}

func TestShift(t *testing.T) {
	for _, tc := range []struct {
		in     string
		places int
		want   string
	}{{"15", -6, "0.000015"}, {"1.1", 4, "11000"}, {"0.50", 0, "0.5"}, {"120", -6, "0.00012"}, {"0", 4, "0"}, {"10", 0, "10"}, {"1.00005", 4, "10000.5"}, {"100", -2, "1"}} {
		if got := shift(tc.in, tc.places); got != tc.want {
			t.Errorf("%s by %d: %s, want %s", tc.in, tc.places, got, tc.want)
		}
	}
}
