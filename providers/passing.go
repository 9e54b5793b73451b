package providers

import (
	"bytes"
	"errors"
	"io"
	"time"

	"tallygate/engine/tally"
)

// PassingOptions say how an answer is read that is passed on as it comes.
type PassingOptions struct {
	// Events is whether the answer is a stream of events; otherwise it is text or sound.
	Events bool
	// Piece is what the call is billed for by the piece; see [WholeOptions].
	Piece tally.Piece
	// ChunkTimeout bounds the wait for the next bytes, and Until the whole answer.
	ChunkTimeout time.Duration
	Until        time.Time
	Keys         []string // see [WholeOptions]
}

const (
	passingSize = 32 << 10
	maxPassing  = 1 << 30 // bytes of an answer that is no JSON
)

// Passing is the Body of an answer that is not JSON in one piece: sound, text, or events of
// an API that is not one of conversations. It holds no more of the answer than was read
// last.
//
// Events are passed on as whole events. Those that are no JSON are dropped, and one that
// tells of an error ends the answer with that error. Everything from the first event on
// that tells usage, or is the last by its type, is what [Passing.Final] withholds, and of sound
// and text the last byte.
type Passing struct {
	src   Source
	opts  PassingOptions
	buf   []byte
	used  int // of buf, by what Next returned last
	read  int64
	said  notes
	begun bool
	ended bool // a last event has come
	final int
	done  int64 // images that are ready
	cause error // why nothing more can be read
	err   error // that Next returns
}

// NewPassing reads an answer from src, which Close closes.
func NewPassing(src Source, opts PassingOptions) *Passing {
	return &Passing{src: src, opts: opts, buf: make([]byte, 0, passingSize), final: -1}
}

var errNothing = errors.New("the answer is empty")

// Next implements Body.
func (p *Passing) Next() ([]byte, error) {
	for p.err == nil {
		p.buf, p.used, p.final = p.buf[:copy(p.buf, p.buf[p.used:])], 0, -1
		if p.opts.Events {
			if block := p.whole(); len(block) > 0 {
				p.begun = true
				return block, nil
			}
		}
		switch {
		case p.err != nil: // which an event has told
		case p.cause != nil:
			p.err = p.ending()
		default:
			p.cause = p.fill()
			if out := p.bytes(); len(out) > 0 {
				return out, nil
			}
		}
	}
	return nil, p.err
}

// ending is the error that the answer ends with.
func (p *Passing) ending() error {
	switch {
	case p.cause != io.EOF:
	case !p.begun && len(p.buf) == 0:
		return &UpstreamError{Fault: BadAnswer, Ended: true, Err: errNothing}
	case p.opts.Events && !p.ended:
		return bad(io.ErrUnexpectedEOF)
	}
	return p.cause
}

// bytes is what was read of an answer that is no stream of events, but for the last byte
// before the end is known.
func (p *Passing) bytes() []byte {
	if p.opts.Events {
		return nil
	}
	if p.used = len(p.buf); p.cause == nil {
		p.used = max(p.used-1, 0)
	}
	if p.cause == io.EOF {
		p.final = p.used - 1
	}
	p.begun = p.begun || p.used > 0
	return p.buf[:p.used]
}

// fill reads more.
func (p *Passing) fill() error {
	until := time.Now().Add(p.opts.ChunkTimeout)
	if !p.opts.Until.IsZero() && p.opts.Until.Before(until) {
		until = p.opts.Until
	}
	p.src.SetReadDeadline(until) // a source without deadlines does not hang
	if len(p.buf) == cap(p.buf) {
		if len(p.buf) > maxEvent {
			return bad(errLarge)
		}
		p.buf = append(make([]byte, 0, 2*len(p.buf)), p.buf...)
	}
	n, err := p.src.Read(p.buf[len(p.buf):cap(p.buf)])
	p.buf = p.buf[:len(p.buf)+n]
	if p.read += int64(n); p.read > maxPassing {
		return bad(errLarge)
	}
	if err != nil && err != io.EOF {
		return cut(err)
	}
	return err
}

// whole takes the whole events out of what was read, and notes what they say.
func (p *Passing) whole() []byte {
	end := 0
	for {
		n := endOfEvent(p.buf[end:])
		if n == 0 {
			break
		}
		end += n
	}
	p.used = end
	out := p.buf[:0]
	for i := 0; i < end; {
		ev := nextEvent(p.buf[:end], i)
		i = max(ev.end, i+1)
		data := p.buf[ev.data:ev.dataEnd]
		if ev.lines != 1 {
			continue
		}
		last := string(data) == "[DONE]"
		if !last {
			var f facts
			if j := inspect(data, space(data, 0), &f); j < 0 || space(data, j) < len(data) {
				continue
			}
			if f.fails() || ev.fails {
				err := reported(errReported, WordsOf(data, p.opts.Keys...), !p.begun && len(out) == 0 && !p.said.anything())
				err.Told = p.begun || len(out) > 0
				p.err = err
				return out
			}
			f.count(data, &p.said.figures)
			p.said.name(data, &f)
			if kind := member(data, space(data, 0), "type"); kind.present() {
				name := bytes.Trim(kind.of(data), `"`)
				if last = bytes.HasSuffix(name, []byte(".done")) || bytes.HasSuffix(name, []byte(".completed")); last {
					p.done++
				}
			}
			last = last || f.reports()
		}
		if p.ended = p.ended || last; p.ended && p.final < 0 {
			p.final = len(out)
		}
		out = append(out, p.buf[ev.start:ev.end]...) // in place: nothing moves to the right
	}
	return out
}

// endOfEvent is where the first event of b ends, 0 if it does not.
func endOfEvent(b []byte) int {
	for i := 0; i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		if i += n + 1; n == 0 || n == 1 && b[i-2] == '\r' {
			return i
		}
	}
	return 0
}

// Report implements Body.
func (p *Passing) Report() Report {
	r := p.said.report(0, p.begun)
	r.count(p.opts.Piece, &p.said.figures, p.done)
	return r
}

// UsageAt implements Body. The usage in events is not told apart.
func (p *Passing) UsageAt() (from, to int) { return 0, 0 }

// Delivered implements Body.
func (p *Passing) Delivered() int64 { return 0 }

// Final implements Body: from there on all is to be withheld until the end.
func (p *Passing) Final() int { return p.final }

// Close implements Body.
func (p *Passing) Close() error {
	if p.src == nil {
		return nil
	}
	src := p.src
	if p.src = nil; p.err == nil {
		p.err = &UpstreamError{Fault: Gone, Err: errClosed}
	}
	return src.Close()
}
