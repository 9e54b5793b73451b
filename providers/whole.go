package providers

import (
	"bytes"
	"errors"
	"io"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// WholeOptions say how an answer in one piece is read.
type WholeOptions struct {
	Dialect dialect.Upstream // of the answer; nil is chat completions
	// Length is what the head announces, -1 if it does not. It is only a hint:
	// memory is taken as bytes come.
	Length int64
	// MaxBytes bounds the answer; default 64 MiB.
	MaxBytes int64
	// Until bounds the wait for all of it; zero is no bound.
	Until time.Time
	// Vectors is what embeddings must be encoded as; "" leaves them as they are.
	Vectors Encoding
	// Choices is how many answers were asked for, as in [StreamOptions]. An answer without
	// any choices is no answer, if there must be some.
	Choices int64
	// Piece is what the call is billed for by the piece, if that is not searches: the
	// report counts the images of the answer, or the seconds that its usage tells.
	Piece tally.Piece
	// Keys are the API keys that words of an error must not hold.
	Keys []string
}

const (
	maxWhole  = 64 << 20 // bytes of an answer, unless the options say otherwise
	firstGrow = 64 << 10 // what an announced length alone may cost
)

// Whole is the Body of an answer in one piece of JSON. It reads the answer with the first
// Next. A stream that was not asked for is put together to one answer.
type Whole struct {
	src  Source // nil once it was closed
	opts WholeOptions
	in   dialect.Name

	pooled        *[]byte
	buf           []byte
	facts         facts
	said          notes
	stream        int64  // the tokens that the answer delivered if it was a stream; else 0
	pieces        int64  // that it holds or tells of
	quality, size string // of them
	shown         bool   // whether the client is to see the usage
	begun         bool
	fresh         bool           // Next has just returned the answer
	failed        *UpstreamError // what the answer tells of a failure beside what it holds
	err           error
}

// NewWhole reads an answer from src, which Close closes.
func NewWhole(src Source, opts WholeOptions) *Whole {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = maxWhole
	}
	pooled := buffers.Get().(*[]byte)
	w := &Whole{src: src, opts: opts, pooled: pooled, buf: (*pooled)[:0]}
	w.in = nameOf(opts.Dialect)
	w.said.apart = w.in == dialect.Messages
	return w
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

// release closes the source. Once all was read, the source's connection is of more use to
// others than to a client that takes its time.
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
	i := inspectAs(w.in, w.buf, space(w.buf, 0), &w.facts)
	switch {
	case i < 0 || space(w.buf, i) < len(w.buf):
		if IsPage(w.buf) {
			return page(w.buf, w.opts.Keys)
		}
		return worded(bad(errNotJSON), WordsOf(w.buf, w.opts.Keys...))
	}
	if err := w.judge(); err != nil {
		w.begun = true // the answer tells what was used
		return err
	}
	switch w.opts.Piece {
	case tally.Image:
		w.lookAtImages()
	case tally.Query: // as Cohere tells them
		at := member(w.buf, space(w.buf, 0), "meta")
		for _, name := range [...]string{"billed_units", "search_units"} {
			if at.present() && w.buf[at.From] == '{' {
				at = member(w.buf, at.From, name)
			}
		}
		if at.present() {
			if n, _, ok := ParseDecimal(at.of(w.buf), 0); ok && n <= maxSearches {
				w.pieces = n
			}
		}
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

// lookAtImages counts the images of an answer, and notes what it says of them.
func (w *Whole) lookAtImages() {
	members(w.buf, space(w.buf, 0), func(key []byte, s span) bool {
		switch name := string(key); {
		case name == "data" && w.buf[s.From] == '[':
			elementsOf(w.buf, s.From, func(span) bool {
				w.pieces++
				return true
			})
		case w.buf[s.From] != '"' || s.To-s.From > 40:
		case name == "quality":
			text, _ := unquote(s.of(w.buf)) // "" is not known
			w.quality = asAsked(text)
		case name == "size":
			text, _ := unquote(s.of(w.buf))
			w.size = asAsked(text)
		}
		return true
	})
}

// gather puts a stream together.
func (w *Whole) gather() error {
	answer, read, err := gather(w.buf, &w.opts)
	w.said, w.stream = read.said, read.Delivered()
	if err != nil {
		w.begun = true // the stream tells what was used
		return err
	}
	w.buf = answer
	inspectAs(w.in, w.buf, 0, &w.facts)
	var again figures // thrown away: the figures are counted already
	w.shown = w.facts.count(w.buf, &again)
	return nil
}

func (w *Whole) isChat() bool { return w.in == dialect.Chat }

// judge takes notice of what the answer says. It returns an error if the answer says
// nothing but that the upstream has failed. An answer that holds something is an answer,
// whatever failure it tells of beside that.
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
	if !w.isChat() {
		if f.answers {
			return nil
		}
		var plain facts // whatever is in the way of an upstream has its own words for a failure
		inspect(w.buf, space(w.buf, 0), &plain)
		if plain.fails() {
			return reported(errInside, WordsOf(w.buf, w.opts.Keys...), silent)
		}
	}
	null := f.choices.null(w.buf)
	if f.content > 0 || f.data || f.beside ||
		!null && (f.choices.present() || w.isChat() && w.opts.Choices == 0 || w.opts.Vectors != "") {
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
	if r.count(w.opts.Piece, &w.said.figures, w.pieces); w.opts.Piece == tally.Image {
		r.Quality, r.Size = w.quality, w.size
	}
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
