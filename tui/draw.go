package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// View implements tea.Model. A terminal without the focus keeps its picture for
// a while: it may still be looked at, but costs next to nothing.
func (a *App) View() (v tea.View) {
	v.AltScreen, v.ReportFocus = true, true
	if a.env.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.WindowTitle = "tallygate"
	defer func() {
		if p := recover(); p != nil {
			a.failed("draw", p)
			v.Content = widget.NewBlock(a.width, a.height, " This screen failed inside; the gateway goes on serving.",
				" Details: "+widget.Safe(a.opts.LogFile), " 1-9 opens another screen, q quits.").String()
		}
	}()
	if a.still != "" && a.blurred {
		v.Content = a.still
		return v
	}
	v.Content, a.places = widget.Spots(a.draw())
	if a.env.Theme.Name == theme.ASCII {
		v.Content = inASCII(v.Content)
	}
	a.still = v.Content
	return v
}

func (a *App) draw() string {
	if a.layout.TooSmall != "" || a.width == 0 {
		return widget.NewBlock(a.width, a.height, widget.Wrap(a.layout.TooSmall, max(a.width, 1))...).String()
	}
	t := a.env.Theme
	var page widget.Block
	if len(a.dialogs) > 0 && covers(a.dialogs[0]) {
		page = widget.Below(a.header(t), widget.NewBlock(a.width, a.height-1))
	} else {
		page = widget.Below(a.header(t), a.tabs(t), a.screen().Draw(), a.footer(t))
	}
	for _, d := range a.dialogs {
		b := a.frameOf(t, d)
		w, h := b.Size()
		page = widget.Over(page.Unmarked(), b, (a.width-w)/2, max((a.height-h)/2, 0)) // only what is on top can be pressed
	}
	word := a.wordBlock(t)
	_, lines := word.Size()
	return widget.Over(page, word, 0, a.height-lines).String()
}

func covers(d screen.Dialog) bool {
	_, ok := d.(screen.Cover)
	return ok
}

// frameOf draws a dialog in its frame, as large as it likes within the screen.
func (a *App) frameOf(t *theme.Theme, d screen.Dialog) widget.Block {
	inner := d.Draw(t, min(a.width-8, 100), a.height-6)
	w, h := inner.Size()
	w, h = min(w, a.width-4), min(h, a.height-2)
	return widget.Box{Title: widget.Safe(d.Title()), Focused: true}.Draw(t, w+4, h+2, inner.Lines())
}

func (a *App) header(t *theme.Theme) widget.Block {
	s := a.env.Source.Snapshot()
	left := " " + t.Strong(theme.Accent, t.Glyphs.Logo+" tallygate")
	if a.opts.Pretend {
		left += "  " + t.Danger.Render(" PRETEND DATA ")
	}
	if a.opts.Place != "" {
		left += "  " + t.Paint(theme.Muted, widget.Safe(a.opts.Place))
	}
	refused := ""
	if n := s.Status.Refused.Total(); n > 0 && s.Lost == nil {
		text := fmt.Sprintf("%s %d refused now", t.Glyphs.Wrong, n)
		if a.width < 100 {
			text = strings.TrimSuffix(text, " now")
		}
		refused = "   " + t.Strong(theme.Bad, text)
	}
	if a.width < 80 { // what is cut is the address
		left, refused = left+refused, ""
	}
	left += "   " + serving(t, s)
	if a.width >= 100 && s.Loaded {
		left += "   " + providersLine(t, s)
	}
	left += refused
	right := ""
	if s.Stale() {
		right = t.Paint(theme.Warn, "as of "+s.Read.In(a.env.Zone).Format("15:04:05")) + "  "
	}
	if !a.env.Write {
		right += t.Paint(theme.Info, "viewer") + "  "
	}
	right += t.Paint(theme.Muted, a.env.Clock().In(a.env.Zone).Format("15:04:05")) + " "
	return widget.NewBlock(a.width, 1, widget.Between(left, right, a.width))
}

