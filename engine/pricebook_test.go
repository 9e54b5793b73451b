package engine

import (
	"os"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func TestBadPriceBooks(t *testing.T) {
	line := func(fields string) string {
		return `{"version":1,"as_of":"2026-11-01","models":[{"model":"m","publisher":"p",` + fields + `}]}`
	}
	for name, text := range map[string]string{
		"not JSON": "prices", "version": `{"version":2}`, "no model": `{"version":1,"models":[{"publisher":"p"}]}`, "no publisher": `{"version":1,"models":[{"model":"m"}]}`,
		"a number": line(`"prices":[{"input":0.15}]`), "negative": line(`"prices":[{"input":"-1"}]`), "exponent": line(`"prices":[{"output":"1e3"}]`), "ten decimals": line(`"prices":[{"input":"0.0000000001"}]`),
		"date": line(`"prices":[{"input":"1","from":"soon"}]`), "deprecated": line(`"deprecated":"2026-02-31"`), "band": line(`"prices":[{"input":"1","above_tokens":-1}]`), "context": line(`"context_tokens":-1`),
		"call": line(`"prices":[{"input":"1","request":"x"}]`), "twice": `{"version":1,"models":[{"model":"m","publisher":"p"},{"model":"m","publisher":"p"}]}`,
	} {
		if _, err := readPriceBook([]byte(text)); tally.CodeOf(err) != tally.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	if book, err := readPriceBook(nil); err != nil || book.find("openai", "gpt-mini") != nil {
		t.Errorf("no price book: %v", err)
	}
}

// The book that ships is readable, and every price in it can be charged.
func TestTheShippedPriceBook(t *testing.T) {
	text, err := os.ReadFile("../assets/prices.json")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := readPriceBook(text)
	if err != nil {
		t.Fatal(err)
	}
	priced := 0
	for key, m := range shipped.models {
		for i := range m.prices {
			if m.prices[i].Source == "" {
				t.Errorf("%s: a price without a source", key)
			}
		}
		if _, ok := tally.PriceAt(m.prices, noon, 0); ok {
			priced++
		}
	}
	if priced < 100 {
		t.Errorf("only %d of %d models have a price", priced, len(shipped.models))
	}
}

func TestFindingInThePriceBook(t *testing.T) {
	b, err := readPriceBook([]byte(strings.Replace(book, `"models":[`, `"models":[{"model":"gemini-x","publisher":"gemini"},`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ publisher, name, want string }{
		{"openai", "gpt-mini", "gpt-mini"}, {"", "openai/gpt-mini", "gpt-mini"}, {"", "openai/gpt-mini:free", "gpt-mini"}, {"gemini", "models/gemini-x", "gemini-x"},
		{"openai", "gpt-min", ""}, {"", "gpt-mini", ""}, {"gemini", "gpt-mini", ""}, {"openai", "", ""},
	} {
		got := ""
		if m := b.find(tc.publisher, tc.name); m != nil {
			got = m.name
		}
		if got != tc.want {
			t.Errorf("%q of %q: %q, want %q", tc.name, tc.publisher, got, tc.want)
		}
	}
}

func FuzzPriceBook(f *testing.F) {
	f.Add([]byte(book))
	f.Add([]byte(`{"version":1,"models":[{"model":"m","publisher":"p","prices":[{"input":"99999999","from":"2026-01-01","above_tokens":9}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := readPriceBook(text)
		if err != nil {
			return
		}
		for key, m := range b.models {
			for _, p := range m.prices {
				for _, rate := range []*tally.NanoUSD{p.Input, p.CachedInput, p.CacheWrite, p.Output, p.Reasoning, &p.Request} {
					if rate != nil && (*rate < 0 || *rate > tally.MaxMoney) {
						t.Errorf("%s has the rate %d", key, *rate)
					}
				}
			}
		}
	})
}
