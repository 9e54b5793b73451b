package providertest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tallygate/providers"
)

// heads are faults before an answer has begun.
func heads() []Scenario {
	elsewhere := func(code int) func(*exchange) {
		return func(x *exchange) {
			x.status(code, "", "Location: "+x.upstream.Elsewhere()+"/chat/completions")
		}
	}
	return []Scenario{
		{Name: "hang-before-head", Fault: providers.TimedOut, Total: Short, play: (*exchange).hang},
		{Name: "stream-hang-before-head", Stream: true, Fault: providers.TimedOut, FirstByte: Short, play: (*exchange).hang},
		// The time of a stream's first byte is not that of an answer in one piece.
		{Name: "late-head", Text: "all well", Tokens: goodTokens, FirstByte: Short, play: func(x *exchange) {
			time.Sleep(2 * Short)
			x.kept = true
			x.json(x.message("all well", goodUsage))
		}},
		{Name: "hang-in-head", Fault: providers.TimedOut, Total: Short, play: func(x *exchange) {
			x.raw("HTTP/1.1 200 OK\r\nContent-Ty")
			x.hang()
		}},
		{Name: "cut-before-head", Fault: providers.Unreachable, play: func(x *exchange) {}},
		{Name: "cut-in-head", Fault: providers.Unreachable, Or: providers.BadAnswer, play: func(x *exchange) {
			x.raw("HTTP/1.1 200 OK\r\nContent-Ty")
		}},
		{Name: "reset-before-head", Fault: providers.Unreachable, play: (*exchange).reset},
		{Name: "not-http", Fault: providers.BadAnswer, play: func(x *exchange) { x.raw("220 mail.example.com ESMTP\r\n") }},
		{Name: "bad-header", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.raw("HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\nhello")
		}},
		{Name: "endless-head", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.raw("HTTP/1.1 200 OK\r\n")
			x.repeat("X-More: "+strings.Repeat("x", 8<<10)+"\r\n", -1)
		}},
		{Name: "endless-interim", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.repeat("HTTP/1.1 103 Early Hints\r\n\r\n", -1)
		}},
		{Name: "switching", Fault: providers.BadAnswer, Free: true, play: func(x *exchange) {
			x.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			x.hang()
		}},
		{Name: "negative-length", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n" + x.message("hello",
				goodUsage))
		}},
		{Name: "two-lengths", Fault: providers.BadAnswer, play: func(x *exchange) {
			body := x.message("hello", goodUsage)
			x.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nContent-Length: 5\r\n\r\n", len(body)) + body)
		}},
		{Name: "gzip-bomb", Cause: "gzip", Fault: providers.BadAnswer, play: func(x *exchange) {
			bomb := zeros(512)
			x.head(200, "Content-Type: application/json", "Content-Encoding: gzip", fmt.Sprintf("Content-Length: %d", len(bomb)))
			x.raw(bomb)
		}},
		{Name: "compressed-unknown", Cause: "compressed with \"compress\"", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Encoding: compress", "Content-Length: 2")
			x.raw("{}")
		}},
		{Name: "compressed-not", Cause: "gzip", Fault: providers.BadAnswer, play: func(x *exchange) {
			body := x.message("all well", goodUsage)
			x.head(200, "Content-Type: application/json", "Content-Encoding: gzip", fmt.Sprintf("Content-Length: %d", len(body)))
			x.raw(body)
		}},
		{Name: "redirect-302", Cause: "redirects", Fault: providers.BadAnswer, Free: true, Status: 302, play: elsewhere(302)},
		{Name: "redirect-307", Fault: providers.BadAnswer, Free: true, Status: 307, play: elsewhere(307)},
		{Name: "redirect-308-metadata", Fault: providers.BadAnswer, Free: true, Status: 308, play: func(x *exchange) {
			x.status(308, "", "Location: http://169.254.169.254/latest/meta-data/")
		}},
	}
}

// zipped is a text, compressed.
func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text)) // a buffer takes everything
	w.Close()
	return b.String()
}

// zeros is so many megabytes of zeros, compressed a thousandfold. A gzip file may consist
// of many members that are all the same.
func zeros(megabytes int) string {
	return strings.Repeat(zipped(string(make([]byte, 1<<20))), megabytes)
}

