package providers

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"tallygate/engine/tally"
)

// The shapes in which upstreams tell of failures.
func TestWordsOf(t *testing.T) {
	for body, want := range map[string]Words{
		``:   {},
		`{}`: {},
		`{"error":{"message":"bad role","type":"invalid_request_error","param":"messages[0].role","code":"invalid_value"}}`: {"bad role", "invalid_request_error", "invalid_value", "messages[0].role"},
		`[{"error":{"code":404,"message":"no models/x","status":"NOT_FOUND","details":[{"reason":"X"}]}}]`:                  {Message: "no models/x", Code: "NOT_FOUND"},
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}`:                      {Message: "Overloaded", Type: "overloaded_error"},
		`{"error":"model is required"}`:                                                                                  {Message: "model is required"},
		`{"code":"Client specified an invalid argument","error":"no such thing"}`:                                        {Message: "no such thing", Code: "Client specified an invalid argument"},
		`{"message":"not here","code":10}`:                                                                               {Message: "not here", Code: "10"},
		`{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"wrong"}]},"type":"invalid"}`:                  {Message: "n: wrong", Type: "invalid", Param: "n"},
		`{"Error":{"Code":"Throttled","Message":"Too many tokens"}}`:                                                     {Message: "Too many tokens", Code: "Throttled"},
		`{"detail":"Not Found"}`:                                                                                         {Message: "Not Found"},
		`{"detail":[{"loc":["body","messages",0,"role"],"msg":"bad","type":"enum"},{"loc":["body","n"],"msg":"large"}]}`: {Message: "messages.0.role: bad; n: large", Type: "enum", Param: "messages.0.role"},
		`{"type":"about:blank","title":"Bad Request","status":400,"detail":"top_p"}`:                                     {Message: "top_p", Type: "about:blank", Code: "400"},
		`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"tools: no\"}}","provider_name":"X"}}}`: {Message: "Provider returned error: tools: no", Code: "400"},
		`{"error":{"message":"{\n \"error\": {\"code\": 400, \"message\": \"inner\", \"status\": \"INVALID_ARGUMENT\"}}","code":400}}`:                {Message: "inner", Code: "INVALID_ARGUMENT"},
		`{"choices":[{"delta":{"content":"x"},"error":{"message":"cut","code":502}}]}`:                                                                {Message: "cut", Code: "502"},
		`{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}`:                                                                      {Message: "insufficient balance", Code: "1008"},
		`{"errors":["one","two"]}`:          {Message: "one; two"},
		`"text"`:                            {Message: "text"},
		"  model 'x'\n\tnot found \x1b[31m": {Message: "model 'x' not found \ufffd[31m"},
		"event: error\ndata: {\"error\":{\"message\":\"late\"}}\n\n":            {Message: "late"},
		"<!doctype html>\n<TITLE lang=en>502 &mdash; Bad\nGateway</TITLE><h1>x": {Message: "502 — Bad Gateway"},
		"<html><body>no title":                                       {},
		`{"error":{"message":"it was cu`:                             {Message: "it was cu"},
		`{"error":{"code":"c","message":"it was \u00`:                {Message: "it was", Code: "c"},
		`{"error":{"message":"a\u0000b` + "\n" + `c"}}`:              {Message: `a\u0000b c`},
		`{"error":{"message":7,"code":true,"type":null,"param":[]}}`: {},
		strings.Repeat(`{"error":`, 100) + `"deep"`:                  {},
	} {
		if got := WordsOf([]byte(body)); got != want {
			t.Errorf("%s\n got %+v\nwant %+v", body, got, want)
		}
	}
	long := WordsOf([]byte(`{"error":{"message":"` + strings.Repeat("ä ", 1<<20) + `","code":"` + strings.Repeat("c", 5000) + `"}}`))
	if len(long.Message) > maxMessage || len(long.Code) > maxTerm || !strings.HasPrefix(long.Message, "ä ä") || !utf8.ValidString(long.Message) {
		t.Errorf("%d and %d bytes were kept", len(long.Message), len(long.Code))
	}
}

