package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Models is what clients may ask for, with prices, and one of them beside the
// list: what it costs since when, who answers it, what it was used for.
type Models struct {
	list
	snap     *live.Snapshot
	order    int
	shown    []*control.ModelView // of the snapshot
	unpriced int
	made     modelsMade
}

// modelsMade is what the rows were made of: there can be thousands of models,
// and mostly nothing of them changes.
type modelsMade struct {
	first *control.ModelView
	count int
	words string
	order int
}

// The orders of the list.
var modelOrders = []string{"name", "spend", "price", "provider"}

// NewModels makes the screen.
func NewModels(e *Env) *Models {
	s := &Models{snap: &live.Snapshot{}, list: newList(e, []widget.Column{
		{Title: "", Width: 1}, {Title: "model", Least: 22}, {Title: "provider", Width: 11, Priority: 2}, {Title: "mode", Width: 6, Priority: 5}, {Title: "context", Width: 7, Right: true, Priority: 4},
		{Title: "in $/M", Width: 8, Right: true}, {Title: "out $/M", Width: 7, Right: true}, {Title: "30 days", Width: 7, Right: true, Priority: 3},
	})}
	s.hint = "name, provider:openai, unpriced, on, off"
	s.renew = s.refresh
	s.table.Cells = s.cells
	return s
}

// Name implements Screen, as do the methods below.
func (s *Models) Name() string { return "models" }

func (s *Models) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

// refresh makes the rows of the models that pass the filter.
func (s *Models) refresh() {
	made := modelsMade{count: len(s.snap.Models), words: s.words(), order: s.order}
	if made.count > 0 {
		made.first = &s.snap.Models[0]
	}
	s.table.Empty = s.empty()
	if made == s.made {
		return
	}
	s.made = made
	now := s.env.Clock()
	s.shown, s.unpriced = s.shown[:0], 0
	for i := range s.snap.Models {
		m := &s.snap.Models[i]
		if !m.Priced {
			s.unpriced++
		}
		if matchesModel(m, made.words) {
			s.shown = append(s.shown, m)
		}
	}
	rate := func(m *control.ModelView) tally.NanoUSD {
		r, _ := tally.PriceAt(m.Prices, now, 0)
		return r.Of[tally.ClassOutput]
	}
	slices.SortStableFunc(s.shown, func(a, b *control.ModelView) int {
		named := cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ProviderName, b.ProviderName))
		switch modelOrders[s.order] {
		case "spend":
			return cmp.Or(cmp.Compare(b.Last30Days.CostNanoUSD, a.Last30Days.CostNanoUSD), named)
		case "price":
			return cmp.Or(cmp.Compare(rate(b), rate(a)), named)
		case "provider":
			return cmp.Or(cmp.Compare(a.ProviderName, b.ProviderName), named)
		}
		return named
	})
	rows := make([]widget.Row, len(s.shown))
	for i, m := range s.shown {
		rows[i].ID = string(m.ID)
	}
	s.table.SetRows(rows)
}

func (s *Models) cells(i int) []string {
	t, m := s.env.Theme, s.shown[i]
	sign, _ := s.state(m)
	in, out := s.prices(m)
	return []string{sign, widget.Safe(m.Name), widget.Safe(m.ProviderName), t.Paint(theme.Muted, widget.Safe(m.Mode)), contextText(m.ContextTokens), in, out, widget.Money(m.Last30Days.CostNanoUSD)}
}

// state says whether requests for a model are answered, and if not why.
func (s *Models) state(m *control.ModelView) (sign, words string) {
	t := s.env.Theme
	on := true
	for i := range s.snap.Providers {
		if p := &s.snap.Providers[i]; p.ID == m.Provider {
			on = p.Provider.Enabled
		}
	}
	switch {
	case !m.Model.Enabled:
		return t.Paint(theme.Faint, t.Glyphs.Off), t.Paint(theme.Muted, "off")
	case !m.Priced && s.snap.Settings.Unpriced != tally.AllowAtZero:
		return t.Paint(theme.Warn, t.Glyphs.Alert), t.Paint(theme.Warn, "refused: it has no price, so its cost could not be counted; p gives it one")
	case !on:
		return t.Paint(theme.Warn, t.Glyphs.Half), t.Paint(theme.Warn, "on, but its provider is off")
	}
	return t.Paint(theme.OK, t.Glyphs.On), t.Paint(theme.OK, "on")
}

// prices are the rates of a short prompt, in dollars per million tokens.
func (s *Models) prices(m *control.ModelView) (in, out string) {
	t := s.env.Theme
	r, ok := tally.PriceAt(m.Prices, s.env.Clock(), 0)
	if !ok {
		if s.snap.Settings.Unpriced == tally.AllowAtZero {
			return t.Paint(theme.Warn, "no price"), t.Paint(theme.Warn, "free")
		}
		return t.Paint(theme.Warn, "no price"), t.Paint(theme.Warn, "–")
	}
	return dollarsOf(r.Of[tally.ClassInput]), dollarsOf(r.Of[tally.ClassOutput])
}

// dollarsOf writes a rate without its sign: the column has it.
func dollarsOf(n tally.NanoUSD) string { return strings.TrimPrefix(n.Display(), "$") }

// contextText writes a length of context: "128k", "1.05M", "–" if unknown.
func contextText(n int64) string {
	if n <= 0 {
		return "–"
	}
	return widget.Compact(n)
}

