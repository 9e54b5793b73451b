package dialog

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Pick is a dialog that asks for one of many, which typing narrows down.
type Pick struct {
	heading string
	all     []Choice
	shown   []Choice
	chosen  func(id string) tea.Cmd
	input   widget.Input
	table   widget.Table
	several bool
	has     func(id string) bool
	toggle  func(id string)
	note    int // the width of what stands beside a choice
	keys    string
	save    func() tea.Cmd // nil: nothing is to be saved
}

// Several lets any number of them be chosen: enter takes one, or gives it back, and esc
// is the end. has reports whether one is chosen.
func (p *Pick) Several(has func(id string) bool, toggle func(id string)) {
	p.several, p.has, p.toggle = true, has, toggle
	p.table.Marked = func(i int) bool { return has(p.shown[i].ID) }
}

// Saved lets ctrl+s end the dialog with what was chosen, and esc without; keys says so. What
// save returns runs after the dialog has closed.
func (p *Pick) Saved(keys string, save func() tea.Cmd) { p.keys, p.save = keys, save }

// Choice is one of what Pick offers. Text and Note are safe to show.
type Choice struct{ ID, Text, Note string }

// NewPick makes the dialog; at is the ID that is chosen at first. What chosen
// returns runs after the dialog has closed.
func NewPick(heading, at string, all []Choice, chosen func(id string) tea.Cmd) *Pick {
	p := &Pick{heading: heading, all: all, chosen: chosen, note: 36, input: widget.NewInput("/ ", "", 100)}
	p.input.Focus()
	p.table = widget.Table{Focused: true, Columns: []widget.Column{{Title: "which"}, {Title: "", Width: 36, Priority: 1}},
		Empty: []string{"Nothing is called that. esc clears what you typed."}}
	p.search()
	p.table.Select(at)
	return p
}

func (p *Pick) search() {
	words := strings.Fields(strings.ToLower(p.input.Value()))
	p.shown = p.shown[:0]
	rows := []widget.Row{}
	for _, c := range p.all {
		text, all := strings.ToLower(c.Text+" "+c.Note), true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			p.shown = append(p.shown, c)
			rows = append(rows, widget.Row{ID: c.ID, Cells: []string{c.Text, c.Note}})
		}
	}
	p.table.SetRows(rows)
}

// Title implements Dialog, as do the methods below.
func (p *Pick) Title() string { return p.heading }
func (p *Pick) Typing() bool  { return true }

// Press implements screen.Pointed, as does Wheel.
func (p *Pick) Press(s widget.Spot) bool            { return p.table.Press(s) }
func (p *Pick) Wheel(_ widget.Spot, _, notches int) { p.table.Wheel(notches) }

func (p *Pick) Esc() tea.Cmd {
	if p.input.Value() != "" {
		p.input.SetValue("")
		p.search()
		return nil
	}
	return screen.Ask(screen.Close{})
}

func (p *Pick) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		switch msg.String() {
		case "up", "down", "pgup", "pgdown":
			p.table.Key(msg.String())
			return nil
		case "ctrl+s":
			if p.save != nil {
				return tea.Sequence(screen.Ask(screen.Close{}), p.save())
			}
		case "enter":
			if i := p.table.Selected(); i >= 0 && p.several {
				p.toggle(p.shown[i].ID)
			} else if i >= 0 {
				return tea.Sequence(screen.Ask(screen.Close{}), p.chosen(p.shown[i].ID))
			}
			return nil
		}
	}
	return p.pass(msg)
}

func (p *Pick) pass(msg tea.Msg) (cmd tea.Cmd) {
	before := p.input.Value()
	if cmd = p.input.Update(msg); p.input.Value() != before {
		p.search()
	}
	return cmd
}

func (p *Pick) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 76)
	p.table.Columns[1].Width = p.note
	rows := min(len(p.all)+1, height-4, 16)
	keys := "type to search   enter choose   esc cancel"
	if p.keys != "" {
		keys = p.keys
	} else if p.several {
		keys = "type to search   enter takes one, or gives it back   esc done"
	}
	return widget.Below(widget.NewBlock(width, 2, p.input.Draw(t, width)), p.table.Draw(t, width, max(rows, 2)),
		widget.NewBlock(width, 2, "", t.Paint(theme.Muted, keys)))
}
