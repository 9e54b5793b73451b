package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/action"
	"tallygate/tui/widget"
)

func (l *List[P]) OnKey(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if l.Typed {
		switch key {
		case "enter":
			l.Typed = false
			l.Input.Blur()
			return nil
		case "up", "down":
			l.Grid.Key(key)
			return nil
		}
		return l.Input.Update(msg)
	}
	switch key {
	case "/":
		if l.Typed = !l.Bare; l.Typed {
			l.Input.Focus()
		}
	case "enter":
		l.InDetail = true
	case "tab", "shift+tab":
		l.InDetail = !l.InDetail
	case "pgdown", "ctrl+d":
		if l.InDetail {
			l.Scroll += max(l.Height/2, 1)
			return nil
		}
		l.Grid.Key(key)
	case "pgup", "ctrl+u":
		if l.InDetail {
			l.Scroll = max(l.Scroll-l.Height/2, 0)
			return nil
		}
		l.Grid.Key(key)
	default:
		l.Grid.Key(key)
	}
	return nil
}

// Press implements [Pointed]: a row is chosen, and opened if it was; a column sorts, and
// the other way round if it did.
func (l *List[P]) Press(s widget.Spot) (enter bool) {
	switch s.What {
	case widget.RowSpot:
		again := l.Grid.Press(s)
		enter, l.InDetail = again && !l.InDetail, false
	case widget.HeadSpot:
		if c := s.N - 1; c >= 0 && c < len(l.Cols) { // the first is the sign's
			name := l.Cols[c].Name
			l.Turned = l.SortedBy() == name && !l.Turned
			l.By = c
		}
	}
	l.Refresh()
	return enter
}

// Wheel implements [Pointed]: it moves in the list, or scrolls the detail under it.
func (l *List[P]) Wheel(_ widget.Spot, x, notches int) {
	if l.both() {
		l.InDetail = x >= l.Width*l.Share/100
	}
	if l.InDetail {
		l.Scroll = max(l.Scroll+3*notches, 0)
		return
	}
	l.Grid.Wheel(notches)
	l.Refresh()
}

// SortBy sorts by a column that is drawn.
func (l *List[P]) SortBy(name string) {
	for i, c := range l.Cols {
		if c.Name == name {
			l.By, l.Turned = i, false
		}
	}
	l.Refresh()
}

// ListActions are those that every list has.
func (l *List[P]) ListActions() []action.Action {
	step := func(by int) func() tea.Cmd {
		return func() tea.Cmd {
			at := l.By
			if name := l.SortedBy(); at < 0 {
				for i, c := range l.Cols {
					if c.Name == name {
						at = i
					}
				}
			}
			l.By, l.Turned = (at+by+len(l.Cols))%len(l.Cols), false
			return l.resort()
		}
	}
	orders := strings.Join(l.Table.Orders, ", ")
	if l.First != nil {
		orders = l.Own + ", " + orders
	}
	var marking []action.Action
	if l.Marking {
		marking = append(marking, action.Action{ID: l.Screen + ".mark", Title: "mark: then one key acts on all that are marked", Keys: []string{"*"}, Needs: l.Change, Run: func() tea.Cmd {
			id := l.Grid.SelectedID()
			if l.marks[id] = !l.marks[id]; !l.marks[id] {
				delete(l.marks, id)
			}
			l.Grid.Key("down")
			return nil
		}})
	}
	return append(marking, []action.Action{
		{ID: l.Screen + ".large", Title: "larger: the list or the detail alone, and back", Keys: []string{"+"}, Run: func() tea.Cmd {
			l.Large = !l.Large
			return nil
		}},
		{ID: l.Screen + ".order", Title: "sort: " + orders, Keys: []string{"o"}, Run: func() tea.Cmd {
			if l.By >= 0 {
				l.By = -1
			} else {
				l.order = (l.order + 1) % max(len(l.orders()), 1)
			}
			l.Turned = false
			return l.resort()
		}},
		{ID: l.Screen + ".sort_left", Title: "sort by the column to the left", Keys: []string{"<"}, Run: step(-1)},
		{ID: l.Screen + ".sort_right", Title: "sort by the column to the right", Keys: []string{">"}, Run: step(1)},
		{ID: l.Screen + ".sort_turn", Title: "sort the other way round", Keys: []string{"O"}, Run: func() tea.Cmd {
			l.Turned = !l.Turned
			return l.resort()
		}},
	}...)
}

// One says why what is for one thing at a time cannot be done, "" if it can.
func (l *List[P]) One(needs func() string) func() string {
	return func() string {
		if len(l.Marked()) > 0 {
			return "this is for one " + l.Table.Thing + " at a time: esc takes the marks away"
		}
		return needs()
	}
}

// Marked are the rows that are marked and pass the filter, nil if there are none.
func (l *List[P]) Marked() (out []P) {
	if len(l.marks) == 0 {
		return nil
	}
	for _, v := range l.Shown {
		if l.marks[l.Table.ID(v)] {
			out = append(out, v)
		}
	}
	return out
}

// Unmark takes the marks of the rows away that pass the filter.
func (l *List[P]) Unmark() {
	for _, v := range l.Marked() {
		delete(l.marks, l.Table.ID(v))
	}
}

// Chosen says why nothing can be done with what is chosen, "" if it can.
func (l *List[P]) Chosen() string {
	if _, ok := l.selected(); !ok {
		return "no " + l.Table.Thing + " is chosen"
	}
	return ""
}

// Change says why what is chosen cannot be changed, "" if it can.
func (l *List[P]) Change() string {
	if why := l.Env.ReadOnly(); why != "" {
		return why
	}
	return l.Chosen()
}
