package screen

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Clients is the list of clients, and one of them beside it: limits as gauges,
// spend, keys, latest requests.
type Clients struct {
	list
	snap  *live.Snapshot
	order int
	shown []control.ClientView
	seq   int
	of    tally.ID  // whose spend was asked for last
	asked time.Time // and when
	days  control.Usage
	whose tally.ID // of days
}

// The orders of the list.
var clientOrders = []string{"spend", "budget", "last use", "name"}

// NewClients makes the screen.
func NewClients(e *Env) *Clients {
	return &Clients{snap: &live.Snapshot{}, list: newList(e, []widget.Column{
		{Title: "", Width: 1}, {Title: "name"}, {Title: "status", Width: 9, Priority: 3}, {Title: "30 days", Width: 10, Right: true},
		{Title: "used", Width: 11}, {Title: "last", Width: 6, Right: true, Priority: 1},
	})}
}

// Name implements Screen, as do the methods below.
func (s *Clients) Name() string { return "clients" }

func (s *Clients) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

// refresh makes the rows of the clients that pass the filter.
func (s *Clients) refresh() {
	t, now := s.env.Theme, s.env.Clock()
	s.shown = s.shown[:0]
	for _, c := range s.snap.Clients {
		if matchesClient(&c, s.words()) {
			s.shown = append(s.shown, c)
		}
	}
	slices.SortStableFunc(s.shown, func(a, b control.ClientView) int {
		switch clientOrders[s.order] {
		case "budget":
			x, _ := fullest(a.LimitStates)
			y, _ := fullest(b.LimitStates)
			return cmp.Or(compareShare(shareOf(y), shareOf(x)), cmp.Compare(a.Slug, b.Slug))
		case "last use":
			return b.LastUsedAt.Compare(a.LastUsedAt)
		case "name":
			return cmp.Compare(a.Slug, b.Slug)
		}
		return cmp.Or(cmp.Compare(b.Month.CostNanoUSD, a.Month.CostNanoUSD), cmp.Compare(a.Slug, b.Slug))
	})
	rows := make([]widget.Row, 0, len(s.shown))
	for i := range s.shown {
		c := &s.shown[i]
		rows = append(rows, widget.Row{ID: string(c.ID), Cells: []string{
			statusSign(t, c.Status), widget.Safe(c.Slug), string(c.Status), widget.Money(c.Month.CostNanoUSD), budget(t, c.LimitStates), widget.Ago(c.LastUsedAt, now),
		}})
	}
	s.table.Empty = s.empty()
	s.table.SetRows(rows)
}

func (s *Clients) empty() []string {
	switch {
	case !s.snap.Loaded:
		return []string{"loading…"}
	case len(s.snap.Clients) > 0:
		return []string{"No client matches. esc clears the filter."}
	}
	return []string{"A client is a customer or an app: it has keys, limits and a bill.", "", "n  makes the first one",
		"tallygate clients create --name \"Hotel Aurora\" --limit cost=50/month"}
}

// matchesClient looks for words in what people know a client by.
func matchesClient(c *control.ClientView, words string) bool {
	text := strings.ToLower(c.Name + "\n" + c.Slug + "\n" + c.Email + "\n" + c.Company + "\n" + c.Phone)
	for _, w := range strings.Fields(strings.ToLower(words)) {
		if status, ok := strings.CutPrefix(w, "status:"); ok {
			if !strings.HasPrefix(string(c.Status), status) {
				return false
			}
		} else if gateway, ok := strings.CutPrefix(w, "gateway:"); ok {
			if !strings.HasPrefix(c.GatewaySlug, gateway) {
				return false
			}
		} else if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// selected is the client of the row that is chosen, nil if there is none.
func (s *Clients) selected() *control.ClientView {
	if i := s.table.Selected(); i >= 0 && i < len(s.shown) {
		return &s.shown[i]
	}
	return nil
}

func (s *Clients) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Goto:
		s.filter.SetValue(msg.Filter)
		s.refresh()
		return s.Ask()
	case Answer:
		switch {
		case msg.Tag != "days" || msg.Seq != s.seq:
		case msg.Err != nil:
			return Fail(msg.Err)
		default:
			s.days, s.whose = msg.Value.(control.Usage), s.of
		}
		return nil
	case tea.PasteMsg:
		cmd := s.paste(msg)
		s.refresh()
		return cmd
	case tea.KeyPressMsg:
		cmd, _ := s.key(msg)
		s.refresh()
		return tea.Batch(cmd, s.Ask())
	}
	return nil
}

