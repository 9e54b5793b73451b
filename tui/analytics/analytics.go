// Package analytics is the screen of usage over time, broken down and compared.
package analytics

import (
	"cmp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/calendar"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is usage over a span of time against the span before: totals, a
// course, the shares of what it is broken down by, and clients compared.
type Screen struct {
	env           *screen.Env
	snap          *live.Snapshot
	width, height int

	span    int // of spans
	earlier int // spans ago, 0 for the latest
	by      int // of s.breakdowns()
	metric  int // of metrics
	compare bool
	client  string // only of this one, "" for all

	seq   int
	asked time.Time // when the latest answers were asked for
	got   answers   // what is drawn
	next  answers   // what is coming in
	fault string    // why it does not

	shares widget.Table
	rival  widget.Table
	shown  []control.UsageRow // of shares
	rivals []control.UsageRow
	right  bool // the rivals have the focus
	large  bool // what has the focus has the whole screen
	cursor part.Cursor
}

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{env: e, snap: &live.Snapshot{}, span: 2, metric: 2}
	s.shares = widget.Table{Focused: true, Columns: []widget.Column{{Title: "which"}, {Title: "share", Width: 14, Priority: 2}, {Width: 5, Right: true},
		{Title: "amount", Width: 9, Right: true}, {Title: "before", Width: 6, Right: true, Priority: 1}}}
	s.rival = widget.Table{Number: 1, Columns: []widget.Column{{Title: "which"}, {Title: "course", Width: 14}, {Title: "amount", Width: 9, Right: true},
		{Title: "requests", Width: 8, Right: true, Priority: 1}, {Title: "per 1k", Width: 8, Right: true, Priority: 2}}}
	return s
}

// Name implements Screen, as do the methods below.
func (s *Screen) Name() string             { return "analytics" }
func (s *Screen) Typing() bool             { return false }
func (s *Screen) Resize(width, height int) { s.width, s.height = width, height }
func (s *Screen) Show(snap *live.Snapshot) { s.snap = snap }

func (s *Screen) Back() bool {
	switch {
	case s.large:
		s.large = false
	case s.cursor.On:
		s.cursor.On = false
	case s.right:
		s.right = false
	case s.client != "":
		s.client, s.by = "", 0
		s.changed()
	case s.earlier > 0:
		s.earlier = 0
		s.changed()
	default:
		return false
	}
	return true
}

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case screen.Goto:
		s.client, s.by, s.earlier = "", 0, 0
		for _, word := range strings.Fields(msg.Filter) {
			switch name, value, _ := strings.Cut(word, ":"); {
			case name == "client":
				s.client = value
			case name == "month" && value == "last":
				s.span, s.earlier = len(spans)-1, 1
			case name == "month":
				s.span = len(spans) - 1
			}
		}
		s.changed()
		return s.Ask()
	case screen.Answer:
		s.answer(msg)
	case tea.KeyPressMsg:
		switch key := msg.String(); {
		case key == "tab", key == "shift+tab":
			s.right = !s.right && s.hasRivals()
		default:
			s.table().Key(key)
		}
	}
	return nil
}

// Press implements screen.Pointed, as does Wheel.
func (s *Screen) Press(at widget.Spot) (enter bool) {
	switch {
	case at.What == widget.RowSpot:
		s.right = at.Of == s.rival.Number
	case at.What != widget.ChoiceSpot:
	case at.Of == ofMetric:
		s.metric = at.N
		s.refresh()
	case at.Of == ofSpan:
		s.span, s.earlier = at.N, 0
		s.changed()
	default:
		s.by = at.N
		s.changed()
	}
	return s.table().Press(at)
}

// The choices at the top, for the pointer.
const (
	ofSpan = iota
	ofBreakdown
	ofMetric
)

func (s *Screen) Wheel(_ widget.Spot, x, notches int) {
	s.right = s.hasRivals() && x >= s.width/2
	s.table().Wheel(notches)
}

// table is the one that has the focus.
func (s *Screen) table() *widget.Table {
	if s.right {
		return &s.rival
	}
	return &s.shares
}

