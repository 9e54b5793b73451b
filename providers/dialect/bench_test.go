package dialect_test

import (
	"fmt"
	"strings"
	"testing"

	"tallygate/providers/dialect"
)

// body4K is a request of 4 KB: a conversation with tools.
func body4K(b testing.TB, d dialect.Upstream) []byte {
	b.Helper()
	r := &dialect.Request{MaxOutput: 1000, Stream: true}
	r.Begin(dialect.System).Parts = []dialect.Part{{Text: strings.Repeat("Be brief, and \"kind\".\n", 20)}}
	for i := range 6 {
		r.Begin(dialect.User).Parts = []dialect.Part{{Text: strings.Repeat("What is the weather like in Lisboa? ", 3)}}
		id := fmt.Sprint("call_", i)
		r.Begin(dialect.Assistant).Parts = []dialect.Part{{Text: "Let me look."}, {Kind: dialect.CallPart, Call: &dialect.Call{ID: id, Name: "get_weather", Arguments: `{"city":"Lisboa","unit":"celsius"}`}}}
		r.Begin(dialect.User).Parts = []dialect.Part{{Kind: dialect.ResultPart, Result: &dialect.Result{CallID: id, Parts: []dialect.Part{{Text: `{"temperature":20,"sky":"clear"}`}}}}}
		r.Begin(dialect.Assistant).Parts = []dialect.Part{{Text: "It is 20 °C and the sky is clear."}}
	}
	r.AddTool(dialect.Tool{Description: "The weather of a city", Schema: []byte(`{"type":"object","properties":{"city":{"type":"string","description":"Its name"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city"]}`)}, "", "get_weather")
	body, _, err := d.Write(nil, r, dialect.Target{Model: "m", Stream: true})
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// BenchmarkRequest translates a body of about 4 KB.
func BenchmarkRequest(b *testing.B) {
	for _, from := range upstreams {
		body := body4K(b, from)
		for _, to := range upstreams {
			if from.Name() == to.Name() {
				continue
			}
			b.Run(fmt.Sprintf("%s-to-%s", from.Name(), to.Name()), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					r, err := from.Parse(body)
					if err == nil {
						out, _, err = to.Write(out[:0], r, target)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEvent translates an event with a piece of text.
func BenchmarkEvent(b *testing.B) {
	for _, from := range upstreams {
		w := from.Writer(head)
		begin := w.Event(nil, &dialect.Event{Kind: dialect.Start, ID: "up", Name: "m"})
		begin = w.Event(begin, &dialect.Event{Kind: dialect.Text, Text: "a"})
		event := w.Event(nil, &dialect.Event{Kind: dialect.Text, Text: " and then, \"so\" on"})
		for _, to := range dialects {
			if from.Name() == to.Name() {
				continue
			}
			b.Run(fmt.Sprintf("%s-to-%s", from.Name(), to.Name()), func(b *testing.B) {
				b.ReportAllocs()
				var s *dialect.Stream
				var out []byte
				var err error
				for n := 0; b.Loop(); n++ {
					if n%4096 == 0 { // a long answer
						s = dialect.Translate(from.Reader(), to.Writer(head))
						s.Push(nil, begin)
					}
					if out, err = s.Push(out[:0], event); err != nil || len(out) == 0 {
						b.Fatal(err, len(out))
					}
				}
			})
		}
	}
}