// Ask asks for the spend of the client that is chosen, if it is another one or
// was asked for a while ago. It implements [Asker].
func (s *Clients) Ask() tea.Cmd {
	c, now := s.selected(), s.env.Clock()
	if c == nil || c.ID == s.of && now.Sub(s.asked) < time.Minute {
		return nil
	}
	s.of, s.asked = c.ID, now
	s.seq++
	return Call(s.env, s.Name(), "days", s.seq, control.UsageShow, control.UsageQuery{Client: string(c.ID), Since: "30d", Every: "day"})
}

func (s *Clients) Draw() widget.Block {
	note := fmt.Sprintf("%d of %d · by %s", len(s.shown), len(s.snap.Clients), clientOrders[s.order])
	if !s.snap.Loaded {
		note = ""
	}
	return s.draw("Clients", note, 46, s.drawDetail)
}

func (s *Clients) drawDetail(width, height int) widget.Block {
	t, now := s.env.Theme, s.env.Clock()
	c := s.selected()
	if c == nil {
		return widget.Box{Title: "No client", Focused: s.detail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	lines := []string{widget.Truncate(contact(t, c), inner), ""}
	lines = append(lines, heading(t, "Limits", fmt.Sprintf("%d in flight now", c.InFlight), inner))
	lines = append(lines, gauges(t, c.LimitStates, inner, now)...)
	lines = append(lines, "")
	keys := s.keyLines(t, c, inner, now)
	last := s.lastLines(t, c, inner)
	room := rows - len(lines) - min(len(keys), 5) - min(len(last), 6) - 3
	lines = append(lines, s.spend(t, c, inner, room)...)
	lines = append(lines, "", heading(t, "Keys", "a adds one", inner))
	lines = append(lines, keys[:min(len(keys), 5)]...)
	lines = append(lines, "", heading(t, "Last requests", "", inner))
	lines = append(lines, last...)
	title := widget.Safe(c.Name)
	return s.box(title, string(c.Status)+" since "+c.UpdatedAt.In(s.env.Zone).Format("2 Jan 2006"), width, height, lines)
}

func contact(t *theme.Theme, c *control.ClientView) string {
	var parts []string
	for _, p := range []string{c.Company, c.Email, c.Phone} {
		if p != "" {
			parts = append(parts, widget.Safe(p))
		}
	}
	parts = append(parts, t.Paint(theme.Muted, "on "+widget.Safe(c.GatewaySlug)))
	if c.MarkupBasisPoints > 0 {
		parts = append(parts, t.Paint(theme.Muted, fmt.Sprintf("mark-up %d.%02d%%", c.MarkupBasisPoints/100, c.MarkupBasisPoints%100)))
	}
	return strings.Join(parts, "   ")
}

// spend draws what the client spent per day, as a chart where there is room.
// The shape has the days that are over; today is a number beside it.
func (s *Clients) spend(t *theme.Theme, c *control.ClientView, width, room int) []string {
	if s.whose != c.ID {
		return []string{heading(t, "Spend per day", "", width), t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)}
	}
	values := make([]float64, 30)
	var today tally.NanoUSD
	from := midnight(s.env.Clock(), s.env.Zone)
	for _, r := range s.days.Rows {
		ago := int(math.Round(from.Sub(r.At).Hours() / 24)) // of the gateway's zone, whose days may be some hours off
		switch i := len(values) - ago; {
		case ago <= 0:
			today += r.CostNanoUSD
		case i >= 0:
			values[i] += float64(r.CostNanoUSD) / float64(tally.Dollar)
		}
	}
	head := heading(t, "Spend per day", "today "+widget.Money(today)+"   30 days "+widget.Money(c.Month.CostNanoUSD), width)
	if room < widget.MinChart+2 {
		return []string{head, widget.Spark(t, values, min(width, 30), theme.Accent)}
	}
	chart := widget.Chart{Series: []widget.Series{{Values: values, Role: theme.Accent}}, Format: dollars, Times: []string{"-30d", "-20d", "-10d", "yesterday"}}
	return append([]string{head}, chart.Draw(t, width, min(room-1, 10)).Lines()...)
}

// dollars writes a number on the axis of money.
func dollars(v float64) string { return widget.Money(tally.NanoUSD(v * float64(tally.Dollar))) }

func (s *Clients) keyLines(t *theme.Theme, c *control.ClientView, width int, now time.Time) []string {
	var out []string
	for _, k := range s.snap.Keys {
		if k.Client != c.ID || k.State == "revoked" {
			continue
		}
		sign := t.Paint(theme.OK, t.Glyphs.On)
		expires := "never expires"
		if !k.ExpiresAt.IsZero() {
			expires = "expires in " + widget.Until(k.ExpiresAt, now)
		}
		if k.State != "active" {
			sign, expires = t.Paint(theme.Warn, t.Glyphs.Half), k.State
		}
		label := max(width-22-8-18, 8)
		out = append(out, sign+" "+widget.Pad(widget.Safe(k.Label), min(label, 20))+" "+t.Paint(theme.Muted, widget.Pad(widget.Safe(k.Masked), 20))+" "+
			widget.PadLeft(widget.Ago(k.LastUsedAt, now), 6)+"  "+t.Paint(theme.Muted, expires))
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none yet: a makes one"))
	}
	return out
}

func (s *Clients) lastLines(t *theme.Theme, c *control.ClientView, width int) []string {
	var out []string
	for i := range s.snap.Tail {
		if r := &s.snap.Tail[i]; r.Client == c.ID {
			out = append(out, requestLine(t, r, width, s.env.Zone))
			if len(out) == 8 {
				break
			}
		}
	}
	if len(out) == 0 {
		out = append(out, t.Paint(theme.Muted, "none since this screen was opened"))
	}
	return out
}

func (s *Clients) Actions() []action.Action {
	chosen := func() string {
		if s.selected() == nil {
			return "no client is chosen"
		}
		return ""
	}
	some := func() string { return cmp.Or(s.env.ReadOnly(), chosen()) }
	return []action.Action{
		{ID: "clients.new", Title: "new client", Keys: []string{"n"}, Needs: s.env.ReadOnly, Run: s.create},
		{ID: "clients.edit", Title: "edit: details and limits", Keys: []string{"e"}, Needs: some, Run: s.edit},
		{ID: "clients.key", Title: "add a key", Keys: []string{"a"}, Needs: some, Run: func() tea.Cmd {
			return Ask(Open{newKeyForm(s.env, s.selected().Slug)})
		}},
		{ID: "clients.suspend", Title: "suspend / activate", Keys: []string{"s"}, Needs: some, Run: s.toggle},
		{ID: "clients.order", Title: "sort: spend, budget, last use, name", Keys: []string{"o"}, Run: func() tea.Cmd {
			s.order = (s.order + 1) % len(clientOrders)
			s.refresh()
			return nil
		}},
		{ID: "clients.requests", Title: "requests of this client", Keys: []string{"v"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "requests", Filter: "client:" + s.selected().Slug})
		}},
		{ID: "clients.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: some, Run: s.remove},
		{ID: "clients.copy", Title: "copy the id", Keys: []string{"y"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Copy{string(s.selected().ID), "The client's id was"})
		}},
	}
}

