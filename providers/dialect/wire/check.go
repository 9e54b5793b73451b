// Package wire reads and writes what all dialects are made of: JSON text and server-sent
// events.
//
// JSON is checked once as a whole ([Fault]) and then walked where it stands, without
// being decoded: a [Value] is the text of one value, its members and elements are ranges
// of that text, and only the strings that are asked for are copied. Checked text has no
// surprises left, so walking returns no errors. Nothing here recurses deeper than
// [MaxDepth], and the time is linear in the text but for the few levels that a dialect
// looks into.
package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth bounds the nesting of objects and arrays, and so the stack.
const MaxDepth = 128

// Fault is the offset at which b stops being one JSON value with white space around it,
// -1 if it is one. Strings must be valid UTF-8 with valid escapes.
func Fault(b []byte) int {
	i := checkValue(b, Space(b, 0), 0)
	if i < 0 {
		return ^i
	}
	if i = Space(b, i); i < len(b) {
		return i
	}
	return -1
}

// The check functions take the offset of what they check and return the offset behind
// it; a negative result ^off is a fault at off.

func checkValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return ^i
	}
	switch c := b[i]; c {
	case '"':
		return checkString(b, i+1)
	case '{':
		return checkObject(b, i, depth+1)
	case '[':
		return checkArray(b, i, depth+1)
	case 't':
		return Literal(b, i, "true")
	case 'f':
		return Literal(b, i, "false")
	case 'n':
		return Literal(b, i, "null")
	default:
		return Number(b, i)
	}
}

func checkObject(b []byte, i, depth int) int {
	if depth > MaxDepth {
		return ^i
	}
	if i = Space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return ^i
		}
		if i = checkString(b, i+1); i < 0 {
			return i
		}
		if i = Space(b, i); i >= len(b) || b[i] != ':' {
			return ^i
		}
		if i = checkValue(b, Space(b, i+1), depth); i < 0 {
			return i
		}
		if i = Space(b, i); i >= len(b) {
			return ^i
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i = Space(b, i+1)
		default:
			return ^i
		}
	}
}

func checkArray(b []byte, i, depth int) int {
	if depth > MaxDepth {
		return ^i
	}
	if i = Space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = checkValue(b, i, depth); i < 0 {
			return i
		}
		if i = Space(b, i); i >= len(b) {
			return ^i
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = Space(b, i+1)
		default:
			return ^i
		}
	}
}

// checkString checks the string whose opening quote is at i-1.
func checkString(b []byte, i int) int {
	for {
		if i = plainRun(b, i); i >= len(b) {
			return ^len(b)
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = checkEscape(b, i); i < 0 {
				return i
			}
		case c < ' ':
			return ^i
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return ^i
			}
			i += n
		}
	}
}

func checkEscape(b []byte, i int) int {
	if i+1 >= len(b) {
		return ^len(b)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(b) || hexDigit(b[j]) < 0 {
				return ^i
			}
		}
		return i + 6
	}
	return ^i
}

func hexDigit(c byte) rune {
	switch {
	case c-'0' <= 9:
		return rune(c - '0')
	case c-'a' < 6:
		return rune(c-'a') + 10
	case c-'A' < 6:
		return rune(c-'A') + 10
	}
	return -1
}

// plainRun is the offset of the first byte from i on that does not stand for itself in a
// string: a quote, a backslash, a control character, or the begin of a longer rune.
func plainRun(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// Borrows reach only bytes behind one that is found, and the first one counts.
		found := ((w - ' '*ones) &^ w) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | w
		if found &= tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}
