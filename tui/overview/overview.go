// Package overview is the first screen: what goes on, who is close to a limit, and what
// needs attention.
package overview

import (
	"cmp"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/keys"
	"tallygate/tui/live"
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
	right         bool // the needs have the focus
}

// The orders of the clients: who is closest to a cap comes first.
var overviewOrders = []string{"budget used", "spend", "last use"}

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
	was := s.right
	s.right = false
	return was
}

func (s *Screen) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

func (s *Screen) refresh() {
	t, now := s.env.Theme, s.env.Clock()
	if s.needs = nil; s.snap.Loaded { // names come with the lists
		s.needs = needs(s.snap, now, s.env.Zone)
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
		s.clients.Empty = []string{"loading…"}
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
		case key == "tab", key == "shift+tab":
			s.right = !s.right
		case !s.right:
			s.clients.Key(key)
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

// open goes to where the chosen line is dealt with.
func (s *Screen) open() tea.Cmd {
	if s.right {
		return screen.Ask(s.needs[s.at].to)
	}
	return screen.Ask(s.shown[s.clients.Selected()].to)
}

func (s *Screen) Actions() []action.Action {
	return []action.Action{
		{ID: "overview.open", Title: "open: who is chosen, or what wants attention", Keys: []string{"enter"}, Run: s.open, Needs: func() string {
			if s.right && len(s.needs) == 0 || !s.right && len(s.shown) == 0 {
				return "there is nothing to open"
			}
			return ""
		}},
		{ID: "overview.raise", Title: "raise a limit until a date", Keys: []string{"R"}, Needs: s.notRaised, Run: func() tea.Cmd {
			if s.right {
				return dialog.Raise(s.env, s.snap, s.needs[s.at].kind, s.needs[s.at].id, "")
			}
			return dialog.Raise(s.env, s.snap, "client", tally.ID(s.shown[s.clients.Selected()].id), "")
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
	}
}

// notRaised says why no limit of what is chosen can be raised.
func (s *Screen) notRaised() string {
	switch {
	case s.env.ReadOnly() != "":
		return s.env.ReadOnly()
	case s.right && (len(s.needs) == 0 || s.needs[s.at].kind == ""):
		return "there is no limit to raise here"
	case !s.right && s.clients.Selected() < 0:
		return "no client is chosen"
	case !s.right && s.shown[s.clients.Selected()].kind != "client":
		return "limits of access tokens are not raised: mint another one on Gateways"
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
