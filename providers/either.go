package providers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Either is the Body of a streamed answer whose head does not say that it is a stream. The
// answer may be a stream all the same, or JSON from an upstream that ignores the wish for a
// stream. JSON is written as the events that a stream would have been, and is counted as a
// whole answer.
type Either struct {
	src    Source // nil once the form of the answer is known
	stream StreamOptions
	whole  WholeOptions
	body   Body // nil before the form of the answer is known
	err    error
}

// NewEither reads an answer of either form from src, which Close closes.
func NewEither(src Source, stream StreamOptions, whole WholeOptions) *Either {
	return &Either{src: src, stream: stream, whole: whole}
}

var errNoStream = errors.New("the answer is neither a stream nor JSON, though a stream was asked for")

// maxBlank bounds the blank space before an answer, with which some upstreams keep
// the connection alive while a model thinks.
const maxBlank = 1 << 20

// Next implements Body.
func (e *Either) Next() ([]byte, error) {
	if e.body == nil {
		if e.err == nil {
			e.err = formless(e.look())
		}
		if e.err != nil {
			return nil, e.err
		}
	}
	return e.body.Next()
}

// look reads as much as tells what the answer is.
func (e *Either) look() error {
	e.src.SetReadDeadline(e.whole.Until) // a source without deadlines does not hang
	buf, blank := make([]byte, 0, 512), 0
	for {
		n, err := e.src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		begins := bytes.TrimLeft(buf, " \t\r\n\ufeff")
		if blank += len(buf) - len(begins); blank > maxBlank {
			return bad(errLarge)
		}
		buf = append(buf[:0], begins...)
		ended := err == io.EOF
		if err != nil && !ended {
			return cut(err)
		}
		src := &replayed{Source: e.src, first: buf}
		switch {
		case len(buf) > 0 && buf[0] == '{':
			e.body = &written{Whole: NewWhole(src, e.whole), usage: e.stream.KeepUsage, final: -1}
		case beginsEvents(buf):
			e.body = NewStream(src, e.stream)
		case ended || len(buf) >= len("event:"):
			if IsPage(buf) {
				return page(buf, e.whole.Keys)
			}
			return worded(bad(errNoStream), WordsOf(buf, e.whole.Keys...))
		default:
			continue
		}
		e.src = nil
		return nil
	}
}

// formless marks an error of an answer that is not known to be a stream. Closing such an
// answer stops nothing at the upstream, and the time does not tell what was written by
// then.
func formless(err error) error {
	up, ok := errors.AsType[*UpstreamError](err)
	if !ok || up.Status != 0 {
		return err
	}
	marked := *up
	marked.Status = http.StatusOK
	return &marked
}

// beginsEvents reports whether text begins as a stream of events does.
func beginsEvents(b []byte) bool {
	for _, field := range [...]string{":", "data:", "event:", "id:", "retry:"} {
		if len(b) >= len(field) && string(b[:len(field)]) == field {
			return true
		}
	}
	return false
}

// Report implements Body.
func (e *Either) Report() Report {
	if e.body == nil {
		return Report{}
	}
	return e.body.Report()
}

// UsageAt implements Body.
func (e *Either) UsageAt() (from, to int) {
	if e.body == nil {
		return 0, 0
	}
	return e.body.UsageAt()
}

// Delivered implements Body.
func (e *Either) Delivered() int64 {
	if e.body == nil {
		return 0
	}
	return e.body.Delivered()
}

// Final implements Body.
func (e *Either) Final() int {
	if e.body == nil {
		return -1
	}
	return e.body.Final()
}

// Close implements Body.
func (e *Either) Close() error {
	if e.body != nil {
		return e.body.Close()
	}
	if e.err == nil {
		e.err = &UpstreamError{Fault: Gone, Err: errClosed}
	}
	src := e.src
	if e.src = nil; src == nil {
		return nil
	}
	return src.Close()
}

// replayed is a source whose first bytes were read already.
type replayed struct {
	Source
	first []byte
}

// Read implements Source.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		return r.Source.Read(p)
	}
	n := copy(p, r.first)
	r.first = r.first[n:]
	return n, nil
}

