// Package models is the screen of what clients may ask for, with prices.
package models

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is what clients may ask for, with prices, and one of them beside the
// list: what it costs since when, who answers it, what it was used for.
type Screen struct {
	*screen.List[*control.ModelView]
	from string // where the last look at an import was
}

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{}
	s.List = screen.NewList(e, screen.ListOf[*control.ModelView]{
		Screen: "models", Heading: "Models and prices", Table: control.ModelTable, Share: 64, Marking: true,
		Columns: []string{"model", "provider", "mode", "context", "input", "output", "cost"},
		Of:      func(snap *live.Snapshot) []*control.ModelView { return control.Pointers(snap.Models) },
		Cell:    s.cell, Tone: s.toneOf, Note: s.note, Empty: s.none, Detail: s.explain,
		Recent: func(m *control.ModelView) control.RequestQuery {
			return control.RequestQuery{Model: m.Name, Provider: string(m.Provider)}
		},
	})
	return s
}

func (s *Screen) note(shown int) string {
	note := fmt.Sprintf("%d of %d by %s", shown, len(s.Snap.Models), s.SortedBy())
	unpriced := 0
	for i := range s.Snap.Models {
		if !s.Snap.Models[i].Priced {
			unpriced++
		}
	}
	if unpriced > 0 {
		note += fmt.Sprintf(" · %d without a price", unpriced)
	}
	return note
}

// cell says what becomes of a model without a price.
func (s *Screen) cell(m *control.ModelView, column string) (string, bool) {
	t := s.Env.Theme
	if m.Priced || column != "input" && column != "output" {
		return "", false
	}
	switch {
	case column == "input":
		return t.Paint(theme.Warn, "no price"), true
	case s.Snap.Settings.Unpriced == tally.AllowAtZero:
		return t.Paint(theme.Warn, "free"), true
	}
	return t.Paint(theme.Warn, "–"), true
}

func (s *Screen) toneOf(m *control.ModelView) control.Tone {
	tone, _ := s.state(m)
	return tone
}

// state says whether requests for a model are answered, and if not why.
func (s *Screen) state(m *control.ModelView) (tone control.Tone, words string) {
	t := s.Env.Theme
	on := true
	for i := range s.Snap.Providers {
		if p := &s.Snap.Providers[i]; p.ID == m.Provider {
			on = p.Provider.Enabled
		}
	}
	switch {
	case !m.Model.Enabled:
		return control.Faint, t.Paint(theme.Muted, "off")
	case !m.Priced && s.Snap.Settings.Unpriced != tally.AllowAtZero:
		return control.Bad, t.Paint(theme.Warn, "refused: it has no price, so its cost could not be counted; p gives it one")
	case !on:
		return control.Warn, t.Paint(theme.Warn, "on, but its provider is off")
	}
	return control.Good, t.Paint(theme.OK, "on")
}

// contextText writes a length of context: "128k", "1.05M", "–" if unknown.
func contextText(n int64) string {
	if n <= 0 {
		return "–"
	}
	return control.Compact(n)
}

func (s *Screen) none() []string {
	if len(s.Snap.Providers) == 0 {
		return []string{"Models come with a provider, and there is none yet.", "", "5  goes to Providers, where n adds the first one"}
	}
	return []string{"A model is what clients ask for by name; it has a price.", "", "i  imports what a provider offers, with prices", "n  adds one by hand",
		"tallygate models import " + tally.ShellWord(s.Snap.Providers[0].Name)}
}

// unpriced filters for models without a price.
const unpriced = "priced:false"

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	a, ok := msg.(screen.Answer)
	switch {
	case !ok || a.Tag != "import" && a.Tag != "look" && a.Tag != "route":
		return s.List.Update(msg)
	case a.Err != nil:
		return screen.Fail(a.Err)
	case a.Tag == "route":
		return screen.Ask(screen.Open{Dialog: dialog.Routed(a.Value.(control.Routed))})
	case a.Tag == "look":
		return s.looked(a.Value.(control.Imported))
	}
	heading := "Models imported"
	if s.from == priceBook {
		heading = "Prices imported"
	}
	return screen.Ask(screen.Open{Dialog: dialog.Imported(heading, a.Value.(control.Imported))})
}

