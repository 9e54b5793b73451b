package pricefile

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// told is what a list says, a line for each row.
func told(t testing.TB, text string) (format string, out []string) {
	t.Helper()
	list, err := Read([]byte(text), now)
	if err != nil {
		t.Fatalf("%.60s: %v", text, err)
	}
	for _, e := range list.Entries {
		name := strings.TrimPrefix(e.Provider+"/"+e.Model, "/")
		if e.Problem != "" {
			out = append(out, name+": "+e.Problem)
		}
		for _, p := range e.Prices {
			words := []string{name}
			for _, w := range []string{string(p.Tier), p.Hours.String()} {
				if w != "" {
					words = append(words, w)
				}
			}
			if !p.From.IsZero() {
				words = append(words, "from "+p.From.Format(time.RFC3339))
			}
			if p.AboveTokens > 0 {
				words = append(words, fmt.Sprint(">", p.AboveTokens))
			}
			for _, c := range tally.AllClasses {
				if n := *p.Rate(c); n != nil {
					words = append(words, c.String()+" "+n.String())
				}
			}
			if p.Request != 0 {
				words = append(words, "call "+p.Request.String())
			}
			for _, piece := range []tally.Piece{tally.Search, tally.Image, tally.SoundSecond} {
				if n, ok := p.Pieces[piece]; ok {
					words = append(words, string(piece)+" "+n.String())
				}
			}
			out = append(out, strings.Join(words, " "))
		}
	}
	return list.Format, out
}

func TestFormats(t *testing.T) {
	for _, tc := range []struct {
		text, format string
		want         []string
	}{
		{`{"sample_spec": {"input_cost_per_token": 0.0, "litellm_provider": "one of"},
		  "gpt-5": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07,
		    "input_cost_per_token_priority": 2.5e-06, "output_cost_per_token_priority": 2e-05, "input_cost_per_token_above_272k_tokens": 2.5e-06,
		    "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.025}, "input_cost_per_request": 0.001},
		  "gemini/flash": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": "1.5e-07", "output_cost_per_token": 6e-7, "cache_creation_input_token_cost_above_1hr": 3E-7},
		  "embed": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08},
		  "noise": {"litellm_provider": "x", "input_cost_per_token": 1.5000000000000002e-07, "output_cost_per_token": 2.9999999999999997e-06},
		  "fine": {"litellm_provider": "x", "input_cost_per_token": 1.5000012e-07, "output_cost_per_token": 2.33333333333e-10},
		  "draw": {"litellm_provider": "x", "mode": "image_generation", "output_cost_per_image": 0.04}}`, LiteLLM, []string{
			"openai/gpt-5 input 1.25 cached_input 0.125 output 10 call 0.001 search 0.025", "openai/gpt-5 >272000 input 2.5", "openai/gpt-5 priority input 2.5 output 20",
			"gemini/flash input 0.15 cache_write_long 0.3 output 0.6", "openai/embed input 0.02",
			"x/noise input 0.15 output 3", "x/fine input 0.15000012 output 0.000233334", "x/draw image 0.04"}},
		{`{"openai": {"id": "openai", "models": {"gpt-5": {"id": "gpt-5", "cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "context_over_200k": {"input": 2.5, "output": 15}}},
		   "tiered": {"cost": {"input": 1, "output": 2, "tiers": [{"input": 3, "output": 4, "tier": {"type": "context", "size": 128000}}], "context_over_200k": {"input": 9, "output": 9}}}, "free": {}}},
		  "empty": {"id": "empty", "models": {}}}`, ModelsDev, []string{
			"openai/gpt-5 input 1.25 cached_input 0.125 output 10", "openai/gpt-5 >200000 input 2.5 output 15", "openai/tiered input 1 output 2", "openai/tiered >128000 input 3 output 4"}},
		{`[{"model": "m", "provider": "up", "state": "past", "input_nano_usd": 1, "output_nano_usd": 1}, {"model": "m", "provider": "up", "state": "now", "input_nano_usd": 150000000, "output_nano_usd": 600000000, "from": "2026-11-01T00:00:00Z", "zone": "UTC"},
		  {"model": "m", "provider": "up", "above_tokens": 1000, "from": "2026-11-01T00:00:00Z", "input_nano_usd": 300000000}]`, Own, []string{
			"up/m from 2026-11-01T00:00:00Z input 0.15 output 0.6", "up/m from 2026-11-01T00:00:00Z >1000 input 0.3"}},
		{"model,provider,input,output,tier,hours,above_tokens,from,pieces\nm,up,0.15,$0.60,,,,2026-12-01 Europe/Lisbon,search 0.01\nm,up,1,2,,,1000,2026-12-01,\nm,up,0.07,0.3,,Mon-Fri 01:00-04:00,,2026-12-01,\n", CSV, []string{
			"up/m from 2026-12-01T00:00:00Z input 0.15 output 0.6 search 0.01", "up/m from 2026-12-01T00:00:00Z >1000 input 1 output 2", "up/m Mon-Fri 01:00-04:00 from 2026-12-01T00:00:00Z input 0.07 output 0.3"}},
		{"model;input_usd_per_mtok;output_usd_per_mtok\nm;1.5e-1;2\n", CSV, []string{"m input 0.15 output 2"}},
	} {
		format, got := told(t, tc.text)
		if format != tc.format || !slices.Equal(got, tc.want) {
			t.Errorf("%s:\n%s\nwant %s\n%s", format, strings.Join(got, "\n"), tc.format, strings.Join(tc.want, "\n"))
		}
	}
}

