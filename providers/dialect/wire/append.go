package wire

import (
	"strconv"
	"unicode/utf8"
)

// Quote appends s as a JSON string. What is not valid UTF-8 becomes U+FFFD.
func Quote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = Escape(dst, s)
	return append(dst, '"')
}

// Escape appends s as the insides of a JSON string, so that one string can be written of
// several.
func Escape(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(append(dst, s[from:i]...), `\ufffd`...)
		case c >= ' ' && c != '"' && c != '\\':
			i++
			continue
		default:
			dst = append(dst, s[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

// Object writes one JSON object behind what Buf holds; see [Begin].
type Object struct {
	Buf   []byte
	begun bool
}

// Begin opens an object behind dst.
func Begin(dst []byte) Object { return Object{Buf: append(dst, '{')} }

// Key writes the key of the next member; its value is appended to Buf.
func (o *Object) Key(key string) {
	if o.begun {
		o.Buf = append(o.Buf, ',')
	}
	o.begun = true
	o.Buf = append(o.Buf, '"')
	o.Buf = append(o.Buf, key...)
	o.Buf = append(o.Buf, '"', ':')
}

// Text writes a string.
func (o *Object) Text(key, s string) {
	o.Key(key)
	o.Buf = Quote(o.Buf, s)
}

// Int writes a number.
func (o *Object) Int(key string, n int64) {
	o.Key(key)
	o.Buf = strconv.AppendInt(o.Buf, n, 10)
}

// Bool writes true or false.
func (o *Object) Bool(key string, v bool) {
	o.Key(key)
	o.Buf = strconv.AppendBool(o.Buf, v)
}

// Raw writes JSON text.
func (o *Object) Raw(key string, text string) {
	o.Key(key)
	o.Buf = append(o.Buf, text...)
}

// Value writes JSON text that was read.
func (o *Object) Value(key string, v Value) {
	o.Key(key)
	o.Buf = append(o.Buf, v...)
}

// End closes the object and returns what was written.
func (o *Object) End() []byte { return append(o.Buf, '}') }

// List separates the elements of an array; the zero List begins one.
type List struct{ begun bool }

// Next appends what stands before the next element.
func (l *List) Next(dst []byte) []byte {
	if l.begun {
		return append(dst, ',')
	}
	l.begun = true
	return append(dst, '[')
}

// End closes the array.
func (l *List) End(dst []byte) []byte {
	if !l.begun {
		dst = append(dst, '[')
	}
	return append(dst, ']')
}
