package wire

import (
	"bytes"
	"errors"
)

// MaxEvent bounds one event of a stream, in bytes.
const MaxEvent = 32 << 20

// ErrLongEvent is why a stream with a longer event is refused.
var ErrLongEvent = errors.New("an event of the stream is too long")

// Events splits a stream of server-sent events that arrives in pieces cut anywhere. It
// keeps no more than the one event that has not ended. The zero Events is ready.
type Events struct {
	rest  []byte
	seen  int  // of rest: up to where it has no end of an event
	begun bool // something came: a byte order mark is over
}

// Push takes the next bytes of a stream and calls f with the name ("" if it has none) and
// the data of each event that they end. Both are valid during the call. Events without
// data are passed over, as comments are. An error of f ends the walk and is returned.
func (e *Events) Push(in []byte, f func(name, data []byte) error) error {
	held := len(e.rest) > 0
	b := in
	if held {
		e.rest = append(e.rest, in...)
		b = e.rest
	}
	done := 0
	for {
		end := eventEnd(b, max(done, e.seen))
		if end < 0 {
			break
		}
		if err := e.event(b[done:end], f); err != nil {
			return err
		}
		done, e.seen = end, 0
	}
	switch {
	case held && done > 0:
		e.rest = e.rest[:copy(e.rest, b[done:])]
	case !held:
		e.rest = append(e.rest[:0], b[done:]...)
	}
	if len(e.rest) > MaxEvent {
		return ErrLongEvent
	}
	e.seen = max(0, len(e.rest)-2) // a line break and half of the next
	return nil
}

// End takes notice of the end of the stream: an event that no empty line has ended counts
// if its lines are whole.
func (e *Events) End(f func(name, data []byte) error) error {
	n := bytes.LastIndexByte(e.rest, '\n') + 1
	whole := e.rest[:n]
	if last := e.rest[n:]; bytes.HasPrefix(last, []byte("data:")) && Fault(bytes.TrimPrefix(last, []byte("data:"))) < 0 {
		whole = e.rest
	}
	e.rest, e.seen = nil, 0
	return e.event(whole, f)
}

// eventEnd is the offset behind the first empty line at or behind i, -1 if there is none.
func eventEnd(b []byte, i int) int {
	if i == 0 && len(b) > 0 && b[0] == '\n' {
		return 1
	}
	for {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}

func (e *Events) event(b []byte, f func(name, data []byte) error) error {
	if !e.begun && len(b) > 0 {
		b, e.begun = bytes.TrimPrefix(b, []byte("\ufeff")), true
	}
	var name, data []byte
	lines := 0
	for len(b) > 0 {
		line := b
		if n := bytes.IndexByte(b, '\n'); n >= 0 {
			line, b = b[:n], b[n+1:]
		} else {
			b = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if value, ok := field(line, "data"); ok {
			if lines++; lines == 1 {
				data = value
			} else {
				data = append(append(data[:len(data):len(data)], '\n'), value...)
			}
		} else if value, ok := field(line, "event"); ok {
			name = value
		}
	}
	if len(data) == 0 {
		return nil
	}
	return f(name, data)
}

// field is the value of a line with this field.
func field(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || string(line[:len(name)]) != name {
		return nil, false
	}
	rest := line[len(name):]
	if len(rest) == 0 {
		return rest, true
	}
	if rest[0] != ':' {
		return nil, false
	}
	if rest = rest[1:]; len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	return rest, true
}
