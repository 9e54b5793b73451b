// Package providers is the screen of the upstream accounts, in the order in which a
// gateway asks them.
package providers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// Screen is the upstream accounts in the order in which a gateway asks them,
// and one of them beside the list: whether it answers, how fast, what it costs.
type Screen struct {
	*screen.List[*control.ProviderView]
	gateway int // whose order is shown
	kinds   []control.ProviderKindView
	asked   bool     // the kinds were
	names   []string // in order
	moved   []string // the order that was chosen and is not in force yet
	sent    []string // the order that the engine is being told
	movedAt time.Time
	testing tally.ID // the one whose probe is under way
	tests   map[tally.ID]probe
}

type probe struct {
	control.ProviderTest
	at time.Time
}

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{tests: map[tally.ID]probe{}}
	s.List = screen.NewList(e, screen.ListOf[*control.ProviderView]{
		Screen: "providers", Heading: "Fallback order", Table: control.ProviderTable, Share: 58,
		Columns: []string{"provider", "state", "day", "failed", "median", "models", "cost"},
		Of:      func(snap *live.Snapshot) []*control.ProviderView { return control.Pointers(snap.Providers) },
		First: func(shown []*control.ProviderView) {
			tally.OrderStable(shown, func(a, b *control.ProviderView) int { return cmp.Compare(s.place(a), s.place(b)) })
		},
		Own: "fallback order",
		Cell: func(p *control.ProviderView, column string) (string, bool) {
			return fmt.Sprintf("%d %s", s.place(p)+1, widget.Safe(p.Name)), column == "provider"
		},
		Note: func(int) string {
			switch gw := s.current(); {
			case s.SortedBy() != "":
				return "by " + s.SortedBy() + " · o another order"
			case gw == nil:
				return ""
			case len(s.Snap.Gateways) > 1:
				return "of gateway " + widget.Safe(gw.Slug) + " · b another"
			}
			return "asked from the top"
		},
		Empty: func() []string {
			return []string{"A provider is an account upstream that answers requests:", "OpenAI, Anthropic, a server of your own.", "",
				"n  adds the first one and imports its models", control.ProviderTable.Make}
		},
		Detail: s.explain,
		Recent: func(p *control.ProviderView) control.RequestQuery { return control.RequestQuery{Provider: p.Name} },
	})
	return s
}

func (s *Screen) Show(snap *live.Snapshot) {
	s.Snap = snap
	if late := s.Env.Clock().Sub(s.movedAt) > 3*time.Second; s.sent == nil && (late || slices.Equal(s.moved, s.orderOf(s.current()))) {
		s.moved = nil
	}
	s.reorder()
}

// reorder puts the rows into the order of the gateway.
func (s *Screen) reorder() {
	if s.names = s.moved; s.names == nil {
		s.names = s.orderOf(s.current())
	}
	s.Renew()
}

// place is where a provider stands in the order, from 0.
func (s *Screen) place(p *control.ProviderView) int {
	if i := slices.Index(s.names, p.Name); i >= 0 {
		return i
	}
	return len(s.names)
}

// Ask asks, once, for the kinds there are.
func (s *Screen) Ask() tea.Cmd {
	if s.asked {
		return s.List.Ask()
	}
	s.asked = true
	return tea.Batch(s.List.Ask(), screen.Call(s.Env, s.Screen, "kinds", 0, control.ProvidersKinds, control.None{}))
}

// current is the gateway whose order is shown, nil if there is none.
func (s *Screen) current() *control.GatewayView {
	if len(s.Snap.Gateways) == 0 {
		return nil
	}
	return &s.Snap.Gateways[s.gateway%len(s.Snap.Gateways)]
}

func (s *Screen) orderOf(gw *control.GatewayView) []string {
	if gw == nil {
		return nil
	}
	return gw.ProviderNames
}

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	a, ok := msg.(screen.Answer)
	if !ok || a.Tag == "recent" {
		return s.List.Update(msg)
	}
	cmd := s.answer(a)
	s.reorder()
	return cmd
}

func (s *Screen) answer(a screen.Answer) tea.Cmd {
	switch a.Tag {
	case "kinds":
		if s.asked = a.Err == nil; s.asked {
			s.kinds = a.Value.([]control.ProviderKindView)
		}
	case "order":
		told := s.sent
		s.sent = nil
		if a.Err != nil {
			s.moved = nil
			return screen.Fail(a.Err)
		}
		s.movedAt = s.Env.Clock()
		if !slices.Equal(told, s.moved) {
			return s.send()
		}
	case "import":
		if a.Err != nil {
			return screen.Fail(a.Err)
		}
		return screen.Ask(screen.Open{Dialog: dialog.Imported("Models imported", a.Value.(control.Imported))})
	default:
		if id, ok := strings.CutPrefix(a.Tag, "test "); ok {
			return s.tested(tally.ID(id), a)
		}
	}
	return nil
}

// move puts the chosen provider one place up or down in the fallback order.
func (s *Screen) move(by int) tea.Cmd {
	at := slices.Index(s.names, s.Selected().Name)
	to := at + by
	if at < 0 || to < 0 || to >= len(s.names) {
		return nil
	}
	s.moved = slices.Clone(s.names)
	s.moved[at], s.moved[to] = s.moved[to], s.moved[at]
	s.reorder()
	return s.send()
}

// send tells the engine the order, one at a time, so that the last one that was
// chosen is the one that stays.
func (s *Screen) send() tea.Cmd {
	gw := s.current()
	if s.moved == nil || s.sent != nil || gw == nil {
		return nil
	}
	s.sent = s.moved
	return screen.Call(s.Env, s.Screen, "order", 0, control.ProvidersOrder, control.OrderProviders{Gateway: string(gw.ID), Providers: s.moved})
}
