package tui

import "tallygate/tui/screen"

// Top is the dialog on top, nil if there is none, for tests.
func (a *App) Top() screen.Dialog { return a.dialog() }

// At is the name of the screen that is seen, for tests.
func (a *App) At() string { return a.screen().Name() }
