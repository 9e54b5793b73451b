package providers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"tallygate/providers/dialect"
)

// Source is where a [Stream] reads from: an answer's body on some transport. An error of
// Read is an *UpstreamError where the transport knows the cause. io.EOF is the proper end
// of the body, and any other error is a cut.
type Source interface {
	io.ReadCloser
	// SetReadDeadline bounds the reads to come.
	SetReadDeadline(time.Time) error
}

// waiter is a Source that can wait for what comes next before it is given room for it.
type waiter interface {
	// Wait waits until Read returns at once. A failure is reported by that Read.
	Wait()
}

// StreamOptions say how a stream is read.
type StreamOptions struct {
	Dialect   dialect.Upstream // of the events; nil is chat completions
	KeepUsage bool             // pass the usage-only event on
	// OnlyJSON drops data that is no JSON, as in [Call].
	OnlyJSON bool
	// Keys are the API keys that words and data that is no JSON must not hold.
	Keys []string
	// Choices is how many answers were asked for. The stream has finished once each of them
	// has ended. 0 means one.
	Choices int64
	// ChunkTimeout bounds the wait for the next whole event, to an eighth. Bytes that
	// trickle in do not prolong the wait.
	ChunkTimeout time.Duration
	// Thinking is until when the first event with text, reasoning or a tool call is waited
	// for, instead of ChunkTimeout. A model that thinks may say nothing for minutes, even
	// if an empty event came at once. If Thinking is zero, ChunkTimeout bounds this wait as
	// well.
	Thinking time.Time
	// MaxBytes bounds the whole stream, give or take a read; 0 is no bound. A number of
	// large events, which are pictures or sound, do not count.
	MaxBytes int64
	// Until bounds the whole stream in time; zero is no bound.
	Until time.Time
}

const (
	maxEvent   = 32 << 20 // bytes of one event: a picture of four thousand pixels square
	largeEvent = 64 << 10 // more than the text and probabilities of a token come to
	mostLarge  = 32       // so many large events do not count for the bound of the whole
	maxRest    = 64 << 10 // bytes of a stream that has failed at once
	bufferSize = 16 << 10 // what a stream starts with
	endTimeout = 10 * time.Millisecond
	// restTimeout is how long a stream that has failed at once is read on for its usage. It
	// is short, since another provider may have to wait for that.
	restTimeout = time.Second
)

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// Stream reads server-sent events of a dialect and is the Body of a streamed answer.
// It passes on the upstream's own bytes, except that data in several lines is joined to one
// line. It walks over each event once without decoding it, and allocates nothing per event.
//
// Events that tell of an error are not passed on. A stream with such an event ends with
// that error, without the end marker. Data that is no JSON is passed on as it is, and
// counts as content. Many upstreams leave the end marker out. A stream without one is
// complete if it has said why it ends, in chat completions for each choice, and was cut
// otherwise.
type Stream struct {
	src  Source
	opts StreamOptions
	in   dialect.Name

	closed bool
	pooled *[]byte // nil while nothing is held
	buf    []byte
	start  int // where the part begins that has arrived and was not returned
	seen   int // up to here there is no end of an event
	end    int // the end of what has arrived

	said    notes
	usage   span // where the usage object is in the bytes last returned
	final   int  // where the end marker is in the bytes last returned
	events  int64
	content int64
	beside  bool  // something came that is no content
	read    int64 // bytes
	large   int   // events
	failed  bool
	words   Words     // the words of the error that the stream has told of
	failing bool      // the first word was of an error; what follows is only read for its usage
	spoke   bool      // there was an event with data
	torn    bool      // the event that is looked at has no end
	page    bool      // what came before that looks like a web page
	passed  bool      // something was returned
	begun   bool      // an event with choices was returned: a role says nothing from now on
	until   time.Time // until when the next event is waited for, at the latest
	thinks  bool      // until is for the first event with content
	err     error
}

// NewStream reads a stream from src, which Close closes.
func NewStream(src Source, opts StreamOptions) *Stream {
	s := &Stream{src: src, opts: opts, final: -1, said: notes{endings: newEndings(opts.Choices)}}
	s.in = nameOf(opts.Dialect)
	s.said.apart = s.in == dialect.Messages
	return s
}

