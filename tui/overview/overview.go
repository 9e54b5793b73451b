// Package overview is the first screen: what goes on, who is close to a limit, and what
// needs attention.
package overview

import (
	"cmp"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/calendar"
	"tallygate/tui/dialog"
	"tallygate/tui/keys"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// Screen is the first screen: how much goes through, what it costs, who is
// close to a cap and what else wants attention.
type Screen struct {
	env           *screen.Env
	snap          *live.Snapshot
	width, height int
	clients       widget.Table
	shown         []who
	order         int
	needs         []need
	at, top       int  // the chosen need, and the first that is drawn
	pane          pane // has the focus
	large         bool // it has the whole screen
	cursor        part.Cursor
}

// pane is a part of the screen that can have the focus.
type pane int

const (
	clients pane = iota
	attention
	traffic
	spend
	panes
)

// The orders of the clients: who is closest to a cap comes first.
var overviewOrders = []string{"budget used", "spend", "last use"}

// orderOfColumn are the orders that a press on the head of a column chooses.
var orderOfColumn = map[int]int{2: 1, 3: 0, 4: 0, 5: 0, 6: 2}

// New makes the screen.
func New(e *screen.Env) *Screen {
	return &Screen{env: e, snap: &live.Snapshot{}, clients: widget.Table{Focused: true, Columns: []widget.Column{
		{Width: 1}, {Title: "who"}, {Title: "month", Width: 9, Right: true, Priority: 3}, {Title: "used", Width: 10},
		{Width: 5, Right: true}, {Title: "of", Width: 10, Priority: 1}, {Title: "now", Width: 11, Right: true, Priority: 2},
	}}}
}

// Name implements Screen, as do the methods below.
func (s *Screen) Name() string             { return "overview" }
func (s *Screen) Typing() bool             { return false }
func (s *Screen) Resize(width, height int) { s.width, s.height = width, height }

func (s *Screen) Back() bool {
	switch {
	case s.large:
		s.large = false
	case s.cursor.On:
		s.cursor.On = false
	case s.pane != clients:
		s.pane = clients
	default:
		return false
	}
	return true
}

// next gives the focus to another pane. Where there is no room for charts they are seen
// when one pane is large.
func (s *Screen) next(by int) {
	n := panes
	if s.width < screen.Wide && !s.large {
		n = traffic
	}
	s.pane = (s.pane + n + pane(by)) % n
}

func (s *Screen) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

func (s *Screen) refresh() {
	t, now := s.env.Theme, s.env.Clock()
	if s.needs = nil; s.snap.Loaded { // names come with the lists
		s.needs = needs(s.snap, s.env.Zone)
	}
	s.at = max(min(s.at, len(s.needs)-1), 0)
	s.shown = spenders(s.snap)
	sortSpenders(s.shown, overviewOrders[s.order])
	rows := make([]widget.Row, 0, len(s.shown))
	for i := range s.shown {
		rows = append(rows, widget.Row{ID: s.shown[i].id, Cells: s.shown[i].cells(t, now)})
	}
	s.clients.SetRows(rows)
	s.clients.Empty = []string{"No clients yet: n on Clients makes one."}
	if !s.snap.Loaded {
		s.clients.Empty = screen.Unread(s.snap)
	}
}

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case screen.Answer:
		if msg.Err != nil {
			return screen.Fail(msg.Err)
		}
	case tea.KeyPressMsg:
		switch key := msg.String(); {
		case key == "tab":
			s.next(1)
		case key == "shift+tab":
			s.next(-1)
		case s.pane == clients:
			s.clients.Key(key)
		case s.pane != attention:
		case key == "up", key == "k":
			s.at = max(s.at-1, 0)
		case key == "down", key == "j":
			s.at = max(min(s.at+1, len(s.needs)-1), 0)
		case key == "home", key == "g":
			s.at = 0
		case key == "end", key == "G":
			s.at = max(len(s.needs)-1, 0)
		}
	}
	return nil
}

// Press implements screen.Pointed, as does Wheel.
func (s *Screen) Press(at widget.Spot) (enter bool) {
	switch {
	case at.What == widget.HeadSpot:
		if i, ok := orderOfColumn[at.N]; ok {
			s.order = i
			s.refresh()
		}
	case at.What == widget.RowSpot && at.Of == needsNumber:
		enter = s.pane == attention && s.at == at.N
		s.pane, s.at = attention, at.N
	case at.What == widget.RowSpot:
		enter = s.clients.Press(at) && s.pane == clients
		s.pane = clients
	}
	return enter
}

func (s *Screen) Wheel(over widget.Spot, _, notches int) {
	if over.What == widget.RowSpot && over.Of == needsNumber {
		s.pane, s.at = attention, max(min(s.at+notches, len(s.needs)-1), 0)
		return
	}
	s.pane = clients
	s.clients.Wheel(notches)
}

// needsNumber tells the needs from the clients, for the pointer.
const needsNumber = 1

// open goes to where the chosen line is dealt with.
func (s *Screen) open() tea.Cmd {
	if m, ok := s.month(); ok && s.cursor.On && s.cursor.At < len(m.Days) {
		return screen.Ask(screen.Goto{Screen: "requests", Filter: part.DayFilter(m.Day(s.cursor.At))})
	}
	switch s.pane {
	case traffic, spend:
		return screen.Ask(screen.Goto{Screen: "requests"})
	case attention:
		return screen.Ask(s.needs[s.at].to)
	}
	return screen.Ask(s.shown[s.clients.Selected()].to)
}

