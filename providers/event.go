package providers

import (
	"bytes"
	"io"
)

// event is where one server-sent event and its data stand in a block of whole
// events.
type event struct {
	start, end    int  // with its empty line
	data, dataEnd int  // of the only data line
	lines         int  // lines of data
	fails         bool // it is named "error"
}

// nextEvent finds the event that starts at i in a block of whole events.
func nextEvent(b []byte, i int) event {
	ev := event{start: i}
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			n = len(b) - i - 1 // cannot be: blocks end with a line
		}
		line := b[i : i+n]
		if n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) == 0 {
			i += n + 1
			break
		}
		if from, ok := dataOf(line); ok {
			if ev.lines++; ev.lines == 1 {
				ev.data, ev.dataEnd = i+from, i+len(line)
			}
		} else if name, ok := bytes.CutPrefix(line, []byte("event:")); ok {
			ev.fails = string(bytes.TrimSpace(name)) == "error"
		}
		i += n + 1
	}
	ev.end = i
	return ev
}

// dataOf returns where the data of a line starts, if it is a line of data.
func dataOf(line []byte) (int, bool) {
	if len(line) < 4 || string(line[:4]) != "data" {
		return 0, false
	}
	switch {
	case len(line) == 4:
		return 4, true
	case line[4] != ':':
		return 0, false
	case len(line) > 5 && line[5] == ' ':
		return 6, true
	}
	return 5, true
}

// oneLine rewrites an event of several lines of data in place. The data then stands in one
// line, and the event at the end of where it stood. A break between two lines becomes a
// space, since in JSON it can only stand between two tokens.
func oneLine(b []byte, ev event) event {
	var lines, data []byte
	for line := range bytes.Lines(b[ev.start:ev.end]) {
		line = bytes.TrimRight(line, "\r\n")
		if from, ok := dataOf(line); !ok {
			lines = append(append(lines, line...), '\n') // the empty line ends the event
		} else if data == nil {
			data = append(append(data, "data: "...), line[from:]...)
		} else {
			data = append(append(data, ' '), line[from:]...)
		}
	}
	data = append(append(data, '\n'), lines...) // never longer than the event was: "data:" is left out once or more
	start := ev.end - len(data)
	copy(b[start:], data)
	return nextEvent(b, start)
}

// verdict is what becomes of an event.
type verdict int

const (
	keep verdict = iota
	drop
	last
	broken
	later // the event belongs to the next block
)

// look takes notice of one event, which will be returned at offset kept.
func (s *Stream) look(b []byte, ev event, kept int) verdict {
	data := b[ev.data:ev.dataEnd]
	if s.failing && len(data) == 0 {
		return drop
	}
	if ev.lines == 0 {
		if !s.spoke && !s.page && IsPage(b[ev.start:ev.end]) {
			s.page = true
			s.tell(b[ev.start:ev.end])
		}
		return keep // a comment, or only an event's name
	}
	if len(data) == 0 {
		return keep
	}
	if data[0] == '[' && string(bytes.TrimRight(data, " \t")) == "[DONE]" {
		return s.over()
	}
	first := !s.spoke
	s.spoke = true
	f := facts{endings: &s.said.endings}
	i := inspectAs(s.in, data, space(data, 0), &f)
	if i < 0 || space(data, i) < len(data) {
		return s.noJSON(data, ev, first, kept)
	}
	fails := ev.fails || f.fails()
	if fails {
		s.tell(data)
	}
	dropped := s.failing || fails ||
		!s.opts.KeepUsage && (f.reports() || f.tells) && (!f.choices.present() || hollow(data, f.choices.From, !s.begun))
	at := span{}
	if f.reports() {
		var seen figures
		if f.count(data, &seen) && !dropped {
			if s.usage.present() {
				return later // so that a block has at most one usage object
			}
			at = f.shown()
		}
		s.said.fold(&seen)
	}
	s.said.name(data, &f)
	s.beside = s.beside || f.beside || f.data
	if f.again > 0 && s.content == 0 {
		f.content += f.again
	}
	if f.content > 0 {
		s.events++
		s.content += int64(f.content)
	}
	if fails && s.fail(kept, f.content == 0) || dropped {
		return drop
	}
	if f.ends && s.failed {
		return s.over()
	}
	s.begun = s.begun || f.choices.present()
	if at.present() {
		by := kept + ev.data - ev.start
		s.usage = span{From: by + at.From, To: by + at.To}
	}
	if f.ends {
		return s.over()
	}
	return keep
}

// over takes notice of the end marker.
func (s *Stream) over() verdict {
	if s.err = io.EOF; s.failed {
		s.err = s.reportedError(!s.failing)
		return broken
	}
	return last
}

// noJSON takes notice of an event whose data is not JSON. Such an event is passed on, and
// may have to be paid for, whatever it holds. So the stream does not count as silent.
func (s *Stream) noJSON(data []byte, ev event, first bool, kept int) verdict {
	if s.failing && s.torn {
		s.beside = true // the event may have held what was used
		s.err = s.reportedError(false)
		return broken
	}
	if s.page = s.page || first && IsPage(data); !s.failing && (s.page || s.torn) {
		if s.page {
			s.tell(data)
		}
		s.err = s.noEvent(errNoEvent)
		return broken
	}
	if ev.fails {
		s.beside = true
		s.tell(data)
		s.fail(kept, true)
		return drop
	}
	s.events++
	s.content += int64(len(data))
	if s.failing || s.opts.OnlyJSON { // the data may be words of an error
		return drop
	}
	if len(s.opts.Keys) > 0 && HoldsKey(data, s.opts.Keys) {
		return drop
	}
	return keep
}

// noEvent is the error of an answer that is not a stream of events.
func (s *Stream) noEvent(err error) error {
	if s.page {
		err = ErrPage
	}
	return worded(free(cut(err), s.silent() && s.page), s.words)
}

// tell keeps the first words of an error that there are.
func (s *Stream) tell(data []byte) {
	if s.words.zero() {
		s.words = WordsOf(data, s.opts.Keys...)
	}
}

// fail takes notice of a failure that the stream tells of, and reports whether the failure
// is the first word of the stream. empty is whether the event holds nothing but the
// failure.
func (s *Stream) fail(kept int, empty bool) bool {
	if s.failed = true; s.passed || kept > 0 || !empty {
		return false
	}
	s.readOn()
	return true
}
