package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tallygate/engine/token"
)

// What an upstream writes into the head of its answer, failure or redirect stays with
// the gateway: no cookie, no place to go, no leave for another page.
func TestTheUpstreamsHeadStaysHere(t *testing.T) {
	const chunk, whole = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`
	for _, status := range []int{200, 302, 400, 401, 429, 500} {
		for _, stream := range []bool{false, true} {
			up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				for _, line := range []string{"Set-Cookie: session=CANARY", "Location: http://169.254.169.254/CANARY", "X-Secret: CANARY", "Access-Control-Allow-Origin: *",
					"Access-Control-Allow-Credentials: true", "Openai-Organization: org-CANARY", "X-Request-Id: req_CANARY", "Clear-Site-Data: *", "Refresh: 0; url=http://canary.example", "X-Ratelimit-Remaining-Tokens: 777001"} {
					name, value, _ := strings.Cut(line, ": ")
					out.Header().Set(name, value)
				}
				body := whole
				out.Header().Set("Content-Type", "application/json")
				if stream {
					body = chunk
					out.Header().Set("Content-Type", "text/event-stream")
				}
				out.WriteHeader(status)
				io.WriteString(out, body)
			}))
			for _, visitor := range []bool{false, true} {
				w := newWorld(t)
				w.scripted(200, "")
				w.provider.BaseURL = up.URL
				headers := []string{page}
				if visitor {
					headers = append(headers, w.mint(token.Options{Domains: []string{"mysite.com"}}))
				}
				w.open()
				a := w.chat(fmt.Sprintf(`,"stream":%v`, stream), headers...)
				if (a.status == 200) != (status == 200) {
					t.Fatalf("%d: %d %s", status, a.status, a.body)
				}
				if id := a.header.Get("X-Tallygate-Upstream-Request-Id"); (id == "req_CANARY") == visitor { // the one thing that clients are told
					t.Errorf("%d, stream %v, visitor %v: the upstream's id is told as %q", status, stream, visitor, id)
				}
				a.header.Del("X-Tallygate-Upstream-Request-Id")
				seen := strings.ToLower(fmt.Sprint(a.header, a.trailer))
				origin := map[bool]string{true: "https://mysite.com"}[visitor]
				if strings.Contains(seen, "canary") || strings.Contains(seen, "777001") || strings.Contains(seen, "credentials") || strings.Contains(seen, "clear-site") || a.header.Get("Access-Control-Allow-Origin") != origin {
					t.Errorf("%d, stream %v, visitor %v: %s", status, stream, visitor, seen)
				}
			}
			up.Close()
		}
	}
}

// What steers the gateway is not to be had where callers come in, whatever key they
// have.
func TestNoControlForCallers(t *testing.T) {
	w := newWorld(t).open()
	for _, path := range []string{"/control/v1/", "/control/v1/events", "/control/v1/clients.list", "/v1/control/v1/clients.list", "/v1/../control/v1/clients.list", "//control/v1/clients.list"} {
		for _, method := range []string{"GET", "POST"} {
			for _, credential := range []string{w.token, w.private} {
				a := w.send(method, path, "{}", "Authorization: Bearer "+credential)
				if a.status != 404 || strings.Contains(a.body, w.client.Name) {
					t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
				}
			}
		}
	}
}
