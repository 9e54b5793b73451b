package openai

import (
	"errors"
	"io"

	"tallygate/providers"
	"tallygate/providers/coding"
	"tallygate/providers/transport"
)

var (
	errEncoding = errors.New("the answer is compressed, which was not asked for, and not in a way that is known")
	errDecode   = errors.New("the answer is not compressed as it says")
)

// decode makes an answer that was compressed, though that was not asked for, one that
// was not. What comes out is bounded by those who read it.
func decode(res *transport.Response) {
	if coding.IsNone(res.Encoding) {
		res.Encoding = ""
		return
	}
	if r, err := coding.NewReader(res.Encoding, res.Body); err == nil {
		res.Encoding, res.Length, res.Body = "", -1, &decoded{Source: res.Body, from: r}
	}
}

// decoded is an answer's body behind its coding.
type decoded struct {
	providers.Source
	from io.ReadCloser
}

// Read implements providers.Source.
func (d *decoded) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	if _, told := errors.AsType[*providers.UpstreamError](err); err != nil && err != io.EOF && !told {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Err: errDecode}
	}
	return n, err
}

// Close implements providers.Source.
func (d *decoded) Close() error {
	d.from.Close() // it has nothing to say
	return d.Source.Close()
}
