package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers/openai"
)

// A body that was compressed is read, and counts as what it holds; what comes out is
// bounded as any body is, and a coding that is not known is named.
func TestCompressedRequests(t *testing.T) {
	body := `{"model":"sim-small","messages":[{"role":"user","content":"` + strings.Repeat("hello ", 200) + `"}]}`
	zip := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.Copy(w, strings.NewReader(text)) // a buffer takes everything
		w.Close()
		return b.String()
	}
	var deflated bytes.Buffer
	d := zlib.NewWriter(&deflated)
	io.WriteString(d, body)
	d.Close()
	for name, tc := range map[string]struct {
		coding, body string
		status       int
		says         string
	}{
		"gzip":              {"gzip", zip(body), 200, ""},
		"deflate":           {"Deflate", deflated.String(), 200, ""},
		"identity":          {"identity", body, 200, ""},
		"nothing like it":   {"zstd", body, 400, `not compressed with \"zstd\"`},
		"half of it":        {"gzip", zip(body)[:50], 400, `\"gzip\"`},
		"a coding of old":   {"compress", body, 415, `\"compress\". Send it as it is, or compressed once with one of gzip, deflate, br and zstd`},
		"several":           {"gzip, gzip", zip(zip(body)), 415, "compressed once"},
		"300 MB in 300 kB":  {"gzip", strings.Repeat(zip(strings.Repeat(" ", 1<<20)), 300), 413, "larger than 64 MiB"},
		"nothing, for ever": {"gzip", strings.Repeat(zip(""), 100_000), 400, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).open()
			a := w.send("POST", "/v1/chat/completions", tc.body, "Content-Encoding: "+tc.coding)
			if a.status != tc.status || !strings.Contains(a.body, tc.says) {
				t.Fatalf("%d %s", a.status, a.body)
			}
			rec := w.one()
			if plain := w.send("POST", "/v1/chat/completions", body); tc.status == 200 && (plain.status != 200 || fmt.Sprint(w.records()[1].Tokens) != fmt.Sprint(rec.Tokens)) {
				t.Errorf("it counts as %+v, plain as %+v", rec.Tokens, w.records()[1].Tokens)
			}
		})
	}
}

// A prompt that is only to be echoed, with its probabilities, is sent with its bound of
// 0, also under a limit on money; and a bound may be written as a number with a point.
func TestBoundsOfOtherForms(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"m","prompt":"hi","echo":true,"max_tokens":0}`: `"max_tokens":0}`,
		`{"model":"m","prompt":"hi","max_tokens":100.0}`:         `"max_tokens":100}`,
		`{"model":"m","prompt":"hi","max_tokens":1e2}`:           `"max_tokens":100}`,
	} {
		w := newWorld(t)
		sent := ""
		up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body) // a test compares it
			sent = string(b)
			io.WriteString(out, `{"choices":[{"text":"hi","finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":0,"total_tokens":1}}`)
		}))
		defer up.Close()
		w.kinds = openai.Kinds()
		w.provider.Name, w.provider.ProviderKind, w.provider.BaseURL = "up", "custom", up.URL
		w.models = w.models[:1]
		w.models[0].Name = "m"
		w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Total}, Max: int64(tally.Dollar)}}
		w.open()
		if a := w.send("POST", "/v1/completions", body); a.status != 200 || !strings.HasSuffix(sent, want) {
			t.Errorf("%s: %d %s; sent %s", body, a.status, a.body, sent)
		}
		if rec := w.one(); rec.Cost == 0 || rec.Outcome != tally.OK {
			t.Errorf("%s: %+v", body, rec)
		}
	}
}
