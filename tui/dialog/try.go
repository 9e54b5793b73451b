package dialog

import (
	"cmp"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// NewTry asks for a test request, sends it as an app would, and explains every
// check that it met.
func NewTry(e *screen.Env, client, model string) screen.Dialog {
	return NewForm(e, FormOf[control.Try, control.Tried]{
		Heading: "Send a test request", Op: control.EngineTry, Save: "Send it", Busy: "sending it and waiting for the answer",
		Asks: []string{"client", "model", "prompt"}, Begin: control.Try{Client: client, Model: model},
		Done: func(out control.Tried) tea.Cmd { return screen.Ask(screen.Open{Dialog: &Tried{Out: out}}) },
	})
}

// Tried is the dialog of what became of a test request.
type Tried struct {
	Heading string // "" for that of a test request
	Out     control.Tried
	Enter   string // what enter and esc do, if they do not close it
	top     int
	end     bool // the last line is seen
}

// Title implements Dialog, as do the methods below.
func (d *Tried) Title() string {
	switch {
	case d.Heading != "":
		return d.Heading
	case d.Out.OK:
		return "The test request was answered"
	}
	return "The test request was not answered"
}
func (d *Tried) Typing() bool { return false }
func (d *Tried) Esc() tea.Cmd { return screen.Ask(screen.Close{Dialog: d}) }

func (d *Tried) Update(msg tea.Msg) tea.Cmd {
	key, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch key.String() {
	case "enter", "q":
		return screen.Ask(screen.Close{Dialog: d})
	case "y":
		if id := d.Out.Request.ID; id != "" {
			return screen.Ask(screen.Copy{Text: string(id), What: "The request's id was"})
		}
	case "down", "j":
		if !d.end {
			d.top++
		}
	case "up", "k":
		d.top = max(d.top-1, 0)
	}
	return nil
}

func (d *Tried) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 92)
	var lines []string
	if a := strings.TrimSpace(d.Out.Answer); a != "" {
		lines = append(lines, t.Paint(theme.Muted, "It says"))
		for _, l := range firstOf(widget.Wrap(widget.Safe(a), width-4), 6) {
			lines = append(lines, "  "+l)
		}
		lines = append(lines, "")
	}
	lines = append(lines, t.Paint(theme.Muted, fmt.Sprintf("What happened: status %d", d.Out.Status)))
	reached := true
	for _, s := range d.Out.Steps {
		sign, role := t.Paint(theme.OK, t.Glyphs.Good), theme.Text
		switch {
		case !s.OK && reached:
			sign, role, reached = t.Paint(theme.Bad, t.Glyphs.Wrong), theme.Bad, false
		case !s.OK:
			sign, role = t.Paint(theme.Faint, "-"), theme.Muted
		}
		for i, l := range widget.Wrap(widget.Safe(s.Detail), width-15) {
			if i == 0 {
				lines = append(lines, "  "+sign+" "+t.Paint(theme.Muted, widget.Pad(widget.Safe(s.Name), 10))+" "+t.Paint(role, l))
			} else {
				lines = append(lines, strings.Repeat(" ", 15)+t.Paint(role, l))
			}
		}
	}
	rows := max(min(len(lines), height-4), 1)
	d.top = max(min(d.top, len(lines)-rows), 0)
	d.end = d.top+rows >= len(lines)
	keys := cmp.Or(d.Enter, "enter close")
	if d.Out.Request.ID != "" {
		keys += "   y copy the request's id"
	}
	if rows < len(lines) {
		keys += "   ↑↓ more"
	}
	return widget.Below(widget.NewBlock(width, 1), widget.NewBlock(width, rows, lines[d.top:]...), widget.NewBlock(width, 2, "", t.Paint(theme.Muted, keys)))
}

// firstOf is at most n lines.
func firstOf(lines []string, n int) []string { return lines[:min(len(lines), n)] }