// No word holds a key, whole, in part, or in the forms in which it is shown in part.
func TestWordsWithoutKeys(t *testing.T) {
	const key, other = "AIzaSyD-CANARY-7gPz2LwXq9", "zq-short"
	for said, want := range map[string]string{
		"bad key " + key + ".":                    "bad key [API key].",
		"bad key " + strings.ToUpper(key):         "bad key [API key]",
		"Authorization: Bearer " + key:            "Authorization: Bearer [API key]",
		"header Bearer abcdef123456, and more":    "header [API key], and more",
		"Missing bearer authentication in header": "Missing bearer authentication in header",
		"bad key AIza****LwXq9":                   "bad key [API key]",
		"bad key: 'AIza...LwXq9'":                 "bad key: '[API key]'",
		"ends in ...LwXq9":                        "ends in [API key]",
		"part CANARY-7gP of it":                   "part [API key] of it",
		"sk-proj-***abcd and sk***yz":             "[API key] and sk***yz",
		"zq-short":                                "[API key]",
		"wait... and see, task-force":             "wait... and see, task-force",
		key + key:                                 "[API key][API key]",
	} {
		body, _ := json.Marshal(map[string]any{"error": map[string]any{"message": said}})
		if got := WordsOf(body, key, other).Message; got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	all := WordsOf([]byte(`{"error":{"message":"m","type":"`+key+`","code":"`+key+`","param":"`+key+`"}}`), key)
	if all != (Words{"m", KeyMark, KeyMark, KeyMark}) {
		t.Errorf("%+v", all)
	}
}

// FuzzWordsOf: whatever is read is short, can be shown, and holds no key.
func FuzzWordsOf(f *testing.F) {
	const key = "up-CANARY-7gPz2LwXq9"
	for _, body := range []string{
		`{"error":{"message":"bad ` + key + `","type":"t","param":"p","code":"c"}}`, `[{"error":{"code":404,"status":"NOT_FOUND","message":"m"}}]`,
		`{"detail":[{"loc":["body",1],"msg":"m","type":"t"}]}`, `{"error":"x","metadata":{"raw":"{\"message\":\"y\"}"}}`, `{"choices":[{"error":{}}],"base_resp":{}}`,
		"<title>x</title>", "data: {\"message\":\"m\"}\n\n", `"\ud800`, `{"message":"a\`, "plain up-C***Xq9", "Bearer abcdef123456",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := WordsOf(body, key)
		for _, s := range []string{w.Message, w.Type, w.Code, w.Param} {
			if len(s) > maxMessage || tally.Unprintable(s) {
				t.Fatalf("%q: %d bytes in %q", body, len(s), s)
			}
			for i := 0; i+keyPart <= len(key); i++ {
				if strings.Contains(s, key[i:i+keyPart]) {
					t.Fatalf("%q: the key is in %q", body, s)
				}
			}
		}
		for _, status := range []int{400, 403, 404, 429, 500} {
			if FaultOf(status, &w) == "" {
				t.Fatalf("%d %q is of no kind", status, body)
			}
		}
		if f := reported(errInside, w, true); f.Fault == TimedOut || f.Fault == Gone || f.Fault == "" {
			t.Fatalf("%q is %s", body, f.Fault)
		}
		var as struct{ Error map[string]any }
		if json.Unmarshal(body, &as) == nil && strings.ToLower(string(body[:min(len(body), 9)])) == `{"error":` {
			said, _ := as.Error["message"].(string)
			if m := strings.Join(strings.Fields(said), " "); len(m) > 8 && len(m) < 200 && w.Message == "" && m[0] != '{' && m[0] != '[' {
				t.Fatalf("%q: the words are lost", body)
			}
		}
	})
}
