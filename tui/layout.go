package tui

import "fmt"

// The smallest terminal that can be used.
const (
	minWidth  = 60
	minHeight = 16
)

// rect is a place on the terminal, in cells from the top left.
type rect struct{ X, Y, Width, Height int }

// layout is where things go.
type layout struct {
	header rect // one line: who, whether it serves, when
	tabs   rect // one line: the screens
	body   rect
	footer rect // one line: what the keys do, or a word to the user
	// TooSmall says what is missing, "" if nothing is.
	TooSmall string
}

// arrange lays a terminal of a size out.
func arrange(width, height int) layout {
	if width < minWidth || height < minHeight {
		return layout{TooSmall: fmt.Sprintf("tallygate needs %d×%d cells; this terminal has %d×%d.", minWidth, minHeight, width, height)}
	}
	return layout{
		header: rect{0, 0, width, 1},
		tabs:   rect{0, 1, width, 1},
		body:   rect{0, 2, width, height - 3},
		footer: rect{0, height - 1, width, 1},
	}
}