// clientFields are the questions about a client.
func clientFields() []*widget.Field {
	required := func(v string) error { return tally.CheckName("name", v) }
	return []*widget.Field{
		{Name: "name", Label: "Name", Check: required},
		{Name: "email", Label: "Email"},
		{Name: "company", Label: "Company"},
		{Name: "phone", Label: "Phone"},
		{Name: "limits", Label: "Limits", Check: checkLimits, Help: "METRIC=MAX/WINDOW, spaces between: cost=50/month requests=60/minute tokens=2M/day sessions=300/month"},
		{Name: "markup", Label: "Mark-up %", Help: "credits cost this many percent more than the provider: what you bill"},
		{Name: "flight", Label: "In flight", Check: checkNumber, Help: "requests at the same time; 0 for no cap"},
		{Name: "models", Label: "Models", Help: "names it may use, spaces between; empty means all"},
		{Name: "note", Label: "Note"},
	}
}

// fillClient makes the input's fields from what stands in a form.
func fillClient(value func(string) string, old []tally.Limit) (f control.ClientFields, err error) {
	text := func(name string) *string {
		v := strings.TrimSpace(value(name))
		return &v
	}
	f.Name, f.Email, f.Company, f.Phone, f.Note = text("name"), text("email"), text("company"), text("phone"), text("note")
	models := strings.Fields(value("models"))
	f.Models = &models
	if m := value("markup"); m != "" {
		f.Markup = &m
	}
	if f.MaxInFlight, err = number[int](value, "flight"); err != nil {
		return f, err
	}
	f.Limits, err = limitEdits(value("limits"), old)
	return f, err
}

