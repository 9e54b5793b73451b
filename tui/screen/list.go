package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// list is what screens with a list and a detail beside it have in common: a
// filter, a table, and which of the two is seen where there is room for one
// only.
type list struct {
	env    *Env
	width  int
	height int
	table  widget.Table
	hint   string // what the filter takes
	bare   bool   // without a filter
	filter widget.Input
	typing bool
	detail bool   // the detail has the focus, or all the room
	scroll int    // lines of the detail that are above what is seen
	of     string // the row whose detail is scrolled
	renew  func() // works out anew what the list shows; nil where the screen does that itself
	// notePainted is whether the note of the list carries its own styles.
	notePainted bool
}

func newList(e *Env, columns []widget.Column) list {
	l := list{env: e, hint: "name, email, status:active", table: widget.Table{Columns: columns, Focused: true}, filter: widget.NewInput("/ ", "", 100)}
	return l
}

// wide is the least width for two panes.
const wide = 118

func (l *list) Resize(width, height int) { l.width, l.height = width, height }

// Typing implements Screen, as do the methods below.
func (l *list) Typing() bool { return l.typing }

func (l *list) Back() bool {
	done := l.back()
	if l.renew != nil {
		l.renew()
	}
	return done
}

func (l *list) back() bool {
	switch {
	case l.typing:
		l.typing = false
		l.filter.Blur()
	case l.filter.Value() != "":
		l.filter.SetValue("")
	case l.detail:
		l.detail = false
	default:
		return false
	}
	return true
}

// take handles the messages that are the same for most lists; it reports whether
// this was one of them.
func (l *list) take(msg tea.Msg) (cmd tea.Cmd, done bool) {
	switch msg := msg.(type) {
	case Goto:
		l.filter.SetValue(msg.Filter)
	case tea.PasteMsg:
		cmd = l.paste(msg)
	case tea.KeyPressMsg:
		cmd, _ = l.key(msg)
	default:
		return nil, false
	}
	l.renew()
	return cmd, true
}

// chosen is the element of the row that is chosen, nil if there is none.
func chosen[T any](l *list, shown []T) *T {
	if i := l.table.Selected(); i >= 0 && i < len(shown) {
		return &shown[i]
	}
	return nil
}

// key handles what every list does with keys; it reports whether it did.
func (l *list) key(msg tea.KeyPressMsg) (cmd tea.Cmd, done bool) {
	if l.typing {
		switch msg.String() {
		case "enter":
			l.typing = false
			l.filter.Blur()
			return nil, true
		case "up", "down":
			return nil, l.table.Key(msg.String())
		}
		return l.filter.Update(msg), true
	}
	switch msg.String() {
	case "/":
		if l.bare {
			return nil, false
		}
		l.typing = true
		l.filter.Focus()
		return nil, true
	case "enter":
		l.detail = true
		return nil, true
	case "tab", "shift+tab":
		l.detail = !l.detail
		return nil, true
	}
	if l.detail {
		switch msg.String() {
		case "pgdown", "ctrl+d":
			l.scroll += max(l.height/2, 1)
			return nil, true
		case "pgup", "ctrl+u":
			l.scroll = max(l.scroll-l.height/2, 0)
			return nil, true
		}
	}
	return nil, l.table.Key(msg.String())
}

// box frames the lines of a detail, which scroll while it has the focus.
func (l *list) box(title, note string, width, height int, lines []string) widget.Block {
	t := l.env.Theme
	_, rows := widget.Inner(width, height)
	if id := l.table.SelectedID(); id != l.of {
		l.of, l.scroll = id, 0
	}
	most := max(len(lines)-rows, 0)
	l.scroll = min(l.scroll, most)
	switch {
	case !l.detail || most == 0:
		l.scroll = 0
	case l.scroll < most:
		note = "PgDn for more"
	default:
		note = "PgUp goes back"
	}
	return widget.Box{Title: title, Note: note, Focused: l.detail}.Draw(t, width, height, lines[l.scroll:])
}

// paste puts pasted text into the filter.
func (l *list) paste(msg tea.PasteMsg) tea.Cmd {
	if !l.typing {
		return nil
	}
	return l.filter.Update(msg)
}

// words is what the list is filtered by.
func (l *list) words() string { return strings.TrimSpace(l.filter.Value()) }

// draw draws list and detail side by side, or the one that has the focus.
func (l *list) draw(title, note string, share int, detail func(width, height int) widget.Block) widget.Block {
	l.table.Focused = !l.detail
	if l.width >= wide {
		left := l.width * share / 100
		return widget.Beside(l.drawList(title, note, left, l.height), detail(l.width-left, l.height))
	}
	if l.detail {
		return detail(l.width, l.height)
	}
	return l.drawList(title, note, l.width, l.height)
}

func (l *list) drawList(title, note string, width, height int) widget.Block {
	t := l.env.Theme
	inner, rows := widget.Inner(width, height)
	filter := t.Paint(theme.Muted, "/ filters: "+l.hint)
	if l.typing || l.filter.Value() != "" {
		filter = l.filter.Draw(t, inner)
		if !l.typing {
			filter = t.Paint(theme.Info, "/ "+l.filter.Value()) + t.Paint(theme.Muted, "   esc clears it")
		}
	}
	body := l.table.Draw(t, inner, rows)
	if !l.bare {
		body = widget.Below(widget.NewBlock(inner, 2, filter), l.table.Draw(t, inner, rows-2))
	}
	return widget.Box{Title: title, Note: note, NotePainted: l.notePainted, Focused: !l.detail}.Draw(t, width, height, body.Lines())
}
