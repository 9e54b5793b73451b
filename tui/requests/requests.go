// Package requests is the screen of what goes through, live and from the records, and
// one request explained.
package requests

import (
	"cmp"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// typing is how long nothing more is typed before the engine is asked for what the
// filter selects: not for each letter of a word.
const typing = 150 * time.Millisecond

// Screen is the live tail of what goes through, and one request of it
// explained. It follows at the top, and stands still as soon as one moves away
// from there, or sorts by anything but time; below the tail it goes on into the
// history.
type Screen struct {
	*screen.List[*control.RequestView]
	rows     rows
	failures bool
	seq      int
	asking   bool
	typed    bool   // the filter, so lately that more may come
	problem  string // why the history could not be read
}

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{rows: rows{follow: true}}
	s.List = screen.NewList(e, screen.ListOf[*control.RequestView]{
		Screen: "requests", Heading: "Requests", Table: control.RequestTable, Share: 60,
		Columns: []string{"at", "status", "client", "model", "provider", "tokens", "cost", "latency", "code"}, Wide: "model",
		Widths: map[string]int{"at": 8, "status": 6, "client": 13, "provider": 10, "cost": costWidth, "code": 14},
		Rows:   s.all, First: func([]*control.RequestView) {}, Own: "the latest first", Sorted: s.sorted, Least: 10,
		Cell: s.cell, Note: s.note, Painted: true, Empty: s.none, Problem: func() string { return s.problem },
		Detail: s.detailOf,
	})
	return s
}

// all are the rows that pass the filter.
func (s *Screen) all(f *control.Filter[*control.RequestView]) []*control.RequestView {
	return s.rows.all(func(v *control.RequestView) bool { return s.passes(f, v) })
}

func (s *Screen) passes(f *control.Filter[*control.RequestView], v *control.RequestView) bool {
	return (!s.failures || v.Outcome != tally.OK) && f.Match(v)
}

func (s *Screen) Show(snap *live.Snapshot) {
	s.Snap = snap
	if s.rows.follow {
		s.rows.take(snap)
		s.again()
	}
}

// again makes the rows anew; while they follow, the newest is chosen.
func (s *Screen) again() {
	s.Refresh()
	if s.rows.follow && s.SortedBy() == "" {
		s.Grid.Key("home")
	}
}

func (s *Screen) Back() bool {
	was := s.Words()
	done := s.List.Back()
	switch {
	case done && s.Words() != was:
		s.filtered()
	case !done && s.failures:
		s.failures, done = false, true
		s.filtered()
	case !done && s.SortedBy() != "":
		s.Unsort()
		s.rows.sort, done = "", true
		s.followAgain()
		s.filtered()
	case !done && !s.rows.follow:
		s.followAgain()
		done = true
	}
	return done
}

// Press implements [screen.Pointed]: what is pointed at does not run away.
func (s *Screen) Press(at widget.Spot) (enter bool) {
	s.rows.follow = false
	return s.List.Press(at)
}

func (s *Screen) Wheel(over widget.Spot, x, notches int) {
	s.rows.follow = false
	s.List.Wheel(over, x, notches)
}

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case screen.Goto:
		s.Input.SetValue(msg.Filter)
		s.failures, s.InDetail = false, false
		s.Unsort()
		s.followAgain()
		s.filtered()
		return s.Ask()
	case screen.Answer:
		return s.answer(msg)
	case tea.PasteMsg, tea.KeyPressMsg:
		return s.press(msg)
	}
	return nil
}

func (s *Screen) answer(msg screen.Answer) tea.Cmd {
	switch {
	case msg.Seq != s.seq:
		return nil
	case msg.Tag == "typed":
		s.typed = false
		return s.Ask()
	case msg.Tag != "page":
		return nil
	}
	s.asking, s.problem = false, ""
	if msg.Err != nil {
		s.problem = screen.Explain(msg.Err)
		s.rows.end = true // not again by itself: a key asks again
		s.again()
		return screen.Fail(msg.Err)
	}
	s.rows.add(msg.Value.(olderPage))
	s.again()
	return nil
}

