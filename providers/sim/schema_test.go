package sim

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSample(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`null`, `{}`},
		{`{}`, `{}`},
		{`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":5.5},"sure":{"type":"boolean"}}}`, `{"city": "pretend city", "days": 6, "sure": true}`},
		{`{"type":"object","properties":{"a":{"enum":["x","y"]},"b":{"const":{"k":[1,null]}},"c":{"type":["null","string"]},"d":{"type":"number","maximum":0.5}}}`, `{"a": "x", "b": {"k":[1,null]}, "c": null, "d": 0.5}`},
		{`{"type":"array","items":{"type":"string","maxLength":3},"minItems":2}`, `["pre", "pre"]`},
		{`{"type":"array","maxItems":0}`, `[]`},
		{`{"properties":{"when":{"type":"string","format":"date"},"pick":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}`, `{"pick": 3, "when": "2026-01-31"}`},
		{`{"type":"object","properties":{"n":{"$ref":"#/$defs/count"}},"$defs":{"count":{"type":"integer","exclusiveMaximum":2}}}`, `{"n": 1}`},
		{`{"type":"string","minLength":15}`, `"pretend value.."`},
		{`{"properties":{"x":{"$ref":"http://elsewhere/schema"}}}`, `{"x": "pretend x"}`},
	} {
		var of any
		if err := json.Unmarshal([]byte(c.schema), &of); err != nil {
			t.Fatal(err)
		}
		if got := string(sample(of)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.schema, got, c.want)
		}
	}
}

// A schema is the client's: whatever it is, the sample is JSON and not long.
func FuzzSample(f *testing.F) {
	f.Add(`{"$ref":"#"}`)
	f.Add(`{"properties":{"a":{"$ref":"#"},"b":{"$ref":"#"},"c":{"$ref":"#"}},"required":["a","b","c"]}`)
	f.Add(`{"type":"array","minItems":1e99,"items":{"type":"array","minItems":64,"items":{"$ref":"#"}}}`)
	f.Add(`{"type":"string","minLength":1e99}`)
	f.Add(`{"type":"integer","minimum":1e308}`)
	f.Add(`{"type":"string","minLength":-5,"maxLength":-5}`)
	f.Add(`{"anyOf":[{"anyOf":[{"type":7}]}],"enum":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var of any
		if json.Unmarshal([]byte(text), &of) != nil {
			return
		}
		got := sample(of)
		if !json.Valid(got) || len(got) > 8*maxSample+2*len(text) {
			t.Errorf("%d bytes: %.200s", len(got), got)
		}
	})
}

// An echo is one line, not long, and never half a character.
func FuzzShorten(f *testing.F) {
	f.Add("one\ntwo\t\x00three")
	f.Add(strings.Repeat("é", 100))
	f.Add("x" + strings.Repeat("🌍", 100))
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, text string) {
		got := shorten(text)
		if len(got) > maxEcho+len(" …") || strings.ContainsAny(got, "\n\r\t\x00") || strings.ContainsRune(got, '\uFFFD') != strings.ContainsRune(text, '\uFFFD') && strings.ToValidUTF8(got, "") != got {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
