package tui

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/tui/action"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// palette is a list of actions that is searched by typing. It serves as the
// command palette, which finds things too, and as the page of keys.
type palette struct {
	app    *App
	title  string
	all    []action.Action
	things bool
	input  widget.Input
	table  widget.Table
	found  []action.Action
}

func newPalette(a *App, title string, all []action.Action, things bool) *palette {
	hint := "type to search"
	if things {
		hint = "a thing or an action; @ client  # request  % token  * model  = setting  > action"
	}
	p := &palette{app: a, title: title, all: all, things: things, input: widget.NewInput("› ", hint, 100)}
	p.input.Focus()
	p.table = widget.Table{Focused: true, Columns: []widget.Column{{Title: "what"}, {Title: "where", Width: 12, Priority: 1}, {Title: "key", Width: 10}},
		Empty: []string{"Nothing is called that. Try another word, such as client, key or limit."}}
	p.search()
	return p
}

func (p *palette) search() {
	if p.found = action.Search(p.all, p.input.Value()); p.things {
		p.found = p.app.find(p.all, p.input.Value())
	}
	rows := make([]widget.Row, 0, len(p.found))
	for _, a := range p.found {
		where := "everywhere"
		if a.Screen != "" {
			where = title(a.Screen)
		}
		rows = append(rows, widget.Row{ID: a.Screen + a.ID + a.Title, Cells: []string{widget.Safe(a.Title), where, a.Key()}})
	}
	p.table.SetRows(rows)
}

// Title implements screen.Dialog, as do the methods below.
func (p *palette) Title() string { return p.title }
func (p *palette) Typing() bool  { return true }

// Press implements screen.Pointed, as does Wheel.
func (p *palette) Press(s widget.Spot) bool            { return p.table.Press(s) }
func (p *palette) Wheel(_ widget.Spot, _, notches int) { p.table.Wheel(notches) }
func (p *palette) Esc() tea.Cmd {
	if p.input.Value() != "" {
		p.input.SetValue("")
		p.search()
		return nil
	}
	return screen.Ask(screen.Close{})
}

func (p *palette) Update(msg tea.Msg) tea.Cmd {
	if key, ok := msg.(tea.KeyPressMsg); ok {
		switch key.String() {
		case "up", "down", "pgup", "pgdown":
			p.table.Key(key.String())
			return nil
		case "enter":
			i := p.table.Selected()
			if i < 0 {
				return nil
			}
			p.app.dialogs = p.app.dialogs[:len(p.app.dialogs)-1]
			return p.app.Do(p.found[i])
		}
	}
	before := p.input.Value()
	cmd := p.input.Update(msg)
	if p.input.Value() != before {
		p.search()
		p.table.Key("home") // what fits best is what enter runs
	}
	return cmd
}

func (p *palette) Draw(t *theme.Theme, width, height int) widget.Block {
	width, height = min(width, 72), min(height, 22)
	return widget.Below(
		widget.NewBlock(width, 2, p.input.Draw(t, width)),
		p.table.Draw(t, width, height-3),
		widget.NewBlock(width, 1, t.Paint(theme.Muted, "enter runs it   esc closes")),
	)
}
