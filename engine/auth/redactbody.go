package auth

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"strings"

	"tallygate/engine/tally"
)

// RedactBody is Redact for the body of a request or an answer. In JSON, and in events and
// lines that are JSON, it reads strings as what they say, be that JSON again, takes fields for
// secrets that are named so, and reads the strings of one place in all events together: an
// answer may spell a key in pieces. What has no key in it stays as it is, byte by byte. It
// takes time and memory in proportion to the body, whatever stands there.
func RedactBody(b []byte) []byte {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	if len(trimmed) == 0 {
		return b
	}
	switch start := trimmed[0]; {
	case start == '{', start == '[', start == ':', bytes.HasPrefix(trimmed, []byte("data:")),
		bytes.HasPrefix(trimmed, []byte("event:")), bytes.HasPrefix(trimmed, []byte("id:")):
	default:
		return []byte(Redact(string(b)))
	}
	return readBody(b, 0).written()
}

// deepest is how often JSON is looked for in the strings of JSON.
const deepest = 4

// secretFields are how the names of fields end whose texts are secrets, without what parts
// words.
var secretFields = [...]string{"apikey", "secret", "password", "passphrase", "authorization", "accesstoken",
	"refreshtoken", "privatekey", "secretaccesskey"}

var wordParts = strings.NewReplacer("_", "", "-", "", " ", "")

