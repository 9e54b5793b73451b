package gateway

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"tallygate/assets"
	"tallygate/engine/tally"
)

const noKey = "Authorization: "

func TestPage(t *testing.T) {
	w := newWorld(t).open()
	a := w.send("GET", "/", "", noKey)
	if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-cache", "Access-Control-Allow-Origin": "",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, secret := range []string{w.gw.Name, w.gw.PublicID, w.client.Name, "sim", "1.2.3"} {
		if strings.Contains(a.body, secret) {
			t.Errorf("the page tells everybody of %q", secret)
		}
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(a.body, -1)
	if len(links) < 3 {
		t.Errorf("links %v", links)
	}
	for _, link := range append(links, []string{"", "favicon.ico"}, []string{"", "sdk/webllm.js"}, []string{"", "sdk/webllm.tgz"}, []string{"", "sdk/widget.js"}) {
		if b := w.send("GET", "/"+link[1], "", noKey); b.status != 200 || b.body == "" {
			t.Errorf("%s: %d", link[1], b.status)
		}
	}
	if b := w.send("POST", "/", "x", noKey); b.status != 405 {
		t.Errorf("POST /: %d", b.status)
	}
	if n := len(w.records()); n != 0 {
		t.Errorf("%d records of a page", n)
	}
	for path, want := range map[string]string{"/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml", "/favicon.ico": "image/svg+xml"} {
		if b := w.send("GET", path, "", noKey); b.header.Get("Content-Type") != want || b.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, b.header)
		}
	}
}

// Whoever has a file need not get it again, and nobody keeps an old one.
func TestFilesAreRevalidated(t *testing.T) {
	w := newWorld(t).open()
	for _, path := range []string{"/", "/page.js", "/sdk/webllm.js", "/sdk/webllm.d.ts", "/sdk/webllm.tgz"} {
		whole := w.send("GET", path, "", noKey)
		tag := whole.header.Get("Etag")
		if whole.status != 200 || !strings.HasPrefix(tag, `"`) || whole.header.Get("Cache-Control") != "no-cache" || whole.header.Get("Content-Length") != fmt.Sprint(len(whole.body)) {
			t.Errorf("%s: %d %v", path, whole.status, whole.header)
		}
		head := w.send("HEAD", path, "", noKey)
		if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(whole.body)) || head.header.Get("Etag") != tag {
			t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
		}
		for asked, want := range map[string]int{tag: 304, `"other", W/` + tag: 304, "*": 304, `"other"`: 200} {
			if b := w.send("GET", path, "", noKey, "If-None-Match: "+asked); b.status != want || (b.body == "") != (want == 304) || b.header.Get("Etag") != tag {
				t.Errorf("%s, having %s: %d, want %d", path, asked, b.status, want)
			}
		}
	}
}

// The client and the probe are for pages of any origin, who send no credential.
func TestOpenToAllOrigins(t *testing.T) {
	w := newWorld(t).open()
	for path, want := range map[string]string{
		"/health": "application/json", "/sdk/webllm.js": "text/javascript; charset=utf-8", "/sdk/webllm.d.ts": "text/plain; charset=utf-8", "/sdk/webllm.tgz": "application/gzip",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := w.send(method, path, "", noKey, "Origin: https://anywhere.example")
			h := a.header
			if a.status != 200 || h.Get("Content-Type") != want || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Vary") != "" {
				t.Errorf("%s %s: %d %v", method, path, a.status, h)
			}
			if path != "/health" && h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s may be sniffed", method, path)
			}
		}
		pre := w.send("OPTIONS", path, "", noKey, "Origin: https://anywhere.example", "Access-Control-Request-Method: GET",
			"Access-Control-Request-Headers: content-type", "Access-Control-Request-Private-Network: true")
		h := pre.header
		if pre.status != 204 || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "GET") ||
			h.Get("Access-Control-Allow-Headers") != "content-type" || h.Get("Access-Control-Allow-Private-Network") != "true" {
			t.Errorf("preflight %s: %d %v", path, pre.status, h)
		}
		if a := w.send("POST", path, "{}", noKey); a.status != 405 || a.header.Get("Allow") != "GET" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("POST %s: %d %v", path, a.status, a.header)
		}
	}
	for _, path := range []string{"/sdk", "/sdk/", "/sdk/package.json", "/sdk/webllm.exe", "/sdk/webllm.html", "/sdk/../page.js", "/page", "/page/", "/page.js/", "/index.htm", "/.."} {
		if a := w.send("GET", path, "", noKey); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := w.send("GET", "//sdk//webllm.js", "", noKey); a.status != 200 {
		t.Errorf("doubled slashes: %d", a.status)
	}
}

