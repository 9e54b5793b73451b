package clients

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// widestMoney is how wide a statement is drawn at most.
const widestMoney = 84

// money is the dialog of what a client owes for a month: its statement as the client reads
// it, and what of it is for the owner's eyes.
type money struct {
	s     *Screen
	c     control.ClientView
	month control.Month
	out   *control.StatementView // nil until it has come
	err   error
	note  string
	lines widget.Scroll
}

// openMoney opens the statement of the month under way.
func (s *Screen) openMoney() tea.Cmd {
	d := &money{s: s, c: *s.Selected(), month: "this"}
	return tea.Sequence(screen.Ask(screen.Open{Dialog: d}), d.ask())
}

func (d *money) ask() tea.Cmd {
	d.out, d.err, d.lines = nil, nil, widget.Scroll{}
	in := control.StatementQuery{Client: string(d.c.ID), Month: d.month}
	if cur := d.s.Snap.Settings.Currency; cur != "" { // a rate is given where it is closed
		in.Currency = "USD"
	}
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, d.s.Env, control.ClientsStatement, in)
		return screen.Reply{Take: func() tea.Cmd {
			if d.err = err; err == nil && len(out) == 1 {
				d.out = &out[0]
			}
			return nil
		}}
	}
}

// Title implements Dialog, as do the methods below.
func (d *money) Title() string { return "Money of " + widget.Safe(d.c.Name) }
func (d *money) Typing() bool  { return false }
func (d *money) Esc() tea.Cmd  { return screen.Ask(screen.Close{Dialog: d}) }

func (d *money) Update(msg tea.Msg) tea.Cmd {
	key, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	if d.lines.Key(key.String()) {
		return nil
	}
	switch key.String() {
	case "enter", "q", "$":
		return d.Esc()
	case "left", "h":
		return d.other(-1)
	case "right", "l":
		return d.other(1)
	case "a":
		return tea.Sequence(d.Esc(), dialog.Adjust(d.s.Env, &d.c))
	case "y":
		if d.out != nil {
			d.note = "The statement was sent to the terminal's clipboard."
			return tea.SetClipboard(d.out.Plain(textWidth))
		}
	case "c":
		return d.close()
	}
	return nil
}

// textWidth is that of a statement that is copied.
const textWidth = 78

// other shows the month before, or the one after.
func (d *money) other(by int) tea.Cmd {
	if d.out == nil || by > 0 && d.out.Period.Until.After(d.s.Env.Clock()) {
		return nil
	}
	first, err := time.Parse(time.DateOnly, d.out.Period.First)
	if err != nil {
		return nil
	}
	d.month, d.note = control.Month(first.AddDate(0, by, 1-first.Day()).Format("2006-01")), ""
	return d.ask()
}

// close asks before the month is closed.
func (d *money) close() tea.Cmd {
	switch {
	case d.out == nil || d.out.Number != "":
		return nil
	case d.out.Period.Until.After(d.s.Env.Clock()):
		d.note = "The month is not over: it is closed from its end on."
		return nil
	case d.s.Snap.Settings.Currency != "" && d.s.Snap.Settings.Currency != "USD":
		d.note = "It needs a rate: tallygate clients statement " + tally.ShellWord(d.c.Slug) + " --month " + d.out.Period.Name + " --rate 0.86 --close"
		return nil
	}
	in := control.StatementQuery{Client: string(d.c.ID), Month: control.Month(d.out.Period.Name)}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Close " + d.out.Period.Name + " of " + widget.Safe(d.c.Name) + "?", Do: "Close",
		Says: []string{"The statement gets a number and stays as it is, whatever changes later. " +
			"What is booked for the month after that stands on the next one."},
		Yes: func() tea.Cmd {
			return func() tea.Msg {
				out, err := screen.Run(screen.Patience, d.s.Env, control.ClientsClose, in)
				return screen.Reply{Take: func() tea.Cmd {
					if err != nil {
						return screen.Fail(err)
					}
					d.out = &out[0]
					return screen.Ask(screen.Say{Text: "Closed as statement " + out[0].Number + ": " + out[0].Owed() + "."})
				}}
			}
		},
	})})
}

func (d *money) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, widestMoney)
	lines := []string{""}
	switch {
	case d.err != nil:
		lines = append(lines, widget.Wrap(t.Paint(theme.Bad, widget.Safe(d.err.Error())), width)...)
	case d.out == nil:
		lines = append(lines, t.Paint(theme.Muted, "adding it up …"))
	default:
		lines = append(lines, d.ownLine(t, width))
		for line := range strings.Lines(d.out.Plain(width)) {
			lines = append(lines, widget.Truncate(widget.Safe(strings.TrimRight(line, "\n")), width))
		}
	}
	can := "←→ month   c close it   a add an entry   y copy   esc closes"
	if d.out != nil && d.out.Number != "" {
		can = "←→ month   a add an entry   y copy   esc closes"
	}
	return part.Scrolled(t, &d.lines, lines, can, d.note, width, height)
}

// ownLine is what the month has cost the owner, and what is left.
func (d *money) ownLine(t *theme.Theme, width int) string {
	v := d.out
	role, state := theme.Muted, v.State()
	switch state {
	case "closed":
		role = theme.OK
	case "changed":
		role, state = theme.Warn, "closed; the ledger has "+v.Changed.Display()+" by now"
	}
	left := t.Paint(role, v.Period.Name+", "+state+": ") + t.Paint(theme.Text, v.Owed())
	right := t.Paint(theme.Muted, "for you: cost "+widget.Money(v.Cost)+", margin ") + t.Paint(theme.Text, widget.Money(v.Margin))
	if v.Prepaid != nil {
		left += t.Paint(theme.Muted, ", "+part.BalanceText(v.Prepaid.After))
	}
	return widget.Between(left, right, width)
}
