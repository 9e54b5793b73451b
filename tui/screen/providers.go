package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Providers is the upstream accounts in the order in which a gateway asks them,
// and one of them beside the list: how it answers, what it costs, its settings.
type Providers struct {
	list
	snap    *live.Snapshot
	gateway int // whose order is shown
	shown   []control.ProviderView
	names   []string // of all providers, in order

	// moved is an order that has been set and is not in the snapshot yet; sent is
	// the one the engine is being told, nil if none is.
	moved, sent []string
	movedAt     time.Time // when the engine took it

	tests   map[tally.ID]probe
	testing tally.ID
	kinds   []control.ProviderKindView
	asked   bool // for the kinds
	day     map[tally.ID]control.Sums
	dayAt   time.Time // when it was asked for
	seq     int
}

// probe is what came of asking a provider for its models.
type probe struct {
	control.ProviderTest
	at time.Time
}

// freshFor is how long sums of 24 hours stand before they are asked for again.
const freshFor = 20 * time.Second

// NewProviders makes the screen.
func NewProviders(e *Env) *Providers {
	s := &Providers{snap: &live.Snapshot{}, tests: map[tally.ID]probe{}, list: newList(e, []widget.Column{
		{Title: "#", Width: 2, Right: true}, {Title: "", Width: 1}, {Title: "provider", Least: 22}, {Title: "state", Width: 6, Priority: 6}, {Title: "models", Width: 6, Right: true, Priority: 5},
		{Title: "24 h", Width: 6, Right: true, Priority: 3}, {Title: "failed", Width: 6, Right: true, Priority: 1}, {Title: "p50", Width: 7, Right: true, Priority: 2}, {Title: "30 days", Width: 9, Right: true, Priority: 4},
	})}
	s.hint = "name, kind"
	s.renew = s.refresh
	return s
}

// Name implements Screen, as do the methods below.
func (s *Providers) Name() string { return "providers" }

func (s *Providers) Show(snap *live.Snapshot) {
	s.snap = snap
	if late := s.env.Clock().Sub(s.movedAt) > 3*time.Second; s.sent == nil && (late || slices.Equal(s.moved, s.orderOf(s.current()))) {
		s.moved = nil
	}
	s.refresh()
}

// Ask asks for the sums of 24 hours and, once, for the kinds there are.
func (s *Providers) Ask() tea.Cmd {
	var cmds []tea.Cmd
	if !s.asked {
		s.asked = true
		cmds = append(cmds, Call(s.env, s.Name(), "kinds", 0, control.ProvidersKinds, control.None{}))
	}
	if now := s.env.Clock(); s.snap.Loaded && now.Sub(s.dayAt) >= freshFor {
		s.dayAt = now
		s.seq++
		cmds = append(cmds, Call(s.env, s.Name(), "day", s.seq, control.UsageShow, control.UsageQuery{By: "provider", Since: "24h"}))
	}
	return tea.Batch(cmds...)
}

// current is the gateway whose order is shown, nil if there is none.
func (s *Providers) current() *control.GatewayView {
	if len(s.snap.Gateways) == 0 {
		return nil
	}
	return &s.snap.Gateways[s.gateway%len(s.snap.Gateways)]
}

func (s *Providers) orderOf(gw *control.GatewayView) []string {
	if gw == nil {
		return nil
	}
	return gw.ProviderNames
}

// refresh makes the rows, in the order of the gateway.
func (s *Providers) refresh() {
	s.names = s.moved
	if s.names == nil {
		s.names = s.orderOf(s.current())
	}
	place := func(p *control.ProviderView) int {
		if i := slices.Index(s.names, p.Name); i >= 0 {
			return i
		}
		return len(s.names)
	}
	s.shown = s.shown[:0]
	words := strings.Fields(strings.ToLower(s.words()))
	for _, p := range s.snap.Providers {
		text, all := strings.ToLower(p.Name+"\n"+string(p.ProviderKind)+"\n"+p.BaseURL), true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			s.shown = append(s.shown, p)
		}
	}
	slices.SortStableFunc(s.shown, func(a, b control.ProviderView) int { return cmp.Compare(place(&a), place(&b)) })
	rows := make([]widget.Row, 0, len(s.shown))
	for i := range s.shown {
		rows = append(rows, widget.Row{ID: string(s.shown[i].ID), Cells: s.cells(&s.shown[i], place(&s.shown[i])+1)})
	}
	s.table.Empty = s.empty()
	s.table.SetRows(rows)
}

