package providertest

import (
	"slices"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// streams are faults in answers of events.
func streams() []Scenario {
	failed := providers.Words{Message: "up failed", Type: "server_error"}
	begun := []string{opening, saying("all ")}
	after := func(name string, fault providers.Fault, then func(*exchange)) Scenario {
		return Scenario{Name: name, Stream: true, Fault: fault, Text: "all ", play: func(x *exchange) {
			x.stream(begun...)
			then(x)
		}}
	}
	told := func(name string, tokens tally.Tokens, then ...string) Scenario {
		return Scenario{Name: name, Stream: true, Fault: providers.ServerError, Told: true, Text: "all ", Tokens: tokens, Words: failed, play: func(x *exchange) {
			x.stream(slices.Concat(begun, then)...)
			x.end()
		}}
	}
	unnamed := func(name, line string) Scenario { // a stream whose head does not say that it is one
		return Scenario{Name: name, Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept, x.chunked = true, true
			x.head(200, line, "Transfer-Encoding: chunked")
			x.trickle("\n" + opening + saying("all ") + saying("well") + finishing + reporting(goodUsage))
			x.finish()
		}}
	}
	among := func(name, what string) Scenario { // the data is passed on
		return Scenario{Name: name, Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.stream(opening, saying("all "), what, saying("well"), finishing, reporting(goodUsage))
			x.finish()
		}}
	}
	usage := func(name, usage string) Scenario {
		return Scenario{Name: name, Stream: true, Text: "all well", play: func(x *exchange) {
			x.kept = true
			x.stream(opening, saying("all "), saying("well"), finishing, usage)
			x.finish()
		}}
	}
	const failure = `data: {"error":{"message":"up failed","type":"server_error","param":null,"code":null}}` + "\n\n"
	hang := after("stream-hang", providers.TimedOut, (*exchange).hang)
	hang.Chunk = Short
	torn := after("stream-hang-in-event", providers.TimedOut, func(x *exchange) {
		x.event(saying("well")[:40])
		x.hang()
	})
	torn.Chunk = Short
	drip := after("stream-drip", providers.TimedOut, (*exchange).drip)
	drip.Chunk = Short
	long := after("stream-long-line", providers.BadAnswer, func(x *exchange) {
		x.event("data: ")
		x.repeat(strings.Repeat("x", 64<<10), 512)
		x.hang()
	})
	long.Cause = "longer than 32 MiB"
	long.Output = 1 << 20 // so that the line is too long, not the stream
	silent := Scenario{Name: "stream-hang-at-once", Stream: true, Fault: providers.TimedOut, Chunk: Short, play: func(x *exchange) {
		x.stream()
		x.hang()
	}}
	return []Scenario{
		silent, hang, torn, drip,
		after("stream-cut", providers.BadAnswer, func(x *exchange) {}),
		after("stream-cut-in-event", providers.BadAnswer, func(x *exchange) { x.event(saying("well")[:40]) }),
		after("stream-cut-in-chunk", providers.BadAnswer, func(x *exchange) { x.raw("ff\r\n" + saying("well")[:40]) }),
		after("stream-ended", providers.BadAnswer, func(x *exchange) { x.end() }),
		after("stream-bad-chunk", providers.BadAnswer, func(x *exchange) { x.raw("zz\r\nhello\r\n") }),
		among("stream-bad-json", "data: "+halfEvent+"\n\n"),
		among("stream-no-json", "data: "+noJSON+"\n\n"),
		among("stream-key-in-text", "data: rejected: "+Key+"\n\n"),
		after("stream-endless", providers.BadAnswer, func(x *exchange) { x.repeat(strings.Repeat(": nothing\n\n", 1000), -1) }),
		long,
		{Name: "stream-cut-after-finish", Stream: true, Fault: providers.BadAnswer, Text: "all well", play: func(x *exchange) {
			x.stream(opening, saying("all "), saying("well"), finishing)
		}},
		{Name: "stream-chatter", Stream: true, Fault: providers.BadAnswer, Text: Unbounded, play: func(x *exchange) {
			x.stream(opening)
			x.repeat(strings.Repeat(saying("more"), 100), -1)
		}},
		{Name: "stream-reset", Stream: true, Fault: providers.BadAnswer, Text: Unbounded, play: func(x *exchange) {
			x.stream(begun...)
			x.reset() // the reset takes back what was not read yet
		}},
		{Name: "stream-empty", Stream: true, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.stream()
			x.end()
		}},
		{Name: "stream-html", Cause: "web page", Stream: true, Fault: providers.BadAnswer, Free: true, play: func(x *exchange) {
			x.head(200, "Content-Type: text/html", "Content-Length: 13")
			x.raw("<html></html>")
		}},
		{Name: "stream-in-one-piece", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.json("\n\n" + strings.ReplaceAll(x.message("all well", goodUsage), ",", ",\n"))
		}},
		{Name: "stream-in-one-piece-failed", Stream: true, Fault: providers.ServerError, Free: true, Status: 200, play: func(x *exchange) {
			x.kept = true
			x.json(`{"error":{"message":"up failed"}}`)
		}},
		{Name: "stream-in-one-piece-cut", Stream: true, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 1000")
			x.raw(x.message("all well", goodUsage))
		}},
		{Name: "stream-in-one-piece-hang", Stream: true, Fault: providers.TimedOut, Total: Short, Status: 200, play: func(x *exchange) {
			x.head(200, "Content-Type: application/json", "Content-Length: 1000")
			x.raw("\n{")
			x.hang()
		}},
		{Name: "stream-of-text", Stream: true, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.kept = true
			x.head(200, "Content-Type: text/plain", "Content-Length: 9")
			x.raw("all well\n")
		}},
		{Name: "stream-of-blanks", Stream: true, Fault: providers.BadAnswer, play: func(x *exchange) {
			x.head(200, "Content-Type: text/plain")
			x.repeat(strings.Repeat(" ", 1<<10), -1)
		}},
		unnamed("stream-of-plain", "Content-Type: text/plain; charset=utf-8"),
		unnamed("stream-of-nothing", "X-Type: none"),
		{Name: "stream-failed-with-429", Stream: true, Fault: providers.Busy, Free: true, Words: providers.Words{Message: "slow down [API key]", Code: "429"}, play: func(x *exchange) {
			x.stream(`data: {"error":{"message":"slow down ` + Key + `","code":429}}` + "\n\n")
			x.finish()
		}},
		{Name: "stream-failed-out-of-time", Stream: true, Fault: providers.ServerError, play: func(x *exchange) {
			x.stream(`data: {"error":{"message":"the model took too long","code":504}}` + "\n\n")
			x.finish()
		}},
		{Name: "stream-failed-at-once", Stream: true, Fault: providers.ServerError, Free: true, Words: failed, play: func(x *exchange) {
			x.stream(failure)
			x.finish()
		}},
		told("stream-failed", tally.Tokens{}, failure),
		told("stream-failed-marked", tally.Tokens{}, failure, marking),
		told("stream-failed-late", goodTokens, saying("")+finishing, reporting(goodUsage), failure, marking),
		usage("stream-no-usage", ""),
		usage("stream-negative-usage", reporting(`{"prompt_tokens":-1,"completion_tokens":-7}`)),
		usage("stream-huge-usage", reporting(`{"prompt_tokens":20,"completion_tokens":9223372036854775807}`)),
		usage("stream-string-usage", reporting(`{"prompt_tokens":"20","completion_tokens":"7"}`)),
	}
}

// Data of events that is no JSON.
const (
	halfEvent = `{"choices":[}`
	noJSON    = "OK: still at it"
)

// Unbounded stands in a scenario's Text for any text: how much reaches the client is not
// determined.
const Unbounded = "…"
