package assets

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"time"
)

type book struct {
	Version int     `json:"version"`
	AsOf    string  `json:"as_of"`
	Models  []model `json:"models"`
}

type model struct {
	Model           string  `json:"model"`
	Publisher       string  `json:"publisher"`
	Mode            string  `json:"mode"`
	Deprecated      string  `json:"deprecated"`
	ContextTokens   int64   `json:"context_tokens"`
	MaxOutputTokens int64   `json:"max_output_tokens"`
	Prices          []price `json:"prices"`
}

type price struct {
	From        string  `json:"from"`
	AboveTokens int64   `json:"above_tokens"`
	Input       *string `json:"input"`
	CachedInput *string `json:"cached_input"`
	CacheWrite  *string `json:"cache_write"`
	Output      *string `json:"output"`
	Reasoning   *string `json:"reasoning"`
	Request     *string `json:"request"`
	Source      string  `json:"source"`
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
	if b.Version != 1 || len(b.Models) < 150 {
		t.Fatalf("version %d with %d models, want version 1 with at least 150", b.Version, len(b.Models))
	}
	checkDate(t, "as_of", b.AsOf)
	last := ""
	for _, m := range b.Models {
		name := m.Publisher + " " + m.Model
		if m.Publisher == "" || m.Model == "" || m.Mode == "" {
			t.Errorf("%q: publisher, model or mode is missing", name)
		}
		if name <= last {
			t.Errorf("%s: not sorted after %s, or there twice", name, last)
		}
		last = name
		if m.Deprecated != "" {
			checkDate(t, name, m.Deprecated)
		}
		if m.ContextTokens < 0 || m.MaxOutputTokens < 0 {
			t.Errorf("%s: negative context or output", name)
		}
		checkPrices(t, name, m.Prices)
	}
}

func checkPrices(t *testing.T, name string, prices []price) {
	t.Helper()
	if len(prices) == 0 {
		t.Errorf("%s: no price", name)
	}
	from, above := "", int64(-1)
	for _, p := range prices {
		if p.From != "" {
			checkDate(t, name, p.From)
		}
		if p.Source == "" {
			t.Errorf("%s: a price without a source", name)
		}
		for _, amount := range []*string{p.Input, p.CachedInput, p.CacheWrite, p.Output, p.Reasoning, p.Request} {
			if amount != nil && !exact.MatchString(*amount) {
				t.Errorf("%s: %q is not an exact decimal with at most 9 decimals", name, *amount)
			}
		}
		if p.AboveTokens == 0 && p.Input == nil {
			t.Errorf("%s: the lowest band has no input rate, so it prices nothing", name)
		}
		// Dates ascend; within a date the lowest band comes first and bands ascend.
		switch {
		case p.From < from:
			t.Errorf("%s: prices from %s after those from %s", name, p.From, from)
		case p.From > from:
			above = -1
		}
		if p.AboveTokens <= above || above == -1 && p.AboveTokens != 0 {
			t.Errorf("%s: band above %d tokens does not follow band %d", name, p.AboveTokens, above)
		}
		from, above = p.From, p.AboveTokens
	}
}

func checkDate(t *testing.T, name, s string) {
	t.Helper()
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		t.Errorf("%s: %q is not a date", name, s)
	}
}
