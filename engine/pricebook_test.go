package engine

import (
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
)

func TestBadPriceBooks(t *testing.T) {
	const head = `"model":"m","publisher":"p","mode":"chat","status":"live","confidence":"high","source":1,"seen":"2026-11-01"`
	file := func(lines ...string) string {
		return `{"version":2,"as_of":"2026-11-01","sources":["its page"],"models":[` + strings.Join(lines, ",") + `]}`
	}
	row := func(fields string) string {
		return `{"source":1,"seen":"2026-11-01","rates":{"input":"1"}` + fields + `}`
	}
	line := func(fields string, rows ...string) string {
		return `{` + head + fields + `,"prices":[` + strings.Join(append([]string{row("")}, rows...), ",") + `]}`
	}
	for name, text := range map[string]string{
		"not JSON": "prices", "version": `{"version":1}`, "no day": `{"version":2,"models":[]}`,
		"no model": file(strings.Replace(line(""), `"model":"m"`, `"model":""`, 1)), "no publisher": file(strings.Replace(line(""), `"p"`, `""`, 1)),
		"an unknown field": file(line(`,"inptu":"1"`)), "a status": file(strings.Replace(line(""), "live", "alive", 1)), "a confidence": file(strings.Replace(line(""), "high", "sure", 1)),
		"no source": file(strings.Replace(line(""), `"source":1`, `"source":2`, 1)), "not seen": file(strings.Replace(line(""), `"seen":"2026-11-01"`, `"seen":""`, 1)),
		"no price": file(`{` + head + `}`), "context": file(line(`,"context_tokens":-1`)), "shutdown": file(line(`,"shutdown":"2026-02-31"`)), "twice": file(line(""), line("")),
		"answered from no day": file(line(`,"answered_by":"x"`)), "answered by nothing": file(line(`,"shutdown":"2026-12-01","answered_by":"x"`)),
		"an alias with a price": file(line(`,"alias_of":"x"`)), "an alias of nothing": file(`{` + head + `,"alias_of":"x"}`),
		"a number": file(strings.Replace(line(""), `"1"`, `1`, 1)), "negative": file(strings.Replace(line(""), `"1"`, `"-1"`, 1)), "exponent": file(strings.Replace(line(""), `"1"`, `"1e3"`, 1)),
		"ten decimals": file(strings.Replace(line(""), `"1"`, `"0.0000000001"`, 1)), "a class": file(strings.Replace(line(""), `"input"`, `"inptu"`, 1)),
		"a date": file(line("", row(`,"from":"soon"`))), "ends before it begins": file(line("", row(`,"from":"2026-12-02","until":"2026-12-01"`))), "hours": file(line("", row(`,"hours":"at night"`))),
		"a tier": file(line("", row(`,"tier":"slow"`))), "a band": file(line("", row(`,"above_tokens":-1`))), "bands in disorder": file(line("", row(`,"above_tokens":9`), row(`,"above_tokens":9`))),
		"a band of another tier": file(line("", row(`,"above_tokens":9,"tier":"flex"`))), "a call": file(line("", row(`,"tier":"flex","request":"x"`))), "a piece": file(line("", row(`,"tier":"flex","pieces":{"search":"x"}`))),
		"a factor": file(line("", row(`,"tier":"flex","factors":{"x":0}`))), "a cite": file(line("", row(`,"tier":"flex","cites":{"x":{"source":9,"seen":"2026-11-01"}}`))),
		"not plain first": file(strings.Replace(line(""), `"rates"`, `"tier":"flex","rates"`, 1)), "a band first": file(strings.Replace(line(""), `"rates"`, `"above_tokens":5,"rates"`, 1)),
	} {
		if _, err := readPriceBook([]byte(text)); tally.CodeOf(err) != tally.Corrupt && tally.CodeOf(err) != tally.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readPriceBook([]byte(file(line("", row(`,"tier":"flex"`), row(`,"tier":"flex","above_tokens":9`))))); err != nil {
		t.Errorf("a book without a fault: %v", err)
	}
	if book, err := readPriceBook(nil); err != nil || book.find("openai", "gpt-mini") != nil {
		t.Errorf("no price book: %v", err)
	}
}

func TestFindingInThePriceBook(t *testing.T) {
	b, err := readPriceBook([]byte(strings.Replace(book, `"models":[`, `"models":[
		{"model":"gemini-x","publisher":"gemini","mode":"chat","status":"live","confidence":"high","source":1,"seen":"2026-11-01","alias_of":"gemini-y"},
		{"model":"gemini-y","publisher":"gemini","mode":"chat","status":"live","confidence":"high","source":1,"seen":"2026-11-01","prices":[{"rates":{"input":"1"},"source":1,"seen":"2026-11-01"}]},`, 1)))
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
	f.Add([]byte(`{"version":2,"as_of":"2026-11-01","sources":["a"],"models":[{"model":"m","publisher":"p","mode":"chat","status":"live","confidence":"low","source":1,"seen":"2026-11-01","prices":[` +
		`{"rates":{"input":"99999999","output":"1"},"source":1,"seen":"2026-11-01"},{"tier":"fast","rates":{"input":"9"},"source":1,"seen":"2026-11-01"}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := readPriceBook(text)
		if err != nil {
			return
		}
		for key, m := range b.models {
			for _, p := range m.prices {
				for _, c := range tally.AllClasses {
					if rate := *p.Rate(c); rate != nil && (*rate < 0 || *rate > tally.MaxMoney) {
						t.Errorf("%s has the rate %d", key, *rate)
					}
				}
			}
		}
	})
}

func TestPublisherOfAProvider(t *testing.T) {
	for _, tc := range []struct{ publisher, url, want string }{
		{"openai", "http://127.0.0.1/v1", "openai"}, {"", "https://api.perplexity.ai", "perplexity"}, {"", "https://API.Z.AI/api/paas/v4", "zai"},
		{"", "https://llm.example.com/v1", ""}, {"", "", ""}, {"", "https://api.perplexity.ai.example.com", ""},
	} {
		if got := publisherOf(&providers.Kind{Publisher: tc.publisher}, &tally.Provider{BaseURL: tc.url}); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
