package tui

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/tui/action"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// press does what a key would do for the spot that was pressed.
func (a *App) press(m tea.Mouse) tea.Cmd {
	spot := a.places.At(m.X, m.Y)
	if m.Button != tea.MouseLeft || spot.What == widget.Nothing {
		return nil
	}
	a.quits = 0
	switch acts := a.screen().Actions(); {
	case spot.What == widget.Tab:
		a.at = spot.N
		return a.show()
	case spot.What == widget.Hint && spot.N < 0:
		return a.Do(*action.Find(a.everywhere(), "?"))
	case spot.What == widget.Hint && spot.N < len(acts):
		return a.Do(acts[spot.N])
	}
	if p := a.pointed(); p != nil && p.Press(spot) {
		return a.key(tea.KeyPressMsg{Code: tea.KeyEnter})
	}
	return a.show()
}

func (a *App) wheel(m tea.Mouse) tea.Cmd {
	p := a.pointed()
	switch {
	case p == nil:
		return nil
	case m.Button == tea.MouseWheelUp:
		p.Wheel(a.places.At(m.X, m.Y), m.X, -1)
	case m.Button == tea.MouseWheelDown:
		p.Wheel(a.places.At(m.X, m.Y), m.X, 1)
	}
	return a.show()
}

// pointed is what takes the pointer: the dialog on top, or the screen. nil if it takes
// none.
func (a *App) pointed() screen.Pointed {
	var on any = a.screen()
	if d := a.dialog(); d != nil {
		on = d
	}
	p, _ := on.(screen.Pointed)
	return p
}
