package dialect_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// words are texts with what JSON must escape; they never begin or end blank.
var words = rapid.Custom(func(t *rapid.T) string {
	return "w" + rapid.StringOf(rapid.RuneFrom([]rune("ab \"\\\n\t\x01/é🌍\u2028<"))).Draw(t, "word") + "."
})

var names = rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_-]{0,20}`)

func object(t *rapid.T, label string) string {
	o := wire.Begin(nil)
	for _, key := range rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, label) {
		o.Text(key, words.Draw(t, label))
	}
	return string(o.End())
}

// requests are what every upstream dialect carries.
var requests = rapid.Custom(func(t *rapid.T) *dialect.Request {
	r := &dialect.Request{MaxOutput: rapid.Int64Range(1, 1e6).Draw(t, "max")}
	if rapid.Bool().Draw(t, "system") {
		r.Begin(dialect.System).Parts = []dialect.Part{{Text: words.Draw(t, "system")}}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "turns") {
		r.Begin(dialect.User).Parts = said(t)
		if i == 3 {
			break
		}
		parts := []dialect.Part{{Text: words.Draw(t, "answer")}}
		var results []dialect.Part
		for n := range rapid.IntRange(0, 3).Draw(t, "calls") {
			id := fmt.Sprintf("call_%d_%d", i, n)
			parts = append(parts, dialect.Part{Kind: dialect.CallPart, Call: &dialect.Call{ID: id, Name: names.Draw(t, "name"), Arguments: object(t, "arguments")}})
			results = append(results, dialect.Part{Kind: dialect.ResultPart, Result: &dialect.Result{CallID: id, Parts: []dialect.Part{{Text: words.Draw(t, "result")}}}})
		}
		r.Begin(dialect.Assistant).Parts = parts
		if results != nil {
			r.Begin(dialect.User).Parts = results
			r.Begin(dialect.Assistant).Parts = []dialect.Part{{Text: words.Draw(t, "answer")}}
		}
	}
	for _, name := range rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, "tools") {
		r.AddTool(dialect.Tool{Description: words.Draw(t, "description"), Schema: wire.Value(`{"type":"object","properties":{}}`)}, "", name)
	}
	if len(r.Tools) > 0 {
		r.Choice.Mode = dialect.ChoiceMode(rapid.IntRange(int(dialect.AutoChoice), int(dialect.NamedChoice)).Draw(t, "choice"))
		if r.Choice.Mode == dialect.NamedChoice {
			r.Choice.Name = r.Tools[0].Name
		}
		if r.Choice.Mode != dialect.NoChoice {
			r.Parallel = rapid.SampledFrom([]dialect.Maybe{dialect.Unsaid, dialect.No}).Draw(t, "parallel")
		}
	}
	if rapid.Bool().Draw(t, "schema") {
		r.Format = dialect.Format{Kind: dialect.JSONSchema, Name: "answer", Schema: wire.Value(object(t, "schema")), Strict: dialect.Yes}
	}
	r.Temperature = dialect.Number(rapid.SampledFrom([]string{"", "0", "0.25", "1", "1e-1"}).Draw(t, "temperature"))
	r.User = rapid.SampledFrom([]string{"", "ann"}).Draw(t, "user")
	r.Stream = rapid.Bool().Draw(t, "stream")
	return r
})

// said is what a user says at a time.
func said(t *rapid.T) []dialect.Part {
	parts := []dialect.Part{{Text: words.Draw(t, "text")}}
	if rapid.Bool().Draw(t, "image") {
		parts = append(parts, dialect.Part{Kind: dialect.ImagePart, Media: &dialect.Media{Type: "image/png", Data: "AAAA"}})
	}
	if rapid.Bool().Draw(t, "address") {
		parts = append(parts, dialect.Part{Kind: dialect.ImagePart, Media: &dialect.Media{URL: "https://example.com/a.png?b=\"c\""}})
	}
	if rapid.Bool().Draw(t, "file") {
		parts = append(parts, dialect.Part{Kind: dialect.FilePart, Media: &dialect.Media{Type: "application/pdf", Data: "AAAA", Name: "a.pdf"}})
	}
	return parts
}

// meaning is what a request asks for, in words.
func meaning(r *dialect.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "max %d temperature %s user %s stream %v parallel %d choice %v\n", r.MaxOutput, r.Temperature, r.User, r.Stream, r.Parallel, r.Choice)
	f := r.Format
	if f.Kind == dialect.JSONSchema {
		f.Name = "answer"
	}
	fmt.Fprintf(&b, "format %d %s %s %d\n", f.Kind, f.Name, f.Schema, f.Strict)
	for _, t := range r.Tools {
		fmt.Fprintf(&b, "tool %s %s %s\n", t.Name, t.Description, t.Schema)
	}
	for _, t := range r.Turns {
		for _, p := range t.Parts {
			fmt.Fprintf(&b, "%d %d %q %+v %+v", t.Role, p.Kind, p.Text, p.Media, p.Call)
			if p.Result != nil {
				fmt.Fprintf(&b, " %s %v", p.Result.CallID, p.Result.Parts)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// A request that goes through any chain of dialects still means the same.
func TestRequestsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := requests.Draw(t, "request")
		want := meaning(r)
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			via := rapid.SampledFrom(upstreams).Draw(t, "via")
			body, dropped, err := via.Write(nil, r, dialect.Target{Model: "m", Stream: r.Stream})
			if err != nil || len(dropped) > 0 {
				t.Fatalf("%s: %v, dropped %v", via.Name(), err, dropped)
			}
			if r, err = via.Parse(body); err != nil {
				t.Fatalf("%s: %v: %s", via.Name(), err, body)
			}
			if got := meaning(r); got != want {
				t.Fatalf("by way of %s: got\n%s\nwant\n%s\nbody %s", via.Name(), got, want, body)
			}
		}
	})
}

// answers are what every upstream dialect can say.
var answers = rapid.Custom(func(t *rapid.T) *dialect.Answer {
	a := &dialect.Answer{Why: rapid.SampledFrom([]dialect.StopReason{dialect.StopEnd, dialect.StopLength, dialect.StopFiltered}).Draw(t, "why")}
	if rapid.Bool().Draw(t, "reasons") {
		a.Parts = append(a.Parts, dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &dialect.Reasoning{Text: words.Draw(t, "thought")}})
	}
	if rapid.Bool().Draw(t, "says") {
		a.Parts = append(a.Parts, dialect.Part{Text: words.Draw(t, "text")})
	}
	for n := range rapid.IntRange(0, 3).Draw(t, "calls") {
		a.Why = dialect.StopTools
		a.Parts = append(a.Parts, dialect.Part{Kind: dialect.CallPart, Call: &dialect.Call{ID: fmt.Sprint("call_", n), Name: names.Draw(t, "name"), Arguments: object(t, "arguments")}})
	}
	in, out := rapid.Int64Range(1, 1e6).Draw(t, "in"), rapid.Int64Range(1, 1e6).Draw(t, "out")
	a.Usage = dialect.Usage{Known: true, Input: in, CachedInput: in / 3, Output: out, Reasoning: out / 2}
	return a
})

// events are the events of an answer, its texts in pieces.
func events(t *rapid.T, a *dialect.Answer, emit func(*dialect.Event)) {
	e := dialect.Emitter{To: emit}
	e.Begin("up", "m")
	for _, p := range a.Parts {
		text := p.Text
		switch p.Kind {
		case dialect.CallPart:
			e.Tool(p.Call.ID, p.Call.Name, false)
			text = p.Call.Arguments
		case dialect.ReasoningPart:
			text = p.Reasoning.Text
		}
		for len(text) > 0 {
			n := rapid.IntRange(1, len(text)).Draw(t, "piece")
			for n < len(text) && text[n]&0xc0 == 0x80 {
				n++
			}
			switch p.Kind {
			case dialect.TextPart:
				e.Piece(dialect.Text, text[:n])
			case dialect.ReasoningPart:
				e.Piece(dialect.Reason, text[:n])
			default:
				e.Input(text[:n])
			}
			text = text[n:]
		}
		e.EndPart()
	}
	e.Stop(a.Why, "")
	e.Use(a.Usage)
}

// An answer that goes through any chain of dialects, as a stream or whole, still says the
// same.
func TestAnswersThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answers.Draw(t, "answer")
		want := *a
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			via := rapid.SampledFrom(upstreams).Draw(t, "via")
			w := via.Writer(head)
			got := new(dialect.Answer)
			var c dialect.Collector
			var body []byte
			collect := func(e *dialect.Event) { got.Collect(e, &c) }
			var err error
			if rapid.Bool().Draw(t, "stream") {
				events(t, a, func(e *dialect.Event) { body = w.Event(body, e) })
				body = w.Finish(body, dialect.Bill{})
				r := via.Reader()
				if err = r.Push(body, collect); err == nil {
					err = r.End(collect)
				}
			} else {
				body = w.Whole(nil, a, dialect.Bill{})
				err = via.Reader().Whole(body, collect)
			}
			if err != nil {
				t.Fatalf("%s: %v: %s", via.Name(), err, body)
			}
			for i := range got.Parts { // what goes with a thought is another test's
				if r := got.Parts[i].Reasoning; r != nil {
					got.Parts[i].Reasoning = &dialect.Reasoning{Text: r.Text}
				}
			}
			want.ID, want.Model = got.ID, got.Model
			if len(got.Parts) == 0 && len(want.Parts) == 0 {
				got.Parts = want.Parts
			}
			if !reflect.DeepEqual(*got, want) {
				t.Fatalf("by way of %s: got\n%+v\nwant\n%+v\nbody %s", via.Name(), *got, want, body)
			}
			a = got
		}
	})
}
