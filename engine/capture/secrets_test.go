package capture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// secrets are one of each kind, and for each what must not be found of it.
func secrets() map[string]string {
	key, _, _, _ := auth.NewClientKey()
	return map[string]string{
		key:                                      key[12 : len(key)-4],
		"sk-proj-Qm4Zt8Yb1Lk7c0d1_x-Y":           "Zt8Yb1Lk7c0d1",
		"sk-ant-api03-Qm4Zt8Yb1Lk7c0d1":          "Zt8Yb1Lk7c0d1",
		"AIzaSyQm4Zt8Yb1Lk7c0d1Qm4Zt8Yb1Lk7c0d1": "Zt8Yb1Lk7c0d1",
		"Bearer Qm4Zt8Yb1Lk7c0d1Qm4Z":            "Zt8Yb1Lk7c0d1",
		"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJaVDhZQjFMSzdDMEQxIn0.c2lnbmF0dXJlWnQ4WWIxTGs3YzBk":                         "WnQ4WWIxTGs3YzBk",
		"-----BEGIN PRIVATE KEY-----\nMIGEAgEAMBAGZt8Yb1Lk7c0d1/+a\nZt8Yb1Lk7c0d1==\n-----END PRIVATE KEY-----":     "Zt8Yb1Lk7c0d1",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nZt8Yb1Lk7c0d1==\n-----END RSA PRIVATE KEY-----": "Zt8Yb1Lk7c0d1",
	}
}

// around draws text that stands around a secret.
func around(t *rapid.T, label string) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune(" .,:;()äß\"\\\n{}[]<>&/'=")), 0, 6, -1).Draw(t, label)
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// escaped is a JSON string in which every character is an escape.
func escaped(s string) string {
	var out strings.Builder
	for _, r := range s {
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return `"` + out.String() + `"`
}

// placed puts a secret somewhere into an exchange.
func placed(t *rapid.T, secret string) *Tape {
	x := &Tape{}
	x.RequestHeader, x.AnswerHeader = map[string][]string{"Content-Type": {"application/json"}}, map[string][]string{}
	text := around(t, "before") + secret + around(t, "after")
	chat := func(literal string) []byte {
		return []byte(`{"model":"m","messages":[{"role":"user","content":` + literal + `}],"n":1}`)
	}
	line := strings.NewReplacer("\r", " ", "\n", " ").Replace(secret) // what a header can hold
	switch where := rapid.SampledFrom([]string{"content", "escaped", "key", "field", "nested", "plain", "multipart", "cut", "header",
		"authorization", "x-api-key", "cookie", "path", "model", "answer", "answer header", "stream", "lines"}).Draw(t, "where"); where {
	case "content":
		x.Request = chat(quoted(text))
	case "escaped":
		x.Request = chat(escaped(text))
	case "key":
		x.Request = []byte(`{"tools":{` + quoted(text) + `:{}}}`)
	case "field":
		x.Request = []byte(`{"tools":[{"type":"mcp","authorization":` + quoted(secret) + `}]}`)
	case "nested": // arguments of a call are JSON in a text
		x.Request = chat(quoted(`{"a":` + quoted(secret) + `}`))
	case "plain":
		x.Request = []byte("what? " + secret + " " + around(t, "more"))
	case "multipart":
		x.Request = []byte("--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n" + secret + "\r\n--b--\xff\xfe")
	case "cut":
		whole := chat(quoted("x " + secret))
		at := strings.Index(string(whole), quoted(secret)[1:])
		x.Request, x.RequestCut = whole[:rapid.IntRange(at+8, len(whole)).Draw(t, "at")], true
	case "header":
		x.RequestHeader["X-Debug"] = []string{"it is " + line}
	case "authorization":
		x.RequestHeader["Authorization"] = []string{line}
	case "x-api-key":
		x.RequestHeader["X-Api-Key"] = []string{line}
	case "cookie":
		x.RequestHeader["Cookie"], x.AnswerHeader["Set-Cookie"] = []string{"s=" + line}, []string{"s=" + line}
	case "path":
		x.Path = "/v1/" + line
	case "model":
		x.Model = line
	case "answer":
		x.Answer = chat(quoted(text))
	case "answer header":
		x.AnswerHeader["X-Said"] = []string{line}
	case "stream", "lines": // in pieces of any length
		for from := 0; from < len(text); {
			n := rapid.IntRange(1, 12).Draw(t, "n")
			to := min(from+n, len(text))
			for to < len(text) && text[to]&0xc0 == 0x80 {
				to++
			}
			event := `{"id":"x","choices":[{"index":0,"delta":{"content":` + quoted(text[from:to]) + `}}]}`
			if where == "stream" {
				event = "data: " + event + "\n"
			}
			x.Answer = append(x.Answer, event+"\n"...)
			from = to
		}
	}
	return x
}

// A secret in any place of what is sent or answered is in nothing that is kept, in memory or
// on disk, and in nothing that is shown of it.
func TestNoSecretIsKept(t *testing.T) {
	all := secrets()
	var kinds []string
	for s := range all {
		kinds = append(kinds, s)
	}
	now := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.SampledFrom(kinds).Draw(rt, "secret")
		core := all[secret]
		dir := t.TempDir()
		s := Open(filepath.Join(dir, "captures"), unsealed{}, quiet, now) // so that files show what is in them
		of := tally.SubjectOf("key", "key_1")
		disk := rapid.Bool().Draw(rt, "disk")
		if _, err := s.Start(Terms{Of: of, Until: now.Add(time.Hour), Size: UsualSize, Disk: disk}); err != nil {
			rt.Fatal(err)
		}
		tape := placed(rt, secret)
		began := s.Begin("key_1", "cl_1", now)
		tape.of, tape.all, tape.ID, tape.Key = began.of, s, "req_1", "key_1"
		s.Keep(tape)
		x, ok, err := s.Get("req_1")
		if err != nil || !ok {
			rt.Fatalf("it is not kept: %v", err)
		}
		in := func(place, text string) {
			if strings.Contains(text, core) || strings.Contains(text, escaped(core)[1:20]) {
				rt.Fatalf("%s has it: %s", place, text)
			}
		}
		in("what is kept", fmt.Sprintf("%+v %s %s", x.Head, x.Request, x.Answer)+fmt.Sprint(x.RequestHeader, x.AnswerHeader))
		in("what is read", fmt.Sprint(x.Spoken()))
		filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				b, _ := os.ReadFile(path)
				var there Exchange
				json.Unmarshal(b, &there)
				in("a file", string(b)+string(there.Request)+string(there.Answer))
			}
			return nil
		})
	})
}

