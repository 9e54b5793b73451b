// Package coding decodes what HTTP calls content codings: bodies that were compressed
// on their way. It owns the modules that do it.
//
// A decoder takes bounded memory whatever it is fed: windows of more than 8 MiB are
// refused, of brotli more than 16. How much comes out in all is for its reader to
// bound; a few bytes can become gigabytes.
package coding

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Names are the codings that are known, for people.
const Names = "gzip, deflate, br and zstd"

// ErrUnknown says that a coding is none of [Names], or that there are several.
var ErrUnknown = errors.New("the coding is not " + Names)

// maxWindow bounds what a decoder of zstd keeps; the format's own advice.
const maxWindow = 8 << 20

// IsNone reports whether a Content-Encoding says that there is none.
func IsNone(name string) bool { return name == "" || strings.EqualFold(name, "identity") }

// Memory is the most that a decoder of a coding keeps, in bytes.
func Memory(name string) int {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "br":
		return 16 << 20
	case "zstd":
		return maxWindow
	}
	return 64 << 10
}

// NewReader decodes r by what a Content-Encoding says. It reads nothing before its
// first Read, gives what has arrived as soon as it can be decoded, and passes on the
// errors of r. Close does not close r.
func NewReader(name string, r io.Reader) (io.ReadCloser, error) {
	d := &decoder{}
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "gzip", "x-gzip":
		d.open = func() (io.Reader, error) { return gzip.NewReader(r) }
	case "deflate":
		d.open = func() (io.Reader, error) { return inflate(r) }
	case "br":
		d.open = func() (io.Reader, error) { return brotli.NewReader(r), nil }
	case "zstd":
		d.open = func() (io.Reader, error) {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return nil, err
			}
			d.release = z.Close
			return z, nil
		}
	default:
		return nil, ErrUnknown
	}
	return d, nil
}

// inflate reads deflate as the standard has it, in a wrapping of zlib's, or bare, as
// many have understood it.
func inflate(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(2)
	if len(head) < 2 {
		return nil, unexpected(err)
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(in)
	}
	return flate.NewReader(in), nil
}

// decoder opens what decodes with the first Read, as that looks at the first bytes.
type decoder struct {
	open    func() (io.Reader, error)
	release func()
	from    io.Reader
	err     error
}

// Read implements io.Reader.
func (d *decoder) Read(p []byte) (int, error) {
	if d.from == nil && d.err == nil {
		if d.from, d.err = d.open(); d.err != nil {
			d.err = unexpected(d.err)
		}
	}
	if d.err != nil {
		return 0, d.err
	}
	return d.from.Read(p)
}

// Close implements io.Closer.
func (d *decoder) Close() error {
	if d.release != nil {
		d.release()
		d.release = nil
	}
	if d.err == nil {
		d.err = io.ErrClosedPipe
	}
	return nil
}

// unexpected is the error of a body that ends before its coding has begun.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
