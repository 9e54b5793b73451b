package providers

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// seen is what an envelope reports.
type seen struct {
	model, maxField, session           string
	stream, includeUsage, base64       bool
	media                              bool
	maxTokens, choices, bestOf, inputs int64
}

func shown(e *Envelope) seen {
	return seen{
		model: e.Model, maxField: e.MaxField, session: e.Session,
		stream: e.Stream, includeUsage: e.IncludeUsage, base64: e.Base64, media: e.Content.Unbounded != "",
		maxTokens: e.MaxTokens, choices: e.Choices, bestOf: e.BestOf, inputs: e.Prompts,
	}
}

func TestPeek(t *testing.T) {
	plain := seen{maxTokens: -1, choices: 1, bestOf: 1, inputs: 1}
	with := func(change func(*seen)) seen {
		s := plain
		change(&s)
		return s
	}
	session := func(name string) seen { return with(func(s *seen) { s.session = name }) }
	for body, want := range map[string]seen{
		`{}`:                               plain,
		" \r\n\t{ \"messages\" : [ ] } \n": plain,
		`{"model":"gpt-4o"}`:               with(func(s *seen) { s.model = "gpt-4o" }),
		`{"model":"a\"\u00e9\/b"}`:         with(func(s *seen) { s.model = `a"é/b` }),
		`{"\u006dodel":"x"}`:               with(func(s *seen) { s.model = "x" }),
		`{"model":null}`:                   plain,
		`{"messages":[{"stream":true,"max_tokens":9}]}`:                    plain,
		`{"messages":[{"model":"inner","user":"u"}]}`:                      with(func(s *seen) { s.media = true }),
		`{"content":"\"model\":\"x\",\\"}`:                                 plain,
		`{"stream":true}`:                                                  with(func(s *seen) { s.stream = true }),
		`{"stream":false,"n":null,"best_of":null,"max_tokens":null}`:       plain,
		`{"max_tokens":7}`:                                                 with(func(s *seen) { s.maxTokens, s.maxField = 7, FieldMaxTokens }),
		`{"max_completion_tokens":7}`:                                      with(func(s *seen) { s.maxTokens, s.maxField = 7, FieldMaxCompletion }),
		`{"max_completion_tokens":7,"max_tokens":9}`:                       with(func(s *seen) { s.maxTokens, s.maxField = 9, FieldMaxTokens }),
		`{"max_tokens":7,"max_completion_tokens":9}`:                       with(func(s *seen) { s.maxTokens, s.maxField = 9, FieldMaxCompletion }),
		`{"n":3,"best_of":5}`:                                              with(func(s *seen) { s.choices, s.bestOf = 3, 5 }),
		`{"models":[ ]}`:                                                   plain,
		`{"models":null,"service_tier":"auto"}`:                            plain,
		`{"service_tier":"flex"}`:                                          plain,
		`{"prompt":"one"}`:                                                 plain,
		`{"prompt":["one","two","three"]}`:                                 with(func(s *seen) { s.inputs = 3 }),
		`{"prompt":[1,2,3]}`:                                               plain, // tokens of one prompt
		`{"input":[[1,2],[3]]}`:                                            with(func(s *seen) { s.inputs = 2 }),
		`{"stream_options":{"include_usage":true}}`:                        with(func(s *seen) { s.includeUsage = true }),
		`{"stream_options":{"x":{"include_usage":true}}}`:                  plain,
		`{"stream_options":null}`:                                          plain,
		`{"encoding_format":"base64"}`:                                     with(func(s *seen) { s.base64 = true }),
		`{"encoding_format":"float"}`:                                      plain,
		`{"messages":[{"content":[{"image_url":{"url":"https://x/y"}}]}]}`: with(func(s *seen) { s.media = true }),
		`{"messages":[{"content":[{"\u0069mage_url":1}]}]}`:                with(func(s *seen) { s.media = true }),
		`{"messages":[{"content":"image_url"}]}`:                           plain,
		`{"user":"u1","metadata":{"session_id":"s"}}`:                      session("u1"),
		`{"user":"","metadata":{"phone":"+351 1","session_id":"s1"}}`:      session("s1"),
		`{"metadata":{"wa_id":3511}}`:                                      session("3511"),
		`{"metadata":"x","safety_identifier":"s2"}`:                        session("s2"),
		`{"conversation":{"id":"c1"}}`:                                     with(func(s *seen) { s.session, s.media = "c1", true }),
		`{"conversation":"c2"}`:                                            with(func(s *seen) { s.session, s.media = "c2", true }),
		`{"user":{"id":1}}`:                                                plain,
	} {
		e, err := Peek([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if got := shown(e); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
		}
	}
}

func TestPeekRefuses(t *testing.T) {
	for body, want := range map[string]string{
		``:                               "the body is empty",
		" \n":                            "the body is empty",
		`[]`:                             "not a JSON object",
		`"model"`:                        "not a JSON object",
		`{"model":"a"`:                   "ends too early",
		`{"model":"a`:                    "ends too early",
		`{"model"}`:                      `unexpected '}' at offset 8`,
		`{"a":1,}`:                       `unexpected '}' at offset 7`,
		`{a:1}`:                          `unexpected 'a' at offset 1`,
		`{"a":01}`:                       `unexpected '1' at offset 6`,
		`{"a":1.}`:                       `at offset 7`,
		`{"a":+1}`:                       `at offset 5`,
		`{"a":nul}`:                      `at offset 5`,
		`{"a":NaN}`:                      `at offset 5`,
		`{"a":[1,]}`:                     `at offset 8`,
		`{"a":1} x`:                      "goes on after its JSON object",
		`{"a":1}{"model":"b"}`:           "goes on after its JSON object",
		`{"model":"a","model":"b"}`:      `"model" occurs twice`,
		`{"model":"a","\u006dodel":"b"}`: `occurs twice`,
		`{"model":"a","Model":"b"}`:      `"Model" must be written "model"`,
		`{"ſtream":true}`:                `must be written "stream"`,
		`{"STREAM":true}`:                `must be written "stream"`,
		`{"models":["a","b"]}`:           `"models" is not taken`,
		`{"Models":["a","b"]}`:           `must be written "models"`,
		`{"service_tier":"scale"}`:       `"service_tier" "scale" is not taken`,
		`{"Plugins":[]}`:                 `must be written "plugins"`,
		`{"Web_Search_Options":{}}`:      `must be written "web_search_options"`,
		`{"messages":[],"messages":[]}`:  `"messages" occurs twice`,
		`{"service_tier":1}`:             `"service_tier" must be a string`,
		`{"max_toKens":5}`:               `must be written "max_tokens"`, // the Kelvin sign
		"{\"a\xff\":1}":                  "not a valid JSON string",
		"{\"a\\x\":1}":                   "not a valid JSON string",
		`{"model":1}`:                    `"model" must be a string`,
		"{\"model\":\"\xff\"}":           `"model" is not a valid JSON string`,
		`{"model":"\ud800\x"}`:           `"model" is not a valid JSON string`,
		`{"stream":1}`:                   `"stream" must be true or false`,
		`{"stream":"true"}`:              `"stream" must be true or false`,
		`{"max_tokens":"5"}`:             `"max_tokens" must be a whole number`,
		`{"max_tokens":5.5}`:             `"max_tokens" must be a whole number`,
		`{"max_tokens":1e-3}`:            `"max_tokens" must be a whole number`,
		`{"max_tokens":1e300}`:           `"max_tokens" is larger`,
		`{"max_tokens":-1e2}`:            `"max_tokens" must be at least 1`,
		`{"max_tokens":0}`:               `"max_tokens" must be at least 1`,
		`{"max_tokens":0,"echo":false}`:  `"max_tokens" must be at least 1`,
		`{"max_tokens":0,"Echo":true}`:   `must be written "echo"`,
		`{"n":0,"echo":true}`:            `"n" must be at least 1`,
		`{"max_tokens":-5}`:              `"max_tokens" must be at least 1`,
		`{"max_completion_tokens":99999999999999999999}`: `"max_completion_tokens" is larger`,
		`{"n":129}`:                              `"n" is larger than 128`,
		`{"best_of":0}`:                          `"best_of" must be at least 1`,
		`{"stream_options":[]}`:                  `"stream_options" must be an object`,
		`{"stream_options":{"include_usage":1}}`: `"stream_options.include_usage" must be true or false`,
		`{"stream_options":{"include_usage":true,"include_usage":true}}`:    "occurs twice",
		`{"stream_options":{"Include_usage":true}}`:                         `must be written "include_usage"`,
		`{"encoding_format":7}`:                                             `"encoding_format" must be a string`,
		`{"input":[` + strings.Repeat(`"",`, 2048) + `""]}`:                 "2049 inputs",
		`{"a":` + strings.Repeat(`[`, 300) + strings.Repeat(`]`, 300) + `}`: "too deeply nested",
	} {
		_, err := Peek([]byte(body))
		if err == nil {
			t.Errorf("%.80q was accepted", body)
			continue
		}
		if tally.CodeOf(err) != tally.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v (%s), want %q", body, err, tally.CodeOf(err), want)
		}
	}
}