// What holds no secret is kept as it passed, byte by byte.
func TestOtherTextStays(t *testing.T) {
	for _, body := range []string{
		`{"model":"gpt-5","messages":[{"role":"user","content":"a risk-assessment-report of the task-management-system"}]}`,
		"{ \"a\" : [1, 2.50, true, null, \"\\u00e4\\n\\/\"],\n\t\"b\": {} }", "data: {\"a\":\"b\"}\n\ndata: [DONE]\n\n", "", "[", `{"a`, `{"a\`, "]]}}",
		"the bearer of this letter", "\xff\xfe\x00", `{"password":""}`, `{"properties":{"password":{"type":"string"}}}`,
	} {
		if got := string(auth.RedactBody([]byte(body))); got != body {
			t.Errorf("%q became %q", body, got)
		}
	}
}

// A field is one for secrets by the end of its name, in JSON that stands in a string as well,
// as the arguments of tools do, and also where these are streamed.
func TestFieldsForSecrets(t *testing.T) {
	for body, want := range map[string]string{
		`{"arguments":"{\"password\":\"hunter2\",\"x\":1}"}`: `{"arguments":"{\"password\":\"[redacted]\",\"x\":1}"}`,
		`{"a":"{\"b\":\"[{\\\"api_key\\\":1}]\"}"}`:          `{"a":"{\"b\":\"[{\\\"api_key\\\":\\\"[redacted]\\\"}]\"}"}`,
		`{"db_password":["hunter2", ["x"]], "x":["y"]}`:      `{"db_password":["[redacted]", ["[redacted]"]], "x":["y"]}`,
		`{"Password": -12.5e3, "x": 7}`:                      `{"Password": "[redacted]", "x": 7}`,
		`{"clientSecret":"hunt`:                              `{"clientSecret":"[redacted]`,
		"data: {\"a\":\"{\\\"pass\"}\n\ndata: {\"a\":\"word\\\":\\\"hunt\"}\n\ndata: {\"a\":\"er2\\\"}\"}\n": "data: {\"a\":\"{\\\"pass\"}\n\ndata: {\"a\":\"word\\\":\\\"[redacted]\\\"\"}\n\ndata: {\"a\":\"}\"}\n",
		`{"a":"{\"b\":\"\\u0073k-abcdefghijklmnop\", \"c\":\"sk-abcdefghijklmnop\"}"}`:                       `{"a":"{\"b\":\"[redacted]\", \"c\":\"[redacted]\"}"}`,
	} {
		if got := string(auth.RedactBody([]byte(body))); got != want {
			t.Errorf("%s became\n%s, want\n%s", body, got, want)
		}
	}
}

// However deep a body is, and however many keys it has, it takes memory in proportion: a
// client that is captured cannot bring the gateway down.
func TestBodiesOfAnyForm(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 4000) + strings.Repeat(`"abcdefghijkl",`, 20_000) + `"x"` + strings.Repeat("]}", 4000)
	for name, body := range map[string]string{
		"deep": deep, "open": strings.Repeat("[", 200_000) + strings.Repeat(`"ab",`, 20_000),
		"keys": strings.Repeat(`{"a":"sk-abcdefghijklmnop "}`, 20_000), "nested": `{"a":` + quoted(quoted(deep)) + `}`,
	} {
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		auth.RedactBody([]byte(body))
		runtime.ReadMemStats(&is)
		if took := is.TotalAlloc - was.TotalAlloc; took > 400*uint64(len(body)) {
			t.Errorf("%s: %d bytes take %d", name, len(body), took)
		}
	}
}

func FuzzRedactBody(f *testing.F) {
	for s := range secrets() {
		f.Add(`{"a":`+quoted(s)+`}`, s)
	}
	f.Fuzz(func(t *testing.T, body, _ string) {
		once := auth.RedactBody([]byte(body))
		if json.Valid([]byte(body)) && !json.Valid(once) {
			t.Errorf("%q became %q, which is no JSON", body, once)
		}
		if twice := auth.RedactBody(once); string(twice) != string(once) && json.Valid([]byte(body)) {
			t.Errorf("%q became %q and then %q", body, once, twice)
		}
	})
}