func (s *Providers) cells(p *control.ProviderView, place int) []string {
	t := s.env.Theme
	day := s.day[p.ID]
	sign, state := providerState(t, p)
	name := widget.Safe(p.Name)
	if p.Local {
		name += t.Paint(theme.Muted, " local")
	}
	median := t.Paint(theme.Muted, "–")
	if day.P50MS > 0 {
		median = widget.Latency(millis(day.P50MS))
	}
	return []string{fmt.Sprint(place), sign, name, state, fmt.Sprint(p.Models), widget.Compact(day.Requests), s.failedCell(p), median, widget.Money(p.Last30Days.CostNanoUSD)}
}

// failedCell is how many attempts have failed in 24 hours.
func (s *Providers) failedCell(p *control.ProviderView) string {
	n := p.Failures.Total()
	if n == 0 {
		return s.env.Theme.Paint(theme.Muted, "–")
	}
	return s.env.Theme.Paint(theme.Bad, widget.Compact(n))
}

func providerState(t *theme.Theme, p *control.ProviderView) (sign, word string) {
	switch {
	case p.Silent:
		return t.Paint(theme.Bad, t.Glyphs.Wrong), t.Paint(theme.Bad, "silent")
	case p.Provider.Enabled:
		return t.Paint(theme.OK, t.Glyphs.On), "on"
	}
	return t.Paint(theme.Faint, t.Glyphs.Off), t.Paint(theme.Muted, "off")
}

func (s *Providers) empty() []string {
	switch {
	case !s.snap.Loaded:
		return []string{"loading…"}
	case len(s.snap.Providers) > 0:
		return []string{"No provider matches. esc clears the filter."}
	}
	return []string{"A provider is an account upstream that answers requests:", "OpenAI, Anthropic, a server of your own.", "",
		"n  adds the first one and imports its models", "tallygate providers create --name openai --kind openai --api-key-env OPENAI_API_KEY"}
}

func (s *Providers) selected() *control.ProviderView { return chosen(&s.list, s.shown) }

func (s *Providers) Update(msg tea.Msg) tea.Cmd {
	if a, ok := msg.(Answer); ok {
		cmd := s.answer(a)
		s.refresh()
		return cmd
	}
	cmd, _ := s.take(msg)
	return cmd
}

func (s *Providers) answer(a Answer) tea.Cmd {
	switch a.Tag {
	case "kinds":
		if s.asked = a.Err == nil; s.asked {
			s.kinds = a.Value.([]control.ProviderKindView)
		}
	case "day":
		if a.Err == nil && a.Seq == s.seq {
			s.day = map[tally.ID]control.Sums{}
			for _, r := range a.Value.(control.Usage).Rows {
				s.day[tally.ID(r.ID)] = r.Sums
			}
		}
	case "order":
		told := s.sent
		s.sent = nil
		if a.Err != nil {
			s.moved = nil
			return Fail(a.Err)
		}
		s.movedAt = s.env.Clock()
		if !slices.Equal(told, s.moved) {
			return s.send()
		}
	case "import":
		if a.Err != nil {
			return Fail(a.Err)
		}
		return Ask(Open{importedNote("Models imported", a.Value.(control.Imported))})
	default:
		if id, ok := strings.CutPrefix(a.Tag, "test "); ok {
			return s.tested(tally.ID(id), a)
		}
	}
	return nil
}

// move puts the chosen provider one place up or down in the fallback order.
func (s *Providers) move(by int) tea.Cmd {
	at := slices.Index(s.names, s.selected().Name)
	to := at + by
	if at < 0 || to < 0 || to >= len(s.names) {
		return nil
	}
	s.moved = slices.Clone(s.names)
	s.moved[at], s.moved[to] = s.moved[to], s.moved[at]
	s.refresh()
	return s.send()
}

// send tells the engine the order, one at a time, so that the last one that was
// chosen is the one that stays.
func (s *Providers) send() tea.Cmd {
	gw := s.current()
	if s.moved == nil || s.sent != nil || gw == nil {
		return nil
	}
	s.sent = s.moved
	return Call(s.env, s.Name(), "order", 0, control.ProvidersOrder, control.OrderProviders{Gateway: string(gw.ID), Providers: s.moved})
}

func (s *Providers) Draw() widget.Block {
	title, note := "Providers", ""
	if gw := s.current(); gw != nil {
		title = "Fallback order"
		note = "asked from the top"
		if len(s.snap.Gateways) > 1 {
			note = "of gateway " + widget.Safe(gw.Slug) + " · b another"
		}
	}
	return s.draw(title, note, 58, s.drawDetail)
}