var (
	errCut      = errors.New("the stream was cut short")
	errNoEvent  = errors.New("the stream holds something that is not an event")
	errLong     = fmt.Errorf("an event of the stream is longer than %d MiB", maxEvent>>20)
	errEndless  = errors.New("the stream is far longer than the output that was asked for")
	errReported = errors.New("the upstream reported an error in its stream")
	doneMark    = []byte("data: [DONE]\n\n")
	messageStop = []byte("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
)

// Next implements Body.
func (s *Stream) Next() ([]byte, error) {
	s.usage, s.final = span{}, -1
	if s.err != nil {
		return nil, s.err
	}
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start, s.seen = 0, 0
	}
	s.deadline()
	for {
		if to := s.boundary(); to > 0 {
			out, taken := s.take(s.buf[:to])
			s.start, s.seen = taken, taken
			if len(out) > 0 {
				s.passed = true
				return out, nil
			}
			if s.err != nil {
				return nil, s.err
			}
			s.end = copy(s.buf, s.buf[taken:s.end]) // only dropped events
			s.start, s.seen = 0, 0
		}
		if err := s.fill(); err != nil {
			return s.finish(err)
		}
	}
}

// deadline bounds the wait for the next event. Moving the deadline costs more than an event
// does, so it stays until an eighth of it is over.
func (s *Stream) deadline() {
	if s.opts.ChunkTimeout <= 0 {
		return
	}
	if !s.opts.Thinking.IsZero() && s.content == 0 && s.said.finish == Unfinished {
		if !s.thinks {
			s.thinks, s.until = true, s.opts.Thinking
			s.src.SetReadDeadline(s.until)
		}
		return
	}
	if s.thinks {
		s.thinks, s.until = false, time.Time{}
	}
	until := time.Now().Add(s.opts.ChunkTimeout)
	if until.Sub(s.until) < s.opts.ChunkTimeout/8 {
		return
	}
	s.until = until
	if !s.opts.Until.IsZero() && s.opts.Until.Before(until) {
		until = s.opts.Until
	}
	s.src.SetReadDeadline(until)
}

// fill reads more.
func (s *Stream) fill() error {
	read := s.read - int64(s.end)
	if s.failing { // no large event is worth it any more
		read = s.read
	}
	if s.opts.MaxBytes > 0 && read > s.opts.MaxBytes {
		return bad(errEndless)
	}
	if src, ok := s.src.(waiter); ok && s.end == 0 {
		s.rest() // as a rule a model is slower than those who read it
		src.Wait()
	}
	if s.buf == nil {
		s.pooled = buffers.Get().(*[]byte)
		s.buf = *s.pooled
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= maxEvent {
			return bad(errLong)
		}
		buf := make([]byte, 2*len(s.buf))
		copy(buf, s.buf)
		s.buf = buf
	}
	n, err := s.src.Read(s.buf[s.end:])
	s.end += n
	s.read += int64(n)
	if n > 0 {
		return nil // an error comes again with the next read
	}
	return err
}

// rest gives the buffer back. If the buffer has grown, the first one is given back, and
// the larger one is left to the garbage collector.
func (s *Stream) rest() {
	if s.pooled != nil {
		buffers.Put(s.pooled)
	}
	s.pooled, s.buf = nil, nil
}

// boundary returns the end of the last whole event that has arrived, 0 if there
// is none. Events end with an empty line.
func (s *Stream) boundary() int {
	b := s.buf
	for i := s.end; i > s.seen; {
		n := bytes.LastIndexByte(b[s.seen:i], '\n')
		if n < 0 {
			break
		}
		i = s.seen + n
		if i >= 1 && b[i-1] == '\n' || i >= 2 && b[i-1] == '\r' && b[i-2] == '\n' || i == 0 || i == 1 && b[0] == '\r' {
			return i + 1
		}
	}
	s.seen = s.end
	return 0
}

