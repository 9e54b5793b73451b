package providers

import "bytes"

// event is where one server-sent event and its data stand in a block of whole
// events.
type event struct {
	start, end    int // with its empty line
	data, dataEnd int // of the only data line
	lines         int // lines of data
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

// joinData joins an event's lines of data with newlines, as a reader of the
// event would.
func joinData(b []byte) []byte {
	var data []byte
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		if from, ok := dataOf(line); ok {
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, line[from:]...)
		}
	}
	return data
}
