package auth

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// RedactBody is Redact for the body of a request or an answer. In JSON, and in events and
// lines that are JSON, it reads strings as what they say, takes fields for secrets that are
// named so, and reads the strings of one place in all events together: an answer may spell
// a key in pieces. What has no key in it stays as it is, byte by byte.
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
	r := reader{b: b, places: map[string][]*literal{}}
	r.read()
	for _, pieces := range r.places {
		redactTogether(pieces)
	}
	return r.written()
}

// secretFields are the names of fields whose texts are secrets, without what parts words.
var secretFields = map[string]bool{
	"apikey": true, "xapikey": true, "secret": true, "clientsecret": true, "password": true, "passphrase": true,
	"authorization": true, "accesstoken": true, "refreshtoken": true, "privatekey": true, "secretaccesskey": true,
}

var wordParts = strings.NewReplacer("_", "", "-", "", " ", "")

func isSecretField(name string) bool { return secretFields[wordParts.Replace(strings.ToLower(name))] }

// literal is a string of JSON at [from, to) of a body.
type literal struct {
	from, to int
	open     bool   // it is cut off
	plain    bool   // it cannot be read as JSON: text is what stands there
	text     string // what it says
	changed  bool
}

// reader finds the strings of a body. Of what is no JSON it makes the best.
type reader struct {
	b      []byte
	at     int
	all    []*literal
	places map[string][]*literal // by the path to them
	stack  []level
}

// level is an object or an array around what is read.
type level struct {
	array bool
	n     int    // of the element, in an array
	name  string // of the field, in an object; "" before it
	named bool
}

func (r *reader) read() {
	for ; r.at < len(r.b); r.at++ {
		deep := len(r.stack) > 0
		switch c := r.b[r.at]; {
		case c == '{', c == '[':
			r.stack = append(r.stack, level{array: c == '['})
		case !deep:
		case c == '}', c == ']':
			r.stack = r.stack[:len(r.stack)-1]
		case c == ',':
			top := &r.stack[len(r.stack)-1]
			top.n, top.name, top.named = top.n+1, "", false
		case c == '"':
			r.text()
		}
	}
}

// text reads a string.
func (r *reader) text() {
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
	r.all = append(r.all, l)
	top := &r.stack[len(r.stack)-1]
	if !top.array && !top.named { // it is a name itself
		top.name, top.named = l.text, true
		redactTogether([]*literal{l})
		return
	}
	if !top.array && isSecretField(top.name) && l.text != "" && !l.plain {
		l.text, l.changed = redacted, true
		return
	}
	var path []byte
	for _, level := range r.stack {
		path = append(path, '.')
		if level.array {
			path = strconv.AppendInt(path, int64(level.n), 10)
		} else {
			path = append(path, level.name...)
		}
	}
	r.places[string(path)] = append(r.places[string(path)], l)
}

// redactTogether replaces the keys in what strings say one after the other.
func redactTogether(pieces []*literal) {
	whole := pieces[0].text
	if len(pieces) > 1 {
		var all strings.Builder
		for _, l := range pieces {
			all.WriteString(l.text)
		}
		whole = all.String()
	}
	if !mayHold(whole) {
		return
	}
	keys := keyForm().FindAllStringIndex(whole, -1)
	if len(keys) == 0 {
		return
	}
	from := 0
	for _, l := range pieces {
		to := from + len(l.text)
		out, at := "", from
		for _, k := range keys {
			if k[1] <= from || k[0] >= to {
				continue
			}
			l.changed = true
			if k[0] >= from {
				out += whole[at:k[0]] + redacted
			}
			at = min(k[1], to)
		}
		if l.changed {
			l.text = out + whole[at:to]
		}
		from = to
	}
}

// written is the body with what was replaced.
func (r *reader) written() []byte {
	out := make([]byte, 0, len(r.b))
	at := 0
	for _, l := range r.all {
		out = append(out, Redact(string(r.b[at:l.from]))...)
		at = l.to
		switch {
		case !l.changed:
			out = append(out, r.b[l.from:l.to]...)
		case l.plain:
			out = append(out, l.text...)
		default:
			quoted, _ := json.Marshal(l.text) // a string cannot fail
			if l.open {
				quoted = quoted[:len(quoted)-1]
			}
			out = append(out, quoted...)
		}
	}
	return append(out, Redact(string(r.b[at:]))...)
}