// written is an answer in JSON, written as events.
type written struct {
	*Whole
	usage bool // whether the caller asked for the usage
	at    span
	final int // where the end marker is in the bytes last returned
}

// Next implements Body.
func (w *written) Next() ([]byte, error) {
	w.final, w.at = -1, span{}
	answer, err := w.Whole.Next()
	if err != nil {
		return nil, formless(err)
	}
	if !w.isChat() {
		return w.otherEvents(answer)
	}
	return w.events(answer), nil
}

// UsageAt implements Body.
func (w *written) UsageAt() (from, to int) { return w.at.From, w.at.To }

// Final implements Body.
func (w *written) Final() int { return w.final }

// events writes an answer as events: one with all that was said, one with the usage if the
// caller asked for it, and the end marker.
func (w *written) events(answer []byte) []byte {
	usage := w.facts.shown()
	head := []byte("data: {") // what every event begins with, up to its choices
	body := []byte(nil)       // what only the first event has
	members(answer, space(answer, 0), func(key []byte, s span) bool {
		to := &body
		switch string(key) {
		case "usage":
			return true
		case "choices":
			if answer[s.From] == '[' {
				body = writeChoices(append(body, `"choices":[`...), answer, s)
				body = append(body, `],`...)
			}
			return true
		case "object":
			if string(s.of(answer)) == `"chat.completion"` {
				head = append(head, `"object":"chat.completion.chunk",`...)
				return true
			}
			to = &head
		case "id", "created", "model":
			to = &head
		}
		*to = append(append(*to, answer[s.KeyFrom:s.To]...), ',')
		return true
	})
	unbroken(head)
	out := append(bytes.Clone(head), unbroken(body)...)
	out = append(bytes.TrimSuffix(out, []byte{','}), "}\n\n"...)
	if w.usage && usage.present() {
		out = append(append(out, head...), `"choices":[],"usage":`...)
		from := len(out)
		out = append(out, unbroken(bytes.Clone(usage.of(answer)))...)
		if w.shown {
			w.at = span{From: from, To: len(out)}
		}
		out = append(out, "}\n\n"...)
	}
	w.final = len(out)
	return append(out, doneMark...)
}

// unbroken puts spaces in the place of line ends, which would end an event's data. In JSON,
// a line end can only stand between tokens.
func unbroken(b []byte) []byte {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
	return b
}

// writeChoices writes the choices with their messages as deltas.
func writeChoices(out, b []byte, list span) []byte {
	elementsOf(b, list.From, func(choice span) bool {
		if b[choice.From] != '{' {
			return true
		}
		out = append(out, '{')
		members(b, choice.From, func(key []byte, s span) bool {
			switch {
			case string(key) == "message" && b[s.From] == '{':
				out = append(out, `"delta":{`...)
				members(b, s.From, func(key []byte, s span) bool {
					if string(key) == "tool_calls" && b[s.From] == '[' {
						out = numbered(append(out, `"tool_calls":[`...), b, s)
						out = append(out, `],`...)
					} else {
						out = append(append(out, b[s.KeyFrom:s.To]...), ',')
					}
					return true
				})
				out = append(bytes.TrimSuffix(out, []byte{','}), `},`...)
			case string(key) != "usage": // Moonshot's usage stands here, and gets an event of its own
				out = append(append(out, b[s.KeyFrom:s.To]...), ',')
			}
			return true
		})
		out = append(bytes.TrimSuffix(out, []byte{','}), `},`...)
		return true
	})
	return bytes.TrimSuffix(out, []byte{','})
}

// numbered writes calls of tools, each with its index. Clients of a stream put the pieces
// of a call together by that index.
func numbered(out, b []byte, list span) []byte {
	n := int64(0)
	elementsOf(b, list.From, func(call span) bool {
		text := call.of(b)
		if text[0] == '{' && !member(b, call.From, "index").present() {
			comma := `,`
			if b[space(b, call.From+1)] == '}' {
				comma = ``
			}
			out = append(appendInt(append(out, `{"index":`...), n), comma...)
			text = text[1:]
		}
		out = append(append(out, text...), ',')
		n++
		return true
	})
	return bytes.TrimSuffix(out, []byte{','})
}
