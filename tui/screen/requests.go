package screen

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/live"
)

// Requests is the live tail of what goes through, and one request of it
// explained. It follows at the top, and stands still as soon as one moves away
// from there, or sorts by anything but time; below the tail it goes on into the
// history.
type Requests struct {
	*List[control.RequestView]
	rows     rows
	failures bool
	seq      int
	asking   bool
	problem  string // why the history could not be read
}

// NewRequests makes the screen.
func NewRequests(e *Env) *Requests {
	s := &Requests{rows: rows{follow: true}}
	s.List = NewList(e, ListOf[control.RequestView]{
		Screen: "requests", Heading: "Requests", Table: control.RequestTable, Share: 60,
		Columns: []string{"at", "status", "client", "model", "provider", "tokens", "cost", "latency", "code"}, Wide: "model",
		Widths: map[string]int{"at": 8, "status": 6, "client": 13, "provider": 10, "cost": costWidth, "code": 14},
		Rows:   s.all, First: func([]*control.RequestView) {}, Cell: s.cell, Note: s.note, Painted: true, Empty: s.none, Detail: s.detailOf,
	})
	return s
}

// all are the rows that pass the filter.
func (s *Requests) all(f *control.Filter[control.RequestView]) []*control.RequestView {
	return s.rows.all(func(v *control.RequestView) bool { return s.passes(f, v) })
}

func (s *Requests) passes(f *control.Filter[control.RequestView], v *control.RequestView) bool {
	return (!s.failures || v.Outcome != tally.OK) && f.Match(v)
}

func (s *Requests) Show(snap *live.Snapshot) {
	s.snap = snap
	if s.rows.follow {
		s.rows.take(snap)
		s.again()
	}
}

// again makes the rows anew; while they follow, the newest is chosen.
func (s *Requests) again() {
	s.refresh()
	if s.rows.follow && s.sortedBy() == "" {
		s.table.Key("home")
	}
}

func (s *Requests) Back() bool {
	was := s.words()
	done := s.List.Back()
	switch {
	case done && s.words() != was:
		s.filtered()
	case !done && s.failures:
		s.failures, done = false, true
		s.filtered()
	case !done && s.by >= 0:
		s.by, s.turned, done = -1, false, true
		s.again()
	case !done && !s.rows.follow:
		s.followAgain()
		done = true
	}
	return done
}

func (s *Requests) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Goto:
		s.filter.SetValue(msg.Filter)
		s.failures, s.detail, s.by, s.turned = false, false, -1, false
		s.followAgain()
		s.filtered()
		return s.Ask()
	case Answer:
		return s.answer(msg)
	case tea.PasteMsg, tea.KeyPressMsg:
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
		s.again()
		return Fail(msg.Err)
	}
	s.rows.add(msg.Value.(olderPage))
	s.again()
	return nil
}

func (s *Requests) press(msg tea.Msg) tea.Cmd {
	was, at := s.words(), s.table.SelectedID()
	key := ""
	if k, ok := msg.(tea.KeyPressMsg); ok {
		key = k.String()
	}
	var cmd tea.Cmd
	switch {
	case s.detail && !s.typing && (key == "down" || key == "j"):
		s.scroll++
		return nil
	case s.detail && !s.typing && (key == "up" || key == "k"):
		s.scroll = max(s.scroll-1, 0)
		return nil
	case key != "":
		cmd = s.key(msg.(tea.KeyPressMsg))
	case s.typing:
		cmd = s.filter.Update(msg)
	}
	switch {
	case s.words() != was:
		s.filtered()
	case s.table.SelectedID() != at:
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
	s.asking, s.problem, s.scroll = false, "", 0
	s.again()
}

func (s *Requests) followAgain() {
	s.rows.follow = true
	s.rows.take(s.snap)
	s.again()
}

// Ask reads older requests when one comes near the end of the rows. It implements
// [Asker].
func (s *Requests) Ask() tea.Cmd {
	i := s.table.Selected()
	if !s.snap.Loaded || s.asking || s.rows.end || s.mistyped != "" || i >= 0 && i < len(s.shown)-s.height {
		return nil
	}
	if i >= 0 && s.rows.follow && len(s.shown) >= s.height {
		return nil
	}
	s.seq++
	s.asking = true
	return s.rows.fetch(s.env, s.Screen, s.seq, s.query())
}

// query is what the engine is asked for.
func (s *Requests) query() control.RequestQuery {
	q := control.RequestQuery{Filter: s.words()}
	if s.failures {
		q.Filter += " -outcome:ok"
	}
	return q
}

func (s *Requests) Actions() []action.Action {
	return slices.Concat([]action.Action{
		{ID: "requests.pause", Title: "pause / follow", Keys: []string{"space"}, Run: func() tea.Cmd {
			if s.rows.follow {
				s.rows.follow = false
			} else {
				s.followAgain()
			}
			return nil
		}},
		{ID: "requests.follow", Title: "follow: the newest at the top", Keys: []string{"G", "end"}, Run: func() tea.Cmd {
			s.by, s.turned = -1, false
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
		{ID: "requests.client", Title: "client: open it", Keys: []string{"v"}, Needs: s.chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "clients", Filter: "client:=" + s.selected().Client})
		}},
		{ID: "requests.export", Title: "export: CSV or JSON of what the filter selects", Keys: []string{"X"}, Needs: s.env.ReadOnly, Run: func() tea.Cmd {
			name := "requests-" + s.env.Clock().In(s.env.Zone).Format("2006-01-02-1504")
			return Ask(Open{newExport("Export requests", name, requestSheet(s.env, s.query()))})
		}},
		{ID: "requests.copy", Title: "copy the id", Keys: []string{"y"}, Needs: s.chosen, Run: func() tea.Cmd {
			return Ask(Copy{string(s.selected().ID), "The request's id was"})
		}},
	}, s.sorting())
}

func (s *Requests) detailOf(v *control.RequestView, width, _ int) Detail {
	return Detail{"Request", v.At.In(s.env.Zone).Format("Mon 2 Jan 15:04:05.000"), s.explain(v, width)}
}
