package gateway

import (
	"cmp"
	"slices"
	"strings"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/chat"
	"tallygate/providers/dialect/messages"
	"tallygate/providers/dialect/responses"
)

// form is a request as some of the upstreams are sent it: as the caller wrote it where
// they speak its dialect, else written anew. All forms that a plan needs are there before
// anything is held, so that what is held bounds what is sent.
type form struct {
	envelope *providers.Envelope
	length   int            // of the body
	own      bool           // the caller's own words
	long     bool           // the upstream is asked for its longest context
	to       dialect.Target // what it was written for, if they are not
	dropped  string         // what could not be said
	refusal  *tally.Refusal // why it cannot be said at all; nil if it can
}

// upstreams are the dialects that upstreams speak.
var upstreams = [...]dialect.Upstream{chat.Dialect{}, responses.Dialect{}, messages.Dialect{}}

func upstreamOf(name dialect.Name) dialect.Upstream {
	for _, d := range upstreams {
		if d.Name() == name {
			return d
		}
	}
	return nil
}

// formFor is the request as an upstream is to be sent it.
func (x *exchange) formFor(t *route.Target) *form {
	if x.endpoint != providers.Chat {
		return &x.own
	}
	names := t.Upstream.Kind.DialectsAt(t.Upstream.Config.BaseURL)
	if !x.bare && slices.Contains(names, x.envelope.Dialect) &&
		(names[0] == x.envelope.Dialect || !x.declares() || x.unpriced(t, &x.own, x.money) == nil) {
		return &x.own
	}
	model := t.Model.UpstreamName()
	to := dialect.Target{
		Stream: x.stream, Reasons: dialect.Reasons(model), Adaptive: dialect.Adaptive(model), DropServerTools: x.declares(),
	}
	if names[0] == dialect.Messages { // which has no request without a maximum
		to.MaxOutput, to.Cache = x.outputLikely(t.Model), "5m"
	}
	for _, f := range x.forms {
		if f.to == to && f.envelope.Dialect == names[0] {
			return f
		}
	}
	f := &form{envelope: &providers.Envelope{Dialect: names[0]}, to: to}
	x.forms = append(x.forms, f)
	f.refusal = x.write(f)
	return f
}

// declares reports whether the caller always declares tools that the provider runs, as
// Codex does. Where such a tool has no price, a request without it is better than none.
func (x *exchange) declares() bool {
	return x.envelope.Dialect == dialect.Responses && strings.HasPrefix(x.r.Header.Get("Originator"), "codex")
}

// doesWithout reports whether a request that a limit refuses is to be asked without the tools
// that its caller always declares: for what the provider may do with them, the prompt is
// held several times.
func (x *exchange) doesWithout(refusal *tally.Refusal) bool {
	if x.bare || refusal.Reached == nil || len(x.envelope.Extras) == 0 || !x.declares() {
		return false
	}
	x.bare, x.forms = true, nil
	return true
}

// outputLikely is the output that a model will be granted as a rule; 0 if that is not
// known. The thinking that a translated request asks for goes by it.
func (x *exchange) outputLikely(m *tally.Model) int64 {
	want := x.envelope.MaxTokens
	if want < 0 {
		if m.MaxOutputTokens == 0 {
			return 0
		}
		want = cmp.Or(x.cat.Settings.DefaultMaxOutput, tally.LargestDefaultOutput)
	}
	if m.MaxOutputTokens > 0 {
		want = min(want, m.MaxOutputTokens)
	}
	if x.principal.Visitor {
		want = min(want, x.visitorMost())
	}
	return want
}

// write writes a form of the request.
func (x *exchange) write(f *form) *tally.Refusal {
	if refusal := x.parse(); refusal != nil {
		return refusal
	}
	if refusal := x.hold(2 * len(x.body)); refusal != nil { // what is decoded, and what is made of it
		return refusal
	}
	in := f.envelope.Dialect
	body, dropped, err := upstreamOf(in).Write(nil, x.parsed, f.to)
	if err != nil {
		return refusalOf(err)
	}
	if err := f.envelope.Peek(in, body); err != nil {
		return unreadable(err)
	}
	f.length, f.dropped = len(body), dropped.Header()
	f.envelope.MaxTokens = x.envelope.MaxTokens // what was written in its place is not the caller's
	return nil
}

// parse reads the caller's request, once.
func (x *exchange) parse() *tally.Refusal {
	if x.parsed != nil {
		return nil
	}
	req, err := upstreamOf(x.envelope.Dialect).Parse(x.body)
	if err != nil {
		return refusalOf(err)
	}
	x.parsed = req
	return nil
}

// refit writes a form anew for an output that leaves no room for the thinking that it asks
// for. It may not become longer than what is held for it.
func (x *exchange) refit(f *form, output int64) {
	if f.own || output == 0 || f.envelope.Thinking == 0 || output >= f.envelope.Thinking+meter.LeastOutput {
		return
	}
	to := f.to
	to.MaxOutput = output
	less := &form{envelope: &providers.Envelope{Dialect: f.envelope.Dialect}, to: to}
	if x.write(less) == nil && less.length <= f.length {
		*f = *less
	}
}