func (s *Screen) press(msg tea.Msg) tea.Cmd {
	was, at := s.Words(), s.Grid.SelectedID()
	key := ""
	if k, ok := msg.(tea.KeyPressMsg); ok {
		key = k.String()
	}
	var cmd tea.Cmd
	switch {
	case s.InDetail && !s.Typed && (key == "down" || key == "j"):
		s.Scroll++
		return nil
	case s.InDetail && !s.Typed && (key == "up" || key == "k"):
		s.Scroll = max(s.Scroll-1, 0)
		return nil
	case key != "":
		cmd = s.OnKey(msg.(tea.KeyPressMsg))
	case s.Typed:
		cmd = s.Input.Update(msg)
	}
	switch {
	case s.Words() != was:
		s.filtered()
		if s.typed = s.Typed; s.typed {
			over := screen.Answer{Screen: s.Screen, Tag: "typed", Seq: s.seq}
			cmd = tea.Batch(cmd, tea.Tick(typing, func(time.Time) tea.Msg { return over }))
		}
	case s.Grid.SelectedID() != at:
		s.rows.follow = false
	case key == "pgdown" || key == "down" || key == "j":
		s.problem = ""
		if s.rows.end && s.rows.next != "" { // what failed is tried again
			s.rows.end = false
		}
	}
	if s.InDetail {
		s.rows.follow = false // what is read does not run away
	}
	return tea.Batch(cmd, s.Ask())
}

// filtered begins anew after the filter has changed.
func (s *Screen) filtered() {
	s.rows.forget()
	s.seq++
	s.asking, s.problem, s.Scroll = false, "", 0
	s.again()
}

// sorted follows on in the order of time, and stands still in any other.
func (s *Screen) sorted() {
	if s.SortedBy() == "" {
		s.followAgain()
		return
	}
	s.rows.follow = false
	s.Grid.Key("home")
}

func (s *Screen) followAgain() {
	s.rows.follow = true
	s.rows.take(s.Snap)
	s.again()
}

// Ask reads older requests when one comes near the end of the rows. It implements
// [Asker].
func (s *Screen) Ask() tea.Cmd {
	if q := s.query(); q.Sort != s.rows.sort {
		s.rows.sort = q.Sort
		s.filtered()
	}
	i := s.Grid.Selected()
	if s.typed = s.typed && s.Typed; s.typed {
		return nil
	}
	if !s.Snap.Loaded || s.asking || s.rows.end || s.Mistyped != "" || i >= 0 && i < len(s.Shown)-s.Height {
		return nil
	}
	if i >= 0 && s.rows.follow && len(s.Shown) >= s.Height {
		return nil
	}
	s.seq++
	s.asking = true
	return s.rows.fetch(s.Env, s.Screen, s.seq, s.query())
}

// query is what the engine is asked for.
func (s *Screen) query() control.RequestQuery {
	q := control.RequestQuery{Filter: s.Words()}
	if s.failures {
		q.Filter += " -outcome:ok"
	}
	if q.Sort = s.SortedBy(); q.Sort != "" && s.Turned {
		q.Sort = "-" + q.Sort
	}
	return q
}

