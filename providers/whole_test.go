package providers

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestWhole(t *testing.T) {
	const good = `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":` + theUsage + `}`
	for name, x := range map[string]struct {
		in   string
		err  error
		opts WholeOptions
		want outcome
	}{
		"with usage":             {in: good, want: outcome{out: good, usage: theUsage, tokens: counted, ok: true, delivered: 2}},
		"with space around":      {in: " \n" + good + "\n", want: outcome{out: " \n" + good + "\n", usage: theUsage, tokens: counted, ok: true, delivered: 2}},
		"without usage":          {in: `{"choices":[{"text":"12345678"}]}`, want: outcome{out: `{"choices":[{"text":"12345678"}]}`, delivered: 2}},
		"a usage that cannot be": {in: `{"usage":{"prompt_tokens":1e400}}`, want: outcome{out: `{"usage":{"prompt_tokens":1e400}}`}},
		"longer than it says":    {in: good, opts: WholeOptions{Length: 5}, want: outcome{out: good, usage: theUsage, tokens: counted, ok: true, delivered: 2}},
		"as long as it may be":   {in: good, opts: WholeOptions{MaxBytes: int64(len(good))}, want: outcome{out: good, usage: theUsage, tokens: counted, ok: true, delivered: 2}},

		"a byte too long":                        {in: good, opts: WholeOptions{MaxBytes: int64(len(good)) - 1}, want: outcome{fault: BadAnswer}},
		"says it is too long":                    {in: good, opts: WholeOptions{Length: 1 << 62}, want: outcome{fault: BadAnswer}},
		"empty":                                  {in: "", want: outcome{fault: BadAnswer}},
		"cut":                                    {in: good, err: io.ErrUnexpectedEOF, want: outcome{fault: BadAnswer}},
		"the transport knows":                    {in: good, err: &UpstreamError{Fault: TimedOut}, want: outcome{fault: TimedOut}},
		"not an object":                          {in: "[1]", want: outcome{fault: BadAnswer}},
		"half":                                   {in: good[:30], want: outcome{fault: BadAnswer}},
		"and more":                               {in: good + good, want: outcome{fault: BadAnswer}},
		"deep":                                   {in: `{"a":` + strings.Repeat("[", 100_000), want: outcome{fault: BadAnswer}},
		"choices as deep":                        {in: `{"choices":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `,"cost":1}`, want: outcome{fault: BadAnswer}},
		"an error":                               {in: `{"error":{"message":"x"}}`, want: outcome{fault: ServerError, free: true}},
		"an error that is null":                  {in: `{"error":null}`, want: outcome{out: `{"error":null}`}},
		"no choices, though some were asked for": {in: `{"id":"x"}`, opts: WholeOptions{Choices: 1}, want: outcome{fault: BadAnswer}},
		"and what was used":                      {in: `{"usage":` + theUsage + `}`, opts: WholeOptions{Choices: 1}, want: outcome{tokens: counted, ok: true, fault: BadAnswer}},
		"an empty list of choices":               {in: `{"choices":[]}`, opts: WholeOptions{Choices: 1}, want: outcome{out: `{"choices":[]}`}},
		"vectors that are wrong":                 {in: `{"data":[{"embedding":7}]}`, opts: WholeOptions{Vectors: Base64}, want: outcome{fault: BadAnswer}},
		"vectors, and usage behind them": {in: `{"data":[{"embedding":[0.5,-0.25]}],"usage":` + theUsage + `}`, opts: WholeOptions{Vectors: Base64},
			want: outcome{out: `{"data":[{"embedding":"AAAAPwAAgL4="}],"usage":` + theUsage + `}`, usage: theUsage, tokens: counted, ok: true}},
	} {
		x.want.final = -1
		for _, size := range []func() int{nil, func() int { return 1 + rand.IntN(90) }} {
			src := &pieces{text: x.in, size: size, err: x.err}
			if got := drain(t, NewWhole(src, x.opts)); got != x.want {
				t.Errorf("%s:\n got %+v\nwant %+v", name, got, x.want)
			}
			if !src.closed {
				t.Errorf("%s: the source was not closed", name)
			}
		}
	}
}

// An answer that is only announced to be large costs nothing.
func TestWholeTakesMemoryAsBytesCome(t *testing.T) {
	w := NewWhole(&pieces{text: `{"a":1}`}, WholeOptions{Length: maxWhole})
	if _, err := w.Next(); err != nil {
		t.Fatal(err)
	}
	if cap(w.buf) > 2*firstGrow {
		t.Errorf("%d bytes were set aside", cap(w.buf))
	}
	w.Close()
}

// Before Next nothing is reported, since nothing is known.
func TestWholeReportsWhatWasReturned(t *testing.T) {
	until := time.Now().Add(time.Hour)
	src := &pieces{text: `{"choices":[{"text":"x"}],"usage":` + theUsage + `}`}
	w := NewWhole(src, WholeOptions{Until: until})
	before := w.Report()
	_, to := w.UsageAt()
	if before != (Report{}) || to != 0 || w.Delivered() != 0 {
		t.Errorf("before Next: %+v, %d, %d", before, to, w.Delivered())
	}
	if _, err := w.Next(); err != nil {
		t.Fatal(err)
	}
	if len(src.until) != 1 || !src.until[0].Equal(until) {
		t.Errorf("deadlines at %v", src.until)
	}
	if _, err := w.Next(); err != io.EOF {
		t.Fatal(err)
	}
	if _, to := w.UsageAt(); to != 0 {
		t.Error("what Next last returned, nothing, holds no usage")
	}
	if r := w.Report(); r.Known != KnownWhole || r.Tokens != counted {
		t.Errorf("after the end: %+v", r)
	}
	w.Close()
}

// reportOf is what an answer in one piece says of itself.
func reportOf(answer string) Report {
	w := NewWhole(&pieces{text: answer}, WholeOptions{})
	defer w.Close()
	w.Next() // one that is no answer says nothing
	return w.Report()
}