// What is wrong with one model is said of it, and spoils no other.
func TestProblems(t *testing.T) {
	good := `"good": {"litellm_provider": "x", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06}`
	for entry, want := range map[string]string{
		`"m": {"litellm_provider": "x", "input_cost_per_token": -1e-06, "output_cost_per_token": 1e-06}`:                               "input_cost_per_token is negative",
		`"m": {"litellm_provider": "x", "input_cost_per_token": NaN, "output_cost_per_token": 1e-06}`:                                  "input_cost_per_token is not a number",
		`"m": {"litellm_provider": "x", "input_cost_per_token": -Infinity, "output_cost_per_token": 1e-06}`:                            "input_cost_per_token is not a number",
		`"m": {"litellm_provider": "x", "input_cost_per_token": 1e99, "output_cost_per_token": 1e-06}`:                                 "input_cost_per_token is too large",
		`"m": {"litellm_provider": "x", "input_cost_per_token": 1e-06, "input_cost_per_token": 2e-06, "output_cost_per_token": 1e-06}`: "says input_cost_per_token twice",
		`"m": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-06}`:                                                "no price of output",
		`"m": {"litellm_provider": "x", "output_cost_per_token": 1e-06}`:                                                               "none of input",
		`"m": {"litellm_provider": "x", "input_cost_per_token_flex": 1e-06}`:                                                           "no plain price",
		`"m": {"litellm_provider": "x", "input_cost_per_token": "cheap", "output_cost_per_token": 1e-06}`:                              "is not a number",
		`"m": [1]`: "it is no object",
		`"m": {"litellm_provider": "x", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06}, "x/m": {"litellm_provider": "x", "input_cost_per_token": 2e-06, "output_cost_per_token": 1e-06}`: "twice",
	} {
		_, got := told(t, "{"+good+","+entry+"}")
		if len(got) < 2 || got[0] != "x/good input 1 output 1" || !strings.Contains(got[1], want) {
			t.Errorf("%s: %q, want %q", entry, got, want)
		}
	}
	for text, want := range map[string]string{
		"model,input,output\nm,1,\n": "not the other", "model,input,output\nm,1,-2\n": "output is negative", "model,input,output\nm,nan,2\n": "input is not a number",
		"model,input,output\nm,1,2\nm,1,3\n": "two of its rows", "model,input,output,tier\nm,1,2,bulk\n": "no tier", "model,input,output,from\nm,1,2,soon\n": "from is no date",
		"model,input,output,from,until\nm,1,2,2026-12-02,2026-12-01\n": "ends before it begins", "model,input,output,above_tokens\nm,1,2,9\n": "before its price",
		"model,input,output,hours\nm,1,2,always\n": "hours are not like", "model,input,output\n,1,2\n": "name is missing",
	} {
		if _, got := told(t, text); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNoLists(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", " \n": "empty", "{}": "no list of prices", "[]": "", "[1]": "no list of prices", `{"a": 1}`: "no list of prices", "hello": "neither JSON nor", "\xff\xfe": "UTF-8",
		`{"data": [{"id": "x"}]}`: "provider's own list", "{": "not JSON", strings.Repeat("[", 100): "nested deeper", "model,input,ouput\nm,1,2\n": "ouput",
		"model,input,input\nm,1,2\n": "twice", strings.Repeat("x", MaxBytes+1): "larger than 8 MiB",
	} {
		_, err := Read([]byte(text), now)
		if want == "" {
			if err != nil {
				t.Errorf("%.20q: %v", text, err)
			}
			continue
		}
		if e := tally.AsError(err); err == nil || !strings.Contains(e.Message, want) || e.Hint == "" {
			t.Errorf("%.20q: %v, want %q and a hint", text, err, want)
		}
	}
}

// Amounts are read exactly, or rounded up to the next nano-dollar; only the noise of a float
// is taken off.
func FuzzMoney(f *testing.F) {
	for _, seed := range []string{"1.5e-07", "0.15", "1e-99", "-1", "NaN", "2.9999999999999997e-06", "9223372036854775807", "1e9", ".5", "5.", "1e", "--1", "- 0", "-0", "0x1p3", "1_000"} {
		f.Add(seed, 15)
	}
	f.Fuzz(func(t *testing.T, text string, places int) {
		if places < 0 || places > 15 || len(text) > 60 {
			return // no price has so many digits
		}
		got, problem := money(text, places)
		if problem != "" {
			return
		}
		if got < 0 || got > tally.MaxMoney {
			t.Fatalf("%q is %d", text, got)
		}
		want, ok := new(big.Rat).SetString(strings.TrimSpace(text))
		if !ok {
			t.Fatalf("%q is no number, and reads %d", text, got)
		}
		scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil))
		off := new(big.Rat).Sub(new(big.Rat).SetInt64(int64(got)), want.Mul(want, scale))
		if off.Cmp(big.NewRat(-1, 1000)) < 0 || off.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("%q with %d places is %d, off by %s", text, places, got, off.FloatString(6))
		}
	})
}

