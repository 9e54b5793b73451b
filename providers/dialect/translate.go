package dialect

// Stream translates one streamed answer. It keeps no more than the event that has not
// arrived whole, and what its writer needs for the ending.
type Stream struct {
	reader Reader
	writer Writer
	out    []byte
	emit   func(*Event)
	start  Event // the begin of the answer, until something follows
	begun  bool
	usage  Usage
	failed error
}

// Translate makes the translator of a stream from an upstream's reader to a client's
// writer.
func Translate(r Reader, w Writer) *Stream {
	s := &Stream{reader: r, writer: w}
	s.emit = func(e *Event) {
		switch {
		case e.Kind == Start:
			s.start = *e
			return
		case e.Kind == Used:
			s.usage.Merge(&e.Usage)
		case !s.begun:
			s.begun = true
			s.out = s.writer.Event(s.out, &s.start)
		}
		s.out = s.writer.Event(s.out, e)
	}
	return s
}

// Push takes the next bytes of the upstream's stream, cut anywhere, and appends to dst
// what follows for the client. The error is a *Failure.
func (s *Stream) Push(dst, in []byte) ([]byte, error) {
	return s.run(dst, func() error { return s.reader.Push(in, s.emit) })
}

// End takes notice of the end of the upstream's stream. The error is a *Failure: the
// stream has ended before its answer was complete.
func (s *Stream) End(dst []byte) ([]byte, error) {
	return s.run(dst, func() error { return s.reader.End(s.emit) })
}

func (s *Stream) run(dst []byte, read func() error) ([]byte, error) {
	if s.failed != nil {
		return dst, s.failed
	}
	s.out = dst
	s.failed = read()
	dst, s.out = s.out, nil
	return dst, s.failed
}

// Finish appends the ending of the answer.
func (s *Stream) Finish(dst []byte, b Bill) []byte { return s.writer.Finish(dst, b) }

// Fail appends the end of an answer that has failed.
func (s *Stream) Fail(dst []byte, f *Failure) []byte { return s.writer.Fail(dst, f) }

// Ping appends something that says nothing, between two events.
func (s *Stream) Ping(dst []byte) []byte { return s.writer.Ping(dst) }

// ContentType is that of the client's stream.
func (s *Stream) ContentType() string { return s.writer.ContentType() }

// Begun reports whether a part of the answer was read, or its end. Before that nothing was
// written, and nothing is lost by asking another upstream.
func (s *Stream) Begun() bool { return s.begun }

// Usage is what the upstream has told so far.
func (s *Stream) Usage() Usage { return s.usage }

// ReadWhole reads an answer in one piece. The error is a *Failure.
func ReadWhole(r Reader, body []byte) (*Answer, error) {
	var a Answer
	var c Collector
	if err := r.Whole(body, func(e *Event) { a.Collect(e, &c) }); err != nil {
		return nil, err
	}
	return &a, nil
}