// refresh makes the rows of both tables.
func (s *Screen) refresh() {
	t, m := s.env.Theme, metrics[s.metric]
	before := map[string]*control.Sums{}
	for i := range s.got.before.Rows {
		before[s.got.before.Rows[i].ID] = &s.got.before.Rows[i].Sums
	}
	s.shown = sorted(s.got.now.Rows, m)
	whole, largest := 0.0, 0.0
	for i := range s.shown {
		whole += m.of(&s.shown[i].Sums)
		largest = max(largest, m.of(&s.shown[i].Sums))
	}
	if m.mean { // means have no shares: the longest bar is the largest
		whole = largest
	}
	rows := make([]widget.Row, 0, len(s.shown))
	for i := range s.shown {
		r := &s.shown[i]
		v, was, share := m.of(&r.Sums), 0.0, 0.0
		if b := before[r.ID]; b != nil {
			was = m.of(b)
		}
		if whole > 0 {
			share = v / whole
		}
		percent := part.Percent(share)
		if m.mean {
			percent = ""
		}
		rows = append(rows, widget.Row{ID: r.ID, Cells: []string{
			nameOf(r), widget.Bar(t, share, 14, theme.Accent), percent, m.format(v), part.Change(t, v, was, m.worse),
		}})
	}
	s.shares.Empty = []string{"Nothing was used in this span. ← looks at an earlier one, t at another length."}
	s.shares.SetRows(rows)

	course := map[string][]float64{}
	at, n, _ := s.steps(s.got.span.coarse, &s.got)
	for i := range s.got.rivals.Rows {
		r := &s.got.rivals.Rows[i]
		if course[r.ID] == nil {
			course[r.ID] = make([]float64, n)
		}
		if i := at(r.At); i >= 0 && i < n {
			course[r.ID][i] += m.of(&r.Sums)
		}
	}
	s.rivals = sorted(s.got.rivalsSum.Rows, m)
	rows = make([]widget.Row, 0, len(s.rivals))
	for i := range s.rivals {
		r := &s.rivals[i]
		per := "–"
		if r.Requests > 0 {
			per = widget.Money(r.CostNanoUSD * 1000 / money(r.Requests))
		}
		rows = append(rows, widget.Row{ID: r.ID, Cells: []string{
			nameOf(r), widget.SparkRow(t, part.Squeeze(course[r.ID], 14), 14, theme.Accent), m.format(m.of(&r.Sums)), control.Compact(r.Requests), per,
		}})
	}
	s.rival.Empty = []string{"nothing to compare"}
	s.rival.SetRows(rows)
}

