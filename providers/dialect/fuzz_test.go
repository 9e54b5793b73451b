package dialect_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// fuzzRequests holds of any body: it is refused with a failure of the caller's, or each
// dialect refuses it or writes JSON which it can parse itself.
func fuzzRequests(f *testing.F, from dialect.Dialect) {
	for _, d := range upstreams {
		for _, file := range files(f, "requests/"+string(d.Name())+".*-0[1-9].json") {
			if b := read(f, file); len(b) < 1500 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := from.Parse(body)
		if err != nil {
			if bad, ok := errors.AsType[*dialect.Failure](err); !ok || bad.Status != 400 || bad.Message == "" {
				t.Fatalf("%v", err)
			}
			if json.Valid(body) != (wire.Fault(body) < 0) && wire.Fault(body) < 0 {
				t.Fatalf("%q is taken for JSON", body)
			}
			return
		}
		for _, to := range upstreams {
			out, dropped, err := to.Write(nil, r, dialect.Target{Model: "m", MaxOutput: 9000, Reasons: true, DropServerTools: true})
			if err != nil {
				if _, ok := errors.AsType[*dialect.Failure](err); !ok {
					t.Fatalf("%v", err)
				}
				continue
			}
			if strings.ContainsAny(dropped.Header(), "\r\n") || !utf8.ValidString(dropped.Header()) {
				t.Fatalf("a header cannot hold %q", dropped.Header())
			}
			if !json.Valid(out) {
				t.Fatalf("%s: not JSON: %s", to.Name(), out)
			}
			if again, err := to.Parse(out); err != nil {
				t.Fatalf("%s refuses what it has written: %v: %s", to.Name(), err, out)
			} else if again.Model != "m" {
				t.Fatalf("%s: %s", to.Name(), out)
			}
		}
	})
}

func FuzzChatRequest(f *testing.F)      { fuzzRequests(f, byName(dialect.Chat)) }
func FuzzResponsesRequest(f *testing.F) { fuzzRequests(f, byName(dialect.Responses)) }
func FuzzMessagesRequest(f *testing.F)  { fuzzRequests(f, byName(dialect.Messages)) }
func FuzzOllamaRequest(f *testing.F)    { fuzzRequests(f, byName(dialect.Ollama)) }

// fuzzAnswers holds of any bytes of an upstream, as a stream cut anywhere or whole: what
// clients are sent is JSON, and the cut changes nothing.
func fuzzAnswers(f *testing.F, from dialect.Upstream) {
	for _, file := range files(f, "answers/"+string(from.Name())+"-*") {
		f.Add(read(f, file), 40)
	}
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		at = max(0, min(at, len(stream)))
		if one, two := trace(from, stream), trace(from, stream[:at], stream[at:]); one != two {
			t.Fatalf("cut at %d: got\n%s\nwant\n%s", at, two, one)
		}
		for _, to := range dialects {
			checkLines(t, translated(t, from, to, head, stream, len(stream)))
			a, err := dialect.ReadWhole(from.Reader(), stream)
			if err != nil {
				continue
			}
			if out := to.Writer(head).Whole(nil, a, dialect.Bill{}); !json.Valid(out) {
				t.Fatalf("%s: not JSON: %s", to.Name(), out)
			}
		}
	})
}

// checkLines holds that each line of a stream is a field of an event or JSON.
func checkLines(t *testing.T, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		data, isData := strings.CutPrefix(line, "data: ")
		if line == "" || line == "data: [DONE]" || strings.HasPrefix(line, "event: ") {
			continue
		}
		if !isData {
			data = line
		}
		if !json.Valid([]byte(data)) {
			t.Fatalf("not JSON: %q", line)
		}
	}
}

func FuzzChatAnswer(f *testing.F)      { fuzzAnswers(f, upstreams[0]) }
func FuzzResponsesAnswer(f *testing.F) { fuzzAnswers(f, upstreams[1]) }
func FuzzMessagesAnswer(f *testing.F)  { fuzzAnswers(f, upstreams[2]) }

// Text is taken for JSON only if encoding/json takes it too, and means the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e3,true,null,"\u00e9\ud83c\udf0d\n"]}`, `"\ud800"`, `[1e2,100.0,01]`, "\"\xff\"", `{"a":1,}`, ` {"\u0061":2} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, off := wire.Parse(b)
		var want any
		err := json.Unmarshal(b, &want)
		if off >= 0 {
			if err == nil && utf8.Valid(b) && strings.Count(string(b), "[")+strings.Count(string(b), "{") < wire.MaxDepth {
				t.Fatalf("%q is refused at %d", b, off)
			}
			return
		}
		if err != nil {
			if !strings.Contains(err.Error(), "number") { // one that no float holds
				t.Fatalf("%q is taken: %v", b, err)
			}
			return
		}
		same(t, v, want)
		if s, ok := want.(string); ok {
			if back := wire.Value(wire.Quote(nil, s)); wire.Fault(back) >= 0 || back.Text() != s {
				t.Fatalf("%q is written as %s", s, back)
			}
		}
	})
}

func same(t *testing.T, v wire.Value, want any) {
	t.Helper()
	switch want := want.(type) {
	case string:
		if v.Text() != want {
			t.Fatalf("%s: got %q, want %q", v, v.Text(), want)
		}
	case bool:
		if v.True() != want {
			t.Fatalf("%s: got %v", v, v.True())
		}
	case []any:
		n := 0
		for e := range v.Elements() {
			same(t, e, want[n])
			n++
		}
		if n != len(want) {
			t.Fatalf("%s has %d elements", v, n)
		}
	case map[string]any:
		seen := map[string]bool{}
		last := map[string]wire.Value{}
		for key, e := range v.Members() {
			seen[string(key)] = true
			last[string(key)] = e
		}
		if len(seen) != len(want) {
			t.Fatalf("%s has %d members, want %d", v, len(seen), len(want))
		}
		for key, e := range last {
			same(t, e, want[key])
		}
	}
}
