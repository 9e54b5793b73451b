package providers

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"tallygate/providers/dialect/wire"
)

// The scanner walks JSON without decoding it. It is strict about structure, numbers and
// literals, so that no decoder can see other members than we do. It leaves the insides of
// strings to the upstream: only the closing quote matters here, and every decoder agrees on
// `\"` and `\\`.
//
// Its functions take the text and an offset and return the offset behind what
// they walked over. A negative result ^off is a fault at off.

// maxDepth bounds nesting, and so the stack.
const maxDepth = 256

// space skips white space.
func space(b []byte, i int) int { return wire.Space(b, i) }

// skipString walks over a string whose opening quote is at i-1. A quote closes
// the string unless an odd run of backslashes precedes it, so escapes need no
// look of their own and long texts go by at the speed of IndexByte.
func skipString(b []byte, i int) int {
	for j := i; ; j++ {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			return ^len(b)
		}
		j += k
		n := 0
		for b[j-1-n] == '\\' { // stops at the opening quote at the latest
			n++
		}
		if n&1 == 0 {
			return j + 1
		}
	}
}

// kindAt is the first byte of a value, 0 at the end of the text.
func kindAt(b []byte, i int) byte {
	if i >= len(b) {
		return 0
	}
	return b[i]
}

// skipValue walks over any value that starts at i.
func skipValue(b []byte, i, depth int) int {
	switch c := kindAt(b, i); c {
	case '"':
		return skipString(b, i+1)
	case '{':
		return eachMember(b, i, depth+1, func(_ []byte, i int) int { return skipValue(b, i, depth+1) })
	case '[':
		return eachElement(b, i, depth+1, func(i int) int { return skipValue(b, i, depth+1) })
	case 't':
		return wire.Literal(b, i, "true")
	case 'f':
		return wire.Literal(b, i, "false")
	case 'n':
		return wire.Literal(b, i, "null")
	default:
		if c == '-' || c-'0' <= 9 {
			return wire.Number(b, i)
		}
		return ^i
	}
}

// eachMember walks over an object. visit is called with each key and the offset of
// its value, and returns the offset behind that.
func eachMember(b []byte, i, depth int, visit func(key []byte, i int) int) int {
	if depth > maxDepth {
		return ^i
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return ^i
		}
		from := i + 1
		if i = skipString(b, from); i < 0 {
			return i
		}
		key := b[from : i-1]
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return ^i
		}
		if i = visit(key, space(b, i+1)); i < 0 {
			return i
		}
		if i = space(b, i); i >= len(b) {
			return ^i
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i = space(b, i+1)
		default:
			return ^i
		}
	}
}

// eachElement walks over an array. visit is called with the offset of each element,
// and returns the offset behind it.
func eachElement(b []byte, i, depth int, visit func(i int) int) int {
	if depth > maxDepth {
		return ^i
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = visit(i); i < 0 {
			return i
		}
		if i = space(b, i); i >= len(b) {
			return ^i
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = space(b, i+1)
		default:
			return ^i
		}
	}
}

// keyStart is the offset of the quote before the key whose value is at i.
func keyStart(b, key []byte, i int) int {
	for i--; b[i] != '"'; i-- { // the colon, and spaces
	}
	return i - len(key) - 1
}

// plain reports whether a key or string is lower-case ASCII without escapes
// and control characters, and so means what its bytes say to every decoder.
func plain(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c >= utf8.RuneSelf || c == '\\' || c-'A' < 26 {
			return false
		}
	}
	return true
}

// verbatim reports whether a string's insides are what it means.
func verbatim(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return true
}

// unquote decodes a string with its quotes.
func unquote(quoted []byte) (string, bool) {
	if inner := quoted[1 : len(quoted)-1]; verbatim(inner) {
		return string(inner), utf8.Valid(inner)
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil || !utf8.Valid(quoted) {
		return "", false
	}
	return s, true
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError }) < 0 {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	quoted, _ := json.Marshal(s) // a string cannot fail
	return append(dst, quoted...)
}