func serving(t *theme.Theme, s *live.Snapshot) string {
	switch {
	case s.Lost != nil:
		why := "reconnecting" + t.Glyphs.Ellipsis
		if e := tally.AsError(s.Lost); e.Code == tally.Denied { // it is there
			why = widget.Safe(e.Message)
		}
		if name, ok := strings.CutPrefix(tally.AsError(s.Lost).Message, "process "); ok { // it is known which has ended
			why = "process " + widget.Safe(name) + ", " + why
		}
		return t.Paint(theme.Bad, t.Glyphs.Wrong+" "+why)
	case !s.Loaded:
		return t.Paint(theme.Muted, "opening"+t.Glyphs.Ellipsis)
	case slices.ContainsFunc(s.Status.Warnings, func(w control.Warning) bool { return w.Kind == control.WarnReach }):
		return t.Paint(theme.Bad, t.Glyphs.Wrong+" no database: own figures") // of the other nodes there are none
	case !s.Status.Serving:
		return t.Paint(theme.Warn, t.Glyphs.Off+" not serving")
	}
	address := strings.TrimSuffix(strings.TrimPrefix(s.Status.BaseURL, "http://"), "/v1")
	return t.Paint(theme.OK, t.Glyphs.On+" serving ") + t.Paint(theme.Text, widget.Safe(address))
}

func providersLine(t *theme.Theme, s *live.Snapshot) string {
	on := 0
	for i := range s.Providers {
		if p := &s.Providers[i]; p.Provider.Enabled && !p.Silent() {
			on++
		}
	}
	return t.Paint(theme.Muted, fmt.Sprintf("providers %d/%d   models %d", on, len(s.Providers), s.Status.Models))
}

// tabs are the screens by number and name; where there is no room for all names,
// those of the other screens are short, or left out.
func (a *App) tabs(t *theme.Theme) widget.Block {
	line := ""
	for _, x := range []struct {
		before string
		name   func(string) string
		behind string
	}{{"  ", title, " "}, {" ", shortTitle, ""}, {" ", initials, ""}, {" ", func(string) string { return "" }, ""}} {
		if line = a.tabLine(t, x.before, x.name, x.behind); widget.Width(line) <= a.width {
			break
		}
	}
	return widget.NewBlock(a.width, 1, line)
}

func (a *App) tabLine(t *theme.Theme, before string, name func(string) string, behind string) string {
	var out strings.Builder
	for i, s := range a.screens {
		text := t.Paint(theme.Muted, fmt.Sprintf("%s%d %s%s", before, i+1, name(s.Name()), behind))
		if i == a.at {
			text = " " + t.Selection.Render(fmt.Sprintf(" %d %s ", i+1, title(s.Name())))
		}
		out.WriteString(widget.Mark(widget.Spot{What: widget.Tab, N: i}, text))
	}
	return out.String()
}

// shortTitles are the names that most terminals have room for side by side.
var shortTitles = map[string]string{"overview": "Overv", "gateways": "Gates", "providers": "Provs", "requests": "Reqs", "analytics": "Analyt", "settings": "Setts"}

func shortTitle(name string) string { return cmp.Or(shortTitles[name], title(name)) }

func initials(name string) string { return title(name)[:3] }

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// footer says what the keys do here: as many of them as there is room for, the
// most useful first.
func (a *App) footer(t *theme.Theme) widget.Block {
	if d := a.dialog(); d != nil {
		return widget.NewBlock(a.width, 1, "  "+t.Paint(theme.Accent, "esc")+" "+t.Paint(theme.Muted, "leaves the dialog"))
	}
	if a.screen().Typing() {
		return widget.NewBlock(a.width, 1, " "+t.Paint(theme.Accent, "enter")+" "+t.Paint(theme.Muted, "keeps what is typed")+
			"  "+t.Paint(theme.Accent, "esc")+" "+t.Paint(theme.Muted, "leaves it, esc again clears it"))
	}
	const more = "? all keys "
	room := a.width - len(more) - 1
	var out strings.Builder
	danger := false
	for i, act := range a.screen().Actions() {
		hint := " " + t.Paint(theme.Accent, act.Key()) + " " + t.Paint(theme.Muted, short(act)) + " "
		if act.Key() == "" || act.Why() != "" || act.Danger && danger || widget.Width(out.String())+widget.Width(hint) > room {
			continue
		}
		danger = act.Danger
		out.WriteString(widget.Mark(widget.Spot{What: widget.Hint, N: i}, hint))
	}
	all := widget.Mark(widget.Spot{What: widget.Hint, N: -1}, t.Paint(theme.Muted, more))
	return widget.NewBlock(a.width, 1, widget.Between(out.String(), all, a.width))
}

// short is the first words of an action's title, for the footer.
func short(act action.Action) string {
	before, _, _ := strings.Cut(act.Title, ":")
	return before
}
