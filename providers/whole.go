package providers

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// WholeOptions say how an answer in one piece is read.
type WholeOptions struct {
	// Length is what the head announces, -1 if it does not. It is only a hint:
	// memory is taken as bytes come.
	Length int64
	// MaxBytes bounds the answer; default 64 MiB.
	MaxBytes int64
	// Until bounds the wait for all of it; zero is no bound.
	Until time.Time
	// Vectors is what embeddings must be encoded as; "" leaves them as they are.
	Vectors Encoding
	// Choices is how many answers were asked for, as in [StreamOptions]. An answer
	// without any is none, if there must be some.
	Choices int64
	// Keys are the API keys that words of an error must not hold.
	Keys []string
}

const (
	maxWhole  = 64 << 20 // bytes of an answer, unless the options say otherwise
	firstGrow = 64 << 10 // what an announced length alone may cost
)

// Whole is the Body of an answer in one piece of JSON. It reads the answer with
// the first Next. A stream that was not asked for is put together to one.
type Whole struct {
	src  Source // nil once it was closed
	opts WholeOptions

	pooled *[]byte
	buf    []byte
	facts  facts
	said   notes
	stream int64 // the tokens that it delivered if it was one; else 0
	shown  bool  // the usage is one that the client is to see
	begun  bool
	fresh  bool           // Next has just returned the answer
	failed *UpstreamError // what the answer tells of a failure beside what it holds
	err    error
}

// NewWhole reads an answer from src, which Close closes.
func NewWhole(src Source, opts WholeOptions) *Whole {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = maxWhole
	}
	pooled := buffers.Get().(*[]byte)
	return &Whole{src: src, opts: opts, pooled: pooled, buf: (*pooled)[:0]}
}

var (
	errLarge     = errors.New("the answer is too large")
	errNotJSON   = errors.New("the answer is not a JSON object")
	errInside    = errors.New("the upstream reported an error in its answer")
	errNoChoices = errors.New("the answer has no choices")
)

// Next implements Body.
func (w *Whole) Next() ([]byte, error) {
	if w.fresh = false; w.err != nil {
		return nil, w.err
	}
	w.err = io.EOF
	if err := w.read(); err != nil {
		w.err = err
		return nil, err
	}
	w.begun, w.fresh = true, true
	return w.buf, nil
}

func (w *Whole) read() error {
	if w.opts.Length > w.opts.MaxBytes {
		return bad(errLarge)
	}
	if !w.opts.Until.IsZero() {
		w.src.SetReadDeadline(w.opts.Until) // a source without deadlines does not hang
	}
	w.grow(int(min(w.opts.Length, firstGrow)) + 1) // one more, for the end to show
	for {
		if len(w.buf) == cap(w.buf) {
			w.grow(2 * len(w.buf))
		}
		n, err := w.src.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		if int64(len(w.buf)) > w.opts.MaxBytes {
			return bad(errLarge)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return cut(err)
		}
	}
	if err := w.release(); err != nil {
		return cut(err)
	}
	return w.look()
}

// release closes the source. Once all was read, its connection is of more use
// to others than to a client that takes its time.
func (w *Whole) release() error {
	src := w.src
	if w.src = nil; src == nil {
		return nil
	}
	return src.Close()
}

// grow makes room for so many bytes in all, and for no more than one beyond
// what is allowed.
func (w *Whole) grow(size int) {
	if size <= cap(w.buf) {
		return
	}
	if most := int(w.opts.MaxBytes); size >= most {
		size = most + 1
	}
	buf := make([]byte, len(w.buf), size)
	copy(buf, w.buf)
	w.buf = buf
}

// look takes notice of the answer.
func (w *Whole) look() error {
	if w.opts.Vectors == "" && beginsEvents(bytes.TrimLeft(w.buf, " \t\r\n\ufeff")) {
		return w.gather()
	}
	i := inspect(w.buf, space(w.buf, 0), &w.facts)
	switch {
	case i < 0 || space(w.buf, i) < len(w.buf):
		if IsPage(w.buf) {
			return page(w.buf, w.opts.Keys)
		}
		return worded(bad(errNotJSON), WordsOf(w.buf, w.opts.Keys...))
	}
	if err := w.judge(); err != nil {
		w.begun = true // it tells what it has used
		return err
	}
	if w.opts.Vectors != "" {
		out, err := convertVectors(w.buf, w.opts.Vectors)
		if err != nil {
			return bad(err)
		}
		if out != nil {
			w.buf, w.facts = out, facts{}
			inspect(w.buf, space(w.buf, 0), &w.facts)
		}
	}
	return nil
}

// gather puts a stream together.
func (w *Whole) gather() error {
	answer, read, err := gather(w.buf, w.opts.Choices, w.opts.Keys)
	w.said, w.stream = read.said, read.Delivered()
	if err != nil {
		w.begun = true // it tells what it has used
		return err
	}
	w.buf = answer
	inspect(w.buf, 0, &w.facts)
	var again figures // they are counted
	w.shown = w.facts.count(w.buf, &again)
	return nil
}

// judge takes notice of what the answer says, and returns an error if it says nothing but
// that the upstream has failed. An answer that holds something is an answer, whatever
// failure it tells of beside that.
func (w *Whole) judge() error {
	f := &w.facts
	w.shown = f.count(w.buf, &w.said.figures)
	w.said.name(w.buf, f)
	silent := !f.beside && !w.said.anything()
	if f.fails() {
		failed := reported(errInside, WordsOf(w.buf, w.opts.Keys...), silent)
		if f.content == 0 && !f.data {
			return failed
		}
		w.failed = failed
		return nil
	}
	null := f.choices.null(w.buf)
	if f.content > 0 || f.data || f.beside || !null && (f.choices.present() || w.opts.Choices == 0 || w.opts.Vectors != "") {
		return nil
	}
	return &UpstreamError{Fault: BadAnswer, Ended: true, Free: null && silent, Words: WordsOf(w.buf, w.opts.Keys...), Err: errNoChoices}
}

// Report implements Body.
func (w *Whole) Report() Report {
	if !w.begun {
		return Report{}
	}
	r := w.said.report(w.Delivered(), w.facts.data)
	r.Failed = w.failed
	return r
}

// UsageAt implements Body.
func (w *Whole) UsageAt() (from, to int) {
	if !w.fresh || !w.shown {
		return 0, 0
	}
	at := w.facts.shown()
	return at.From, at.To
}

// Delivered implements Body.
func (w *Whole) Delivered() int64 {
	if !w.begun {
		return 0
	}
	return max(w.stream, w.facts.delivered())
}

// Final implements Body.
func (w *Whole) Final() int { return -1 }

// Close implements Body.
func (w *Whole) Close() error {
	if w.pooled == nil {
		return nil
	}
	buffers.Put(w.pooled) // the first one; a grown one is left to the collector
	w.pooled, w.buf, w.fresh = nil, nil, false
	if w.err == nil {
		w.err = &UpstreamError{Fault: Gone, Err: errClosed}
	}
	return w.release()
}