// sorted are the rows with the most of a metric first.
func sorted(rows []control.UsageRow, m metric) []control.UsageRow {
	out := slices.Clone(rows)
	tally.OrderStable(out, func(a, b control.UsageRow) int {
		return cmp.Or(cmp.Compare(m.of(&b.Sums), m.of(&a.Sums)), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func nameOf(r *control.UsageRow) string {
	if name := r.Title(); name != "" {
		return widget.Safe(name)
	}
	return "–"
}

// called is what people call the client of a slug.
func (s *Screen) called(slug string) string {
	for i := range s.snap.Clients {
		if c := &s.snap.Clients[i]; c.Slug == slug {
			return c.Name
		}
	}
	return slug
}

func (s *Screen) hasRivals() bool { return s.width >= screen.Wide }

// drill looks closer at the chosen row.
func (s *Screen) drill() tea.Cmd {
	table, rows, by := &s.shares, s.shown, s.got.by
	if s.right {
		table, rows, by = &s.rival, s.rivals, rivalsBy(s.got.client)
	}
	r := &rows[table.Selected()]
	if r.ID == "" { // what has none cannot be asked for
		return nil
	}
	switch by {
	case "client":
		s.client, s.by, s.right = cmp.Or(r.Name, r.ID), 0, false
		s.changed()
		return s.Ask()
	case "gateway":
		return screen.Ask(screen.Goto{Screen: "gateways", Filter: cmp.Or(r.Name, r.ID)})
	case "upstream": // requests are found by the name that was asked for
		return screen.Ask(screen.Goto{Screen: "models", Filter: cmp.Or(r.Name, r.ID)})
	}
	filter := string(by) + ":" + cmp.Or(r.Name, r.ID)
	switch by {
	case "key":
		filter = "key:" + r.ID
	case "tag":
		filter = "tags:" + r.ID
	case "tool":
		filter = "tags:" + tally.TagTool + "=" + r.ID
	}
	if s.got.client != "" {
		filter += " client:" + s.got.client
	}
	return screen.Ask(screen.Goto{Screen: "requests", Filter: filter})
}

// noCourse says why there is no course to point at.
func (s *Screen) noCourse() string {
	switch {
	case s.got.have != allAnswers:
		return "it is still being added up"
	case metrics[s.metric].mean || s.compare:
		return "lines have no cursor: m chooses a sum, v the columns"
	}
	return ""
}

// point moves the cursor of the course.
func (s *Screen) point(by int) func() tea.Cmd {
	return func() tea.Cmd {
		_, n, _ := s.steps(s.got.span.every, &s.got)
		s.cursor.Move(by, n)
		return nil
	}
}

func (s *Screen) Actions() []action.Action {
	choose := func(change func()) func() tea.Cmd {
		return func() tea.Cmd {
			change()
			s.changed()
			return s.Ask()
		}
	}
	return []action.Action{
		{ID: "analytics.range", Title: "range: 24h, 7d, 30d, 90d, month", Keys: []string{"t"}, Run: choose(func() { s.span, s.earlier = (s.span+1)%len(spans), 0 })},
		{ID: "analytics.earlier", Title: "earlier", Keys: []string{"left"}, Run: choose(func() { s.earlier++ })},
		{ID: "analytics.later", Title: "later", Keys: []string{"right"}, Needs: func() string {
			if s.earlier == 0 {
				return "this is the latest span"
			}
			return ""
		}, Run: choose(func() { s.earlier-- })},
		{ID: "analytics.by", Title: "break down: by client, model, provider, gateway, status, country, code", Keys: []string{"b"}, Run: choose(func() { s.by = (s.by + 1) % len(s.breakdowns()) })},
		{ID: "analytics.metric", Title: "metric: requests, tokens, cost, credits, margin, errors, latency, saved by caches", Keys: []string{"m"}, Run: func() tea.Cmd {
			s.metric = (s.metric + 1) % len(metrics)
			s.refresh()
			return nil
		}},
		{ID: "analytics.month", Title: "this month; ← last month", Keys: []string{"M"}, Run: choose(func() { s.span, s.earlier = len(spans)-1, 0 })},
		{ID: "analytics.compare", Title: "compare: with the span before", Keys: []string{"v"}, Run: func() tea.Cmd {
			s.compare = !s.compare
			return nil
		}},
		{ID: "analytics.drill", Title: "drill in: the client, or its requests", Keys: []string{"enter"}, Needs: func() string {
			if s.right && s.rival.Selected() < 0 || !s.right && s.shares.Selected() < 0 {
				return "there is nothing to look closer at"
			}
			return ""
		}, Run: s.drill},
		{ID: "analytics.export", Title: "export: CSV or JSON of what is seen", Keys: []string{"X"}, Needs: s.env.NoFile, Run: func() tea.Cmd {
			return screen.Ask(screen.Open{Dialog: dialog.NewExport("Export usage", "usage-"+s.got.span.name+"-"+s.env.Clock().In(s.env.Zone).Format("2006-01-02-1504"), s.sheet())})
		}},
		{ID: "analytics.point_back", Title: "step back: in the chart", Keys: []string{"h"}, Needs: s.noCourse,
			Run: s.point(-1)},
		{ID: "analytics.point_on", Title: "step on: in the chart", Keys: []string{"l"}, Needs: s.noCourse, Run: s.point(1)},
		{ID: "analytics.large", Title: "larger: the course alone, and back", Keys: []string{"+"}, Run: func() tea.Cmd {
			s.large = !s.large
			return nil
		}},
		{ID: "analytics.calendar", Title: "calendar of spend", Keys: []string{"C"}, Run: func() tea.Cmd { return calendar.Open(s.env, s.client, s.client, 0) }},
	}
}