func (s *Models) empty() []string {
	switch {
	case !s.snap.Loaded:
		return []string{"loading…"}
	case len(s.snap.Models) > 0:
		return []string{"No model matches. esc clears the filter."}
	case len(s.snap.Providers) == 0:
		return []string{"Models come with a provider, and there is none yet.", "", "5  goes to Providers, where n adds the first one"}
	}
	return []string{"A model is what clients ask for by name; it has a price.", "", "i  imports what a provider offers, with prices", "n  adds one by hand",
		"tallygate models import " + tally.ShellWord(s.snap.Providers[0].Name)}
}

// matchesModel looks for words in names, and for the words that filter.
func matchesModel(m *control.ModelView, words string) bool {
	if words == "" {
		return true
	}
	text := strings.ToLower(m.Name + "\n" + m.Upstream + "\n" + m.Mode + "\n" + m.ProviderName)
	for _, w := range strings.Fields(strings.ToLower(words)) {
		provider, isProvider := strings.CutPrefix(w, "provider:")
		ok := false
		switch {
		case isProvider:
			ok = strings.HasPrefix(strings.ToLower(m.ProviderName), provider)
		case w == unpricedWord:
			ok = !m.Priced
		case w == "on", w == "off":
			ok = m.Model.Enabled == (w == "on")
		default:
			ok = strings.Contains(text, w)
		}
		if !ok {
			return false
		}
	}
	return true
}

const unpricedWord = "unpriced" // filters for models without a price

func (s *Models) selected() *control.ModelView {
	if m := chosen(&s.list, s.shown); m != nil {
		return *m
	}
	return nil
}

func (s *Models) Update(msg tea.Msg) tea.Cmd {
	if a, ok := msg.(Answer); ok {
		switch {
		case a.Tag != "import":
			return nil
		case a.Err != nil:
			return Fail(a.Err)
		}
		return Ask(Open{importedNote("Models imported", a.Value.(control.Imported))})
	}
	cmd, _ := s.take(msg)
	return cmd
}

func (s *Models) Draw() widget.Block {
	note := fmt.Sprintf("%d of %d by %s", len(s.shown), len(s.snap.Models), modelOrders[s.order])
	if s.unpriced > 0 {
		note += fmt.Sprintf(" · %d without a price", s.unpriced)
	}
	return s.draw("Models and prices", note, 64, s.drawDetail)
}

func (s *Models) drawDetail(width, height int) widget.Block {
	t, now := s.env.Theme, s.env.Clock()
	m := s.selected()
	if m == nil {
		return widget.Box{Title: "No model", Focused: s.detail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	sign, words := s.state(m)
	upstream := ""
	if m.Upstream != "" && m.Upstream != m.Name {
		upstream = widget.Safe(m.Upstream)
	}
	facts := []fact{{"state", sign + " " + words}, {"provider", widget.Safe(m.ProviderName)}, {"asked as", upstream}, {"tried", s.route(m)}, {"mode", widget.Safe(m.Mode)},
		{"context", contextText(m.ContextTokens)}, {"answer", contextText(m.MaxOutputTokens)}}
	if m.ImageTokens > 0 {
		facts = append(facts, fact{"picture", contextText(m.ImageTokens)})
	}
	if !m.ShutdownAt.IsZero() {
		facts = append(facts, fact{"shut down", t.Paint(theme.Warn, widget.Safe(strings.TrimSpace(m.ShutdownAt.UTC().Format("2 Jan 2006")+" "+m.ReplacedBy)))})
	}
	if !m.MissingAt.IsZero() {
		facts = append(facts, fact{"not listed", t.Paint(theme.Warn, "since "+m.MissingAt.UTC().Format("2 Jan 2006"))})
	}
	if m.AllowExtras {
		facts = append(facts, fact{"extras", t.Paint(theme.Warn, "allowed: can pass limits on money")})
	}
	lines := factLines(t, facts, inner)
	lines = append(lines, "", heading(t, "Price", "$ per million tokens", inner))
	lines = append(lines, priceLines(t, m.Prices, now, inner)...)
	if r, ok := tally.PriceAt(m.Prices, now, 2000); ok {
		example := r.Cost(tally.Tokens{Input: 2000, Output: 500})
		lines = append(lines, t.Paint(theme.Muted, "2,000 tokens in and 500 out cost ")+example.Display())
	}
	lines = append(lines, "", heading(t, "30 days, under this name", widget.Money(m.Last30Days.CostNanoUSD), inner))
	lines = append(lines, sumLines(t, &m.Last30Days, inner)...)
	lines = append(lines, "", heading(t, "Last requests", "", inner))
	lines = append(lines, tailLinesBy(s.env, s.snap, inner, max(rows-len(lines), 5), func(r *control.RequestView) string { return r.Client },
		func(r *control.RequestView) bool {
			return r.Model == m.Name && (r.Provider == m.ProviderName || r.Provider == "")
		})...)
	return s.box(widget.Safe(m.Name), string(m.ID), width, height, lines)
}

// route is the providers that have a model of the same name, which are each
// other's fallback, in the order of the first gateway; "" if it is one.
func (s *Models) route(m *control.ModelView) string {
	var names []string
	for i := range s.snap.Models {
		if x := &s.snap.Models[i]; x.Name == m.Name && x.Model.Enabled {
			names = append(names, x.ProviderName)
		}
	}
	if len(names) < 2 {
		return ""
	}
	if len(s.snap.Gateways) > 0 {
		order := s.snap.Gateways[0].ProviderNames
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(slices.Index(order, a), slices.Index(order, b)) })
	}
	return widget.Safe(strings.Join(names, " "+s.env.Theme.Glyphs.Right+" "))
}