func (s *Screen) explain(m *control.ModelView, inner, rows int) screen.Detail {
	t, now := s.Env.Theme, s.Env.Clock()
	tone, words := s.state(m)
	sign := part.ToneSign(t, tone)
	upstream := ""
	if m.Upstream != "" && m.Upstream != m.Name {
		upstream = widget.Safe(m.Upstream)
	}
	facts := []part.Fact{{"state", sign + " " + words}, {"provider", widget.Safe(m.ProviderName)}, {"asked as", upstream}, {"tried", s.route(m)}, {"mode", widget.Safe(m.Mode)},
		{"context", contextText(m.ContextTokens)}, {"answer", contextText(m.MaxOutputTokens)}}
	if m.ImageTokens > 0 {
		facts = append(facts, part.Fact{"picture", contextText(m.ImageTokens)})
	}
	if !m.ShutdownAt.IsZero() {
		facts = append(facts, part.Fact{"shut down", t.Paint(theme.Warn, widget.Safe(strings.TrimSpace(m.ShutdownAt.UTC().Format("2 Jan 2006")+" "+m.ReplacedBy)))})
	}
	if !m.MissingAt.IsZero() {
		facts = append(facts, part.Fact{"not listed", t.Paint(theme.Warn, "since "+m.MissingAt.UTC().Format("2 Jan 2006"))})
	}
	for _, c := range m.Caps {
		facts = append(facts, part.Fact{"cap", c.Display()})
	}
	if m.MaxInFlight > 0 {
		facts = append(facts, part.Fact{"in flight", fmt.Sprintf("at most %d", m.MaxInFlight)})
	}
	if m.AllowExtras {
		facts = append(facts, part.Fact{"extras", t.Paint(theme.Warn, "allowed: can pass limits on money")})
	}
	lines := part.Facts(t, facts, inner)
	lines = append(lines, "", part.Heading(t, "Price", "$ per million tokens", inner))
	lines = append(lines, part.Prices(t, m.Prices, now, inner)...)
	if q := tally.QuoteAt(m.Prices, now, "", 2000); q.Row != nil && q.Row.PricesTokens() {
		example := q.Cost(tally.Tokens{Input: 2000, Output: 500})
		lines = append(lines, t.Paint(theme.Muted, "2,000 tokens in and 500 out cost ")+example.Display())
	}
	lines = append(lines, "", part.Heading(t, "This month", part.Charged(&m.Month), inner))
	lines = append(lines, part.Sums(t, &m.Month, inner)...)
	if m.ElsewhereNanoUSD > 0 {
		lines = append(lines, t.Paint(theme.Muted, "and ")+m.ElsewhereNanoUSD.Display()+t.Paint(theme.Muted,
			" in 30 days, at a provider not known"))
	}
	lines = append(lines, "", part.Heading(t, "Last requests", "", inner))
	lines = append(lines, s.Latest.Lines(s.Snap, inner, max(rows-len(lines), 5), func(r *control.RequestView) string { return cmp.Or(r.ClientName, r.Client) })...)
	return screen.Detail{Title: widget.Safe(m.Name), Note: string(m.ID), Lines: lines}
}

// route is the providers that have a model of the same name, which are each
// other's fallback, in the order of the first gateway; "" if it is one.
func (s *Screen) route(m *control.ModelView) string {
	var names []string
	for i := range s.Snap.Models {
		if x := &s.Snap.Models[i]; x.Name == m.Name && x.Model.Enabled {
			names = append(names, x.ProviderName)
		}
	}
	if len(names) < 2 {
		return ""
	}
	if len(s.Snap.Gateways) > 0 {
		order := s.Snap.Gateways[0].ProviderNames
		tally.OrderStable(names, func(a, b string) int { return cmp.Compare(slices.Index(order, a), slices.Index(order, b)) })
	}
	return widget.Safe(strings.Join(names, " "+s.Env.Theme.Glyphs.Right+" "))
}
