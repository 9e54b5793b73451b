package sim

import (
	"context"
	"io"
	"strconv"
	"time"
)

// source sends an answer as events: it is what a providers.Stream reads from,
// in the place of a connection. It works in its reader's goroutine, which
// sleeps between two events.
type source struct {
	ctx       context.Context
	answer    *answer
	pace      pacer
	every     time.Duration
	nullUsage bool // the client asked for usage, and so each event has the field

	head   []byte // what each event begins with
	event  []byte
	unread []byte // the rest of event
	step   step
	choice int
	at     int // in the choice's text
}

// step is the event that comes next.
type step int

const (
	opening   step = iota // of a choice: the role, or which tool is called
	saying                // a piece of its text
	finishing             // its finish_reason
	reporting             // usage
	marking               // the end marker
	done
)

// Read implements providers.Source. It waits for one event, and gives more of
// them if more are due.
func (s *source) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(s.unread) == 0 {
			if n > 0 && s.every > 0 && time.Until(s.pace.due) > -s.every {
				break // the next event is not due yet
			}
			if s.step == done {
				break
			}
			if err := s.pace.wait(s.ctx, s.every); err != nil {
				return n, err
			}
			s.next()
		}
		k := copy(p[n:], s.unread)
		s.unread = s.unread[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// SetReadDeadline implements providers.Source. No read waits for longer than
// the pace, which is ours.
func (s *source) SetReadDeadline(time.Time) error { return nil }

// Close implements providers.Source.
func (s *source) Close() error { return nil }

// next writes the next event.
func (s *source) next() {
	if s.head == nil {
		object := "text_completion"
		if s.answer.chat {
			object = "chat.completion.chunk"
		}
		s.head = s.answer.open(append(make([]byte, 0, 192), "data: "...), object)
		if !s.answer.chat {
			s.step = saying
		}
	}
	b := append(s.event[:0], s.head...)
	c := &s.answer.choices[min(s.choice, len(s.answer.choices)-1)]
	if s.step == saying && s.at == len(c.text) {
		s.step = finishing
	}
	switch s.step {
	case opening:
		b = s.open(b, c)
		s.step = saying
	case saying:
		to := s.at + piece(c.text[s.at:])
		b = s.say(b, c, c.text[s.at:to])
		s.at = to
	case finishing:
		b = s.finish(b, c)
		s.choice, s.at, s.step = s.choice+1, 0, saying
		switch {
		case s.choice == len(s.answer.choices):
			s.step = reporting
		case s.answer.chat:
			s.step = opening
		}
	case reporting:
		b = s.answer.appendUsage(append(b, `],"usage":`...))
		b = append(b, "}\n\n"...)
		s.step = marking
	case marking:
		b = append(b[:0], "data: [DONE]\n\n"...)
		s.step = done
	}
	s.event, s.unread = b, b
}

// open writes the first event of a choice of a chat.
func (s *source) open(b []byte, c *choice) []byte {
	b = s.index(b)
	if c.tool == nil {
		b = append(b, `,"delta":{"role":"assistant","content":"","refusal":null}`...)
		return s.end(b, "")
	}
	b = append(b, `,"delta":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"index":0,`...)
	b = c.appendCall(b, nil)
	return s.end(append(b, `]}`...), "")
}

// say writes an event with a piece of a choice.
func (s *source) say(b []byte, c *choice, text []byte) []byte {
	before, after := `,"delta":{"content":"`, `"}`
	switch {
	case !s.answer.chat:
		before, after = `,"text":"`, `"`
	case c.tool != nil:
		before, after = `,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"`, `"}}]}`
	}
	b = append(s.index(b), before...)
	b = append(b, text...)
	return s.end(append(b, after...), "")
}

// finish writes the last event of a choice.
func (s *source) finish(b []byte, c *choice) []byte {
	empty := `,"delta":{}`
	if !s.answer.chat {
		empty = `,"text":""`
	}
	return s.end(append(s.index(b), empty...), c.finish)
}

// index begins a choice in an event.
func (s *source) index(b []byte) []byte {
	return strconv.AppendInt(append(b, `{"index":`...), int64(s.choice), 10)
}

// end ends a choice and its event.
func (s *source) end(b []byte, finish string) []byte {
	b = append(b, `,"logprobs":null,"finish_reason":`...)
	if finish == "" {
		b = append(b, "null}]"...)
	} else {
		b = append(b, '"')
		b = append(b, finish...)
		b = append(b, `"}]`...)
	}
	if s.nullUsage {
		b = append(b, `,"usage":null`...)
	}
	return append(b, "}\n\n"...)
}
