package providertest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// Scenario is a way for an upstream to behave, and what a provider must make
// of it.
type Scenario struct {
	// Name is the model that an [Upstream] is asked for to behave so.
	Name     string
	Endpoint providers.Endpoint
	Stream   bool  // what is asked for is a stream
	Output   int64 // tokens granted, 0 for 16; says how much of a stream is too much

	// Fault is what the call ends with; "" if it is answered in order. Or is another fault
	// that describes the end as well.
	Fault, Or  providers.Fault
	Status     int             // of the error, where the upstream gave one
	RetryAfter time.Duration   // of the error
	Told       bool            // of the error
	Free       bool            // of the error: the upstream charges nothing, and that is proven
	Words      providers.Words // of the error; zero for any
	Cause      string          // what is in the text of its cause
	RequestID  string          // of the error, and of an answer in order
	// Text is what reaches the client before the fault or the end: the contents
	// of all events, joined. An answer in JSON reaches it whole or not at all.
	Text string
	// Tokens are those that the upstream reports believably; zero for none.
	Tokens tally.Tokens
	// Report is all that the upstream says of the call, where a scenario is about what it
	// says; nil otherwise.
	Report *providers.Report
	// Base64 is whether embeddings are asked for in base64.
	Base64 bool
	// Dialect is the one that is spoken; "" is chat completions.
	Dialect dialect.Name

	// Time-outs that the scenario needs in order to be over soon; 0 is more than enough
	// time.
	FirstByte, Chunk, Total time.Duration

	// Pause is the wait before the next request on the same connection. Clients that read
	// ahead notice during the pause that the connection is of no use any more.
	Pause time.Duration

	play func(*exchange)
}

// Short is a time-out for upstreams that hang. Nothing has to be done within
// it, so a slow machine does not matter.
const Short = 150 * time.Millisecond

// hasty is whether a slow machine may see less of the scenario than a fast one.
func (s Scenario) hasty() bool { return s.FirstByte+s.Chunk+s.Total > 0 }

// Config is the configuration of a provider for a scenario.
func (s Scenario) Config(u *Upstream) providers.Config {
	return providers.Config{
		APIKeys: []string{Key},
		Provider: &tally.Provider{
			Name: "up", ProviderKind: "openai", BaseURL: u.URL, Enabled: true,
			ConnectTimeout: 2 * patience, FirstByteTimeout: cmp.Or(s.FirstByte, 2*patience),
			ChunkTimeout: cmp.Or(s.Chunk, 2*patience), Timeout: cmp.Or(s.Total, 2*patience),
		},
	}
}

// Request is the body that a client sends, for the scenario's model.
func (s Scenario) Request() []byte {
	body := `{"model":"` + s.Name + `","max_tokens":16,"messages":[{"role":"user","content":"hello there"}]`
	if s.Dialect == dialect.Responses {
		body = `{"model":"` + s.Name + `","max_output_tokens":16,"input":[{"role":"user","content":"hello there"}]`
	}
	switch s.Endpoint {
	case providers.Completions:
		body = `{"model":"` + s.Name + `","max_tokens":16,"prompt":"hello there"`
	case providers.Embeddings:
		body = `{"model":"` + s.Name + `","input":["one","two"]`
		if s.Base64 {
			body += `,"encoding_format":"base64"`
		}
	}
	if s.Stream {
		body += `,"stream":true`
	}
	return []byte(body + "}")
}

// goodTokens is how goodUsage is to be counted.
var goodTokens = tally.Tokens{Input: 15, CachedInput: 5, Output: 4, Reasoning: 3}

// Scenarios lists all of them; names are unique.
func Scenarios() []Scenario {
	all := slices.Concat(good(), usages(), heads(), statuses(), wholes(), streams())
	for i := range all {
		all[i].Endpoint = cmp.Or(all[i].Endpoint, providers.Chat)
	}
	return all
}

// ScenariosIn lists those that say something of another dialect than chat completions.
func ScenariosIn(in dialect.Name) []Scenario {
	var all []Scenario
	for _, s := range slices.Concat(good(), heads(), statuses(), wholes(), streams()) {
		skip := s.Endpoint != "" || slices.Contains(ofChat, s.Name)
		if in == dialect.Responses { // where the event that ends a stream is also what reports
			skip = skip || s.Name == "no-mark" || s.Name == "stream-failed-late" || s.Name == "events-unasked-cut"
		}
		if !skip {
			s.Endpoint, s.Dialect = providers.Chat, in
			all = append(all, s)
		}
	}
	return all
}

