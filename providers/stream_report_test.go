package providers

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// splits makes a source of a text for every byte that it can be split at.
func splits(t *testing.T, text string, check func(split int, src *pieces)) {
	t.Helper()
	for at := range len(text) + 1 {
		n := 0
		check(at, &pieces{text: text, size: func() int {
			if n++; n == 1 && at > 0 {
				return at
			}
			return len(text)
		}})
	}
}

// An event that only reports is dropped if the client did not ask for it, whatever its
// shape. An event that says something else as well is not dropped.
func TestReportingEvents(t *testing.T) {
	for event, dropped := range map[string]bool{
		`{"usage":U}`:                                    true,
		`{"choices":null,"usage":U}`:                     true,
		`{"choices": [ ],"usage":U}`:                     true,
		`{"choices":[{}],"usage":U}`:                     true,
		`{"choices":[{"index":0,"delta":{},"usage":U}]}`: true,
		`{"choices":[{"index":1,"delta":{"content":"","role":null,"tool_calls":[]},"logprobs":null,"finish_reason":null}],"usage":U}`: true,
		`{"choices":[],"x_groq":{"usage":U}}`: true,

		`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":U}`:         false,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":U}]}`:                 false,
		`{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":U}`:                           false,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c"}]}}],"usage":U}`:     false,
		`{"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"x"}]}}],"usage":U}`: false,
		`{"choices":[],"usage":null}`: false,
		`{"choices":[]}`:              false,
	} {
		event = "data: " + strings.ReplaceAll(event, "U", theUsage) + "\n\n"
		splits(t, event+evStop+evDone, func(at int, src *pieces) {
			want := event + evStop + evDone
			if dropped {
				want = evStop + evDone
			}
			o := drain(t, NewStream(src, StreamOptions{}))
			if o.out != want || o.ok != strings.Contains(event, theUsage) || o.ok && o.tokens != counted {
				t.Fatalf("%s split at %d: %+v", event, at, o)
			}
		})
		if o := drain(t, NewStream(&pieces{text: event + evStop + evDone}, StreamOptions{KeepUsage: true})); o.out != event+evStop+evDone {
			t.Errorf("%s, asked for: %+v", event, o)
		}
	}
}

// A later report with fewer figures, or smaller ones, loses none of the earlier.
func TestReportsAreFolded(t *testing.T) {
	report := func(usage string) string { return `data: {"model":"up","choices":[],"usage":` + usage + "}\n\n" }
	in := evHello + report(`{"prompt_tokens":20,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":5},"cost":0.5}`) +
		report(`{"completion_tokens":7}`) + report(`{"prompt_tokens":-1}`) + report(`{"prompt_tokens":3,"completion_tokens":2,"num_search_queries":2}`) + evStop + evDone
	splits(t, in, func(at int, src *pieces) {
		s := NewStream(src, StreamOptions{})
		for err := error(nil); err == nil; {
			_, err = s.Next()
		}
		want := Report{Tokens: tally.Tokens{Input: 15, CachedInput: 5, Output: 7}, Known: KnownWhole, Billed: tally.Dollar / 2, IsBilled: true, Pieces: 2, Counted: true, Model: "up", Finish: Finished}
		if got := s.Report(); got != want {
			t.Fatalf("split at %d: %+v, want %+v", at, got, want)
		}
		s.Close()
	})
}

// Every usage object can be reached, however many arrive at once, and so none of
// an upstream's costs passes unseen.
func TestEveryUsageIsShown(t *testing.T) {
	in := ""
	for i := range 5 {
		in += fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":20,"completion_tokens":%d,"cost":0.%d}}`+"\n\n", i+1, i+1)
	}
	in += `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":-1,"cost":7}}]}` + "\n\n" + evDone
	splits(t, in, func(at int, src *pieces) {
		s := NewStream(src, StreamOptions{})
		var out []byte
		for {
			b, err := s.Next()
			if err != nil {
				break
			}
			out = HideCostsInEvents(out, b, View{})
		}
		if bytes.Contains(out, []byte("cost")) || bytes.Count(out, []byte("usage")) != 6 || s.Delivered() != 5 || !bytes.HasSuffix(out, doneMark) {
			t.Fatalf("split at %d: %d delivered, %s", at, s.Delivered(), out)
		}
		s.Close()
	})
}

