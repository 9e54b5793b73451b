package gateway

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"tallygate/engine/tally"
)

// sited is a world that serves a page and a client.
func sited(t *testing.T) *world {
	w := newWorld(t)
	w.page = fstest.MapFS{"index.html": {Data: []byte("<!doctype html>page")}, "page.js": {Data: []byte("1")}, "icon.svg": {Data: []byte("<svg/>")}, "deep/x": {Data: []byte("x")}}
	w.sdk = func(base string) (module, types, tarball []byte, err error) {
		w.built++
		return []byte("// " + base), []byte("types"), []byte("tgz of " + base), nil
	}
	return w
}

func TestPage(t *testing.T) {
	w := sited(t).open()
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml"} {
		a := w.send("GET", path, "", "Authorization: ")
		h := a.header
		if a.status != 200 || h.Get("Content-Type") != kind || h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %d %v", path, a.status, h)
		}
		if again := w.send("GET", path, "", "If-None-Match: "+h.Get("Etag")); again.status != 304 || again.body != "" {
			t.Errorf("%s again: %d %q", path, again.status, again.body)
		}
		if head := w.send("HEAD", path, ""); head.status != 200 || head.body != "" || head.header.Get("Content-Length") == "" {
			t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
		}
	}
	for _, path := range []string{"/deep/x", "/deep", "/index.htm", "/..", "/page.js/", "/sdk/", "/sdk/webllm.exe"} {
		if a := w.send("GET", path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := w.send("POST", "/", "x"); a.status != 405 {
		t.Errorf("POST /: %d", a.status)
	}
	if n := len(w.records()); n != 0 {
		t.Errorf("%d records of a page", n)
	}
}

func TestSDKIsServed(t *testing.T) {
	w := sited(t).open()
	for path, want := range map[string][2]string{
		"/sdk/webllm.js":   {"text/javascript; charset=utf-8", "// "}, // it knows where it is loaded from
		"/sdk/webllm.d.ts": {"text/plain; charset=utf-8", "types"},
		"/sdk/webllm.tgz":  {"application/gzip", "tgz of " + w.http.URL},
	} {
		a := w.send("GET", path, "", "Authorization: ", "Origin: https://any.example")
		if a.status != 200 || a.header.Get("Content-Type") != want[0] || a.body != want[1] || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Etag") == "" {
			t.Errorf("%s: %d %v %q", path, a.status, a.header, a.body)
		}
	}
	w.gw.PublicURL = "https://ai.mysite.com"
	w.use()
	for range 3 {
		if a := w.send("GET", "/sdk/webllm.js", ""); a.body != "// https://ai.mysite.com" {
			t.Errorf("with a public URL: %q", a.body)
		}
	}
	if w.built != 3 {
		t.Errorf("it was made %d times", w.built)
	}
	other := *w.gw
	other.Meta.ID, other.PublicID, other.PublicURL = "gw_2", "zzzzzzzzz", w.http.URL
	w.more = append(w.more, &other)
	w.use()
	if a := w.send("GET", "/sdk/webllm.js", ""); a.body != "// "+w.http.URL {
		t.Errorf("of several, that of the address that was asked: %q", a.body)
	}
}

// A caller chooses its Host: what could be more than a host must not get into a
// program.
func TestStrangeHosts(t *testing.T) {
	w := sited(t).open()
	for host, ok := range map[string]bool{
		"mysite.com": true, "mysite.com:8443": true, "[::1]:4283": true, "my_host": true,
		`a"b`: false, "a'b": false, "a/b": false, "user@host": false, "a b": false, "": false, "a:b": false, "bücher.example": false,
	} {
		x := &exchange{Server: w.server, r: &http.Request{Host: host}, cat: w.picture()}
		if base, refusal := x.askedAt(); (refusal == nil) != ok {
			t.Errorf("%q: %q, %v", host, base, refusal)
		}
	}
}

// The probe of WebLLM's clients is for any page.
func TestHealthIsForAnyPage(t *testing.T) {
	w := newWorld(t)
	w.gw.Access = tally.AccessKey
	w.open()
	a := w.send("GET", "/health", "", "Authorization: ", "Origin: https://any.example")
	if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.body, "1.2.3") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}
