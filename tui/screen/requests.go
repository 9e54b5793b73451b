package screen

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/widget"
)

// Requests is the live tail of what goes through, and one request of it
// explained. It follows at the top, and stands still as soon as one moves away
// from there; below the tail it goes on into the history.
type Requests struct {
	list
	snap     *live.Snapshot
	rows     rows
	shown    []*control.RequestView
	failures bool
	seq      int
	asking   bool
	problem  string // why the history could not be read
	top      int    // first line of the detail that is drawn
	more     bool   // of the detail, below
}

// NewRequests makes the screen.
func NewRequests(e *Env) *Requests {
	s := &Requests{snap: &live.Snapshot{}, rows: rows{follow: true}, list: newList(e, []widget.Column{
		{Title: "time", Width: 8}, {Title: "code", Width: 4, Right: true}, {Title: "client", Width: 15}, {Title: "model", Least: 17}, {Title: "provider", Width: 10, Priority: 6},
		{Title: "tokens", Width: 7, Right: true, Priority: 4}, {Title: "cost", Width: costWidth, Right: true, Priority: 2}, {Title: "latency", Width: 7, Right: true, Priority: 1},
		{Title: "note", Least: 12, Priority: 5},
	})}
	s.hint = "client: model: status:4xx outcome: code: words"
	s.table.Cells = s.cells
	return s
}

// Name implements Screen, as do the methods below.
func (s *Requests) Name() string { return "requests" }

func (s *Requests) Show(snap *live.Snapshot) {
	s.snap = snap
	if s.rows.follow {
		s.rows.take(snap)
		s.refresh()
	}
}

func (s *Requests) Back() bool {
	was := s.words()
	done := s.list.Back()
	switch {
	case done && s.words() != was:
		s.filtered()
	case !done && s.failures:
		s.failures, done = false, true
		s.filtered()
	case !done && !s.rows.follow:
		s.followAgain()
		done = true
	}
	return done
}

func (s *Requests) criteria() requestFilter { return newRequestFilter(s.words(), s.failures, s.snap) }

// refresh makes the rows that pass the filter.
func (s *Requests) refresh() {
	f := s.criteria()
	s.shown = s.rows.all(&f)
	rows := make([]widget.Row, len(s.shown))
	for i, v := range s.shown {
		rows[i].ID = string(v.ID)
	}
	s.table.Empty = s.empty()
	s.table.SetRows(rows)
	if s.rows.follow {
		s.table.Key("home")
	}
}

func (s *Requests) selected() *control.RequestView {
	if v := chosen(&s.list, s.shown); v != nil {
		return *v
	}
	return nil
}

func (s *Requests) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Goto:
		s.filter.SetValue(msg.Filter)
		s.failures, s.detail = false, false
		s.followAgain()
		s.filtered()
		return s.Ask()
	case Answer:
		return s.answer(msg)
	case tea.PasteMsg:
		cmd := s.paste(msg)
		s.filtered()
		return tea.Batch(cmd, s.Ask())
	case tea.KeyPressMsg:
		return s.press(msg)
	}
	return nil
}

func (s *Requests) answer(msg Answer) tea.Cmd {
	if msg.Tag != "page" || msg.Seq != s.seq {
		return nil
	}
	s.asking, s.problem = false, ""
	if msg.Err != nil {
		s.problem = explain(msg.Err)
		s.rows.end = true // not again by itself: a key asks again
		s.refresh()
		return Fail(msg.Err)
	}
	s.rows.add(msg.Value.(olderPage))
	s.refresh()
	return nil
}

func (s *Requests) press(msg tea.KeyPressMsg) tea.Cmd {
	key, was := msg.String(), s.words()
	if s.detail && !s.typing {
		switch key {
		case "down", "j":
			if s.more {
				s.top++
			}
			return nil
		case "up", "k":
			s.top = max(s.top-1, 0)
			return nil
		}
	}
	at := s.table.SelectedID()
	cmd, _ := s.key(msg)
	switch {
	case s.words() != was:
		s.filtered()
	case s.table.SelectedID() != at:
		s.top = 0
		s.rows.follow = false
	case key == "pgdown" || key == "down" || key == "j":
		s.problem = ""
		if s.rows.end && s.rows.next != "" { // what failed is tried again
			s.rows.end = false
		}
	}
	if s.detail {
		s.rows.follow = false // what is read does not run away
	}
	return tea.Batch(cmd, s.Ask())
}

// filtered begins anew after the filter has changed.
func (s *Requests) filtered() {
	s.rows.forget()
	s.seq++
	s.asking, s.problem, s.top = false, "", 0
	s.refresh()
}

func (s *Requests) followAgain() {
	s.rows.follow = true
	s.rows.take(s.snap)
	s.refresh()
}

// Ask reads older requests when one comes near the end of the rows.
func (s *Requests) Ask() tea.Cmd {
	i := s.table.Selected()
	if !s.snap.Loaded || s.asking || s.rows.end || i >= 0 && i < len(s.shown)-s.height {
		return nil
	}
	if i >= 0 && s.rows.follow && len(s.shown) >= s.height {
		return nil
	}
	s.seq++
	s.asking = true
	s.table.Empty = s.empty()
	return s.rows.fetch(s.env, s.Name(), s.seq, s.criteria())
}

func (s *Requests) Actions() []action.Action {
	some := func() string {
		if s.selected() == nil {
			return "no request is chosen"
		}
		return ""
	}
	return []action.Action{
		{ID: "requests.pause", Title: "pause / follow", Keys: []string{"space"}, Run: func() tea.Cmd {
			if s.rows.follow {
				s.rows.follow = false
			} else {
				s.followAgain()
			}
			return nil
		}},
		{ID: "requests.follow", Title: "follow: the newest at the top", Keys: []string{"G", "end"}, Run: func() tea.Cmd {
			s.followAgain()
			return nil
		}},
		{ID: "requests.failures", Title: "failures only", Keys: []string{"f"}, Run: func() tea.Cmd {
			s.failures = !s.failures
			s.filtered()
			return s.Ask()
		}},
		{ID: "requests.test", Title: "test: send a request, see every check", Keys: []string{"T"}, Needs: s.env.ReadOnly, Run: func() tea.Cmd {
			client, model := "", ""
			if v := s.selected(); v != nil {
				client, model = v.Client, v.Model
			}
			return Ask(Open{newTry(s.env, client, model)})
		}},
		{ID: "requests.client", Title: "client: open it", Keys: []string{"v"}, Needs: some, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "clients", Filter: s.selected().Client})
		}},
		{ID: "requests.export", Title: "export: CSV or JSON of what the filter selects", Keys: []string{"X"}, Needs: s.env.ReadOnly, Run: func() tea.Cmd {
			name := "requests-" + s.env.Clock().In(s.env.Zone).Format("2006-01-02-1504")
			return Ask(Open{newExport("Export requests", name, requestSheet(s.env, s.criteria()))})
		}},
		{ID: "requests.copy", Title: "copy the id", Keys: []string{"y"}, Needs: some, Run: func() tea.Cmd {
			return Ask(Copy{string(s.selected().ID), "The request's id was"})
		}},
	}
}
