package widget

import (
	"strconv"
	"strings"
)

// Spot is what a pointer can press: a part of a line that was marked when it was drawn.
type Spot struct {
	What What
	Of   int // which of several tables on a screen
	N    int // which row, column, field, button
}

// What says what a spot is.
type What int

const (
	Nothing    What = iota
	Tab             // N is a screen
	Hint            // N is an action of the screen, -1 the list of all keys
	RowSpot         // N is a row of table Of
	HeadSpot        // N is a column of table Of
	FieldSpot       // N is a field of a form
	ChoiceSpot      // N is a choice of field Of
	ButtonSpot      // N is a button of a form
)

// Marks are private control sequences: they take no cell and survive cutting and padding.
// What comes from outside has none of them, see [Safe]; [Spots] takes them out before a
// terminal sees them.
const (
	markBegin = "\x1b["
	markEnd   = "\x1b[z"
)

// Mark makes a text of one line a spot. Spots may stand in each other: the inner counts.
func Mark(s Spot, text string) string {
	return markBegin + strconv.Itoa(int(s.What)) + ";" + strconv.Itoa(s.Of) + ";" + strconv.Itoa(s.N+1) + "z" + text + markEnd
}

// Places are where the spots of a picture are.
type Places []place

type place struct {
	spot        Spot
	y, from, to int // cells from up to and without to
}

// At is the spot at a cell, counted from the top left; What is Nothing if there is none.
func (p Places) At(x, y int) Spot {
	for _, at := range p {
		if at.y == y && at.from <= x && x < at.to {
			return at.spot
		}
	}
	return Spot{}
}

// Spots takes the marks out of a picture, and says where they were.
func Spots(picture string) (clean string, places Places) {
	if !strings.Contains(picture, markEnd) {
		return picture, nil
	}
	var out strings.Builder
	out.Grow(len(picture))
	for y, line := range strings.Split(picture, "\n") {
		if y > 0 {
			out.WriteByte('\n')
		}
		var open []place
		x := 0
		for line != "" {
			n, s := markAt(line)
			switch {
			case n == 0: // text up to the next sequence
				end := strings.Index(line[1:], markBegin) + 1
				if end == 0 {
					end = len(line)
				}
				x += Width(line[:end])
				out.WriteString(line[:end])
				line = line[end:]
				continue
			case s.What != Nothing:
				open = append(open, place{spot: s, y: y, from: x})
			case len(open) > 0:
				last := open[len(open)-1]
				open, last.to = open[:len(open)-1], x
				places = append(places, last)
			}
			line = line[n:]
		}
	}
	return out.String(), places
}

// markAt reads the mark that a text begins with: how long it is, 0 if there is none, and
// which spot begins; none where one ends.
func markAt(s string) (n int, spot Spot) {
	end := strings.IndexFunc(s[min(len(markBegin), len(s)):], func(r rune) bool { return r != ';' && (r < '0' || r > '9') }) + len(markBegin)
	if !strings.HasPrefix(s, markBegin) || end < len(markBegin) || s[end] != 'z' {
		return 0, spot
	}
	var to [3]int
	for i, part := range strings.SplitN(s[len(markBegin):end], ";", len(to)) {
		to[i], _ = strconv.Atoi(part) // they are digits
	}
	return end + 1, Spot{What(to[0]), to[1], to[2] - 1}
}