// What a stream tells of a failure, and what that proves.
func TestStreamFailures(t *testing.T) {
	const zero = `data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}` + "\n\n"
	event := func(s string) string { return "data: " + s + "\n\n" }
	for name, x := range map[string]struct {
		in   string
		err  error
		want outcome // without what was told
	}{
		"no error: empty":          {in: event(`{"error":"","choices":[]}`) + evHello + evStop + evDone, want: outcome{delivered: 2}},
		"no error: false":          {in: event(`{"error":false}`) + evHello + evStop + evDone, want: outcome{delivered: 2}},
		"no error: an object":      {in: event(`{"error":{ }}`) + evHello + evStop + evDone, want: outcome{delivered: 2}},
		"a text":                   {in: event(`{"error":"busy"}`), want: outcome{fault: ServerError, free: true}},
		"MiniMax":                  {in: event(`{"choices":null,"base_resp":{"status_code":1004,"status_msg":"x"}}`), want: outcome{fault: ServerError, free: true}},
		"MiniMax, in order":        {in: evHello + event(`{"choices":[{"finish_reason":"stop"}],"base_resp":{"status_code":0,"status_msg":""}}`), want: outcome{delivered: 2}},
		"FastAPI":                  {in: event(`{"detail":"Not Found"}`), want: outcome{fault: ServerError, free: true}},
		"FastAPI, in order":        {in: event(`{"detail":"high","choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}`), want: outcome{delivered: 1}},
		"behind usage":             {in: evUsage + evError, want: outcome{tokens: counted, ok: true, fault: ServerError}},
		"with usage":               {in: event(`{"error":{"message":"x"},"usage":` + theUsage + `}`), want: outcome{tokens: counted, ok: true, fault: ServerError}},
		"usage behind it":          {in: evError + ": c\n\n" + evUsage + evUsage + evDone, want: outcome{tokens: counted, ok: true, fault: ServerError}},
		"zeros behind it":          {in: evError + zero + evDone, want: outcome{ok: true, fault: ServerError, free: true}},
		"output behind it":         {in: evError + evHello + evUsage[:30], want: outcome{delivered: 2, fault: ServerError}},
		"words behind it":          {in: evError + "data: OK\n\n", want: outcome{delivered: 1, fault: ServerError}},
		"torn behind it":           {in: evError + evUsage[:30], want: outcome{fault: ServerError}},
		"a picture behind it":      {in: evError + event(`{"x":"`+strings.Repeat("x", 2*maxRest+4*bufferSize)+`"}`) + evUsage, want: outcome{fault: ServerError}},
		"words by its name":        {in: "event: error\n" + event(`busy`) + evUsage + evDone, want: outcome{tokens: counted, ok: true, fault: ServerError}},
		"words by its name, later": {in: evHello + "event: error\n" + event(`busy`) + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"words alone, by its name": {in: "event: error\n" + event(`busy`), want: outcome{fault: ServerError}},
		"nonsense behind it":       {in: evError + "data: <html>\n\n" + evUsage, want: outcome{tokens: counted, ok: true, delivered: 2, fault: ServerError}},
		"cut behind it":            {in: evError + evUsage, err: io.ErrUnexpectedEOF, want: outcome{tokens: counted, ok: true, fault: ServerError}},
		"too late behind it":       {in: evError + strings.Repeat(": x\n\n", (maxRest+2*bufferSize)/5) + evUsage, want: outcome{fault: ServerError, free: true}},
		"behind a role":            {in: evRole + evError + evDone, want: outcome{fault: ServerError, told: true, free: true}},
		"behind what nobody knows": {in: event(`{"choices":[{"delta":{"summary":"12345678"}}]}`) + evError, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"behind a source":          {in: event(`{"choices":[{"delta":{"annotations":[{"url":"x"}]}}]}`) + evError, want: outcome{fault: ServerError, told: true}},
		"behind empty ones":        {in: event(`{"choices":[{"delta":{"role":"assistant","summary":"","annotations":[]},"logprobs":{"content":[]}}]}`) + evError, want: outcome{fault: ServerError, told: true, free: true}},
		"behind another dialect":   {in: event(`{"output":[{"t":"12345678"}]}`) + evError, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"behind zeros":             {in: zero + evError, want: outcome{ok: true, fault: ServerError, free: true}},
		"by its name":              {in: "event: error\n" + event(`{"id":"x","text":""}`), want: outcome{fault: ServerError, free: true}},
		"by its name, later":       {in: evHello + "event:error\r\n" + event(`{"id":"x"}`), want: outcome{delivered: 2, fault: ServerError, told: true}},
		"as an object":             {in: evHello + event(`{"object":"error","message":"x"}`) + evStop + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"as a list":                {in: evHello + event(`{"errors":[{"message":"x"}]}`) + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"in a choice":              {in: evHello + event(`{"choices":[{"delta":{"content":""},"error":{"message":"x"}}]}`) + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"as its finish":            {in: evHello + event(`{"choices":[{"delta":{},"finish_reason":"error"}]}`) + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"with an escape":           {in: evHello + event(`{"\u0065rror":"x"}`) + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"a message, later":         {in: evHello + event(`{"message":"x","code":7,"choices":[]}`) + evStop + evDone, want: outcome{delivered: 2, fault: ServerError, told: true}},
		"a message of success":     {in: evHello + event(`{"message":"x","code":0}`) + evStop + evDone, want: outcome{delivered: 2}},
		"no list, no object":       {in: event(`{"errors":[],"object":"chat.completion.chunk","choices":[{"error":{},"delta":{"content":"12345678"}}]}`) + evStop + evDone, want: outcome{delivered: 2}},
		"zeros, and its end":       {in: evRole + zero, want: outcome{ok: true, fault: BadAnswer, free: true}},
		"zeros, and cut":           {in: evRole + zero, err: io.ErrUnexpectedEOF, want: outcome{ok: true, fault: BadAnswer}}, // it may go on
		"output, and cut":          {in: evHello + zero, err: io.ErrUnexpectedEOF, want: outcome{delivered: 2, fault: BadAnswer}},
		"nothing, and cut":         {in: evRole, err: io.ErrUnexpectedEOF, want: outcome{fault: BadAnswer}},
		"a web page":               {in: "\n<!DOCTYPE html>\n<title>x</title>", want: outcome{fault: BadAnswer, free: true}},
		"a page as an event":       {in: "data: <html>\n\n", want: outcome{fault: BadAnswer, free: true}},
		"a page behind text":       {in: evHello + "data: <html>\n\n", want: outcome{delivered: 3, fault: BadAnswer}},
	} {
		for _, size := range []func() int{nil, func() int { return 1 }} {
			got := drain(t, NewStream(&pieces{text: x.in, err: x.err, size: size}, StreamOptions{}))
			got.out, got.final, got.usage = "", 0, ""
			if got != x.want {
				t.Errorf("%s:\n got %+v\nwant %+v", name, got, x.want)
			}
		}
	}
}

// What an answer in one piece tells of a failure, and what that proves. It is an answer if
// it used or holds anything.
func TestWholeFailures(t *testing.T) {
	for in, want := range map[string]outcome{
		`{"error":"","choices":[{"message":{"content":"x"}}]}`:                                                  {delivered: 1},
		`{"error":{},"choices":[{"message":{"content":"x"}}]}`:                                                  {delivered: 1},
		`{"error":{"message":"","code":null},"choices":[{"message":{"content":""}}]}`:                           {},
		`{"error":{"message":"x"},"choices":[{"message":{"content":"x"}}]}`:                                     {delivered: 1},
		`{"error":{"message":"x"},"usage":` + theUsage + `}`:                                                    {tokens: counted, ok: true, fault: ServerError},
		`{"error":{"message":"x"},"usage":{"prompt_tokens":0}}`:                                                 {ok: true, fault: ServerError, free: true},
		`{"error":"x","output":"12345678","choices":null}`:                                                      {delivered: 2},
		`{"error":"x","choices":[{"message":{"content":null,"tool_calls":[{"custom":{"input":"12345678"}}]}}]}`: {delivered: 2},
		`{"error":"x"}`:    {fault: ServerError, free: true},
		`{"error":false}`:  {},
		`{"choices":null}`: {fault: BadAnswer, free: true},
		`{"choices":null,"base_resp":{"status_code":1008},"usage":{"total_tokens":0}}`:    {ok: true, fault: ServerError, free: true},
		`{"choices":[{"message":{"content":"x"}}],"base_resp":{"status_code":1008}}`:      {delivered: 1},
		`{"choices":[{"message":{"content":""}}],"base_resp":{"status_code":0}}`:          {},
		`{"choices":null,"usage":` + theUsage + `}`:                                       {tokens: counted, ok: true, fault: BadAnswer},
		`{"detail":[{"msg":"field required"}]}`:                                           {fault: ServerError, free: true},
		`{"detail":"x","data":[{"embedding":[1]}]}`:                                       {},
		`{"detail":"x","choices":[]}`:                                                     {fault: ServerError, free: true},
		`{"object":"error","message":"x","code":50001}`:                                   {fault: ServerError, free: true},
		`{"type":"error","x":1}`:                                                          {fault: ServerError, free: true},
		`{"code":"InvalidApiKey","message":"x"}`:                                          {fault: BadKey, free: true},
		`{"choices":[],"message":"x"}`:                                                    {fault: ServerError, free: true},
		`{"code":200,"message":"x","result":{}}`:                                          {},
		`{"code":1,"message":"x","data":{"text":"x"}}`:                                    {},
		`{"errors":[],"choices":[{"message":{"content":""}}]}`:                            {},
		`{"errors":["x"],"choices":[{"message":{"content":""}}]}`:                         {fault: ServerError, free: true},
		`{"\u0065rror":"x","usage":{"cost":1}}`:                                           {fault: ServerError},
		`{"choices":[{"error":{"message":"x"}}]}`:                                         {fault: ServerError, free: true},
		`{"choices":[{"error":null,"message":{"content":"x","error":"of a tool"}}]}`:      {delivered: 1},
		`{"choices":[{"finish_reason":"error","message":{"annotations":[{"url":"x"}]}}]}`: {fault: ServerError},
		`{"detail":""}`: {},
		"\n <html>":     {fault: BadAnswer, free: true},
		"Not Found":     {fault: BadAnswer},
	} {
		got := drain(t, NewWhole(&pieces{text: in}, WholeOptions{}))
		got.out, got.final, got.usage = "", 0, ""
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", in, got, want)
		}
	}
}

// reporting is an event of an upstream that reports with every one of them.
const reporting = `data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"up-2026-11","service_tier":"default","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}],` +
	`"usage":{"prompt_tokens":2000,"completion_tokens":10,"total_tokens":2010,"prompt_tokens_details":{"cached_tokens":1800,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3},"cost":0.0221}}` + "\n\n"

// Neither an event nor what it reports costs memory.
func TestReportsTakeNoMemory(t *testing.T) {
	s := NewStream(&endless{[]byte(reporting)}, StreamOptions{})
	defer s.Close()
	used := tally.Tokens{}
	n := testing.AllocsPerRun(1000, func() {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		r := s.Report()
		used = r.Tokens
	})
	if n != 0 || used != (tally.Tokens{Input: 200, CachedInput: 1800, Output: 7, Reasoning: 3}) {
		t.Errorf("%v allocations an event, %+v", n, used)
	}
}

func BenchmarkStreamReport(b *testing.B) {
	s := NewStream(&endless{[]byte(reporting)}, StreamOptions{ChunkTimeout: time.Minute})
	defer s.Close()
	b.SetBytes(int64(len(reporting)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
