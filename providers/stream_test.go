package providers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/messages"
	"tallygate/providers/dialect/responses"
)

// pieces is a Source that gives a text in pieces and then an error.
type pieces struct {
	text   string
	size   func() int // of the next piece
	err    error      // at the end; nil is io.EOF
	until  []time.Time
	closed bool
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		if p.err != nil {
			return 0, p.err
		}
		return 0, io.EOF
	}
	n := len(p.text)
	if p.size != nil {
		n = min(n, p.size())
	}
	n = copy(b, p.text[:n])
	p.text = p.text[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(t time.Time) error { p.until = append(p.until, t); return nil }
func (p *pieces) Close() error                      { p.closed = true; return nil }

// outcome is all that a reader learns from a body.
type outcome struct {
	out       string
	final     int // in out
	usage     string
	tokens    tally.Tokens
	ok        bool
	delivered int64
	fault     Fault
	told      bool
	free      bool
}

// drain reads a body to its end, and a little further.
func drain(t testing.TB, b Body) outcome {
	t.Helper()
	o := outcome{final: -1}
	for {
		block, err := b.Next()
		if err != nil {
			if _, again := b.Next(); again != err {
				t.Errorf("Next returned %v, and then %v", err, again)
			}
			if up, ok := errors.AsType[*UpstreamError](err); ok {
				o.fault, o.told, o.free = up.Fault, up.Told, up.Free
			} else if err != io.EOF {
				t.Errorf("%v (%T)", err, err)
			}
			break
		}
		if len(block) == 0 {
			t.Error("Next returned nothing, and no error")
		}
		if from, to := b.UsageAt(); to > 0 {
			o.usage = string(block[from:to])
		}
		if f := b.Final(); f >= 0 {
			o.final = len(o.out) + f
		}
		o.out += string(block)
	}
	r := b.Report()
	o.tokens, o.ok = r.Tokens, r.Known != KnownNothing
	o.delivered = b.Delivered()
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := b.Next(); err == nil {
		t.Error("Next went on after Close")
	}
	b.Close()
	return o
}

// Events of a stream.
const (
	evRole   = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	evHello  = `data: {"choices":[{"index":0,"delta":{"content":"hello"}}],"usage":null}` + "\n\n"
	evStop   = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	evUsage  = `data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":7}}` + "\n\n"
	evError  = `data: {"error":{"message":"x"}}` + "\n\n"
	evDone   = "data: [DONE]\n\n"
	theUsage = `{"prompt_tokens":20,"completion_tokens":7}`
)

var counted = tally.Tokens{Input: 20, Output: 7}

func TestStream(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for name, x := range map[string]struct {
		in   string
		err  error // the upstream's end; nil is a proper one
		keep bool
		hide bool
		want outcome
	}{
		"usage dropped": {in: evRole + evHello + evStop + evUsage + evDone,
			want: outcome{out: evRole + evHello + evStop + evDone, tokens: counted, ok: true, delivered: 2}},
		"usage without choices":      {in: evHello + `data: {"usage":` + theUsage + "}\n\n" + evDone, want: outcome{out: evHello + evDone, tokens: counted, ok: true, delivered: 2}},
		"usage and no choices":       {in: evHello + `data: {"choices":null,"usage":` + theUsage + "}\n\n" + evDone, want: outcome{out: evHello + evDone, tokens: counted, ok: true, delivered: 2}},
		"usage in an empty choice":   {in: evHello + `data: {"choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":` + theUsage + "}\n\n" + evDone, want: outcome{out: evHello + evDone, tokens: counted, ok: true, delivered: 2}},
		"usage and the role again":   {in: evRole + evHello + evRole[:len(evRole)-3] + `,"usage":` + theUsage + "}\n\n" + evDone, want: outcome{out: evRole + evHello + evDone, tokens: counted, ok: true, delivered: 2}},
		"usage and the first role":   {in: evRole[:len(evRole)-3] + `,"usage":` + theUsage + "}\n\n" + evDone, want: outcome{out: evRole[:len(evRole)-3] + `,"usage":` + theUsage + "}\n\n" + evDone, usage: theUsage, tokens: counted, ok: true}},
		"usage that is no object":    {in: evHello + `data: {"choices":[],"usage":[20,7]}` + "\n\n" + evDone, want: outcome{out: evHello + evDone, delivered: 2}},
		"usage that is an empty one": {in: evHello + `data: {"choices":[],"usage":{}}` + "\n\n" + evDone, want: outcome{out: evHello + evDone, delivered: 2}},
		"usage kept": {in: evRole + evHello + evUsage + evDone, keep: true,
			want: outcome{out: evRole + evHello + evUsage + evDone, usage: theUsage, tokens: counted, ok: true, delivered: 2}},
		"usage beside content is never dropped": {in: `data: {"choices":[{"delta":{"content":"hello"}}],"usage":` + theUsage + "}\n\n" + evDone,
			want: outcome{out: `data: {"choices":[{"delta":{"content":"hello"}}],"usage":` + theUsage + "}\n\n" + evDone, usage: theUsage, tokens: counted, ok: true, delivered: 2}},
		"the last usage counts": {in: `data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":1}}` + "\n\n" + evUsage + evDone,
			want: outcome{out: evDone, tokens: counted, ok: true}},
		"a usage that cannot be keeps the one before": {in: evUsage + `data: {"choices":[],"usage":{"prompt_tokens":-1}}` + "\n\n" + evDone, keep: true,
			want: outcome{out: evUsage + `data: {"choices":[],"usage":{"prompt_tokens":-1}}` + "\n\n" + evDone, usage: theUsage, tokens: counted, ok: true}},
		"lines end with CRLF": {in: crlf(evRole + evHello + evUsage + evDone), keep: true,
			want: outcome{out: crlf(evRole + evHello + evUsage + evDone), usage: theUsage, tokens: counted, ok: true, delivered: 2}},
		"no space behind the colon": {in: strings.ReplaceAll(evHello+evDone, "data: ", "data:"),
			want: outcome{out: strings.ReplaceAll(evHello+evDone, "data: ", "data:"), delivered: 2}},
		"comments, names and ids": {in: ": hello\n\nevent: x\nid: 7\n" + evHello + "retry: 5\n\n" + evDone,
			want: outcome{out: ": hello\n\nevent: x\nid: 7\n" + evHello + "retry: 5\n\n" + evDone, delivered: 2}},
		"data in several lines": {in: "data: {\"choices\":[],\ndata: \"usage\":" + theUsage + "}\n\n" + evDone, keep: true,
			want: outcome{out: "data: {\"choices\":[], \"usage\":" + theUsage + "}\n\n" + evDone, usage: theUsage, tokens: counted, ok: true}},
		"in several lines among others": {in: evHello + "data\nid: 7\r\ndata:{\"choices\":[],\r\nevent: x\ndata: \"usage\":" + theUsage + "}\n\n" + evHello + evUsage + evDone, keep: true,
			want: outcome{out: evHello + "data:  {\"choices\":[], \"usage\":" + theUsage + "}\nid: 7\nevent: x\n\n" + evHello + evUsage + evDone, usage: theUsage, tokens: counted, ok: true, delivered: 3}},
		"no content, no tokens":     {in: evRole + evStop + evDone, want: outcome{out: evRole + evStop + evDone}},
		"what follows the end mark": {in: evHello + evDone + evHello, want: outcome{out: evHello + evDone, delivered: 2}},
		"finished without a mark":   {in: evHello + evStop, want: outcome{out: evHello + evStop + evDone, delivered: 2}},
		"ended in mid-event":        {in: evHello + strings.TrimSpace(evStop), want: outcome{out: evHello + evStop + evDone, delivered: 2}},
		"ended after the mark's line": {in: evHello + "data: [DONE]",
			want: outcome{out: evHello + evDone, delivered: 2}},

		"not finished": {in: evHello, want: outcome{out: evHello, delivered: 2, fault: BadAnswer}},
		"not finished, says the upstream": {in: evHello + `data: {"choices":[{"finish_reason":""}]}` + "\n\n",
			want: outcome{out: evHello + `data: {"choices":[{"finish_reason":""}]}` + "\n\n", delivered: 2, fault: BadAnswer}},
		"empty":                        {in: "", want: outcome{fault: BadAnswer}},
		"cut":                          {in: evHello, err: io.ErrUnexpectedEOF, want: outcome{out: evHello, delivered: 2, fault: BadAnswer}},
		"cut after the finish":         {in: evHello + evStop, err: io.ErrUnexpectedEOF, want: outcome{out: evHello + evStop, delivered: 2, fault: BadAnswer}},
		"cut in mid-event":             {in: evHello + evStop[:30], err: io.ErrUnexpectedEOF, want: outcome{out: evHello, delivered: 2, fault: BadAnswer}},
		"ended within an event":        {in: evHello + evStop[:30], want: outcome{out: evHello, delivered: 2, fault: BadAnswer}},
		"the transport knows why":      {in: evHello, err: &UpstreamError{Fault: TimedOut}, want: outcome{out: evHello, delivered: 2, fault: TimedOut}},
		"not JSON":                     {in: evHello + "data: hello\n\n" + evHello + evStop + evDone, want: outcome{out: evHello + "data: hello\n\n" + evHello + evStop + evDone, delivered: 4}},
		"not JSON, to a visitor":       {in: evHello + "data: hello\n\n" + evHello + evStop + evDone, hide: true, want: outcome{out: evHello + evHello + evStop + evDone, delivered: 4}},
		"half of an object":            {in: evHello + "data: {\"choices\":[\n\n", want: outcome{out: evHello + "data: {\"choices\":[\n\n", delivered: 5, fault: BadAnswer}},
		"more than an object":          {in: "data: {} {}\n\n", want: outcome{out: "data: {} {}\n\n", delivered: 2, fault: BadAnswer}},
		"a page in an event":           {in: "data: <html>\n\n" + evHello, want: outcome{fault: BadAnswer, free: true}},
		"an error at once":             {in: evError + evDone, want: outcome{fault: ServerError, free: true}},
		"an error behind content":      {in: evHello + evError + evDone, want: outcome{out: evHello, delivered: 2, fault: ServerError, told: true}},
		"an error and then the end":    {in: evHello + evError, want: outcome{out: evHello, delivered: 2, fault: ServerError, told: true}},
		"an error that is null":        {in: `data: {"error":null,"choices":[]}` + "\n\n" + evDone, want: outcome{out: `data: {"error":null,"choices":[]}` + "\n\n" + evDone}},
		"an error behind a hidden one": {in: evUsage + evError, want: outcome{tokens: counted, ok: true, fault: ServerError}},
		"an error, and what was used":  {in: evHello + evError + evUsage + evDone, want: outcome{out: evHello, delivered: 2, tokens: counted, ok: true, fault: ServerError, told: true}},
		"an error beside content and usage": {in: evHello + `data: {"error":{"message":"x"},"choices":[{"delta":{"content":"hello"}}],"usage":` + theUsage + "}\n\n", keep: true,
			want: outcome{out: evHello, delivered: 3, tokens: counted, ok: true, fault: ServerError, told: true}},
		"an error in other words": {in: evHello + `data: {"detail":"x"}` + "\n\n" + evStop + evDone, want: outcome{out: evHello + evStop, delivered: 2, fault: ServerError, told: true}},
		"HTML":                    {in: "<html>\n\n</html>", want: outcome{out: "<html>\n\n</html>\n\n", fault: BadAnswer, free: true}},
	} {
		x.want.final = strings.LastIndex(x.want.out, "data: [DONE]")
		if x.want.final < 0 {
			x.want.final = strings.LastIndex(x.want.out, "data:[DONE]")
		}
		for _, size := range []func() int{nil, func() int { return 1 }, func() int { return 1 + rand.IntN(90) }} {
			src := &pieces{text: x.in, size: size, err: x.err}
			s := NewStream(src, StreamOptions{KeepUsage: x.keep, OnlyJSON: x.hide})
			if got := drain(t, s); got != x.want {
				t.Errorf("%s:\n got %+v\nwant %+v", name, got, x.want)
			}
			if !src.closed {
				t.Errorf("%s: the source was not closed", name)
			}
		}
	}
}

// Estimates of what was delivered: four bytes a token, and at least one for
// each event with content, in any of its forms.
func TestStreamDelivered(t *testing.T) {
	for choice, want := range map[string]int64{
		`{"delta":{"content":"a"}}`:                                           1,
		`{"delta":{"content":"twelve bytes"}}`:                                3,
		`{"delta":{"content":"thirteen byte"}}`:                               4,
		`{"delta":{"reasoning_content":"thinks"}}`:                            2,
		`{"delta":{"reasoning_content":"thinks so","reasoning":"thinks so"}}`: 3,
		`{"delta":{"reasoning":"thinks so","reasoning_details":[{"type":"reasoning.text","text":"thinks so"}],"content":"and says"}}`: 5,
		`{"delta":{"reasoning":"thinks","reasoning_content":""}}`:                                                                     2,
		`{"delta":{"refusal":"no"}}`:                  1,
		`{"text":"legacy text"}`:                      3,
		`{"delta":{"role":"assistant"}}`:              0,
		`{"logprobs":{"token":"not content"}}`:        0,
		`{"delta":{"content":[{"text":"in parts"}]}}`: 2,
		`{"delta":{"tool_calls":[{"id":"call_123","function":{"name":"f","arguments":"{\"a\":1}"}}]}}`:          3,
		`{"delta":{"tool_calls":[{"id":"call_123","type":"custom","custom":{"name":"f","input":"print(1)"}}]}}`: 3,
		`{"delta":{"summary":"a name of its own"}}`:                                                             5,
		`{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"input":{"a":"as an object"}}}]}}`:             3,
		`{"delta":"no object at all"}`: 4,
		`{"delta":{"annotations":[{"title":"of others"}]},"content_filter_results":{"hate":{"severity":"safe"}},"finish_reason":"x"}`: 0,
	} {
		in := "data: {\"choices\":[" + choice + "]}\n\n" + evDone
		if got := drain(t, NewStream(&pieces{text: in}, StreamOptions{})); got.delivered != want {
			t.Errorf("%s: %d, want %d", choice, got.delivered, want)
		}
	}
}

func TestStreamBounds(t *testing.T) {
	long := func(n int) string { return `data: {"choices":[],"x":"` + strings.Repeat("x", n) + "\"}\n\n" }
	// A picture is longer than a stream of so few tokens may be.
	got := drain(t, NewStream(&pieces{text: long(30<<20) + evHello + evDone}, StreamOptions{MaxBytes: 10_000}))
	if got.fault != "" || len(got.out) != len(long(30<<20)+evHello+evDone) {
		t.Errorf("an event of 30 MiB: %d bytes, %v", len(got.out), got.fault)
	}
	got = drain(t, NewStream(&pieces{text: evHello + long(33<<20) + evDone}, StreamOptions{}))
	if got.fault != BadAnswer || got.out != evHello {
		t.Errorf("an event of 33 MiB: %d bytes, %v", len(got.out), got.fault)
	}
	got = drain(t, NewStream(&pieces{text: strings.Repeat(long(largeEvent), 2*mostLarge)}, StreamOptions{MaxBytes: 10_000}))
	if got.fault != BadAnswer || len(got.out) > (mostLarge+3)*len(long(largeEvent)) {
		t.Errorf("pictures without end: %d bytes, %v", len(got.out), got.fault)
	}
	endless := &pieces{text: strings.Repeat(evHello, 10_000), size: func() int { return 500 }}
	got = drain(t, NewStream(endless, StreamOptions{MaxBytes: 10_000}))
	if got.fault != BadAnswer || len(got.out) < 9_900 || len(got.out) > 10_500 {
		t.Errorf("an endless stream: %d bytes, %v", len(got.out), got.fault)
	}
}

// Bytes that trickle in prolong nothing, an event does, and nothing goes beyond
// the end of the whole stream.
func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &pieces{text: evHello + evHello + evHello + evDone, size: func() int { return 1 }}
		start := time.Now()
		s := NewStream(src, StreamOptions{ChunkTimeout: 8 * time.Second, Until: start.Add(10 * time.Second)})
		defer s.Close()
		for _, pause := range []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second} {
			time.Sleep(pause)
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		var got []time.Duration
		for _, at := range src.until {
			got = append(got, at.Sub(start))
		}
		if want := []time.Duration{8 * time.Second, 9500 * time.Millisecond, 10 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("deadlines after %v, want %v", got, want)
		}
	})
}

