package dialog

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Note is a dialog that tells more than fits into a word at the bottom.
type Note struct {
	Heading string
	// Lines are what it says, with styles; each is safe to show and is wrapped.
	Lines func(t *theme.Theme) []string
}

// Title implements Dialog, as do the methods below.
func (n *Note) Title() string { return n.Heading }
func (n *Note) Typing() bool  { return false }
func (n *Note) Esc() tea.Cmd  { return screen.Ask(screen.Close{}) }

func (n *Note) Update(msg tea.Msg) tea.Cmd {
	if key, ok := msg.(tea.KeyPressMsg); ok {
		switch key.String() {
		case "enter", "q", "space":
			return screen.Ask(screen.Close{})
		}
	}
	return nil
}

func (n *Note) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 72)
	lines := []string{""}
	for _, l := range n.Lines(t) {
		lines = append(lines, widget.Wrap(l, width)...)
	}
	lines = lines[:min(len(lines), max(height-2, 1))]
	return widget.Below(widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, 2, "", t.Paint(theme.Muted, "enter closes")))
}