// finish ends the stream. What is left is an event without its empty line, if it is an
// event at all.
func (s *Stream) finish(err error) ([]byte, error) {
	if err != io.EOF && !s.failing {
		s.err = worded(free(cut(err), s.silent() && s.page), s.words)
		return nil, s.err
	}
	var out []byte
	if rest := bytes.TrimRight(s.buf[:s.end], "\r\n"); len(rest) > 0 {
		whole := append(append(make([]byte, 0, len(rest)+2), rest...), '\n', '\n')
		s.start, s.torn = s.end, true
		out, _ = s.take(whole) // it is one event
	}
	if s.err == nil {
		switch {
		case s.failed:
			s.err = s.reportedError(!s.failing)
		case s.complete():
			s.err = io.EOF
			s.final = len(out)
			mark := doneMark
			if s.in == dialect.Messages {
				mark = messageStop
			}
			out = append(out, mark...)
		default:
			s.err = free(s.noEvent(errCut), s.silent() && s.said.zero())
		}
	}
	if len(out) > 0 {
		s.passed = true
		return out, nil
	}
	return nil, s.err
}

// complete reports whether a stream that ends here has all of its answer. Some upstreams
// write one choice however many are asked for. That choice is all of the answer if the
// upstream tells what was used.
func (s *Stream) complete() bool {
	if s.said.finish != Unfinished {
		return true
	}
	e := &s.said.endings
	return e.done > 0 && e.open == 0 && s.Report().Known == KnownWhole
}

// take looks at whole events. It returns those that the client is to see, and how far it
// came. The events are moved together in place where one is dropped.
func (s *Stream) take(b []byte) (out []byte, taken int) {
	kept, i := 0, 0
	for i < len(b) {
		ev := nextEvent(b, i)
		if ev.lines > 1 {
			ev = oneLine(b, ev)
		}
		verdict := s.look(b, ev, kept)
		if verdict == later {
			return b[:kept], ev.start
		}
		if size := ev.end - ev.start; size > largeEvent && s.large < mostLarge && !s.failing {
			s.large++
			s.read -= int64(size)
		}
		if verdict == keep || verdict == last {
			if verdict == last {
				s.final = kept
			}
			if kept != ev.start {
				copy(b[kept:], b[ev.start:ev.end])
			}
			kept += ev.end - ev.start
		}
		if verdict == last || verdict == broken {
			break
		}
		i = ev.end
	}
	return b[:kept], len(b)
}

// readOn is called when the first word of a stream is that the stream has failed. The usage
// may follow; the stream is free only if none does.
func (s *Stream) readOn() {
	if s.failing {
		return
	}
	s.failing = true
	until := time.Now().Add(restTimeout)
	if !s.opts.Until.IsZero() && s.opts.Until.Before(until) {
		until = s.opts.Until
	}
	s.src.SetReadDeadline(until) // a source without deadlines does not hang
	s.opts.MaxBytes = s.read + maxRest
}

// reportedError is the error that an event has told of; told is whether the stream
// had begun.
func (s *Stream) reportedError(told bool) error {
	err := reported(errReported, s.words, s.silent())
	err.Told = told
	return err
}

// silent reports whether there was neither output nor usage, nor anything that could be one
// of them.
func (s *Stream) silent() bool { return s.content == 0 && !s.beside && !s.said.anything() }

// Report implements Body.
func (s *Stream) Report() Report { return s.said.report(s.Delivered(), false) }

// UsageAt implements Body.
func (s *Stream) UsageAt() (from, to int) { return s.usage.From, s.usage.To }

// Delivered implements Body.
func (s *Stream) Delivered() int64 { return delivered(s.events, s.content) }

// delivered estimates tokens as bytes ÷ 4, rounded up, and not less than one
// for an event.
func delivered(events, bytes int64) int64 { return max(events, (bytes+3)/4) }

// Final implements Body.
func (s *Stream) Final() int { return s.final }

// Close implements Body.
func (s *Stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.err == io.EOF {
		// The end of the body follows the end marker at once, and a source that
		// has seen it can use its connection again.
		s.src.SetReadDeadline(time.Now().Add(endTimeout))
		var b [1]byte
		s.src.Read(b[:]) // anything but the end costs the connection, as it should
	}
	s.rest()
	if s.err == nil {
		s.err = &UpstreamError{Fault: Gone, Err: errClosed}
	}
	return s.src.Close()
}

var errClosed = errors.New("the answer was closed")
