package providers

import (
	"bytes"
	"strconv"

	"tallygate/providers/dialect"
)

// Edits are what must differ upstream from what the client sent.
type Edits struct {
	Model string // what the upstream calls the model; "" leaves it as it is
	// MaxOutput is written to every field that bounds the output, unless the
	// client's own bound there is lower. 0 leaves them alone.
	MaxOutput int64
	// MaxField is the field to add where the client named no bound. With OnlyMaxField it is
	// the one field that the upstream obeys. A bound under the other name would bound
	// nothing, so that field is renamed.
	MaxField     string
	OnlyMaxField bool
	Stream       bool
	// IncludeUsage asks for usage at the end of a stream.
	IncludeUsage bool
	// DropStreamOptions removes stream_options, for upstreams that refuse it.
	DropStreamOptions bool
	// BoundExtras writes how often extras may be used that the request has bounded or left
	// open. The number is the one that was held for them.
	BoundExtras    bool
	EncodingFormat string // of embeddings; "" leaves it as it is
}

// patch replaces [from, to) of the body by key, text, and what of quote and n is set, in
// this order.
type patch struct {
	from, to int
	key      string // with quotes and colon
	text     string
	quote    string // appended as a JSON string
	n        int64
	comma    bool // an inserted member before others
	behind   bool // an inserted member behind others
	last     bool // a removed member with none behind it
}

// patches are collected in any order and kept in the order of the body. What is inserted at
// a place comes before what is replaced there. There is room for all the patches that one
// rewriting can make.
type patches struct {
	of       *Envelope
	at       [8 + mostExtras]patch
	n        int
	inserted bool // a member
}

func (p *patches) add(x patch) {
	i := p.n
	for ; i > 0 && (p.at[i-1].from > x.from || p.at[i-1].from == x.from && p.at[i-1].to > x.to); i-- {
		p.at[i] = p.at[i-1]
	}
	p.at[i] = x
	p.n++
}

// set replaces a value, or inserts the member if it is absent; key is its name
// with quotes and colon.
func (p *patches) set(s span, key string, x patch) {
	if s.present() {
		x.from, x.to = s.From, s.To
	} else {
		x.from, x.to, x.key = p.of.open+1, p.of.open+1, key
		x.comma, x.behind = !p.of.empty, p.of.empty && p.inserted
		p.inserted = true
	}
	p.add(x)
}

// Rewrite appends the body with the edits to dst. All bytes but the edited
// values are the client's own, in the client's order.
func (e *Envelope) Rewrite(dst []byte, edits Edits) []byte {
	p := patches{of: e}
	if edits.Model != "" && edits.Model != e.Model {
		p.set(e.model, `"model":`, patch{quote: edits.Model})
	}
	if edits.Stream != e.Stream {
		word := "false"
		if edits.Stream {
			word = "true"
		}
		p.set(e.stream, `"stream":`, patch{text: word})
	}
	if edits.MaxOutput > 0 {
		p.bound(edits)
	}
	switch {
	case edits.DropStreamOptions:
		if e.streamOptions.present() {
			p.remove(e.streamOptions)
		}
	case edits.IncludeUsage && !e.IncludeUsage:
		p.askUsage()
	}
	if edits.EncodingFormat != "" {
		p.set(e.encodingFormat, `"encoding_format":`, patch{quote: edits.EncodingFormat})
	}
	if edits.BoundExtras {
		p.extras()
	}
	return p.apply(dst)
}

// extras writes the bounds of extras, each once.
func (p *patches) extras() {
	e := p.of
	for i := range e.Extras {
		x := &e.Extras[i]
		switch {
		case !x.Settable || e.again(i):
		case !x.insert:
			p.add(patch{from: x.at.From, to: x.at.To, n: x.Count})
		case x.at.From == e.open+1:
			p.set(span{}, x.key, patch{n: x.Count})
		default:
			p.add(patch{from: x.at.From, to: x.at.To, key: x.key, n: x.Count, comma: !x.empty})
		}
	}
}

// bound writes the granted output in such a way that it binds the upstream, whichever field
// the upstream reads.
func (p *patches) bound(edits Edits) {
	e := p.of
	if e.Dialect == dialect.Responses {
		n := edits.MaxOutput
		if e.MaxTokens >= 0 {
			n = min(n, e.MaxTokens)
		}
		p.set(e.maxOutput, `"max_output_tokens":`, patch{n: n})
		return
	}
	want, other, key := e.maxTokens, e.maxCompletion, `"max_tokens":`
	if edits.MaxField == FieldMaxCompletion {
		want, other, key = other, want, `"max_completion_tokens":`
	}
	n := edits.MaxOutput
	if e.MaxTokens >= 0 {
		n = min(n, e.MaxTokens)
	}
	most := patch{n: n}
	if n == 0 {
		most.text = "0"
	}
	switch {
	case edits.OnlyMaxField && other.present():
		if want.present() {
			p.set(want, key, most)
			p.remove(other)
		} else {
			most.from, most.to, most.key = other.KeyFrom, other.To, key
			p.add(most)
		}
	case edits.OnlyMaxField || e.MaxTokens < 0:
		p.set(want, key, most)
	default:
		if own := e.ownMaxTokens; own > 0 {
			p.set(e.maxTokens, "", patch{n: min(own, n)})
		}
		if own := e.ownMaxCompletion; own > 0 {
			p.set(e.maxCompletion, "", patch{n: min(own, n)})
		}
	}
}

// askUsage sets stream_options.include_usage and keeps the other options.
func (p *patches) askUsage() {
	e := p.of
	o := e.streamOptions
	switch {
	case !o.present() || o.null(e.Raw):
		p.set(o, `"stream_options":`, patch{text: `{"include_usage":true}`})
	case e.includeUsage.present():
		p.set(e.includeUsage, "", patch{text: "true"})
	default:
		p.add(patch{from: o.From + 1, to: o.From + 1, text: `"include_usage":true`, comma: !e.emptyOptions})
	}
}

// remove takes a member out, together with the comma that follows it. If the member is the
// last one, apply takes out the comma before it.
func (p *patches) remove(s span) {
	b := p.of.Raw
	if i := space(b, s.To); b[i] == ',' {
		p.add(patch{from: s.KeyFrom, to: space(b, i+1)})
		return
	}
	p.add(patch{from: s.KeyFrom, to: s.To, last: true})
}

func (p *patches) apply(dst []byte) []byte {
	b, done := p.of.Raw, 0
	for i := range p.at[:p.n] {
		x := &p.at[i]
		dst = append(dst, b[done:x.from]...)
		if x.last {
			dst = bytes.TrimSuffix(bytes.TrimRight(dst, " \t\r\n"), []byte{','})
		}
		if x.behind {
			dst = append(dst, ',')
		}
		dst = append(append(dst, x.key...), x.text...)
		if x.quote != "" {
			dst = appendQuoted(dst, x.quote)
		}
		if x.n > 0 {
			dst = strconv.AppendInt(dst, x.n, 10)
		}
		if x.comma {
			dst = append(dst, ',')
		}
		done = x.to
	}
	return append(dst, b[done:]...)
}
