package assets

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"time"
)

type book struct {
	Version int      `json:"version"`
	AsOf    string   `json:"as_of"`
	Sources []string `json:"sources"`
	Models  []struct {
		Model       string  `json:"model"`
		Publisher   string  `json:"publisher"`
		AliasOf     string  `json:"alias_of"`
		Mode        string  `json:"mode"`
		Status      string  `json:"status"`
		Context     int64   `json:"context_tokens"`
		MaxInput    int64   `json:"max_input_tokens"`
		MaxOutput   int64   `json:"max_output_tokens"`
		ImageTokens int64   `json:"image_tokens"`
		Shutdown    string  `json:"shutdown"`
		ReplacedBy  string  `json:"replaced_by"`
		AnsweredBy  string  `json:"answered_by"`
		Confidence  string  `json:"confidence"`
		Source      int     `json:"source"`
		Seen        string  `json:"seen"`
		Prices      []price `json:"prices"`
	} `json:"models"`
}

type price struct {
	From        string            `json:"from"`
	Until       string            `json:"until"`
	Hours       string            `json:"hours"`
	Tier        string            `json:"tier"`
	AboveTokens int64             `json:"above_tokens"`
	Rates       map[string]string `json:"rates"`
	Request     string            `json:"request"`
	Pieces      map[string]string `json:"pieces"`
	Other       map[string]string `json:"other"`
	Factors     map[string]int64  `json:"factors"`
	Source      int               `json:"source"`
	Seen        string            `json:"seen"`
	Cites       map[string]struct {
		Source int    `json:"source"`
		Seen   string `json:"seen"`
	} `json:"cites"`
}

// exact is a decimal amount without sign or exponent, as an int64 of nano-USD
// holds it: a float that slipped in ("0.30000000000000004") does not match.
var exact = regexp.MustCompile(`^(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?$`)

// A slip in the price book is money: this is what can be checked without
// knowing the true prices.
func TestPrices(t *testing.T) {
	var b book
	d := json.NewDecoder(bytes.NewReader(Prices))
	d.DisallowUnknownFields() // a misspelt rate would silently be its parent's
	if err := d.Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Version != 2 || len(b.Models) < 500 {
		t.Fatalf("version %d with %d models, want version 2 with at least 500", b.Version, len(b.Models))
	}
	checkDate(t, "as_of", b.AsOf)
	last := ""
	for _, m := range b.Models {
		name := m.Publisher + " " + m.Model
		if m.Publisher == "" || m.Model == "" || m.Mode == "" || m.Status == "" || m.Confidence == "" {
			t.Errorf("%q: publisher, model, mode, status or confidence is missing", name)
		}
		if name <= last {
			t.Errorf("%s: not sorted after %s, or there twice", name, last)
		}
		last = name
		if (len(m.Prices) == 0) != (m.AliasOf != "") {
			t.Errorf("%s: an alias with prices, or none of either", name)
		}
		for _, p := range m.Prices {
			for _, list := range []map[string]string{p.Rates, p.Pieces, p.Other, {"request": p.Request}} {
				for what, amount := range list {
					if !exact.MatchString(amount) && (what != "request" || amount != "") {
						t.Errorf("%s: %s %q is not an exact decimal with at most 9 decimals", name, what, amount)
					}
				}
			}
			if p.Source < 1 || p.Source > len(b.Sources) {
				t.Errorf("%s: a price without a source", name)
			}
			checkDate(t, name, p.Seen)
		}
	}
}

func checkDate(t *testing.T, name, s string) {
	t.Helper()
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		t.Errorf("%s: %q is not a date", name, s)
	}
}