// asked sends a request past the net, with a Host header as it is.
func (w *world) asked(path, host string, secure bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = host
	if secure {
		r.TLS = &tls.ConnectionState{}
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return rec
}

var bakedIn = regexp.MustCompile(`(?m)^const PUBLIC_URL = (.*)$`)

func baked(rec *httptest.ResponseRecorder) string {
	m := bakedIn.FindStringSubmatch(rec.Body.String()) // the tarball is not compressed
	if m == nil {
		return fmt.Sprintf("status %d", rec.Code)
	}
	return m[1]
}

// The client that comes from an address talks to that address, unless the owner
// has said which one is for the public.
func TestWhichAddressTheClientTalksTo(t *testing.T) {
	type site struct {
		url string
		off bool
	}
	const a, b = "https://ai.a.example", "https://ai.b.example/llm"
	for _, tc := range []struct {
		name          string
		sites         []site
		host          string
		secure        bool
		module, bound string
	}{
		{"no public URL", nil, "127.0.0.1:4283", false, `''`, `"http://127.0.0.1:4283"`},
		{"no public URL, TLS", nil, "ai.example", true, `''`, `"https://ai.example"`},
		{"IPv6", nil, "[::1]:4283", false, `''`, `"http://[::1]:4283"`},
		{"one", []site{{url: a}, {}}, "127.0.0.1:4283", false, `"` + a + `"`, `"` + a + `"`},
		{"one, and whatever Host says", []site{{url: a}}, `x"</script>`, false, `"` + a + `"`, `"` + a + `"`},
		{"two gateways at one", []site{{url: a}, {url: a}}, "127.0.0.1:4283", false, `"` + a + `"`, `"` + a + `"`},
		{"two, asked at the second", []site{{url: a}, {url: b}}, "ai.b.example", false, `"` + b + `"`, `"` + b + `"`},
		{"two, asked with a port", []site{{url: a}, {url: b}}, "AI.B.example:443", false, `"` + b + `"`, `"` + b + `"`},
		{"two, asked elsewhere", []site{{url: a}, {url: b}}, "10.0.0.7:4283", false, `''`, `"http://10.0.0.7:4283"`},
		{"one of two is off", []site{{url: a, off: true}, {url: b}}, "10.0.0.7:4283", false, `"` + b + `"`, `"` + b + `"`},
		{"all are off", []site{{url: a, off: true}}, "ai.a.example", false, `''`, `"http://ai.a.example"`},
	} {
		w := newWorld(t)
		for i, s := range tc.sites {
			g := w.gw
			if i > 0 {
				other := *w.gw
				g = &other
				g.ID, g.PublicID, g.Slug = tally.ID(fmt.Sprint("gw_", i+1)), fmt.Sprint("abcdefgh", i), fmt.Sprint("site", i)
				w.more = append(w.more, g)
			}
			g.PublicURL, g.Enabled = s.url, !s.off
		}
		w.assemble()
		if got := baked(w.asked("/sdk/webllm.js", tc.host, tc.secure)); got != tc.module {
			t.Errorf("%s: the module has %s, want %s", tc.name, got, tc.module)
		}
		if got := baked(w.asked("/sdk/webllm.tgz", tc.host, tc.secure)); got != tc.bound {
			t.Errorf("%s: the tarball has %s, want %s", tc.name, got, tc.bound)
		}
	}
}

// A Host header ends in a program: what is no host is refused.
func TestHostileHosts(t *testing.T) {
	w := newWorld(t)
	w.assemble()
	for _, host := range []string{
		"", ":", ":80", "a:", "a:0", "a:65536", "a:99999999999999999999", "a:b", "a:80:80", "a b", "a/b", "a?b", "a#b", "a@b", `a\b`, `a"b`, "a'b", "a`b", "a\nb", "a\x00b",
		"a;alert(1)", "</script>", "${x}", "a,b", "-a", "a-", ".a", ".", "a..", "a..b", "ä.example", "[::1", "::1", "[x]", "[::1]x", "[::1%25eth0]", "%61", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a",
	} {
		rec := w.asked("/sdk/webllm.tgz", host, false)
		if rec.Code != http.StatusBadRequest || strings.Contains(rec.Body.String(), "PUBLIC_URL") {
			t.Errorf("%q: %d", host, rec.Code)
		}
	}
	for _, host := range []string{"a", "A.b-c.example", "localhost:1", "mysite.com.", "tally_gate:65535", "127.0.0.1:4283", "[2001:db8::1]", "[::ffff:10.0.0.1]:80", "xn--mnchen-3ya.example"} {
		if rec := w.asked("/sdk/webllm.tgz", host, false); rec.Code != 200 || baked(rec) != `"http://`+host+`"` {
			t.Errorf("%q: %d %s", host, rec.Code, baked(rec))
		}
	}
}

// What passes for a host is in the program as it was asked for, and only there.
func FuzzIsHost(f *testing.F) {
	for _, host := range []string{"a", "a:80", "[::1]:4283", "a\"b", "ä", "a:99999", "[]", "[::ffff:1.2.3.4]", "a_-b.c"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !isHost(host) {
			return
		}
		s, err := assets.NewSDK("http://" + host)
		if err != nil || !bytes.Contains(s.Module, []byte("\nconst PUBLIC_URL = \"http://"+host+"\"\n")) || strings.ContainsAny(host, "\"'`\\<>/ \n\r") {
			t.Errorf("%q passes for a host: %v", host, err)
		}
	})
}