func isSecretField(name string) bool {
	name = wordParts.Replace(strings.ToLower(name))
	for _, end := range secretFields {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// literal is a string of JSON at [from, to) of a body, or a number that is a secret.
type literal struct {
	from, to int
	open     bool   // it is cut off
	plain    bool   // it cannot be read as JSON: text is what stands there
	number   bool   // it has no quotes
	text     string // what it says
	changed  bool
}

// reader finds the strings of a body. Of what is no JSON it makes the best.
type reader struct {
	b      []byte
	depth  int // of JSON in strings
	at     int
	all    []*literal
	places map[uint64][]*literal // by a digest of the path to them
	seed   maphash.Seed
	stack  []level
}

// level is an object or an array around what is read.
type level struct {
	array  bool
	n      int    // of the element, in an array
	named  bool   // the name of the field was read, in an object
	secret bool   // what stands here next is one
	place  uint64 // a digest of the path to this level
	next   uint64 // and to what stands in the field, in an object
}

func readBody(b []byte, depth int) *reader {
	r := &reader{b: b, depth: depth, places: map[uint64][]*literal{}, seed: maphash.MakeSeed()}
	r.read()
	for _, pieces := range r.places {
		redactTogether(pieces, depth)
	}
	return r
}

// below is the digest of a path that goes on with a field, or with an element.
func (r *reader) below(place uint64, name string, n int) uint64 {
	b := binary.LittleEndian.AppendUint64(nil, place)
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	return maphash.Bytes(r.seed, append(b, name...))
}

// here is the digest of the path to what is read next, which is in the innermost level.
func (r *reader) here() uint64 {
	switch n := len(r.stack); {
	case n == 0:
		return 0
	case r.stack[n-1].array:
		return r.below(r.stack[n-1].place, "", r.stack[n-1].n)
	default:
		return r.stack[n-1].next
	}
}

func (r *reader) read() {
	for ; r.at < len(r.b); r.at++ {
		var top *level
		if n := len(r.stack); n > 0 {
			top = &r.stack[n-1]
		}
		switch c := r.b[r.at]; {
		case c == '{':
			r.stack = append(r.stack, level{place: r.here()})
		case c == '[':
			r.stack = append(r.stack, level{array: true, place: r.here(), secret: top != nil && top.secret})
		case top == nil:
		case c == '}', c == ']':
			r.stack = r.stack[:len(r.stack)-1]
		case c == ',':
			top.n, top.named, top.secret = top.n+1, false, top.secret && top.array
		case c == '"':
			r.text(top)
		case top.secret && (c == '-' || '0' <= c && c <= '9'):
			l := &literal{from: r.at, number: true, text: redacted, changed: true}
			for r.at+1 < len(r.b) && strings.IndexByte("0123456789.eE+-", r.b[r.at+1]) >= 0 {
				r.at++
			}
			l.to = r.at + 1
			r.all = append(r.all, l)
		}
	}
}

// text reads a string.
func (r *reader) text(top *level) {
	l := &literal{from: r.at, open: true}
	for r.at++; r.at < len(r.b); r.at++ {
		if r.b[r.at] == '\\' {
			r.at++
		} else if r.b[r.at] == '"' {
			l.open = false
			break
		}
	}
	l.to = min(r.at+1, len(r.b))
	quoted := r.b[l.from:l.to]
	if l.open {
		quoted = append(bytes.Clone(quoted), '"')
	}
	if json.Unmarshal(quoted, &l.text) != nil {
		l.plain, l.text = true, string(r.b[l.from:l.to])
	}
	if !top.array && !top.named { // it is a name itself
		top.named, top.next, top.secret = true, r.below(top.place, l.text, 0), isSecretField(l.text)
		redactTogether([]*literal{l}, deepest)
		r.all = append(r.all, l)
		return
	}
	if l.text == "" {
		return
	}
	r.all = append(r.all, l)
	if top.secret && !l.plain {
		l.text, l.changed = redacted, true
		return
	}
	at := r.here()
	r.places[at] = append(r.places[at], l)
}

// span is a part of a text that is a secret, and what takes its place.
type span struct {
	from, to int
	with     string
}

// secretsIn finds the secrets of a text, in their order: keys, and what is one in JSON, if
// the text is that.
func secretsIn(text string, depth int) (found []span) {
	if mayHold(text) {
		for _, k := range keyForm().FindAllStringIndex(text, -1) {
			found = append(found, span{k[0], k[1], redacted})
		}
	}
	start := strings.TrimLeft(text, " \t\r\n")
	if depth >= deepest || !strings.HasPrefix(start, "{") && !strings.HasPrefix(start, "[") {
		return found
	}
	keys := len(found)
	for _, l := range readBody([]byte(text), depth+1).all {
		if l.changed {
			found = append(found, span{l.from, l.to, l.said()})
		}
	}
	if keys == 0 || keys == len(found) {
		return found
	}
	tally.Order(found, func(a, b span) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	n := 1
	for _, s := range found[1:] { // a key in a string that was written anew is gone with it
		if last := &found[n-1]; s.from < last.to {
			last.to = max(last.to, s.to)
			continue
		}
		found[n] = s
		n++
	}
	return found[:n]
}

// redactTogether replaces the secrets in what strings say one after the other.
func redactTogether(pieces []*literal, depth int) {
	whole := pieces[0].text
	if len(pieces) > 1 {
		var all strings.Builder
		for _, l := range pieces {
			all.WriteString(l.text)
		}
		whole = all.String()
	}
	secrets := secretsIn(whole, depth)
	from := 0
	for _, l := range pieces {
		to := from + len(l.text)
		out, at := "", from
		for len(secrets) > 0 && secrets[0].to <= from {
			secrets = secrets[1:]
		}
		for _, s := range secrets {
			if s.from >= to {
				break
			}
			l.changed = true
			if s.from >= from {
				out += whole[at:s.from] + s.with
			}
			at = min(s.to, to)
		}
		if l.changed {
			l.text = out + whole[at:to]
		}
		from = to
	}
}

// said is how a string that was changed is written.
func (l *literal) said() string {
	if l.plain {
		return l.text
	}
	quoted, _ := json.Marshal(l.text) // a string cannot fail
	if l.open {
		quoted = quoted[:len(quoted)-1]
	}
	return string(quoted)
}

// written is the body with what was replaced.
func (r *reader) written() []byte {
	out := make([]byte, 0, len(r.b))
	at := 0
	for _, l := range r.all {
		out = append(out, Redact(string(r.b[at:l.from]))...)
		at = l.to
		if l.changed {
			out = append(out, l.said()...)
		} else {
			out = append(out, r.b[l.from:l.to]...)
		}
	}
	return append(out, Redact(string(r.b[at:]))...)
}