// statuses are refusals and failures that an upstream tells.
func statuses() []Scenario {
	said := func(name string, code int, fault providers.Fault, retryAfter time.Duration, kind, reason string, lines ...string) Scenario {
		words := providers.Words{Message: "up says " + name, Type: kind, Code: reason}
		return Scenario{Name: name, Fault: fault, Status: code, Free: code != 408 && code != 504 && code != 524, RetryAfter: retryAfter, Words: words, play: func(x *exchange) {
			x.kept = true
			x.status(code, `{"error":{"message":"up says `+name+`","type":"`+kind+`","param":null,"code":"`+reason+`"}}`, lines...)
		}}
	}
	shaped := func(name string, code int, fault providers.Fault, words providers.Words, body string, lines ...string) Scenario {
		return Scenario{Name: name, Fault: fault, Status: code, Free: true, Words: words, play: func(x *exchange) {
			x.kept = true
			x.status(code, body, lines...)
		}}
	}
	named := shaped("named", 400, providers.Refused, providers.Words{Message: "no"}, `{"message":"no"}`, "CF-RAY: 8f00", "X-Request-Id: up-7", "Request-Id: other")
	named.RequestID = "up-7"
	page := shaped("page-403", 403, providers.NotHere, providers.Words{Message: "Just a moment..."}, "<html><head><title>\n Just a moment...</title></head>API key</html>")
	page.Cause = "web page"
	stream := said("rate-stream", 429, providers.Busy, 2*time.Second, "requests", "rate_limit_exceeded", "Retry-After: 2")
	stream.Stream = true
	return []Scenario{
		said("bad-request", 400, providers.Refused, 0, "invalid_request_error", "too_hot"),
		said("bad-key", 401, providers.BadKey, 0, "invalid_request_error", "invalid_api_key"),
		said("no-money", 402, providers.OutOfQuota, 0, "insufficient_balance", "insufficient_balance"),
		said("forbidden", 403, providers.NotHere, 0, "permission_error", "unsupported_country"),
		said("forbidden-key", 403, providers.BadKey, 0, "permission_error", "invalid_api_key"),
		said("forbidden-model", 403, providers.NotHere, 0, "permission_error", "model_not_found"),
		said("moderated", 403, providers.Refused, 0, "flagged", "403"),
		said("no-model", 404, providers.NotHere, 0, "invalid_request_error", "model_not_found"),
		said("unprocessable", 422, providers.Refused, 0, "invalid_request_error", "invalid"),
		said("rate", 429, providers.Busy, 7*time.Second, "requests", "rate_limit_exceeded", "Retry-After: 7"),
		said("request too large", 429, providers.TooLarge, 0, "tokens", "rate_limit_exceeded"),
		said("spent", 429, providers.OutOfQuota, 0, "limit", "project_spend_limit_exceeded"),
		said("arrears", 400, providers.OutOfQuota, 0, "Arrearage", "Arrearage"),
		said("quota", 429, providers.OutOfQuota, 0, "insufficient_quota", "insufficient_quota"),
		said("broken", 500, providers.ServerError, 0, "server_error", "internal"),
		said("overloaded", 503, providers.Busy, 3*time.Second, "server_error", "overloaded", "Retry-After: 3"),
		said("too-slow", 408, providers.TimedOut, 0, "timeout", "timeout"),
		said("gateway-too-slow", 504, providers.ServerError, 0, "timeout", "timeout"),
		said("origin-too-slow", 524, providers.ServerError, 0, "timeout", "timeout"),
		said("odd-status", 529, providers.ServerError, 0, "overloaded_error", "overloaded"),
		said("retry-nonsense", 503, providers.Busy, 0, "server_error", "overloaded", "Retry-After: -1e9"),
		stream,
		shaped("compressed-refusal", 400, providers.Refused, providers.Words{Message: "up says no"}, zipped(`{"error":{"message":"up says no"}}`), "Content-Encoding: gzip"),
		{Name: "compressed-unknown-refusal", Fault: providers.Refused, Free: true, Status: 400, Cause: `"pack200"`, play: func(x *exchange) {
			x.kept = true
			x.status(400, "?!", "Content-Encoding: pack200")
		}},
		shaped("in a list", 400, providers.Refused, providers.Words{Message: "bad name", Code: "INVALID_ARGUMENT"}, `[{"error":{"code":400,"message":"bad name","status":"INVALID_ARGUMENT","details":[]}}]`),
		shaped("a detail", 422, providers.Refused, providers.Words{Message: "top_p: too much", Type: "less", Param: "top_p"}, `{"detail":[{"loc":["body","top_p"],"msg":"too much","type":"less"}]}`),
		shaped("a key in it", 401, providers.BadKey, providers.Words{Message: "wrong: [API key], [API key]"}, `{"error":"wrong: `+Key+`, `+Key[:6]+`****`+Key[len(Key)-4:]+`."}`),
		shaped("plain-404", 404, providers.NotHere, providers.Words{Message: "model 'x' not found, \ufffdtry pulling it"}, "model 'x' not found,\n\x1btry pulling it"),
		named, page,
		{Name: "html-502", Cause: "web page", Fault: providers.ServerError, Free: true, Status: 502, play: func(x *exchange) {
			x.head(502, "Content-Type: text/html", "Content-Length: 13")
			x.raw("<html></html>")
		}},
		{Name: "long-refusal", Fault: providers.Refused, Free: true, Status: 400, play: func(x *exchange) {
			x.status(400, `{"error":{"message":"`+strings.Repeat("no ", 100<<10)+`"}}`)
		}},
		{Name: "hang-in-refusal", Fault: providers.Refused, Free: true, Or: providers.TimedOut, FirstByte: Short, Chunk: Short, Total: Short, play: func(x *exchange) {
			x.head(http.StatusBadRequest, "Content-Type: application/json", "Content-Length: 100")
			x.raw(`{"error":`)
			x.hang()
		}},
	}
}