func (s *Clients) create() tea.Cmd {
	fields := clientFields()
	if len(s.snap.Gateways) > 1 {
		gateway := &widget.Field{Name: "gateway", Label: "Gateway", Help: "whose limits hold above its own; space or ←→ changes it"}
		for _, g := range s.snap.Gateways {
			gateway.Choices = append(gateway.Choices, g.Slug)
		}
		fields = slices.Insert(fields, 1, gateway)
	}
	return Ask(Open{NewForm(s.env, FormOf[control.CreateClient, tally.Client]{
		Heading: "New client", Op: control.ClientsCreate, Fields: fields, Save: "Create",
		Values: map[string]string{"limits": "requests=60/minute cost=10/month", "markup": "0", "flight": "0"},
		Fill: func(value func(string) string) (in control.CreateClient, err error) {
			in.Gateway = value("gateway")
			in.ClientFields, err = fillClient(value, nil)
			return in, err
		},
		Done: func(c tally.Client) tea.Cmd {
			return tea.Batch(Ask(Say{Text: "Created " + c.Slug + ". It needs a key: answer the next question, or press esc."}),
				Ask(Open{newKeyForm(s.env, c.Slug)}))
		},
	})})
}

func (s *Clients) edit() tea.Cmd {
	c := s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateClient, tally.Client]{
		Heading: "Edit " + widget.Safe(c.Slug), Op: control.ClientsUpdate, Fields: clientFields(), Save: "Save",
		Values: map[string]string{"name": c.Name, "email": c.Email, "company": c.Company, "phone": c.Phone, "note": c.Note, "limits": limitsText(c.Limits),
			"markup": fmt.Sprintf("%d.%02d", c.MarkupBasisPoints/100, c.MarkupBasisPoints%100), "flight": fmt.Sprint(c.MaxInFlight), "models": strings.Join(c.Models, " ")},
		Fill: func(value func(string) string) (in control.UpdateClient, err error) {
			in.Client = string(c.ID)
			in.ClientFields, err = fillClient(value, c.Limits)
			return in, err
		},
		Done: func(c tally.Client) tea.Cmd { return Ask(Say{Text: "Saved " + c.Slug + "."}) },
	})})
}

// toggle suspends an active client, after asking if it is in use, and activates
// any other.
func (s *Clients) toggle() tea.Cmd {
	c := *s.selected()
	if c.Status != tally.Active {
		return Do(s.env, control.ClientsActivate, control.Named{Name: string(c.ID)}, c.Slug+" is served again.")
	}
	suspend := func() tea.Cmd {
		return Do(s.env, control.ClientsSuspend, control.Named{Name: string(c.ID)}, c.Slug+" is suspended: s activates it again.")
	}
	if s.env.Clock().Sub(c.LastUsedAt) > 24*time.Hour {
		return suspend()
	}
	return Ask(Open{NewConfirm(Confirm{
		Heading: "Suspend " + widget.Safe(c.Slug) + "?", Do: "Suspend", Yes: suspend,
		Says: []string{fmt.Sprintf("It was used %s ago. Its next request will be refused with 403, until you activate it again.", widget.Ago(c.LastUsedAt, s.env.Clock()))},
	})})
}

func (s *Clients) remove() tea.Cmd {
	c := *s.selected()
	confirm := Confirm{
		Heading: "Delete client " + widget.Safe(c.Slug) + "?", Do: "Delete",
		Says: []string{fmt.Sprintf("This revokes %d keys. %s", c.Keys, lastUse(c.LastUsedAt, s.env.Clock())), "Usage and cost history stays for reports."},
		Yes: func() tea.Cmd {
			return Do(s.env, control.ClientsDelete, control.Named{Name: string(c.ID)}, "Deleted "+c.Slug+".")
		},
	}
	if c.Status == tally.Active {
		confirm.Instead = "Suspend instead"
		confirm.Rather = func() tea.Cmd {
			return Do(s.env, control.ClientsSuspend, control.Named{Name: string(c.ID)}, c.Slug+" is suspended.")
		}
	}
	if !c.LastUsedAt.IsZero() && s.env.Clock().Sub(c.LastUsedAt) < 24*time.Hour {
		confirm.Name = c.Slug
	}
	return Ask(Open{NewConfirm(confirm)})
}

func lastUse(at, now time.Time) string {
	if at.IsZero() {
		return "It was never used."
	}
	return "It was used " + widget.Ago(at, now) + " ago: its next request will be refused with 401."
}