// A client is made once per address, and whoever makes addresses up does not fill
// the memory.
func TestClientsAreKept(t *testing.T) {
	w := newWorld(t)
	w.assemble()
	for range 3 {
		w.asked("/sdk/webllm.tgz", "a.example", false)
	}
	if w.built != 1 {
		t.Errorf("it was made %d times", w.built)
	}
	for i := range 5 * mostClients {
		host := fmt.Sprintf("h%d.example", i)
		if got := baked(w.asked("/sdk/webllm.tgz", host, false)); got != `"http://`+host+`"` {
			t.Fatal(got)
		}
		if n := len(w.server.clients.at); n > mostClients {
			t.Fatalf("%d are kept", n)
		}
	}
}

// A gateway that was given no files still answers.
func TestWithoutASite(t *testing.T) {
	w := newWorld(t)
	w.assemble()
	w.server.Page, w.server.SDK, w.server.Widget = nil, nil, nil
	for _, path := range []string{"/", "/page.js", "/sdk/webllm.js"} {
		if rec := w.asked(path, "a", false); rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// The access log says which status a caller got, also of a file and of one that it has.
func TestAccessLog(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.server.SetAccessLog(true)
	a := w.send("GET", "/sdk/webllm.js", "")
	w.send("GET", "/sdk/webllm.js", "", "If-None-Match: "+a.header.Get("Etag"))
	w.send("GET", "/nowhere", "")
	w.chat("")
	for _, line := range []string{"path=/sdk/webllm.js status=200", "path=/sdk/webllm.js status=304", "path=/nowhere status=404",
		"path=/v1/chat/completions status=200", "model=sim-small provider=sim attempts=1"} {
		if !strings.Contains(w.log.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, w.log.String())
		}
	}
	if strings.Contains(w.log.String(), w.token) {
		t.Error("it holds a key")
	}
}
