package dialect

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"tallygate/providers/dialect/wire"
)

// What only its maker can read goes through clients of other dialects and comes back: a
// signature of messages is the encrypted content of responses, and the other way round.
// Its origin goes with it, so that it is never given to somebody who has not made it.
const sealMark = "tallygate-1."

// Unsigned stands for a signature, where a client wants one, of a thought that has none.
const Unsigned = sealMark + "none.s...-"

// Sealed is the opaque text of a reasoning as a client of a dialect gets it. In chat, whose
// clients do not keep what goes with what, the text that may be read is part of it.
func (r *Reasoning) Sealed(to Name) string {
	if r.Opaque == "" || r.Origin == to {
		return r.Opaque
	}
	kind, text := "s", ""
	if r.Hidden {
		kind = "h"
	}
	if to == Chat {
		text = base64.RawURLEncoding.EncodeToString([]byte(r.Text))
	}
	id := base64.RawURLEncoding.EncodeToString([]byte(r.ID))
	return sealMark + strings.Join([]string{string(r.Origin), kind, id, text, r.Opaque}, ".")
}

// Unseal takes an opaque text that a client of a dialect gives back. Without a mark it
// comes from that dialect itself; with one that nobody here has made it is nothing.
func (r *Reasoning) Unseal(opaque string, from Name) {
	r.Opaque, r.Origin = opaque, from
	rest, ok := strings.CutPrefix(opaque, sealMark)
	if !ok {
		return
	}
	r.Opaque = ""
	parts := strings.SplitN(rest, ".", 5)
	if len(parts) < 5 {
		return
	}
	id, badID := base64.RawURLEncoding.DecodeString(parts[2])
	text, badText := base64.RawURLEncoding.DecodeString(parts[3])
	if badID != nil || badText != nil || !utf8.Valid(id) || !utf8.Valid(text) {
		return
	}
	r.Origin, r.Hidden, r.ID, r.Opaque = Name(parts[0]), parts[1] == "h", string(id), parts[4]
	if len(text) > 0 {
		r.Text = string(text)
	}
}

// WithoutForeign is a request without the thoughts that were made in another dialect than
// its own, for where it passes to an upstream as it is: a conversation may have been
// answered by several. It returns body itself if it holds none, as nearly all do; a body
// that is not well-formed is left to the upstream.
func WithoutForeign(body []byte) []byte {
	if !bytes.Contains(body, []byte(sealMark)) {
		return body
	}
	v, off := wire.Parse(body)
	if off >= 0 {
		return body
	}
	var out []byte
	done := 0
	cut := func(list wire.Value) {
		var kept wire.List
		var anew []byte
		found := false
		for e := range list.Elements() {
			if foreign(e) {
				found = true
			} else {
				anew = append(kept.Next(anew), e...)
			}
		}
		if found {
			from := cap(body) - cap(list) // a value is a part of the body, up to its end
			out = kept.End(append(append(out, body[done:from]...), anew...))
			done = from + len(list)
		}
	}
	for key, m := range v.Members() {
		switch string(key) {
		case "input":
			cut(m)
		case "messages":
			for e := range m.Elements() {
				cut(e.Get("content"))
			}
		}
	}
	return append(out, body[done:]...)
}

// foreign reports whether an item or a block is a thought with a mark of ours.
func foreign(v wire.Value) bool {
	for key, m := range v.Members() {
		switch string(key) {
		case "signature", "data", "encrypted_content":
			if bytes.HasPrefix(m.Bytes(), []byte(sealMark)) {
				return true
			}
		}
	}
	return false
}