// ofChat are scenarios about what only chat completions have.
var ofChat = []string{"no-choices", "error-base-resp"}

// good are answers in order, though not always of the common form.
func good() []Scenario {
	return []Scenario{
		{Name: "plain", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.json(x.message("all well", goodUsage))
		}},
		{Name: "stream", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.stream(opening, saying("all "), saying("well"), finishing, reporting(goodUsage))
			x.finish()
		}},
		{Name: "slow-head", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			time.Sleep(30 * time.Millisecond)
			x.json(x.message("all well", goodUsage))
		}},
		{Name: "trickle-plain", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			body := x.message("all well", goodUsage)
			x.head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
			x.chunked = true
			x.trickle(body)
			x.end()
		}},
		{Name: "trickle-stream", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.stream()
			x.trickle(opening + saying("all ") + saying("well") + finishing + reporting(goodUsage) + marking)
			x.end()
		}},
		{Name: "interim", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
			x.json(x.message("all well", goodUsage))
		}},
		{Name: "trailers", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked", "Trailer: X-Sum")
			x.chunked = true
			x.event(opening + saying("all ") + saying("well") + finishing + reporting(goodUsage) + marking)
			x.raw("0;ext=1\r\nX-Sum: 7\r\n\r\n")
		}},
		{Name: "until-close", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.head(200, "Content-Type: text/event-stream")
			x.raw(opening + saying("all ") + saying("well") + finishing + reporting(goodUsage) + marking)
		}},
		{Name: "http-1.0", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.raw("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + x.message("all well", goodUsage))
		}},
		{Name: "bare-lines", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.stream(": a comment\n\n", "event: x\r\nid: 1\r\n"+crlf(x.speak(opening)), crlf(x.speak(saying("all "))),
				crlf(x.speak(saying("well"))), crlf(x.speak(finishing)), crlf(x.speak(reporting(goodUsage))), "data:[DONE]\r\n\r\n")
			x.end()
		}},
		{Name: "compressed", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.status(200, zipped(x.message("all well", goodUsage)), "Content-Encoding: gzip")
		}},
		{Name: "compressed-stream", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept, x.chunked = true, true
			x.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked", "Content-Encoding: gzip")
			x.event(zipped(x.speak(opening + saying("all "))))
			x.event(zipped(x.speak(saying("well") + finishing + reporting(goodUsage) + marking)))
			x.end()
		}},
		{Name: "bare-head", Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			body := x.message("all well", goodUsage)
			x.raw(fmt.Sprintf("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: %d\nContent-Length: %d\n\n%s", len(body), len(body), body))
		}},
		{Name: "no-mark", Stream: true, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			x.kept = true
			x.stream(opening, saying("all "), saying("well"), finishing, reporting(goodUsage))
			x.end()
		}},
		{Name: "closed-after", Pause: Short, Text: "all well", Tokens: goodTokens, play: func(x *exchange) {
			body := x.message("all well", goodUsage)
			x.kept = true // as far as the head says
			x.json(body)
			x.kept = false
		}},
		{Name: "embeddings", Endpoint: providers.Embeddings, Tokens: tally.Tokens{Input: 3}, play: func(x *exchange) { x.healthy() }},
		{Name: "embeddings-base64", Endpoint: providers.Embeddings, Base64: true, Tokens: tally.Tokens{Input: 3}, play: func(x *exchange) { x.healthy() }},
		// An upstream that does not know encoding_format: a client that asked for
		// base64 would silently decode empty vectors.
		{Name: "embeddings-floats", Endpoint: providers.Embeddings, Base64: true, Tokens: tally.Tokens{Input: 3}, play: func(x *exchange) {
			x.kept = true
			x.embeddings([]any{"one", "two"}, false)
		}},
	}
}

func crlf(event string) string {
	if event == "" {
		return ""
	}
	return event[:len(event)-2] + "\r\n\r\n"
}
