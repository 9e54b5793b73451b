package providers

import (
	"bytes"
	"strconv"
)

// Edits are what must differ upstream from what the client sent.
type Edits struct {
	Model string // what the upstream calls the model; "" leaves it as it is
	// MaxOutput is written to every field that bounds the output, unless the
	// client's own bound there is lower. 0 leaves them alone.
	MaxOutput int64
	// MaxField is the field to add where the client named no bound. With
	// OnlyMaxField it is the one field the upstream obeys: a bound under the
	// other name is renamed, since it would bound nothing.
	MaxField     string
	OnlyMaxField bool
	Stream       bool
	// IncludeUsage asks for usage at the end of a stream.
	IncludeUsage bool
	// DropStreamOptions removes stream_options, for upstreams that refuse it.
	DropStreamOptions bool
	EncodingFormat    string // of embeddings; "" leaves it as it is
}

// patch replaces [from, to) of the body by text, and by n if that is positive.
type patch struct {
	from, to int
	text     string
	quote    string // appended as a JSON string
	n        int64
	comma    bool // an inserted member before others
	behind   bool // an inserted member behind others
	last     bool // a removed member with none behind it
}

// patches are collected in any order and kept in that of the body, with what is
// inserted at a place before what is replaced there. Eight are enough: no edit
// makes more.
type patches struct {
	at [8]patch
	n  int
}

func (p *patches) add(x patch) {
	i := p.n
	for ; i > 0 && (p.at[i-1].from > x.from || p.at[i-1].from == x.from && p.at[i-1].to > x.to); i-- {
		p.at[i] = p.at[i-1]
	}
	p.at[i] = x
	p.n++
}

// Rewrite appends the body with the edits to dst. All bytes but the edited
// values are the client's own, in the client's order.
func (e *Envelope) Rewrite(dst []byte, edits Edits) []byte {
	var p patches
	inserted := false
	value := func(s span, x patch, key string) {
		if s.present() {
			x.from, x.to = s.From, s.To
		} else {
			x.from, x.to, x.text = e.open+1, e.open+1, key+x.text
			x.comma, x.behind = !e.empty, e.empty && inserted
			inserted = true
		}
		p.add(x)
	}
	if edits.Model != "" && edits.Model != e.Model {
		value(e.model, patch{quote: edits.Model}, `"model":`)
	}
	if edits.Stream != e.Stream {
		word := "false"
		if edits.Stream {
			word = "true"
		}
		value(e.stream, patch{text: word}, `"stream":`)
	}
	if edits.MaxOutput > 0 {
		e.bound(&p, edits, value)
	}
	switch {
	case edits.DropStreamOptions:
		if e.streamOptions.present() {
			p.add(e.removal(e.streamOptions))
		}
	case edits.IncludeUsage && !e.IncludeUsage:
		e.askUsage(&p, value)
	}
	if edits.EncodingFormat != "" {
		value(e.encodingFormat, patch{quote: edits.EncodingFormat}, `"encoding_format":`)
	}
	return p.apply(dst, e.Raw)
}

// bound writes the granted output so that whichever field the upstream reads,
// it is bound by it.
func (e *Envelope) bound(p *patches, edits Edits, value func(span, patch, string)) {
	want, other, key := e.maxTokens, e.maxCompletion, `"max_tokens":`
	if edits.MaxField == FieldMaxCompletion {
		want, other, key = other, want, `"max_completion_tokens":`
	}
	n := edits.MaxOutput
	if e.MaxTokens > 0 {
		n = min(n, e.MaxTokens)
	}
	switch {
	case e.MaxTokens < 0 || edits.OnlyMaxField:
		switch {
		case !edits.OnlyMaxField || !other.present():
			value(want, patch{n: n}, key)
		case want.present():
			value(want, patch{n: n}, key)
			p.add(e.removal(other))
		default:
			p.add(patch{from: other.KeyFrom, to: other.To, text: key, n: n})
		}
	default:
		for _, f := range [...]struct {
			span
			own int64
		}{{e.maxTokens, e.ownMaxTokens}, {e.maxCompletion, e.ownMaxCompletion}} {
			if f.own > 0 {
				p.add(patch{from: f.From, to: f.To, n: min(f.own, n)})
			}
		}
	}
}

// askUsage sets stream_options.include_usage and keeps the other options.
func (e *Envelope) askUsage(p *patches, value func(span, patch, string)) {
	o := e.streamOptions
	switch {
	case !o.present() || o.null(e.Raw):
		value(o, patch{text: `{"include_usage":true}`}, `"stream_options":`)
	case e.includeUsage.present():
		p.add(patch{from: e.includeUsage.From, to: e.includeUsage.To, text: "true"})
	default:
		p.add(patch{from: o.From + 1, to: o.From + 1, text: `"include_usage":true`, comma: !e.emptyOptions})
	}
}

// removal takes a member out, together with the comma that follows it; of the
// last member, apply takes the comma before it.
func (e *Envelope) removal(s span) patch {
	b := e.Raw
	if i := space(b, s.To); b[i] == ',' {
		return patch{from: s.KeyFrom, to: space(b, i+1)}
	}
	return patch{from: s.KeyFrom, to: s.To, last: true}
}

func (p *patches) apply(dst, b []byte) []byte {
	done := 0
	for i := range p.at[:p.n] {
		x := &p.at[i]
		dst = append(dst, b[done:x.from]...)
		if x.last {
			dst = bytes.TrimSuffix(bytes.TrimRight(dst, " \t\r\n"), []byte{','})
		}
		if x.behind {
			dst = append(dst, ',')
		}
		dst = append(dst, x.text...)
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
