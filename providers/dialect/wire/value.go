package wire

import (
	"bytes"
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is the text of one JSON value without white space around it. The text must have
// been checked; nil is a value that is absent.
type Value []byte

// Parse returns the value that b holds, and the offset of a fault, -1 if there is none.
func Parse(b []byte) (Value, int) {
	if off := Fault(b); off >= 0 {
		return nil, off
	}
	return bytes.Trim(b, " \n\r\t"), -1
}

// Kind is the first byte of the value: '{', '[', '"', 't', 'f', 'n', or '0' for a number;
// 0 if it is absent.
func (v Value) Kind() byte {
	switch {
	case len(v) == 0:
		return 0
	case v[0] == '-' || v[0]-'0' <= 9:
		return '0'
	}
	return v[0]
}

// Said reports whether there is a value other than null.
func (v Value) Said() bool { return len(v) > 0 && v[0] != 'n' }

// True reports whether the value is true.
func (v Value) True() bool { return len(v) > 0 && v[0] == 't' }

// Empty reports whether the value is absent, null, "", [] or {}.
func (v Value) Empty() bool {
	switch v.Kind() {
	case '{', '[':
		i := Space(v, 1)
		return v[i] == '}' || v[i] == ']'
	case '"':
		return len(v) == 2
	}
	return !v.Said()
}

// Members yields the members of an object in order, with their decoded keys, which are
// valid as long as the text; nothing of any other value.
func (v Value) Members() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) { v.members(yield) }
}

func (v Value) members(yield func([]byte, Value) bool) {
	if v.Kind() != '{' {
		return
	}
	for i := Space(v, 1); v[i] == '"'; {
		end := skipString(v, i+1)
		key := v[i:end]
		i = Space(v, Space(v, end)+1) // behind the colon
		end = skip(v, i)
		if !yield(Value(key).Bytes(), v[i:end]) {
			return
		}
		if i = Space(v, end); v[i] == ',' {
			i = Space(v, i+1)
		}
	}
}

// Elements yields the elements of an array in order; nothing of any other value.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) { v.elements(yield) }
}

func (v Value) elements(yield func(Value) bool) {
	if v.Kind() != '[' {
		return
	}
	for i := Space(v, 1); v[i] != ']'; {
		end := skip(v, i)
		if !yield(v[i:end]) {
			return
		}
		if i = Space(v, end); v[i] == ',' {
			i = Space(v, i+1)
		}
	}
}

// Get is the last member of an object with this key, nil if there is none.
func (v Value) Get(key string) Value {
	var found Value
	for k, m := range v.Members() {
		if string(k) == key {
			found = m
		}
	}
	return found
}

// Bytes decodes a string as Text does, and shares the text's memory where it can.
func (v Value) Bytes() []byte {
	if v.Kind() != '"' {
		return nil
	}
	inner := v[1 : len(v)-1]
	if i := bytes.IndexByte(inner, '\\'); i >= 0 {
		return unescape(nil, inner, i)
	}
	return inner
}

// Word decodes a string as Text does, without an allocation for the words that all
// dialects are full of.
func (v Value) Word() string {
	if len(v) < 3 || v[0] != '"' {
		return ""
	}
	if word, ok := common[string(v[1:len(v)-1])]; ok {
		return word
	}
	return v.Text()
}

// common are the words that messages, parts and tools are marked with.
var common = func() map[string]string {
	all := map[string]string{}
	for _, word := range [...]string{"system", "developer", "user", "assistant", "tool", "text", "image_url", "function", "message",
		"input_text", "output_text", "input_image", "function_call", "function_call_output", "reasoning", "custom",
		"tool_use", "tool_result", "thinking", "image", "ephemeral"} {
		all[word] = word
	}
	return all
}()

// Text decodes a string. It is "" for any other value. A lone surrogate becomes U+FFFD.
func (v Value) Text() string {
	if v.Kind() != '"' {
		return ""
	}
	inner := v[1 : len(v)-1]
	i := bytes.IndexByte(inner, '\\')
	if i < 0 {
		return string(inner)
	}
	return string(unescape(make([]byte, 0, len(inner)), inner, i))
}

// Int is a number that is whole and fits, also where it is written as 100.0 or 1e2.
func (v Value) Int() (n int64, ok bool) {
	if v.Kind() != '0' {
		return 0, false
	}
	for i, c := range v {
		if c-'0' <= 9 && n < 1e17 {
			n = n*10 + int64(c-'0')
			continue
		}
		if i == 0 && c == '-' {
			continue
		}
		f, err := strconv.ParseFloat(string(v), 64)
		if n = int64(f); err != nil || f < -1<<53 || f > 1<<53 || float64(n) != f {
			return 0, false
		}
		return n, true
	}
	if v[0] == '-' {
		n = -n
	}
	return n, true
}

// skip is the offset behind the value at i.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i+1)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = skipString(b, i+1)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

// skipString is the offset behind the string whose opening quote is at i-1.
func skipString(b []byte, i int) int {
	for end := i + 24; i < end; i++ { // most are short
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	for from := i; ; {
		i += bytes.IndexByte(b[i:], '"')
		slashes := 0
		for i-1-slashes >= from && b[i-1-slashes] == '\\' {
			slashes++
		}
		if i++; slashes&1 == 0 {
			return i
		}
	}
}

// unescape appends the meaning of the insides of a string, whose first backslash is at i.
func unescape(dst, s []byte, i int) []byte {
	for i >= 0 {
		dst = append(dst, s[:i]...)
		switch c := s[i+1]; c {
		case 'u':
			r := hexRune(s[i+2:])
			s = s[i+6:]
			if utf16.IsSurrogate(r) {
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					if both := utf16.DecodeRune(r, hexRune(s[2:])); both != utf8.RuneError {
						r, s = both, s[6:]
					}
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst, s = append(dst, unescaped(c)), s[i+2:]
		}
		i = bytes.IndexByte(s, '\\')
	}
	return append(dst, s...)
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func hexRune(b []byte) rune {
	return hexDigit(b[0])<<12 | hexDigit(b[1])<<8 | hexDigit(b[2])<<4 | hexDigit(b[3])
}
