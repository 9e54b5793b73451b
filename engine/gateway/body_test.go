package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"
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
