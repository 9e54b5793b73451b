package dialog

import (
	"cmp"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Confirm asks before something is done that somebody will notice. It says what
// happens and to whom, has Cancel in focus, and offers what can be undone in
// place of what cannot.
type Confirm struct {
	Heading string
	Says    []string // sentences
	// Name must be typed before Do can be chosen, if it is not empty: for things
	// in use.
	Name string
	Do   string // the label of what cannot be undone
	Stay string // the label of what changes nothing; "Cancel" if empty
	Yes  func() tea.Cmd
	// Instead and Rather are the reversible alternative, if there is one.
	Instead string
	Rather  func() tea.Cmd

	form *widget.Form
}

// The buttons, in order; Instead stands between them if there is one.
const cancelLabel = "Cancel"

// NewConfirm makes the dialog.
func NewConfirm(c Confirm) *Confirm {
	var fields []*widget.Field
	if c.Name != "" {
		fields = append(fields, &widget.Field{Name: "name", Label: "Its name"})
	}
	buttons := []string{cmp.Or(c.Stay, cancelLabel)}
	if c.Instead != "" {
		buttons = append(buttons, c.Instead)
	}
	buttons = append(buttons, c.Do)
	c.form = widget.NewForm(fields, nil, buttons...)
	c.form.Danger = len(buttons) - 1
	return &c
}

// Title implements Dialog, as do the methods below.
func (c *Confirm) Title() string { return c.Heading }
func (c *Confirm) Typing() bool  { return c.form.Typing() }
func (c *Confirm) Esc() tea.Cmd  { return screen.Ask(screen.Close{}) }

// Press implements screen.Pointed, as does Wheel.
func (c *Confirm) Press(s widget.Spot) bool    { return c.form.Press(s) }
func (c *Confirm) Wheel(widget.Spot, int, int) {}

func (c *Confirm) Update(msg tea.Msg) tea.Cmd {
	chosen, cmd := c.form.Update(msg)
	switch {
	case chosen < 0:
		return cmd
	case chosen == 0:
		return screen.Ask(screen.Close{})
	case chosen == 1 && c.Instead != "":
		return tea.Sequence(screen.Ask(screen.Close{}), c.Rather())
	case c.Name != "" && strings.TrimSpace(c.form.Value("name")) != strings.TrimSpace(widget.Safe(c.Name)):
		c.form.Fail("name", "That is not its name, so nothing was done.")
		return nil
	}
	return tea.Sequence(screen.Ask(screen.Close{}), c.Yes())
}

// Draw keeps the buttons, and the name that is to be typed, in sight: the
// sentences give way.
func (c *Confirm) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 66)
	var name []string
	if c.Name != "" {
		name = append(widget.Wrap("Type its name to confirm: "+t.Strong(theme.Text, widget.Safe(c.Name)), width), "")
	}
	rows := max(min(c.form.Height(t, width), height-len(name)), 3)
	lines := []string{""}
	for _, s := range c.Says {
		lines = append(lines, widget.Wrap(widget.Safe(s), width)...)
		lines = append(lines, "")
	}
	if room := max(height-rows-len(name), 0); len(lines) > room {
		if lines = lines[:room]; room > 0 {
			lines[room-1] = t.Paint(theme.Muted, t.Glyphs.Ellipsis)
		}
	}
	lines = append(lines, name...)
	return widget.Below(widget.NewBlock(width, len(lines), lines...), c.form.Draw(t, width, rows))
}