// sayable leaves out the upstreams that the request cannot be said to.
func (x *exchange) sayable() *tally.Refusal {
	var refusal *tally.Refusal
	kept := x.targets[:0]
	for i := range x.targets {
		t := x.targets[i]
		if f := x.formFor(&t); f.refusal == nil {
			kept = append(kept, t)
		} else if refusal == nil {
			refusal = f.refusal
		}
	}
	if x.targets = kept; len(kept) > 0 {
		return nil
	}
	return refusal
}

// load is the most of what any upstream of a plan can be sent, and made to do.
type load struct {
	input, choices, searches int64
	rounds                   int64 // that the prompt is read again
	bounded                  bool  // the searches
	audio, pictures          int64
	predicted, thinking      int64
	unbounded                string // content that only a model's context bounds
	prompt, answer           tally.Classes
}

// weigh looks at all forms that the plan needs.
func (x *exchange) weigh() load {
	m := load{bounded: true}
	for i := range x.targets {
		t := &x.targets[i]
		f := x.formFor(t)
		e := f.envelope
		m.input = max(m.input, f.inputBound(t.Model))
		m.choices = max(m.choices, e.Written(x.endpoint))
		searches, bounded := e.Searches()
		m.searches, m.bounded = max(m.searches, searches), m.bounded && bounded
		rounds, _ := e.Rounds()
		m.rounds = max(m.rounds, rounds)
		m.audio, m.pictures = max(m.audio, e.Content.AudioBytes), max(m.pictures, f.pictures(t.Model))
		m.predicted, m.unbounded = max(m.predicted, e.Predicted), cmp.Or(m.unbounded, e.Content.Unbounded)
		if f.own {
			m.thinking = max(m.thinking, e.Thinking)
		}
		prompt, answer := f.classes()
		m.prompt, m.answer = m.prompt|prompt, m.answer|answer
	}
	if !m.bounded {
		m.searches = 0
	}
	if m.unbounded != "" {
		m.audio, m.pictures = 0, 0
	}
	return m
}

// longContext is the context that a beta of Anthropic's gives to models with a shorter one,
// in tokens.
const (
	longContext     = 1_000_000
	longContextBeta = "context-1m"
)

// inputBound is the most tokens the input can come to with a model: a token is at least a
// byte, pictures have a bound of their own, and no upstream takes more than its
// context. What the body only refers to, and what an upstream fetches, is bounded by
// the context alone, each time that the model reads it.
func (f *form) inputBound(m *tally.Model) int64 {
	context := m.ContextTokens
	if context == 0 {
		context = meter.UnknownContext
	}
	if f.long {
		context = max(context, longContext)
	}
	e := f.envelope
	switch bytes := f.textBytes() + f.added() + f.pictures(m); {
	case f.unbounded():
		rounds, _ := e.Rounds()
		return context * e.Prompts * (1 + rounds)
	case e.Prompts > 1:
		return bytes // each of them has a context of its own
	default:
		return min(bytes, context)
	}
}

// unbounded reports whether the body does not bound the prompt: it refers to what it does
// not hold, or the upstream fetches something.
func (f *form) unbounded() bool {
	return f.envelope.Content.Unbounded != "" ||
		slices.ContainsFunc(f.envelope.Extras, func(e providers.Extra) bool { return e.Fetches })
}

// added is what the upstream may put around what the body holds.
func (f *form) added() int64 {
	n := formatTokens + preambleTokens*f.envelope.BuiltIn
	if f.envelope.Preamble {
		n += preambleTokens
	}
	return n
}

// textBytes is the length of the body but for the pictures in it.
func (f *form) textBytes() int64 { return int64(f.length) - f.envelope.Content.ImageBytes }

// pictures is the most tokens that the pictures in the body can come to with a model.
func (f *form) pictures(m *tally.Model) int64 {
	return cmp.Or(m.ImageTokens, unknownImage) * f.envelope.Content.Images
}

// classes are the classes of tokens that the request can cause beside those that
// any can.
func (f *form) classes() (prompt, answer tally.Classes) {
	e := f.envelope
	if e.Content.Audio {
		prompt |= tally.SetOf(tally.ClassAudioInput)
	}
	if e.Content.Images > 0 || e.Content.Unbounded != "" {
		prompt |= tally.SetOf(tally.ClassImageInput)
	}
	if e.Content.Unbounded != "" {
		prompt |= tally.SetOf(tally.ClassAudioInput)
	}
	for i := range e.Extras {
		if extra := &e.Extras[i]; extra.Classed {
			if extra.Class.Prompt() {
				prompt |= tally.SetOf(extra.Class)
			} else {
				answer |= tally.SetOf(extra.Class)
			}
		}
	}
	return prompt, answer
}

// unreadable refuses a body.
func unreadable(err error) *tally.Refusal {
	return tally.BadRequest("", "The request cannot be read: "+tally.AsError(err).Message+".")
}