func (s *Screen) Actions() []action.Action {
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
			s.Unsort()
			s.followAgain()
			return nil
		}},
		{ID: "requests.failures", Title: "failures only", Keys: []string{"f"}, Run: func() tea.Cmd {
			s.failures = !s.failures
			s.filtered()
			return s.Ask()
		}},
		{ID: "requests.slowest", Title: "slowest: the longest latency first", Keys: []string{"z"}, Run: func() tea.Cmd { return s.most("latency") }},
		{ID: "requests.dearest", Title: "dearest: the highest cost first", Keys: []string{"$"}, Run: func() tea.Cmd { return s.most("cost") }},
		{ID: "requests.test", Title: "test: send a request, see every check", Keys: []string{"T"}, Needs: s.Env.ReadOnly, Run: func() tea.Cmd {
			client, model := "", ""
			if v := s.Selected(); v != nil {
				client, model = v.Client, v.Model
			}
			return screen.Ask(screen.Open{Dialog: dialog.NewTry(s.Env, client, model)})
		}},
		{ID: "requests.client", Title: "client: open it", Keys: []string{"v"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "clients", Filter: "client:=" + s.Selected().Client})
		}},
		{ID: "requests.key", Title: "key: open it", Keys: []string{"I"}, Needs: s.without("key", func(v *control.RequestView) string { return string(v.KeyID) }), Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "keys", Filter: "id:=" + string(s.Selected().KeyID)})
		}},
		{ID: "requests.provider", Title: "provider: open it", Keys: []string{"P"}, Needs: s.without("provider", func(v *control.RequestView) string { return v.Provider }), Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "providers", Filter: "provider:=" + s.Selected().Provider})
		}},
		{ID: "requests.token", Title: "all requests with its access token", Keys: []string{"B"}, Needs: s.without("access token", func(v *control.RequestView) string { return v.Token }), Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "requests", Filter: "token:=" + s.Selected().Token})
		}},
		{ID: "requests.captured", Title: "captured: what was sent, what came back", Keys: []string{"C"}, Needs: s.notCaptured, Run: s.openCaptured},
		{ID: "requests.raise", Title: "raise the limit that refused it", Keys: []string{"R"}, Needs: s.notRaised, Run: func() tea.Cmd {
			kind, id := s.limited()
			return dialog.Raise(s.Env, s.Snap, kind, id, "")
		}},
		{ID: "requests.export", Title: "export: CSV or JSON of what the filter selects", Keys: []string{"X"}, Needs: s.Env.NoFile, Run: func() tea.Cmd {
			name := "requests-" + s.Env.Clock().In(s.Env.Zone).Format("2006-01-02-1504")
			return screen.Ask(screen.Open{Dialog: dialog.NewExport("Export requests", name, requestSheet(s.Env, s.query()))})
		}},
		{ID: "requests.copy", Title: "copy the id", Keys: []string{"y"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: string(s.Selected().ID), What: "The request's id was"})
		}},
	}, s.ListActions())
}

func (s *Screen) detailOf(v *control.RequestView, width, _ int) screen.Detail {
	return screen.Detail{Title: "Request", Note: v.At.In(s.Env.Zone).Format("Mon 2 Jan 15:04:05.000"), Lines: s.explain(v, width)}
}

// without says why there is no such thing of the request that is chosen, "" if there is.
func (s *Screen) without(what string, of func(*control.RequestView) string) func() string {
	return func() string {
		if why := s.Chosen(); why != "" {
			return why
		}
		if of(s.Selected()) == "" {
			return "it had no " + what
		}
		return ""
	}
}

// most sorts by a column, the most first, and stands still; pressed again, it follows
// as before.
func (s *Screen) most(column string) tea.Cmd {
	if s.SortedBy() == column {
		s.Unsort()
		s.followAgain()
		return nil
	}
	s.rows.follow = false
	s.SortBy(column)
	s.Grid.Key("home")
	return nil
}

// limited is whose limit refused the request that is chosen or, if none did, its key;
// "" for a request without a key.
func (s *Screen) limited() (kind string, id tally.ID) {
	v := s.Selected()
	if v.Reached != nil {
		if kind, id = v.Reached.Subject.Split(); kind == "gateway" || kind == "client" || kind == "key" {
			return kind, id
		}
		return "", ""
	}
	return "", ""
}

// notRaised says why no limit of the request that is chosen can be raised.
func (s *Screen) notRaised() string {
	why := cmp.Or(s.Env.ReadOnly(), s.Chosen())
	if why == "" {
		switch kind, _ := s.limited(); {
		case s.Selected().Reached == nil:
			return "no limit has refused this request"
		case kind == "":
			return "limits of access tokens and visitors are not raised: mint another token, or edit the gateway"
		}
	}
	return why
}