// A stream that has failed at once is read on, but not for long.
func TestFailedStreamIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, start := &pieces{text: evError + evUsage}, time.Now()
		s := NewStream(src, StreamOptions{ChunkTimeout: time.Minute})
		defer s.Close()
		if _, err := s.Next(); err == nil || len(src.until) != 2 || src.until[1].Sub(start) != restTimeout {
			t.Errorf("%v, deadlines %v", err, src.until)
		}
	})
}

// A model may think as long as the whole call may take. An empty event before the first
// event with content does not start the shorter wait. The event with content does.
func TestStreamThinking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &pieces{text: evRole + evRole + evHello + evHello + evDone, size: func() int { return 1 }}
		start := time.Now()
		s := NewStream(src, StreamOptions{ChunkTimeout: 3 * time.Minute, Thinking: start.Add(10 * time.Minute), Until: start.Add(time.Hour)})
		defer s.Close()
		for range 4 {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		var got []time.Duration
		for _, at := range src.until {
			got = append(got, at.Sub(start))
		}
		if want := []time.Duration{10 * time.Minute, 9 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("deadlines after %v, want %v", got, want)
		}
	})
}

// patient is a Source that can be waited for.
type patient struct {
	pieces
	wait func()
}

func (p *patient) Wait() { p.wait() }

