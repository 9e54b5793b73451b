package screen

import (
	"cmp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Analytics is usage over a span of time against the span before: totals, a
// course, the shares of what it is broken down by, and clients compared.
type Analytics struct {
	env           *Env
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
}

// span is a range: how far back, and in which steps it is drawn.
type span struct {
	name   string
	every  string // "hour" or "day"
	steps  int    // of every
	coarse string // the steps of sparklines
}

// length is how long a span is.
func (s span) length() time.Duration {
	if s.every == "hour" {
		return time.Duration(s.steps) * time.Hour
	}
	return time.Duration(s.steps) * 24 * time.Hour
}

var spans = []span{{"24h", "hour", 24, "hour"}, {"7d", "hour", 7 * 24, "day"}, {"30d", "day", 30, "day"}, {"90d", "day", 90, "day"}}

// question is what the user wants to see.
type question struct {
	span    span
	earlier int
	by      string
	client  string
}

func (s *Analytics) question() question {
	return question{spans[s.span], s.earlier, s.breakdowns()[s.by], s.client}
}

// answers are what the engine said to one question.
type answers struct {
	question
	until       time.Time
	now, before control.Usage // broken down
	course      control.Usage // both spans, step by step
	rivals      control.Usage // the clients, or one client's models, step by step
	rivalsSum   control.Usage
	have        int // bits of what has come in
}

const allAnswers = 1<<5 - 1

// fresh is how old answers may become while one looks at them.
const fresh = 30 * time.Second

// NewAnalytics makes the screen.
func NewAnalytics(e *Env) *Analytics {
	s := &Analytics{env: e, snap: &live.Snapshot{}, span: 2, metric: 2, compare: true}
	s.shares = widget.Table{Focused: true, Columns: []widget.Column{{Title: "which"}, {Title: "share", Width: 14, Priority: 2}, {Width: 5, Right: true},
		{Title: "amount", Width: 9, Right: true}, {Title: "before", Width: 6, Right: true, Priority: 1}}}
	s.rival = widget.Table{Columns: []widget.Column{{Title: "which"}, {Title: "course", Width: 14}, {Title: "amount", Width: 9, Right: true},
		{Title: "requests", Width: 8, Right: true, Priority: 1}, {Title: "per 1k", Width: 8, Right: true, Priority: 2}}}
	return s
}

// Name implements Screen, as do the methods below.
func (s *Analytics) Name() string             { return "analytics" }
func (s *Analytics) Typing() bool             { return false }
func (s *Analytics) Resize(width, height int) { s.width, s.height = width, height }
func (s *Analytics) Show(snap *live.Snapshot) { s.snap = snap }

func (s *Analytics) Back() bool {
	switch {
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

// breakdowns are what usage can be broken down by; of one client there is less.
func (s *Analytics) breakdowns() []string {
	if s.client != "" {
		return []string{"model", "key", "status", "code"}
	}
	return []string{"client", "model", "provider", "gateway", "status", "country", "code"}
}

// rivalsBy is what is compared on the right.
func rivalsBy(client string) string {
	if client != "" {
		return "model"
	}
	return "client"
}

// changed lets the next Ask ask anew; what is seen stays until the answers are
// there.
func (s *Analytics) changed() {
	s.asked, s.fault = time.Time{}, ""
	s.seq++
}

// Ask asks for what is seen when the user has chosen something else, and again
// from time to time.
func (s *Analytics) Ask() tea.Cmd {
	now := s.env.Clock()
	if !s.snap.Loaded || s.snap.Lost != nil || !s.asked.IsZero() && (now.Sub(s.asked) < fresh || s.earlier > 0 && s.fault == "") {
		return nil
	}
	s.asked = now
	s.seq++
	q := s.question()
	sp := q.span
	until := now.Add(-time.Duration(s.earlier) * sp.length())
	since, before := until.Add(-sp.length()), until.Add(-2*sp.length())
	s.next = answers{question: q, until: until}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	ask := func(tag string, q control.UsageQuery) tea.Cmd {
		q.Client = s.client
		return Call(s.env, s.Name(), tag, s.seq, control.UsageShow, q)
	}
	by := q.by
	return tea.Batch(
		ask("now", control.UsageQuery{By: by, Since: at(since), Until: at(until)}),
		ask("before", control.UsageQuery{By: by, Since: at(before), Until: at(since)}),
		ask("course", control.UsageQuery{Every: sp.every, Since: at(before), Until: at(until)}),
		ask("rivals", control.UsageQuery{By: rivalsBy(q.client), Every: sp.coarse, Since: at(since), Until: at(until)}),
		ask("rivals sum", control.UsageQuery{By: rivalsBy(q.client), Since: at(since), Until: at(until)}),
	)
}

func (s *Analytics) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Goto:
		s.client, s.by, s.earlier = "", 0, 0
		if c, ok := strings.CutPrefix(msg.Filter, "client:"); ok {
			s.client = c
		}
		s.changed()
		return s.Ask()
	case Answer:
		s.answer(msg)
	case tea.KeyPressMsg:
		switch key := msg.String(); {
		case key == "tab", key == "shift+tab":
			s.right = !s.right && s.hasRivals()
		case s.right:
			s.rival.Key(key)
		default:
			s.shares.Key(key)
		}
	}
	return nil
}

func (s *Analytics) answer(msg Answer) {
	if msg.Seq != s.seq {
		return
	}
	if msg.Err != nil {
		s.fault = explain(msg.Err)
		return
	}
	u, ok := msg.Value.(control.Usage)
	if !ok {
		return
	}
	for i, part := range []struct {
		tag string
		to  *control.Usage
	}{{"now", &s.next.now}, {"before", &s.next.before}, {"course", &s.next.course}, {"rivals", &s.next.rivals}, {"rivals sum", &s.next.rivalsSum}} {
		if part.tag == msg.Tag {
			*part.to = u
			s.next.have |= 1 << i
		}
	}
	if s.next.have == allAnswers {
		s.got, s.fault = s.next, ""
		s.refresh()
	}
}

// refresh makes the rows of both tables.
func (s *Analytics) refresh() {
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
		part := percent(share)
		if m.mean {
			part = ""
		}
		rows = append(rows, widget.Row{ID: r.ID, Cells: []string{
			nameOf(r), widget.Bar(t, share, 14, theme.Accent), part, m.format(v), change(t, v, was, m.worse),
		}})
	}
	s.shares.Empty = []string{"Nothing was used in this span. ← looks at an earlier one, t at another length."}
	s.shares.SetRows(rows)

	course := map[string][]float64{}
	at, n := s.steps(s.got.span.coarse, s.got.until, s.got.span.length())
	for i := range s.got.rivals.Rows {
		r := &s.got.rivals.Rows[i]
		if course[r.ID] == nil {
			course[r.ID] = make([]float64, n)
		}
		if i, ok := at(r.At); ok {
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
			nameOf(r), widget.Spark(t, squeeze(course[r.ID], 14), 14, theme.Accent), m.format(m.of(&r.Sums)), widget.Compact(r.Requests), per,
		}})
	}
	s.rival.Empty = []string{"nothing to compare"}
	s.rival.SetRows(rows)
}