func (s *Screen) Actions() []action.Action {
	return []action.Action{
		{ID: "overview.open", Title: "open: who is chosen, or what wants attention", Keys: []string{"enter"}, Run: s.open, Needs: func() string {
			if !s.snap.Loaded {
				return "it is still opening"
			}
			if s.pane == attention && len(s.needs) == 0 || s.pane == clients && len(s.shown) == 0 {
				return "there is nothing to open"
			}
			return ""
		}},
		{ID: "overview.raise", Title: "raise a limit until a date", Keys: []string{"R"}, Needs: s.notRaised, Run: func() tea.Cmd {
			if s.pane == attention {
				return dialog.Raise(s.env, s.snap, s.needs[s.at].kind, s.needs[s.at].id, "")
			}
			return dialog.Raise(s.env, s.snap, "client", tally.ID(s.shown[s.clients.Selected()].id), "")
		}},
		{ID: "overview.ack", Title: "acknowledge the alert: it is known", Keys: []string{"A"}, Needs: s.nothingToAck, Run: func() tea.Cmd {
			return screen.Do(s.env, control.AlertsAck, control.AckAlerts{ID: string(s.needs[s.at].alert)}, "Acknowledged.")
		}},
		{ID: "overview.order", Title: "sort: budget used, spend, last use", Keys: []string{"o"}, Run: func() tea.Cmd {
			s.order = (s.order + 1) % len(overviewOrders)
			s.refresh()
			return nil
		}},
		{ID: "overview.test", Title: "test: send a request", Keys: []string{"T"}, Needs: s.env.ReadOnly, Run: func() tea.Cmd {
			client := ""
			if i := s.clients.Selected(); i >= 0 {
				client = s.shown[i].slug
			}
			return screen.Ask(screen.Open{Dialog: dialog.NewTry(s.env, client, "")})
		}},
		{ID: "overview.curl", Title: "copy a curl: the key is yours to fill in", Keys: []string{"Y"}, Needs: s.noAddress, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: s.curl(), What: "The curl was"})
		}},
		{ID: "overview.large", Title: "larger: this pane, and back", Keys: []string{"+"}, Run: func() tea.Cmd {
			s.large = !s.large
			return nil
		}},
		{ID: "overview.earlier", Title: "day before: in the chart of spend", Keys: []string{"h", "left"}, Needs: s.noDays,
			Run: s.point(-1)},
		{ID: "overview.later", Title: "day after: in the chart of spend", Keys: []string{"l", "right"}, Needs: s.noDays,
			Run: s.point(1)},
		{ID: "overview.calendar", Title: "calendar of spend", Keys: []string{"C"}, Run: func() tea.Cmd { return calendar.Open(s.env, "", "", part.BudgetOf(s.caps())) }},
	}
}

// point moves the cursor of the spend.
func (s *Screen) point(by int) func() tea.Cmd {
	return func() tea.Cmd {
		m, _ := s.month()
		s.cursor.Move(by, len(m.Days))
		return nil
	}
}

func (s *Screen) month() (part.Month, bool) {
	m, ok := part.MonthOf(&s.snap.Days, s.env.Clock())
	return m.Foresee(&s.snap.Forecast, false), ok
}

// noDays says why there is no spend to point at.
func (s *Screen) noDays() string {
	if _, ok := s.month(); !ok || s.width < screen.Wide && !s.large {
		return "the chart of spend is not on the screen: + makes a pane larger, tab goes on to it"
	}
	return ""
}

// caps is the tightest limit on money of the gateways.
func (s *Screen) caps() []control.LimitState {
	if len(s.snap.Gateways) != 1 { // the limit of one says nothing of the sum of several
		return nil
	}
	l, _ := spendCap(s.snap.Gateways)
	return []control.LimitState{l}
}

// notRaised says why no limit of what is chosen can be raised.
func (s *Screen) notRaised() string {
	switch {
	case s.env.ReadOnly() != "":
		return s.env.ReadOnly()
	case s.pane == attention && (len(s.needs) == 0 || s.needs[s.at].kind == ""), s.pane > attention:
		return "there is no limit to raise here"
	case s.pane == clients && s.clients.Selected() < 0:
		return "no client is chosen"
	case s.pane == clients && s.shown[s.clients.Selected()].kind != "client":
		return "limits of access tokens are not raised: mint another one on Gateways"
	}
	return ""
}

// nothingToAck says why there is no alert to acknowledge.
func (s *Screen) nothingToAck() string {
	switch {
	case s.env.ReadOnly() != "":
		return s.env.ReadOnly()
	case s.pane != attention:
		return "no alert is chosen: tab goes on to what needs attention"
	case len(s.needs) == 0 || s.needs[s.at].alert == "":
		return "no alert has told of this, or it is acknowledged"
	}
	return ""
}

func (s *Screen) noAddress() string {
	if s.snap.Status.BaseURL == "" {
		return "tallygate does not serve at the moment"
	}
	return ""
}

// curl is a request as an app would send it; no key can be shown again, so its
// place is left.
func (s *Screen) curl() string {
	model := ""
	for i := range s.snap.Models {
		if m := &s.snap.Models[i]; m.Enabled && m.Priced {
			model = m.Name
			break
		}
	}
	return keys.Curl(cmp.Or(s.snap.Status.BaseURL, "http://127.0.0.1:4283/v1"), "YOUR_KEY", model)
}