// A stream holds no buffer while the model thinks, whatever size its events are, and still
// gives each of their bytes. Models think most of the time, for thousands of streams at once.
func TestStreamWaitsWithoutABuffer(t *testing.T) {
	content := func(text string) string { return `data: {"choices":[{"delta":{"content":"` + text + `"}}]}` + "\n\n" }
	events := content("a") + content(strings.Repeat("b", 5*bufferSize)) + content("c") + string(doneMark)
	rest := strings.SplitAfter(events, "\n\n")
	src := &patient{}
	src.size = func() int { return 1000 }
	s := NewStream(src, StreamOptions{})
	src.wait = func() {
		if s.buf != nil || s.pooled != nil {
			t.Errorf("a buffer of %d bytes is held", len(s.buf))
		}
		src.text, rest = rest[0], rest[1:]
	}
	if got := drain(t, s); got.out != events || len(rest) != 1 {
		t.Errorf("%d bytes in all, want %d; %d events were not waited for", len(got.out), len(events), len(rest)-1)
	}
}

// FuzzStream: however the bytes are cut, a reader learns the same. What reaches the client
// are whole events, in the upstream's own bytes unless an event has several lines of data.
func FuzzStream(f *testing.F) {
	for _, s := range []string{
		evRole + evHello + evStop + evUsage + evDone, strings.ReplaceAll(evHello+evUsage+evDone, "\n", "\r\n"),
		": c\n\n\n\nevent: x\ndata\n\n" + evHello, "data: {\"choices\":[],\ndata: \"usage\":" + theUsage + "}\n\n", evHello + evError, evHello + "data: x\n\n", "\r\n\ndata: {}\r\n\n" + evDone + evDone,
	} {
		f.Add([]byte(s), uint64(1), false)
		f.Add([]byte(s), uint64(2), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, keep bool) {
		if len(in) > 64<<10 {
			return
		}
		at := rand.New(rand.NewPCG(seed, 0))
		whole := drain(t, NewStream(&pieces{text: string(in)}, StreamOptions{KeepUsage: keep}))
		cut := drain(t, NewStream(&pieces{text: string(in), size: func() int { return 1 + at.IntN(1+int(seed%50)) }}, StreamOptions{KeepUsage: keep}))
		if whole != cut {
			t.Fatalf("%q:\nin one piece %+v\nin many     %+v", in, whole, cut)
		}
		if keep && whole.out != "" && !severalLines(in) {
			passed := strings.TrimRight(strings.TrimSuffix(whole.out, string(doneMark)), "\r\n")
			if !bytes.HasPrefix(in, []byte(passed)) {
				t.Fatalf("%q became %q", in, whole.out)
			}
		}
		if !whole.ok && whole.tokens != (tally.Tokens{}) || whole.fault == "" != (whole.final >= 0 && !whole.told) {
			t.Fatalf("%q: %+v", in, whole)
		}
	})
}