// sorted are the rows with the most of a metric first.
func sorted(rows []control.UsageRow, m metric) []control.UsageRow {
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b control.UsageRow) int {
		return cmp.Or(compareShare(m.of(&b.Sums), m.of(&a.Sums)), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func nameOf(r *control.UsageRow) string {
	if name := cmp.Or(r.Name, r.ID); name != "" {
		return widget.Safe(name)
	}
	return "–"
}

// steps tells into which of n steps that are over an instant falls, for a span
// that ends at an instant.
func (s *Analytics) steps(every string, until time.Time, length time.Duration) (at func(time.Time) (int, bool), n int) {
	end, step := hourOf(until, s.env.Zone), time.Hour
	if every == "day" {
		end, step = midnight(until, s.env.Zone), 24*time.Hour
	}
	n = int(length / step)
	return func(t time.Time) (int, bool) {
		// Days around a change of the clock are an hour longer or shorter.
		i := n - int((end.Sub(t)+step/2)/step)
		return i, t.Before(end) && i >= 0 && i < n
	}, n
}

func (s *Analytics) hasRivals() bool { return s.width >= wide }

// drill looks closer at the chosen row.
func (s *Analytics) drill() tea.Cmd {
	table, rows, by := &s.shares, s.shown, s.got.by
	if s.right {
		table, rows, by = &s.rival, s.rivals, rivalsBy(s.got.client)
	}
	r := &rows[table.Selected()]
	switch by {
	case "client":
		s.client, s.by, s.right = cmp.Or(r.Name, r.ID), 0, false
		s.changed()
		return s.Ask()
	case "gateway":
		return Ask(Goto{Screen: "gateways", Filter: cmp.Or(r.Name, r.ID)})
	}
	filter := by + ":" + cmp.Or(r.Name, r.ID)
	if by == "key" {
		filter = "key:" + r.ID
	}
	if s.got.client != "" {
		filter += " client:" + s.got.client
	}
	return Ask(Goto{Screen: "requests", Filter: filter})
}

func (s *Analytics) Actions() []action.Action {
	choose := func(change func()) func() tea.Cmd {
		return func() tea.Cmd {
			change()
			s.changed()
			return s.Ask()
		}
	}
	return []action.Action{
		{ID: "analytics.range", Title: "range: 24h, 7d, 30d, 90d", Keys: []string{"t"}, Run: choose(func() { s.span, s.earlier = (s.span+1)%len(spans), 0 })},
		{ID: "analytics.earlier", Title: "earlier", Keys: []string{"left", "h"}, Run: choose(func() { s.earlier++ })},
		{ID: "analytics.later", Title: "later", Keys: []string{"right", "l"}, Needs: func() string {
			if s.earlier == 0 {
				return "this is the latest span"
			}
			return ""
		}, Run: choose(func() { s.earlier-- })},
		{ID: "analytics.by", Title: "break down: by client, model, provider, gateway, status, country, code", Keys: []string{"b"}, Run: choose(func() { s.by = (s.by + 1) % len(s.breakdowns()) })},
		{ID: "analytics.metric", Title: "metric: requests, tokens, cost, errors, latency", Keys: []string{"m"}, Run: func() tea.Cmd {
			s.metric = (s.metric + 1) % len(metrics)
			s.refresh()
			return nil
		}},
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
		{ID: "analytics.export", Title: "export: CSV or JSON of what is seen", Keys: []string{"X"}, Needs: s.env.ReadOnly, Run: func() tea.Cmd {
			return Ask(Open{newExport("Export usage", "usage-"+s.got.span.name+"-"+s.env.Clock().In(s.env.Zone).Format("2006-01-02-1504"), s.sheet())})
		}},
	}
}