// check asserts what holds for any list that is read.
func check(t *testing.T, text []byte) {
	list, err := Read(text, now)
	if err != nil {
		if e := tally.AsError(err); e.Hint == "" {
			t.Fatalf("%v has no next step", err)
		}
		return
	}
	for _, e := range list.Entries {
		if (e.Problem == "") != (len(e.Prices) > 0) {
			t.Fatalf("%+v has neither prices nor a problem, or both", e)
		}
		for i := range e.Prices {
			p := &e.Prices[i]
			for _, c := range tally.AllClasses {
				if n := *p.Rate(c); n != nil && (*n < 0 || *n > tally.MaxMoney) {
					t.Fatalf("%s costs %d", c, *n)
				}
			}
			if p.AboveTokens == 0 && !p.Priced() || p.Seen.After(now) {
				t.Fatalf("%+v prices nothing, or was seen tomorrow", *p)
			}
			if _, err := json.Marshal(p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func FuzzLiteLLM(f *testing.F) {
	f.Add(`"m": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "input_cost_per_token_above_200k_tokens_priority": 3}`)
	f.Add(`"x/m": {"litellm_provider": "x", "output_cost_per_image": NaN, "search_context_cost_per_query": {"a": 1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		check(t, []byte(`{"first": {"litellm_provider": "x", "input_cost_per_token": 1, "output_cost_per_token": 1},`+text+"}"))
	})
}

func FuzzModelsDev(f *testing.F) {
	f.Add(`{"input": 1, "output": 2, "tiers": [{"input": 3, "tier": {"type": "context", "size": 128000}}], "context_over_200k": {"input": 9}}`)
	f.Add(`{"input": "1", "output": null}`)
	f.Fuzz(func(t *testing.T, text string) {
		check(t, []byte(`{"p": {"models": {"first": {"cost": {"input": 1, "output": 1}}, "m": {"cost": `+text+`}}}}`))
	})
}

func FuzzOwn(f *testing.F) {
	f.Add(`[{"model": "m", "provider": "up", "state": "now", "input_nano_usd": 150000000, "output_nano_usd": 1, "hours": "Mon-Fri 01:00-04:00", "pieces_nano_usd": {"search": -1}}]`)
	f.Add(`[{"model": "m", "above_tokens": -1, "tier": "x"}]`)
	f.Fuzz(func(t *testing.T, text string) { check(t, []byte(text)) })
}

func FuzzCSV(f *testing.F) {
	f.Add("model,provider,input,output,tier,hours,above_tokens,from,until,pieces,request,image\nm,up,0.15,0.60,flex,Sat 00:00-24:00,5,2026-12-01 Europe/Lisbon,always,search 0.01,1,2\n")
	f.Add("model;input;output\nm;1;2")
	f.Add("model,input,output\nm,\"1")
	f.Fuzz(func(t *testing.T, text string) { check(t, []byte(text)) })
}
