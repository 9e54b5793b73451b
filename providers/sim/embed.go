package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"tallygate/providers"
)

// The dimensions of an embedding.
const (
	defaultDimensions = 256
	maxDimensions     = 4096
)

// maxNumbers bounds the numbers in one answer: 2,048 inputs at the default
// dimensions.
const maxNumbers = 2048 * defaultDimensions

// embeddings answers with a vector for each input.
func (r *request) embeddings(c providers.Call) ([]byte, error) {
	inputs := several(r.Input)
	size := r.Dimensions
	if size == 0 {
		size = defaultDimensions
	}
	switch {
	case size < 1 || size > maxDimensions:
		return nil, refuse("dimensions", "'dimensions' must be from 1 to "+strconv.Itoa(maxDimensions))
	case len(inputs)*size > maxNumbers:
		return nil, refuse("input", "too many inputs for so many dimensions")
	}
	perNumber := len("-0.0123456789,")
	if c.Envelope.Base64 {
		perNumber = 6
	}
	b := make([]byte, 0, 256+len(inputs)*(64+size*perNumber))
	b = append(b, `{"object":"list","data":[`...)
	v := make([]float32, size)
	tokens := int64(0)
	for i, input := range inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"embedding":`...)
		embed(v, decoded(input))
		b = appendVector(b, v, c.Envelope.Base64)
		b = append(b, '}')
		tokens += max(1, quarter(len(input)))
	}
	b = append(b, `],"model":`...)
	b = append(b, quote(c.Model)...)
	b = append(b, `,"usage":`...)
	b = append(b, `{"prompt_tokens":`...)
	b = strconv.AppendInt(b, tokens, 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, tokens, 10)
	return append(b, "}}"...), nil
}

// embed makes the unit vector of a text: a sum of the directions of its words
// and, so that the order of words matters too, of the text itself. Texts that
// share words are near each other, and so a search among them finds something.
func embed(v []float32, text string) {
	sum := make([]float64, len(v))
	add(sum, text)
	words := 0
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		if words++; words > maxWords {
			break
		}
		add(sum, word)
	}
	length := 0.0
	for _, x := range sum {
		length += x * x
	}
	length = math.Sqrt(length)
	for i, x := range sum {
		v[i] = float32(x / length)
	}
}

// maxWords bounds the words of an input that are looked at.
const maxWords = 256

// add adds the direction of a text.
func add(sum []float64, text string) {
	s := sha256.Sum256([]byte(text))
	from := rand.NewPCG(binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:]))
	for i := range sum {
		sum[i] += float64(from.Uint64()>>11)/(1<<52) - 1
	}
}

// appendVector writes a vector as numbers or, as the SDKs prefer it, as
// little-endian bytes in base64. Both say the same to the last bit.
func appendVector(b []byte, v []float32, binary64 bool) []byte {
	if !binary64 {
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
		}
		return append(b, ']')
	}
	raw := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(x))
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}
