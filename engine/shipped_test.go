package engine

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"tallygate/engine/tally"
)

func readShipped(t *testing.T) (*priceBook, *bookFile) {
	t.Helper()
	text, err := os.ReadFile("../assets/prices.json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := readPriceBook(text)
	if err != nil {
		t.Fatal(err)
	}
	var file bookFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return b, &file
}

// Every figure of the book that ships stands in a row of its model.
func TestTheShippedPriceBookIsRead(t *testing.T) {
	b, file := readShipped(t)
	figures := 0
	for i := range file.Models {
		l := &file.Models[i]
		m := b.models[l.key()]
		if l.AliasOf != "" {
			if of := b.models[l.Publisher+"/"+l.AliasOf]; m == nil || len(m.prices) == 0 || &m.prices[0] != &of.prices[0] {
				t.Errorf("%s has not the prices of %s", l.key(), l.AliasOf)
			}
			continue
		}
		for i := range l.Prices {
			line := &l.Prices[i]
			like, err := line.read(file.Sources, l.Confidence)
			if err != nil {
				t.Fatal(err)
			}
			var row *tally.Price
			for i := range m.prices {
				if p := &m.prices[i]; sameKind(p, &like) && p.From.Equal(like.From) && p.Until.Equal(like.Until) && p.AboveTokens == like.AboveTokens {
					row = p
				}
			}
			if row == nil || row.ID == "" || row.Source == "" || row.Seen.IsZero() {
				t.Errorf("%s: no row like %+v", l.key(), like)
				continue
			}
			for _, c := range tally.AllClasses {
				if want := *like.Rate(c); want != nil {
					if got := *row.Rate(c); got == nil || *got != *want {
						t.Errorf("%s, %s: %v, want %s", l.key(), c, got, want)
					}
					figures++
				}
			}
			for name, n := range like.Pieces {
				if row.Pieces[name] != n {
					t.Errorf("%s, %s: %s, want %s", l.key(), name, row.Pieces[name], n)
				}
				figures++
			}
			for name, n := range like.Other {
				if row.Other[name] != n {
					t.Errorf("%s, %s: %s, want %s", l.key(), name, row.Other[name], n)
				}
				figures++
			}
			for name, n := range like.Factors {
				if row.Factors[name] != n {
					t.Errorf("%s, %s: %d, want %d", l.key(), name, row.Factors[name], n)
				}
				figures++
			}
			if like.Request != row.Request {
				t.Errorf("%s, a request: %s, want %s", l.key(), row.Request, like.Request)
			}
		}
	}
	if figures < 1900 {
		t.Errorf("%d figures only", figures)
	}
}

// What counts is never below the plain price, and a longer prompt is never cheaper
// by the token: a budget must not be exceeded.
func TestTheShippedPricesAreTheDearest(t *testing.T) {
	b, _ := readShipped(t)
	now := time.Date(2026, 12, 2, 2, 0, 0, 0, time.UTC) // Wednesday, at a peak
	priced := 0
	for key, m := range b.models {
		sizes := []int64{1}
		for _, p := range m.prices {
			if p.AboveTokens > 0 {
				sizes = append(sizes, p.AboveTokens, p.AboveTokens+1)
			}
		}
		for _, tier := range []tally.Tier{"", tally.TierFlex, tally.TierPriority, tally.TierFast, tally.TierBatch} {
			for _, n := range sizes {
				plain, q, short := tally.QuoteAt(m.prices, now, "", n), tally.QuoteAt(m.prices, now, tier, n), tally.QuoteAt(m.prices, now, tier, 1)
				if plain.Row == nil {
					continue
				}
				priced++
				for _, c := range tally.AllClasses {
					if q.Of[c] < plain.Of[c] || q.Of[c] < short.Of[c] {
						t.Errorf("%s, tier %q, %d tokens, %s: %s, plain %s, a short prompt %s", key, tier, n, c, q.Of[c], plain.Of[c], short.Of[c])
					}
				}
				if each, ok := plain.Row.Pieces[tally.Search]; ok {
					if got := q.Row.Pieces[tally.Search]; got != each {
						t.Errorf("%s, tier %q: a search costs %s, want %s", key, tier, got, each)
					}
				}
				if q.Request != plain.Request {
					t.Errorf("%s, tier %q: a request costs %s, want %s", key, tier, q.Request, plain.Request)
				}
			}
		}
	}
	if priced < 2000 {
		t.Errorf("%d prices only", priced)
	}
}

// Some prices as their publishers have them.
func TestSomeShippedPrices(t *testing.T) {
	b, _ := readShipped(t)
	const usd = tally.Dollar
	for _, tc := range []struct {
		publisher, name, at string
		tier                tally.Tier
		prompt              int64
		class               tally.Class
		want                tally.NanoUSD
	}{
		{"openai", "gpt-6.2-astra", "2026-11-28T12:00:00Z", "", 272_000, tally.ClassReasoning, 40 * usd},
		{"openai", "gpt-6.2-astra", "2026-11-28T12:00:00Z", "", 272_001, tally.ClassReasoning, 60 * usd},
		{"openai", "gpt-6.2-astra", "2026-11-28T12:00:00Z", tally.TierPriority, 272_001, tally.ClassOutput, 80 * usd},
		{"openai", "gpt-6.2-astra", "2026-11-28T12:00:00Z", tally.TierFlex, 1, tally.ClassOutput, 40 * usd},
		{"openai", "gpt-5.6", "2026-08-20T23:59:59Z", "", 1, tally.ClassInput, 5 * usd}, // an alias; its last day of that price
		{"openai", "gpt-5.6", "2026-08-21T00:00:00Z", "", 1, tally.ClassInput, 4 * usd},
		{"openai", "gpt-audio", "2026-11-28T12:00:00Z", "", 1, tally.ClassAudioOutput, 64 * usd},
		{"anthropic", "claude-opus-5", "2026-11-28T12:00:00Z", tally.TierFast, 1, tally.ClassCacheWriteLong, 20 * usd}, // named by nobody: twice the plain one
		{"anthropic", "claude-sonnet-5-5", "2026-10-06T12:00:00Z", "", 1, tally.ClassCachedInput, usd / 5},
		{"anthropic", "claude-sonnet-5-5", "2026-10-06T12:00:00Z", "", 1, tally.ClassOutput, 10 * usd},
		{"anthropic", "claude-sonnet-5-5", "2026-10-07T00:00:00Z", "", 1, tally.ClassCachedInput, usd / 10},
		{"gemini", "models/gemini-4-argon", "2026-11-30T23:59:59Z", "", 1, tally.ClassOutput, 10 * usd},
		{"gemini", "models/gemini-4-argon", "2026-12-01T00:00:00Z", "", 1, tally.ClassOutput, 20 * usd},
		{"gemini", "gemini-3.1-pro-preview", "2026-11-28T12:00:00Z", tally.TierPriority, 200_001, tally.ClassInput, 4 * usd},
		{"gemini", "gemini-2.5-pro", "2026-11-30T12:00:00Z", "", 200_001, tally.ClassOutput, 15 * usd},
		{"gemini", "gemini-2.5-pro", "2026-12-01T12:00:00Z", "", 200_001, tally.ClassOutput, 3_750_000_000}, // answered by gemini-3.8-flash
		{"gemini", "gemini-2.5-pro", "2027-01-01T00:00:00Z", "", 1, tally.ClassOutput, 7_500_000_000},
		{"deepseek", "deepseek-chat", "2026-11-25T03:59:59Z", "", 1, tally.ClassOutput, 1_200_000_000},
		{"deepseek", "deepseek-chat", "2026-11-25T04:00:00Z", "", 1, tally.ClassOutput, 600_000_000},
		{"deepseek", "deepseek-chat", "2026-11-25T06:00:00Z", "", 1, tally.ClassOutput, 1_200_000_000},
		{"deepseek", "deepseek-chat", "2026-11-28T07:00:00Z", "", 1, tally.ClassOutput, 600_000_000}, // a Saturday
		{"xai", "grok-4.5", "2026-11-28T12:00:00Z", "", 199_999, tally.ClassInput, 2 * usd},
		{"xai", "grok-4.5", "2026-11-28T12:00:00Z", "", 200_000, tally.ClassInput, 4 * usd},
		{"together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "2026-11-28T12:00:00Z", "", 1, tally.ClassInput, 1_040_000_000},
		{"fireworks", "accounts/fireworks/models/gpt-oss-120b", "2026-11-28T12:00:00Z", "", 1, tally.ClassInput, 150_000_000},
		{"mistral", "voxtral-small-latest", "2026-08-10T12:00:00Z", "", 1, tally.ClassOutput, 300_000_000},
		{"mistral", "voxtral-small-latest", "2026-08-11T12:00:00Z", "", 1, tally.ClassOutput, 400_000_000},
	} {
		at, _ := time.Parse(time.RFC3339, tc.at)
		m := b.find(tc.publisher, tc.name)
		if m == nil {
			t.Errorf("%s is not found", tc.name)
			continue
		}
		if q := tally.QuoteAt(m.prices, at, tc.tier, tc.prompt); q.Of[tc.class] != tc.want {
			t.Errorf("%s at %s, tier %q, %d tokens, %s: %s, want %s", tc.name, tc.at, tc.tier, tc.prompt, tc.class, q.Of[tc.class], tc.want)
		}
	}
	for name, want := range map[string][2]tally.NanoUSD{ // what a request costs, and a search
		"openai/gpt-5-search-api": {10_000_000, 0}, "openai/gpt-5": {0, 10_000_000}, "perplexity/sonar": {12_000_000, 0}, "perplexity/sonar-deep-research": {0, 5_000_000},
		"anthropic/claude-haiku-5-5": {0, 10_000_000}, "gemini/gemini-3.5-flash": {0, 0}, "zai/glm-5.3": {0, 10_000_000},
	} {
		q := tally.QuoteAt(b.models[name].prices, noon, "", 1)
		if each := q.Row.Pieces[tally.Search]; q.Request != want[0] || each != want[1] {
			t.Errorf("%s: a request %s and a search %s", name, q.Request, each)
		}
	}
	// The hours of the book are all that is not at a peak.
	peak, err := tally.ParseHours("Mon-Fri 01:00-04:00, Mon-Fri 06:00-10:00")
	if err != nil {
		t.Fatal(err)
	}
	hours := b.models["deepseek/deepseek-flash"].prices[1].Hours
	for at := noon; at.Before(noon.AddDate(0, 0, 7)); at = at.Add(time.Minute) {
		if hours.Contain(at) == peak.Contain(at) {
			t.Fatalf("at %v both or neither count", at)
		}
	}
	for name, gone := range map[string]bool{"openai/gpt-image-1": true, "deepseek/deepseek-chat": true, "gemini/gemini-2.5-pro": false, "openai/gpt-5": false} {
		if b.models[name].gone(time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC)) != gone {
			t.Errorf("%s is gone: %v", name, !gone)
		}
	}
}
