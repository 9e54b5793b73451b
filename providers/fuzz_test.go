package providers

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tallygate/providers/dialect"
)

// pair is a member of an object as encoding/json reads it.
type pair struct {
	key string
	raw json.RawMessage
}

// pairs reads the members of an object, in order and with those that occur
// twice.
func pairs(b []byte) ([]pair, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, io.ErrUnexpectedEOF
	}
	var all []pair
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		p := pair{key: key.(string)}
		if err := d.Decode(&p.raw); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// get returns a member's text, "null" if it is absent.
func get(all []pair, key string) string {
	for _, p := range all {
		if p.key == key {
			return string(p.raw)
		}
	}
	return "null"
}

// FuzzPeek holds what Peek reports, and what Rewrite makes of it, against
// encoding/json.
func FuzzPeek(f *testing.F) {
	for _, body := range []string{
		`{"model":"a","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"a \" b\\"}],"stream_options":{"include_usage":true}}`,
		`{"max_completion_tokens":7,"max_tokens":9,"n":2,"user":"u","metadata":{"session_id":"s"}}`,
		`{"\u006dodel":"a","x":{"y":[1,2.5e3,-0,null,true]}}`, `{"model":"a","Model":"b"}`, `{"prompt":["a",["b"],1]}`, ` { } `,
		`{"input":[[1],[2]],"encoding_format":"base64"}`, `{"messages":[{"content":[{"image_url":{}}]}]}`,
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"x"}]}]}`,
		`{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"document_url","document_url":"https://x"}]}]}`,
		`{"tools":[{"type":"web_search_20250305","name":"w"},{"type":"function"}],"max_tool_calls":3,"plugins":[{"id":"web"}],"modalities":["text"]}`,
		`{"a":"\ud800"}`, `{"stream_options":{}}`, `{"models":{"":true}}`, `{"service_tier":"gold"}`, `{"service_tier":"flex","models":[]}`,
	} {
		for edits := range byte(8) {
			f.Add([]byte(body), "up", int64(6), edits)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, model string, most int64, bits byte) {
		e, err := Peek(body)
		members, invalid := pairs(body)
		if invalid == nil && !json.Valid(body) {
			_, invalid = pairs(nil)
		}
		if err != nil {
			if invalid == nil && !mayRefuse(body, members) {
				t.Fatalf("%q is refused: %v", body, err)
			}
			return
		}
		if invalid != nil {
			if err := json.Unmarshal(body, new(any)); !strings.Contains(err.Error(), "string") && !strings.Contains(err.Error(), "escape") {
				t.Fatalf("%q is accepted: %v", body, err)
			}
			return // only within strings, which are left to the upstream
		}
		checkSeen(t, e, members)
		edits := Edits{
			Model: strings.ToValidUTF8(model, "?"), MaxOutput: max(0, min(most, 1e8)), MaxField: FieldMaxTokens, OnlyMaxField: bits&1 != 0,
			Stream: bits&2 != 0, IncludeUsage: bits&4 != 0, DropStreamOptions: bits&8 != 0,
		}
		if bits&16 != 0 {
			edits.MaxField = FieldMaxCompletion
		}
		if bits&32 != 0 {
			edits.EncodingFormat = "float"
		}
		checkRewritten(t, e, members, edits)
	})
}

// A body that is cut, or lacks a byte, is read to where it breaks and refused: no look
// into a value goes before the value was walked over.
func TestBrokenBodies(t *testing.T) {
	bodies := [][]byte{
		[]byte(`{"messages":[{"role":"user","content":[{"source":{"type":"text","media_type":"text/plain","data":"x"},"type":"document"}]}]}`),
		[]byte(`{"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,AAAA"}},{"input_audio":{"data":"AAAA","format":"wav"}}]}]}`),
		[]byte(`{"input":[{"type":"message","content":[{"type":"input_image","image_url":"x"}]}],"tools":[{"type":"web_search"}],"include":["a"]}`),
		[]byte(`{"metadata":{"user_id":"{\"session_id\":1}"},"conversation":{"id":"c"},"stop":["a"],"context_management":{"edits":[{"type":"x"}]}}`),
	}
	files, err := filepath.Glob("dialect/testdata/requests/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	for _, body := range bodies {
		body = bytes.TrimSpace(body)
		step := 1 + len(body)/4096
		for _, in := range []dialect.Name{dialect.Chat, dialect.Responses, dialect.Messages} {
			e := new(Envelope)
			for cut := 0; cut < len(body); cut += step {
				if e.Peek(in, body[:cut:cut]) == nil {
					t.Fatalf("%s accepts %q", in, body[:cut])
				}
				_ = e.Peek(in, append(slices.Clone(body[:cut]), body[cut+1:]...))
			}
		}
	}
}

// mayRefuse reports whether there is a reason to refuse a valid body.
func mayRefuse(body []byte, members []pair) bool {
	if !utf8.Valid(body) || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || deepest(body) > maxDepth/2 {
		return true
	}
	seen := map[string]bool{}
	for _, p := range members {
		for _, k := range known {
			if strings.EqualFold(k, p.key) && (k != p.key || seen[k]) {
				return true
			}
		}
		seen[p.key] = true
		raw := string(p.raw)
		if raw == "null" {
			continue
		}
		switch p.key {
		case "model", "encoding_format":
			if raw[0] != '"' || strings.Contains(raw, `\ud`) || strings.Contains(raw, `\uD`) {
				return true
			}
		case "stream":
			if raw != "true" && raw != "false" {
				return true
			}
		case FieldMaxTokens, FieldMaxCompletion, "n", "best_of":
			n, err := json.Number(raw).Int64()
			if err != nil || n < 1 || n > 1e8 || (p.key == "n" || p.key == "best_of") && n > 128 {
				return true
			}
		case "stream_options":
			if raw[0] != '{' {
				return true
			}
			inner, _ := pairs(p.raw) // valid, as the body is
			n := 0
			for _, o := range inner {
				if strings.EqualFold(o.key, "include_usage") {
					if n++; o.key != "include_usage" || n > 1 || !slices.Contains([]string{"true", "false", "null"}, string(o.raw)) {
						return true
					}
				}
			}
		case "prompt", "input":
			if len(raw) > maxPrompts {
				return true
			}
		case "models", "service_tier": // prices that nobody knows
			if raw != "[]" && raw != "{}" && raw != "false" && raw != `"auto"` && raw != `"default"` && raw != `"flex"` {
				return true
			}
		}
	}
	return false
}

// deepest is how deep a valid text nests at most.
func deepest(b []byte) int { return bytes.Count(b, []byte("[")) + bytes.Count(b, []byte("{")) }

func checkSeen(t *testing.T, e *Envelope, members []pair) {
	t.Helper()
	var want struct {
		Model    string
		Stream   bool
		Tokens   *int64 `json:"max_tokens"`
		Complete *int64 `json:"max_completion_tokens"`
		N        *int64
		BestOf   *int64 `json:"best_of"`
		Options  struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		Format string `json:"encoding_format"`
	}
	if err := json.Unmarshal(e.Raw, &want); err != nil {
		t.Fatalf("%q: encoding/json cannot read what was accepted: %v", e.Raw, err)
	}
	most, field := int64(-1), ""
	for name, n := range map[string]*int64{FieldMaxTokens: want.Tokens, FieldMaxCompletion: want.Complete} {
		if n != nil && (*n > most || *n == most && name == FieldMaxCompletion) {
			most, field = *n, name
		}
	}
	or1 := func(n *int64) int64 {
		if n == nil {
			return 1
		}
		return *n
	}
	if e.Model != want.Model || e.Stream != want.Stream || e.MaxTokens != most || e.MaxField != field || e.Choices != or1(want.N) || e.BestOf != or1(want.BestOf) ||
		e.IncludeUsage != want.Options.IncludeUsage || e.Base64 != (want.Format == "base64") {
		t.Fatalf("%q: seen %+v, want %+v", e.Raw, shown(e), want)
	}
	prompts := int64(1)
	for _, key := range []string{"prompt", "input"} {
		var list []any
		if raw := get(members, key); raw[0] == '[' && json.Unmarshal([]byte(raw), &list) == nil {
			n := int64(0)
			for _, p := range list {
				if _, isToken := p.(float64); !isToken {
					n++
				}
			}
			prompts = max(prompts, n)
		}
	}
	if e.Prompts != prompts {
		t.Fatalf("%q: %d prompts, want %d", e.Raw, e.Prompts, prompts)
	}
	var all map[string]any
	if json.Unmarshal(e.Raw, &all) == nil && utf8.Valid(e.Raw) && e.Content.Unbounded == "" {
		if what := unbounded(all["messages"]); what != "" {
			t.Fatalf("%q: %s was not seen", e.Raw, what)
		}
	}
	var user string
	if json.Unmarshal([]byte(get(members, "user")), &user) == nil && user != "" && !strings.ContainsRune(user, utf8.RuneError) && e.Session != user {
		t.Fatalf("%q: session %q, want %q", e.Raw, e.Session, user)
	}
}

// unbounded finds something in messages that their bytes do not bound, going by
// what encoding/json makes of them.
func unbounded(messages any) string {
	list, ok := messages.([]any)
	if !ok {
		return ""
	}
	for _, m := range list {
		message, _ := m.(map[string]any)
		for key, v := range message {
			switch key {
			case "role", "name", "tool_call_id", "refusal", "reasoning", "reasoning_content", "thinking", "reasoning_details", "tool_calls",
				"function_call", "annotations", "cache_control":
				continue
			}
			parts, isList := v.([]any)
			_, isObject := v.(map[string]any)
			if _, isText := v.(string); key != "content" && (isList || isObject || isText) || isObject {
				return "a message's " + key
			}
			for _, p := range parts {
				if what := unboundedPart(p); key == "content" && what != "" {
					return what
				}
			}
		}
	}
	return ""
}

func unboundedPart(p any) string {
	fields, ok := p.(map[string]any)
	if !ok {
		return ""
	}
	kind, _ := fields["type"].(string)
	for key, v := range fields {
		_, isText := v.(string)
		data := v
		if object, ok := v.(map[string]any); ok {
			if data = object["url"]; data == nil {
				data = object["data"]
			}
			if object["url"] != nil && object["data"] != nil {
				return "a part with two places"
			}
		}
		inline, _ := data.(string)
		switch key {
		case "type", "cache_control", "annotations", "logprobs", "citations", "summary", "index", "detail", "format":
		case "text", "refusal", "thinking", "signature", "data":
			if !isText && v != nil {
				if _, number := v.(float64); !number && v != true && v != false {
					return "a part's " + key
				}
			}
		case "image_url", "image", "source":
			if kind != "image_url" && kind != "image" && kind != "input_image" || strings.Contains(inline, ":") && !strings.HasPrefix(inline, "data:image/") || inline == "" {
				return "a picture elsewhere"
			}
		case "input_audio", "audio":
			if kind != "input_audio" && kind != "audio" || strings.Contains(inline, ":") && !strings.HasPrefix(inline, "data:audio/") || inline == "" {
				return "sound elsewhere"
			}
		default:
			return "a part's " + key
		}
	}
	switch kind {
	case "", "text", "input_text", "output_text", "refusal", "thinking", "redacted_thinking", "reasoning", "summary_text",
		"image_url", "image", "input_image", "input_audio", "audio":
		return ""
	}
	return "a part of type " + kind
}

// checkRewritten: the edits are made, and nothing else is changed.
func checkRewritten(t *testing.T, e *Envelope, members []pair, edits Edits) {
	t.Helper()
	out := e.Rewrite(nil, edits)
	fail := func(what string) {
		t.Helper()
		t.Fatalf("%s: %q with %+v became %q", what, e.Raw, edits, out)
	}
	after, err := pairs(out)
	if err != nil || !json.Valid(out) {
		fail("not valid")
	}
	edited := []string{"model", "stream", FieldMaxTokens, FieldMaxCompletion, "stream_options", "encoding_format"}
	others := func(all []pair) string {
		var b strings.Builder
		for _, p := range all {
			if !slices.Contains(edited, p.key) {
				b.WriteString(p.key + ":" + string(p.raw) + "\n")
			}
		}
		return b.String()
	}
	if others(members) != others(after) {
		fail("other members were changed")
	}
	again, err := Peek(out)
	if err != nil {
		fail("it is refused: " + err.Error())
	}
	if want := edits.Model; want != "" && again.Model != want || want == "" && again.Model != e.Model {
		fail("model")
	}
	if again.Stream != edits.Stream {
		fail("stream")
	}
	if want := edits.EncodingFormat; want != "" && get(after, "encoding_format") != `"`+want+`"` || want == "" && get(after, "encoding_format") != get(members, "encoding_format") {
		fail("encoding_format")
	}
	checkBound(fail, e, members, after, edits)
	switch {
	case edits.DropStreamOptions:
		if again.streamOptions.present() {
			fail("stream_options are there")
		}
	case edits.IncludeUsage && !e.IncludeUsage:
		before, _ := pairs([]byte(get(members, "stream_options"))) // no object, no members
		now, _ := pairs([]byte(get(after, "stream_options")))
		keep := func(all []pair) []pair {
			return slices.DeleteFunc(all, func(p pair) bool { return p.key == "include_usage" })
		}
		if !again.IncludeUsage || !slices.EqualFunc(keep(before), keep(now), func(a, b pair) bool { return a.key == b.key && string(a.raw) == string(b.raw) }) {
			fail("stream_options")
		}
	default:
		if get(after, "stream_options") != get(members, "stream_options") {
			fail("stream_options were changed")
		}
	}
}

// checkBound: whichever field an upstream obeys, it is bounded by what was
// granted, and by what the client asked for.
func checkBound(fail func(string), e *Envelope, members, after []pair, edits Edits) {
	if edits.MaxOutput == 0 {
		if get(after, FieldMaxTokens) != get(members, FieldMaxTokens) || get(after, FieldMaxCompletion) != get(members, FieldMaxCompletion) {
			fail("a bound was changed")
		}
		return
	}
	granted := edits.MaxOutput
	if e.MaxTokens > 0 {
		granted = min(granted, e.MaxTokens)
	}
	bounds := 0
	for _, key := range []string{FieldMaxTokens, FieldMaxCompletion} {
		raw := get(after, key)
		if raw == "null" {
			continue
		}
		bounds++
		n, err := json.Number(raw).Int64()
		if err != nil || n > granted || n < 1 {
			fail("the bound is " + raw)
		}
		if edits.OnlyMaxField && (key != edits.MaxField || n != granted) {
			fail("another field than the upstream obeys: " + key)
		}
		if own, err := json.Number(get(members, key)).Int64(); !edits.OnlyMaxField && err == nil && n != min(own, granted) {
			fail("the client's own bound was not kept")
		}
	}
	if bounds == 0 {
		fail("nothing bounds the output")
	}
}
