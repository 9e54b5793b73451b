package providers

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"
)

// Encoding is how embeddings are written.
type Encoding string

// The encodings.
const (
	Floats Encoding = "float"  // a list of numbers
	Base64 Encoding = "base64" // of 32-bit floats, little endian
)

var errVector = errors.New("an embedding is neither numbers nor base64 of them")

// convertVectors writes the embeddings of a well-formed answer in the encoding that was
// asked for: a client that decodes base64 where numbers stand gets an empty vector and no
// error. It returns nil if nothing needs to change. A number becomes the nearest 32-bit
// float. A 32-bit float becomes the shortest number that is nearest to it, so that a vector
// that goes there and back is the same.
//
// A number of two bytes takes five and a third in base64, and the four bytes of
// a float at most sixteen as a number: the result is at most three times as
// long.
func convertVectors(b []byte, want Encoding) ([]byte, error) {
	var out, raw []byte
	var fault error
	done := 0
	convert := func(s span) {
		if isString := b[s.From] == '"'; isString == (want == Base64) {
			return
		}
		if out == nil {
			out = make([]byte, 0, len(b))
		}
		out = append(out, b[done:s.From]...)
		done = s.To
		if want == Base64 {
			raw, fault = appendFloats(raw[:0], b, s)
			out = append(out, '"')
			out = base64.StdEncoding.AppendEncode(out, raw)
			out = append(out, '"')
			return
		}
		text, _ := unquote(s.of(b)) // a slash may be escaped; anything else is no base64 either
		if raw, fault = base64.StdEncoding.AppendDecode(raw[:0], []byte(text)); fault == nil {
			out, fault = appendNumbers(out, raw)
		}
	}
	data := member(b, space(b, 0), "data")
	if !data.present() || b[data.From] != '[' {
		return nil, errVector
	}
	elementsOf(b, data.From, func(e span) bool {
		v := span{}
		if b[e.From] == '{' {
			v = member(b, e.From, "embedding")
		}
		if !v.present() || b[v.From] != '[' && b[v.From] != '"' {
			fault = errVector
		} else {
			convert(v)
		}
		return fault == nil
	})
	if fault != nil {
		return nil, errVector
	}
	if out == nil {
		return nil, nil
	}
	return append(out, b[done:]...), nil
}

// member finds a member of a well-formed object at i; of several, the last.
func member(b []byte, i int, name string) (found span) {
	members(b, i, func(key []byte, s span) bool {
		if string(key) == name {
			found = s
		}
		return true
	})
	return found
}

// appendFloats reads a well-formed list of numbers as little-endian floats.
func appendFloats(raw, b []byte, list span) ([]byte, error) {
	var fault error
	elementsOf(b, list.From, func(s span) bool {
		f, err := strconv.ParseFloat(string(s.of(b)), 32) // also fails on what is no number
		fault = err
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
		return fault == nil
	})
	return raw, fault
}

// appendNumbers writes little-endian floats as a list of numbers.
func appendNumbers(out, raw []byte) ([]byte, error) {
	if len(raw)%4 != 0 {
		return nil, errVector
	}
	out = append(out, '[')
	for f := range slices.Chunk(raw, 4) {
		x := float64(math.Float32frombits(binary.LittleEndian.Uint32(f)))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, errVector
		}
		if len(out) > 0 && out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = strconv.AppendFloat(out, x, 'g', -1, 32)
	}
	return append(out, ']'), nil
}
