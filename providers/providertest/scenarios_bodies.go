package providertest

import (
	"fmt"
	"strings"

	"tallygate/providers"
)

// wholes are faults in answers of one piece.
func wholes() []Scenario {
	fails := func(name string, body string) Scenario {
		return Scenario{Name: name, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.kept = true
			x.json(body)
		}}
	}
	unbelieved := func(name, usage string) Scenario {
		return Scenario{Name: name, Text: "all well", play: func(x *exchange) {
			x.kept = true
			x.json(x.message("all well", usage))
		}}
	}
	unasked := func(name, kind string) Scenario {
		return Scenario{Name: name, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept, x.chunked = true, true
			x.head(200, "Content-Type: "+kind, "Transfer-Encoding: chunked")
			x.event(": thinking\n\n" + opening + saying("all ") + saying("well") + finishing + reporting(goodUsage))
			x.finish()
		}}
	}
	page := fails("html", `<html><body>Welcome to the captive portal</body></html>`)
	page.Free = true
	inside := func(name string, fault providers.Fault, body string) Scenario {
		return Scenario{Name: name, Fault: fault, Free: true, Words: providers.WordsOf([]byte(body), Key), play: func(x *exchange) {
			x.kept = true
			x.json(body)
		}}
	}
	return []Scenario{
		fails("bad-json", `{"choices":[{"message":{"content":"all w`),
		fails("two-values", `{"choices":[]}{"choices":[]}`),
		fails("not-an-object", `["all well"]`),
		fails("empty-body", ``),
		page,
		fails("deep", strings.Repeat(`{"a":`, 100_000)),
		unasked("events-unasked", "application/json"),
		unasked("event-stream-unasked", "text/event-stream"),
		{Name: "events-unasked-cut", Fault: providers.BadAnswer, Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.json(opening + saying("all well") + reporting(goodUsage))
		}},
		{Name: "events-unasked-failed", Fault: providers.ServerError, Told: true, play: func(x *exchange) {
			x.kept = true
			x.json(opening + saying("all well") + `data: {"error":{"message":"up failed"}}` + "\n\n")
		}},
		unbelieved("no-usage", ""),
		unbelieved("null-usage", "null"),
		unbelieved("negative-usage", `{"prompt_tokens":-20,"completion_tokens":-7,"total_tokens":-27}`),
		unbelieved("huge-usage", `{"prompt_tokens":20,"completion_tokens":9223372036854775807,"total_tokens":1}`),
		unbelieved("enormous-usage", `{"prompt_tokens":1e400,"completion_tokens":99999999999999999999999999}`),
		unbelieved("string-usage", `{"prompt_tokens":"20","completion_tokens":"7"}`),
		unbelieved("list-usage", `[20,7]`),
		{Name: "hang-after-head", Fault: providers.TimedOut, Total: Short, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 100")
			x.hang()
		}},
		{Name: "hang-in-body", Fault: providers.TimedOut, Total: Short, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 100")
			x.raw(`{"id":`)
			x.hang()
		}},
		{Name: "drip-body", Fault: providers.TimedOut, Total: Short, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 100000")
			x.drip()
		}},
		{Name: "cut-after-head", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 100")
		}},
		{Name: "cut-in-body", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 100")
			x.raw(`{"id":`)
		}},
		{Name: "reset-in-body", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 100")
			x.raw(`{"id":`)
			x.reset()
		}},
		{Name: "length-too-long", Fault: providers.BadAnswer, play: func(x *exchange) {
			body := x.message("all well", goodUsage)
			x.head(200, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)+10))
			x.raw(body)
		}},
		{Name: "length-too-short", Pause: Short, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.kept = true
			body := x.message("all well", goodUsage)
			x.head(200, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)-10))
			x.raw(body)
		}},
		// What follows an answer must not become the answer to the next request.
		{Name: "answer-too-many", Pause: Short, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			body := x.message("planted", goodUsage)
			x.raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				len(x.message("all well", goodUsage)), x.message("all well", goodUsage)) +
				fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}},
		{Name: "bad-chunk", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
			x.raw("zz\r\n{}\r\n0\r\n\r\n")
		}},
		{Name: "huge-chunk", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
			x.raw("fffffffffffffffff\r\n{}\r\n")
		}},
		{Name: "endless-body", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
			x.chunked = true
			x.event(`{"id":"`)
			x.repeat(strings.Repeat("x", 64<<10), -1)
		}},
		{Name: "boastful-length", Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 9000000000000000000")
			x.raw(`{"id":`)
		}},
		inside("error-with-200", providers.ServerError, `{"error":{"message":"up failed","type":"server_error","param":null,"code":null}}`),
		inside("error-text", providers.ServerError, `{"error":"up failed","usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`),
		inside("error-detail", providers.ServerError, `{"detail":"up failed"}`),
		inside("error-base-resp", providers.OutOfQuota, `{"id":"x","choices":null,"created":1,"usage":{"total_tokens":0},"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}`),
		inside("error-429", providers.Busy, `{"error":{"message":"slow down","code":429}}`),
		inside("error-400", providers.Refused, `{"error":{"message":"no such role","type":"invalid_request_error"}}`),
		inside("error-of-key", providers.BadKey, `{"error":{"message":"Incorrect API key provided: `+Key+`"}}`),
		inside("error-no-model", providers.NotHere, `{"error":{"message":"up-9 is not a valid model ID","code":404}}`),
		inside("no-choices", providers.BadAnswer, `{"id":"x","choices":null}`),
		fails("nothing-of-an-answer", `{"id":"x"}`),
		unbelieved("error-empty", `null,"error":{"message":"","code":null},"errors":[],"base_resp":{"status_code":0,"status_msg":""}`),
		{Name: "empty-204", Fault: providers.BadAnswer, Free: true, play: func(x *exchange) { x.head(204) }},
		{Name: "embeddings-no-list", Endpoint: providers.Embeddings, Base64: true, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.kept = true
			x.json(`{"object":"list","data":[{"embedding":[1,2,]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`)
		}},
	}
}
