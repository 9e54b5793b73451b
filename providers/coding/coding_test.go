package coding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

type flusher interface {
	io.WriteCloser
	Flush() error
}

// encoders are how others write the codings.
func encoders() map[string]func(io.Writer) flusher {
	return map[string]func(io.Writer) flusher{
		"gzip": func(w io.Writer) flusher { return gzip.NewWriter(w) }, "X-Gzip": func(w io.Writer) flusher { return gzip.NewWriter(w) },
		"deflate":   func(w io.Writer) flusher { return zlib.NewWriter(w) },
		" deflate ": func(w io.Writer) flusher { f, _ := flate.NewWriter(w, 9); return f }, // bare; the level exists
		"br":        func(w io.Writer) flusher { return brotli.NewWriter(w) },
		"zstd":      func(w io.Writer) flusher { z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)); return z }, // the option exists
	}
}

func encode(by func(io.Writer) flusher, text string) []byte {
	var b bytes.Buffer
	w := by(&b)
	io.WriteString(w, text) // a buffer takes everything
	w.Close()
	return b.Bytes()
}

func TestCodings(t *testing.T) {
	for name, by := range encoders() {
		text := strings.Repeat("hello there ", 10_000)
		encoded := encode(by, text)
		read := func(b []byte) (string, error) {
			r, err := NewReader(name, bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			return string(got), err
		}
		if got, err := read(encoded); got != text || err != nil {
			t.Errorf("%q: %d bytes, %v", name, len(got), err)
		}
		for what, b := range map[string][]byte{"half of it": encoded[:len(encoded)/2], "nothing": nil, "JSON": []byte(`{"model":"m"}`)} {
			if what == "nothing" && name == "zstd" {
				continue // it has frames, of which there may be none
			}
			if got, err := read(b); err == nil || len(got) > len(text) {
				t.Errorf("%q, %s: %d bytes and no error", name, what, len(got))
			}
		}
	}
	for _, name := range []string{"compress", "gzip, br", "gzip,gzip", "*", "identity;q=1"} {
		if _, err := NewReader(name, nil); err != ErrUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An event that was flushed can be read before the next one comes: a stream is not
// held back. What breaks below is told as it is.
func TestStreams(t *testing.T) {
	broken := errors.New("broken")
	for name, by := range encoders() {
		r, w := io.Pipe()
		read := make(chan string)
		go func() {
			e := by(w)
			for _, s := range []string{"first", "second"} {
				io.WriteString(e, s) // the reader sees it
				e.Flush()
				<-read
			}
			w.CloseWithError(broken)
		}()
		d, err := NewReader(name, r)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		for _, want := range []string{"first", "second"} {
			n, err := io.ReadAtLeast(d, b, len(want))
			if string(b[:n]) != want || err != nil {
				t.Errorf("%q: %q, %v", name, b[:n], err)
			}
			read <- want
		}
		if _, err := d.Read(b); !errors.Is(err, broken) {
			t.Errorf("%q: %v", name, err)
		}
		d.Close()
		if _, err := d.Read(b); err == nil {
			t.Errorf("%q: it goes on after Close", name)
		}
	}
}

// A window that would take more memory than a decoder may is refused.
func TestWindow(t *testing.T) {
	head := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8} // a window of two terabytes
	r, _ := NewReader("zstd", bytes.NewReader(append(head, make([]byte, 100)...)))
	defer r.Close()
	if n, err := r.Read(make([]byte, 10)); err == nil {
		t.Errorf("%d bytes", n)
	}
}