// An envelope that has seen one body says nothing of that body once it has seen another.
func TestPeekAgain(t *testing.T) {
	var e Envelope
	if err := e.Peek(dialect.Chat, []byte(`{"model":"a","max_tokens":7,"stream":true,"user":"u","n":3,"messages":[{"image_url":1}]}`)); err != nil {
		t.Fatal(err)
	}
	if err := e.Peek(dialect.Chat, []byte(`{"model":"b"}`)); err != nil {
		t.Fatal(err)
	}
	fresh, err := Peek([]byte(`{"model":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	if shown(&e) != shown(fresh) {
		t.Errorf("got %+v, want %+v", shown(&e), shown(fresh))
	}
}

// prompt is a chat request of about so many bytes.
func prompt(size int) []byte {
	const (
		head = `{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are a helpful assistant that answers briefly."}`
		tail = `],"temperature":0.7,"max_tokens":256,"stream":true,"user":"u-1"}`
		turn = `,{"role":"user","content":"And how do I get from the airport to the old town\nin the evening, \"by tram\" if I can?"}`
	)
	return []byte(head + strings.Repeat(turn, max(1, (size-len(head)-len(tail))/len(turn))) + tail)
}

func BenchmarkPeek(b *testing.B) {
	for _, size := range []int{400, 32 << 10} {
		for _, in := range []dialect.Name{dialect.Chat, dialect.Responses, dialect.Messages} {
			b.Run(fmt.Sprint(in, size), func(b *testing.B) {
				body := prompt(size)
				if in == dialect.Responses {
					body = bytes.Replace(body, []byte(`"messages"`), []byte(`"input"`), 1)
				}
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				var e Envelope
				for b.Loop() {
					if err := e.Peek(in, body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
