package gateways

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

const (
	mostDays    = 7 // that are drawn
	widestToken = 84
)

// cockpit is the dialog of an access token: how it stands, who came to its pages and what
// that cost, and the lines that use it. What is told of visits is asked for when it opens.
type cockpit struct {
	s    *Screen
	v    control.TokenView
	out  *control.TokenShown // nil until it has come
	err  error
	note string

	lines widget.Scroll
}

// explainToken opens the cockpit of an access token.
func (s *Screen) explainToken(v control.TokenView) tea.Cmd {
	d := &cockpit{s: s, v: v}
	return tea.Sequence(screen.Ask(screen.Open{Dialog: d}), func() tea.Msg {
		in := control.PickToken{Token: v.ID, Gateway: v.Gateway}
		out, err := screen.Run(screen.Patience, s.Env, control.TokensShow, in)
		return screen.Reply{Take: func() tea.Cmd {
			if d.err = err; err == nil {
				d.out = &out
			}
			return nil
		}}
	})
}

// Title implements Dialog, as do the methods below.
func (d *cockpit) Title() string { return "Access token " + widget.Safe(d.v.ID) }
func (d *cockpit) Typing() bool  { return false }
func (d *cockpit) Esc() tea.Cmd  { return screen.Ask(screen.Close{Dialog: d}) }

func (d *cockpit) Update(msg tea.Msg) tea.Cmd {
	key, ok := msg.(tea.KeyPressMsg)
	switch {
	case !ok:
	case key.String() == "enter" || key.String() == "q":
		return d.Esc()
	case d.lines.Key(key.String()):
	case d.out == nil:
	case key.String() == "y":
		d.note = "The line of the chat was sent to the terminal's clipboard. Put the token into it."
		if d.out.Mints {
			d.note = "The line of the chat was sent to the terminal's clipboard. It asks your server for tokens."
		}
		return tea.SetClipboard(d.out.Widget)
	case key.String() == "Y" && !d.out.Mints:
		d.note = "A page that uses it was sent to the terminal's clipboard. Put the token into it."
		return tea.SetClipboard(d.out.Page)
	}
	return nil
}

func (d *cockpit) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, widestToken)
	lines := []string{""}
	for _, l := range tokenSays(&d.v, d.s.Env) {
		lines = append(lines, widget.Wrap(l, width)...)
	}
	if len(d.v.Limits) > 0 {
		lines = append(lines, "")
		lines = append(lines, part.Gauges(t, d.v.Limits, width, d.s.Env.Clock(), d.s.Env.Zone)...)
	}
	lines = append(lines, d.visitLines(t, width)...)
	can := "enter close   y copy the line of the chat   Y copy a page that uses it"
	switch {
	case d.out == nil:
		can = "enter close"
	case d.out.Mints:
		can = "enter close   y copy the line of the chat"
	}
	foot := []string{"", t.Paint(theme.Muted, widget.Truncate(can, width))}
	if d.note != "" {
		foot[0] = t.Paint(theme.OK, widget.Truncate(widget.Safe(d.note), width))
	}
	lines, more := d.lines.Cut(lines, height-len(foot))
	if d.note == "" && more > 0 {
		foot[0] = t.Paint(theme.Muted, part.Plural(int64(more), "more line")+": up and down show them")
	}
	return widget.Below(widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, len(foot), foot...))
}

// visitLines are who came, by country and by day, what a visit costs, and the line that
// puts the chat into a page.
func (d *cockpit) visitLines(t *theme.Theme, width int) (lines []string) {
	switch {
	case d.err != nil:
		return []string{"", t.Paint(theme.Bad, widget.Truncate(widget.Safe(d.err.Error()), width))}
	case d.out == nil:
		return []string{"", t.Paint(theme.Muted, "looking who came …")}
	}
	out := d.out
	cost := ""
	if out.CostVisitUSD != "" {
		cost = widget.Money(out.CostVisitNano) + " each"
	}
	since := part.Plural(out.Total.Visits, "visit") + " since " + out.Since.In(d.s.Env.Zone).Format("2 Jan")
	lines = append(lines, "", part.Heading(t, since, cost, width))
	if len(out.Countries) > 0 {
		shares := make([]control.Part, len(out.Countries))
		for i, c := range out.Countries {
			shares[i] = control.Part{Name: c.Name, Requests: c.Visits}
			if c.Name == "" {
				shares[i].Name = "??"
			}
		}
		lines = append(lines, shareLines(t, shares, theme.Info, width)...)
	}
	if len(out.Days) > 0 {
		lines = append(lines, "", part.Heading(t, "By day", "visits, requests, cost", width))
		for i := range out.Days[:min(len(out.Days), mostDays)] {
			day := &out.Days[i]
			lines = append(lines, widget.Between(widget.Safe(day.Name), fmt.Sprintf("%6s %8s %10s",
				control.Compact(day.Visits), control.Compact(day.Requests), widget.Money(day.CostNano)), width))
		}
	}
	if out.Partial {
		lines = append(lines, t.Paint(theme.Muted, "The oldest records of the span were not looked at."))
	}
	lines = append(lines, "", part.Heading(t, "The chat, in one line", "y copies it", width))
	return append(lines, widget.Wrap(widget.Safe(out.Widget), width)...)
}