func severalLines(in []byte) bool {
	in = append(slices.Clone(in), "\n\n"...)
	for i := 0; i < len(in); {
		ev := nextEvent(in, i)
		if ev.lines > 1 {
			return true
		}
		i = max(ev.end, i+1)
	}
	return false
}

// endless is a Source of the same event again and again, one for each Read.
type endless struct{ event []byte }

func (e *endless) Read(b []byte) (int, error)      { return copy(b, e.event), nil }
func (e *endless) SetReadDeadline(time.Time) error { return nil }
func (e *endless) Close() error                    { return nil }

// Events of a few letters in each dialect.
const (
	chunkOf       = `data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	responseDelta = "event: response.output_text.delta\n" + `data: {"type":"response.output_text.delta","item_id":"msg_0123456789abcdef","output_index":0,"content_index":0,"delta":"%s","logprobs":[],"sequence_number":7,"obfuscation":"abcdef"}` + "\n\n"
	messageDelta  = "event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}` + "\n\n"
)

func BenchmarkStreamEvent(b *testing.B) {
	for _, of := range []struct {
		in    dialect.Upstream
		event string
		size  int
	}{
		{nil, chunkOf, 5}, {responses.Dialect{}, responseDelta, 5}, {messages.Dialect{}, messageDelta, 5}, {nil, chunkOf, 2000},
	} {
		event := fmt.Sprintf(of.event, strings.Repeat("x", of.size))
		b.Run(fmt.Sprint(nameOf(of.in), len(event)), func(b *testing.B) {
			s := NewStream(&endless{[]byte(event)}, StreamOptions{Dialect: of.in, ChunkTimeout: time.Minute})
			defer s.Close()
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
