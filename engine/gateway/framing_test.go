package gateway

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whatever is odd about how a request is written, it is read as one request or as none,
// and a credential counts only where credentials are.
func TestOddRequests(t *testing.T) {
	const chat = "POST /v1/chat/completions HTTP/1.1\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hello))
	inside := chat + "Host: x\r\nAuthorization: Bearer KEY\r\n" + length + "\r\n" + hello
	for name, tc := range map[string]struct {
		raw      string // KEY, BASIC and INSIDE are put in
		statuses string
		records  int
	}{
		"as it should be":             {inside, "200 200", 1},
		"three at once":               {strings.Repeat(inside, 3), "200 200 200 200", 3},
		"HTTP/1.0":                    {strings.Replace(inside, "HTTP/1.1", "HTTP/1.0", 1), "200", 1},
		"an address in full":          {strings.Replace(inside, "/v1/chat", "http://evil.example/v1/chat", 1), "200 200", 1},
		"another as its body":         {chat + "Host: x\r\n" + "Content-Length: INSIDE\r\n\r\n" + inside, "401 200", 0},
		"two hosts":                   {strings.Replace(inside, "Host: x", "Host: x\r\nHost: y", 1), "400", 0},
		"no host":                     {strings.Replace(inside, "Host: x\r\n", "", 1), "400", 0},
		"a bare return in a header":   {strings.Replace(inside, "Host: x\r\n", "Host: x\r\nX: a\rY: b\r\n", 1), "400", 0},
		"a NUL in a header":           {strings.Replace(inside, "Host: x\r\n", "Host: x\r\nX: a\x00b\r\n", 1), "400", 0},
		"an expectation of its own":   {strings.Replace(inside, "Host: x\r\n", "Host: x\r\nExpect: 200-ok\r\n", 1), "417", 0},
		"a mark before the body":      {chat + "Host: x\r\nAuthorization: Bearer KEY\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n\ufeff", len(hello)+3) + hello, "400 200", 1},
		"a tunnel":                    {"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nAuthorization: Bearer KEY\r\n\r\n", "405 200", 0},
		"a trace":                     {"TRACE /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\n\r\n", "405 200", 0},
		"another protocol":            {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404", 0},
		"control by an address":       {"GET http://localhost/control/v1/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "404 200", 0},
		"a path that climbs":          {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404 200", 0},
		"a key in the address":        {strings.Replace(strings.Replace(inside, "completions", "completions?key=KEY&api_key=KEY", 1), "Authorization: Bearer KEY\r\n", "", 1), "401 200", 0},
		"a key as a password":         {strings.Replace(inside, "Bearer KEY", "Basic BASIC", 1), "401 200", 0},
		"a key in a cookie":           {strings.Replace(inside, "Authorization: ", "Cookie: authorization=", 1), "401 200", 0},
		"two credentials, bad before": {strings.Replace(inside, "Authorization: ", "Authorization: Bearer llm_gw_x\r\nAuthorization: ", 1), "401 200", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).open()
			c, err := net.Dial("tcp", w.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(c, strings.NewReplacer("KEY", w.token, "BASIC", base64.StdEncoding.EncodeToString([]byte("x:"+w.token)), "INSIDE", fmt.Sprint(len(inside)-len("KEY")+len(w.token))).Replace(tc.raw))
			io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // read where the connection is kept
			var statuses []string
			for in := bufio.NewReader(c); ; {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					break
				}
				io.Copy(io.Discard, resp.Body) // what it says is of no interest here
				statuses = append(statuses, fmt.Sprint(resp.StatusCode))
			}
			if got := strings.Join(statuses, " "); got != tc.statuses {
				t.Errorf("answered %q, want %q", got, tc.statuses)
			}
			if n := len(w.records()); n != tc.records {
				t.Errorf("%d records, want %d", n, tc.records)
			}
		})
	}
}
