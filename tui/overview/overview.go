// Package overview is the first screen: what goes on, who is close to a limit, and what
// needs attention.
package overview

import (
	"cmp"
	"slices"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/keys"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is the first screen: how much goes through, what it costs, who is
// close to a cap and what else wants attention.
type Screen struct {
	env           *screen.Env
	snap          *live.Snapshot
	width, height int
	clients       widget.Table
	shown         []control.ClientView
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
		{Width: 1}, {Title: "client"}, {Title: "30 days", Width: 9, Right: true, Priority: 3}, {Title: "budget", Width: 12},
		{Title: "used", Width: 5, Right: true}, {Title: "of", Width: 14, Priority: 1}, {Title: "last", Width: 5, Right: true, Priority: 2},
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
	s.shown = append(s.shown[:0], s.snap.Clients...)
	slices.SortStableFunc(s.shown, func(a, b control.ClientView) int {
		var first int
		switch overviewOrders[s.order] {
		case "budget used":
			first = used(&b).Compare(used(&a))
		case "last use":
			first = b.LastUsedAt.Compare(a.LastUsedAt)
		}
		return cmp.Or(first, cmp.Compare(b.Last30Days.CostNanoUSD, a.Last30Days.CostNanoUSD), cmp.Compare(b.Last30Days.Requests, a.Last30Days.Requests), cmp.Compare(a.Slug, b.Slug))
	})
	rows := make([]widget.Row, 0, len(s.shown))
	for i := range s.shown {
		c := &s.shown[i]
		bar, used, of := t.Paint(theme.Faint, "no limit"), "", ""
		if l := control.Fullest(c.LimitStates); l != nil {
			share := part.ShareOf(*l)
			role := widget.Budget(share)
			bar, used, of = widget.Bar(t, share, 12, role), t.Paint(role, part.UsedText(share)), t.Paint(theme.Muted, capOf(l))
		}
		rows = append(rows, widget.Row{ID: string(c.ID), Cells: []string{
			part.ToneSign(t, control.ClientTable.Tone(c)), widget.Safe(c.Slug), widget.Money(c.Last30Days.CostNanoUSD), bar, used, of, widget.Ago(c.LastUsedAt, now),
		}})
	}
	s.clients.SetRows(rows)
	s.clients.Empty = []string{"No clients yet: n on Clients makes one."}
	if !s.snap.Loaded {
		s.clients.Empty = []string{"loading…"}
	}
}

// used is the share that is used of a client's fullest limit.
func used(c *control.ClientView) control.Value {
	if l := control.Fullest(c.LimitStates); l != nil {
		return l.Share()
	}
	return control.Value{Void: true}
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
	return screen.Ask(screen.Goto{Screen: "clients", Filter: s.shown[s.clients.Selected()].Slug})
}

func (s *Screen) Actions() []action.Action {
	return []action.Action{
		{ID: "overview.open", Title: "open: the client, or what wants attention", Keys: []string{"enter"}, Run: s.open, Needs: func() string {
			if s.right && len(s.needs) == 0 || !s.right && len(s.shown) == 0 {
				return "there is nothing to open"
			}
			return ""
		}},
		{ID: "overview.order", Title: "sort: budget used, spend, last use", Keys: []string{"o"}, Run: func() tea.Cmd {
			s.order = (s.order + 1) % len(overviewOrders)
			s.refresh()
			return nil
		}},
		{ID: "overview.test", Title: "test: send a request", Keys: []string{"T"}, Needs: s.env.ReadOnly, Run: func() tea.Cmd {
			client := ""
			if i := s.clients.Selected(); i >= 0 {
				client = s.shown[i].Slug
			}
			return screen.Ask(screen.Open{Dialog: dialog.NewTry(s.env, client, "")})
		}},
		{ID: "overview.curl", Title: "copy a curl: the key is yours to fill in", Keys: []string{"Y"}, Needs: s.noAddress, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: s.curl(), What: "The curl was"})
		}},
	}
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
