package openai

import (
	"errors"
	"fmt"
	"io"

	"tallygate/providers"
	"tallygate/providers/coding"
	"tallygate/providers/transport"
)

// codingError says that an answer is compressed in a way that is not known, though no
// compression was asked for.
func (p *Provider) codingError(res *transport.Response) *providers.UpstreamError {
	if providers.HoldsKey([]byte(res.Encoding), p.keys) {
		res.Encoding = providers.KeyMark
	}
	return &providers.UpstreamError{Fault: providers.BadAnswer,
		Err: fmt.Errorf("the answer is compressed with %.40q, which was not asked for; known are %s", res.Encoding, coding.Names)}
}

// decode unpacks an answer that was compressed though no compression was asked for. What
// comes out is bounded by those who read it.
func decode(res *transport.Response) {
	if coding.IsNone(res.Encoding) {
		res.Encoding = ""
		return
	}
	if r, err := coding.NewReader(res.Encoding, res.Body); err == nil {
		res.Encoding, res.Length, res.Body = "", -1, &decoded{Source: res.Body, coding: res.Encoding, from: r}
	}
}

// decoded is an answer's body behind its coding.
type decoded struct {
	providers.Source
	coding string
	from   io.ReadCloser
}

// Read implements providers.Source.
func (d *decoded) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	if _, told := errors.AsType[*providers.UpstreamError](err); err != nil && err != io.EOF && !told {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Err: fmt.Errorf("the answer is not compressed with %.40q, as it says", d.coding)}
	}
	return n, err
}

// Close implements providers.Source.
func (d *decoded) Close() error {
	d.from.Close() // its error says nothing
	return d.Source.Close()
}

// unpacked is the body of an answer that was compressed. Its errors say so.
type unpacked struct {
	providers.Body
	coding string
}

// Next implements providers.Body.
func (u *unpacked) Next() ([]byte, error) {
	b, err := u.Body.Next()
	if up, ok := errors.AsType[*providers.UpstreamError](err); ok && up.Fault == providers.BadAnswer {
		told := *up
		told.Err = fmt.Errorf("%w (it came compressed with %.40q)", up.Err, u.coding)
		err = &told
	}
	return b, err
}
