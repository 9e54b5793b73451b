// Package settings is the screen of what holds for all gateways, and of the proof of the
// books.
package settings

import (
	"cmp"
	"fmt"
	"reflect"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Screen is what the owner changes while the engine runs, how this terminal
// looks, and where the engine keeps what it knows; it proves the books, too.
type Screen struct {
	*screen.List[*setting]
	rows    []setting
	report  *tally.Report
	failed  error
	started time.Time // of the proof that is under way
	proved  time.Time
	took    time.Duration
	seq     int
}

// setting is one of the things that can be set: a field of the engine's settings, or
// the theme of this terminal.
type setting struct {
	control.Field
	text string // what it is
}

// The settings that are no fields of the engine's settings.
const (
	themeSetting   = "theme"
	webhookSetting = "webhook"
)

// settingTable shows settings.
var settingTable = &control.Table[*setting]{
	Thing: "setting",
	ID:    func(x *setting) string { return x.Name },
	Tone:  screen.NoTone[*setting],
	Columns: []control.Column[*setting]{
		{Name: "of", Spare: 1, Get: func(x *setting) control.Value { return control.WordOf(x.Group) }},
		{Name: "setting", Get: func(x *setting) control.Value { return control.WordOf(x.Label) }},
		{Name: "is", Get: func(x *setting) control.Value { return control.WordOf(x.text) }},
	},
}

// proofPatience bounds a proof of the books: it replays every record.
const proofPatience = 30 * time.Minute

// New makes the screen.
func New(e *screen.Env) *Screen {
	s := &Screen{}
	s.List = screen.NewList(e, screen.ListOf[*setting]{
		Screen: "settings", Heading: "Settings", Table: settingTable, Columns: []string{"of", "setting", "is"}, Wide: "is", Share: 50, Bare: true,
		Widths: map[string]int{"of": 8, "setting": 25},
		Of:     func(*live.Snapshot) []*setting { return control.Pointers(s.rows) },
		First:  func([]*setting) {}, Note: func(int) string { return "" },
		Cell: s.cell, Empty: func() []string { return nil }, Detail: s.about,
	})
	return s
}

func (s *Screen) Show(snap *live.Snapshot) {
	s.rows = nil
	if snap.Loaded {
		set := control.CurrentSettings(&snap.Settings)
		s.add(reflect.TypeFor[control.SettingsFields](), &set)
		alerts := control.CurrentAlerts(&snap.Settings.Alerts)
		s.add(reflect.TypeFor[control.AlertFields](), &alerts)
		hook := snap.Settings.Alerts.Webhook
		s.rows = append(s.rows, setting{control.Field{Name: webhookSetting, Group: "alerts", Label: "Webhook",
			Help: "Each alert is posted to this address, signed as Standard Webhooks says. Its secret is shown once"}, cmp.Or(hook, "none")})
		s.rows = append(s.rows, setting{control.Field{Name: themeSetting, Group: "terminal", Label: "Theme",
			Help: "auto is dark or light, as your terminal's background is. mono has no colours; ascii has nothing beyond ASCII either. It is kept for this machine."}, s.themeText()})
	}
	s.List.Show(snap)
}

// add adds the fields of settings as they are set.
func (s *Screen) add(fields reflect.Type, set any) {
	for _, f := range control.FieldsOf(fields) {
		text := f.Text(set)
		if f.Zero(set) && f.Unset != "" {
			text = f.Unset
		}
		s.rows = append(s.rows, setting{f, text})
	}
}

func (s *Screen) themeText() string {
	if s.Env.Chosen == theme.Auto || s.Env.Chosen == "" {
		return "auto: " + string(s.Env.Theme.Name)
	}
	return string(s.Env.Chosen)
}

// cell names a group once, and marks what deserves a look.
func (s *Screen) cell(x *setting, column string) (string, bool) {
	t := s.Env.Theme
	switch {
	case column == "of":
		for i, v := range s.Shown {
			if v == x && i > 0 && s.Shown[i-1].Group == x.Group {
				return "", true
			}
		}
		return t.Paint(theme.Muted, x.Group), true
	case column != "is":
		return "", false
	case x.Name == "country_file":
		return s.countries(x.text), true
	case x.Name == "unpriced" && x.text == string(tally.AllowAtZero):
		return t.Paint(theme.Warn, "allow, as free"), true
	}
	return widget.Safe(x.text), true
}

// countries is where visitors' countries come from, and how old that is.
func (s *Screen) countries(from string) string {
	t, db := s.Env.Theme, &s.Snap.Status.Countries
	text := widget.Safe(from)
	switch {
	case db.Problem != "":
		return t.Paint(theme.Warn, text+": cannot be used")
	case db.Type == "":
		return text
	case db.Old:
		return text + t.Paint(theme.Warn, ", old: of "+db.Built.Format(time.DateOnly))
	}
	return text + t.Paint(theme.Muted, ", of "+db.Built.Format(time.DateOnly))
}

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case screen.Goto: // a setting is chosen, not searched for
		s.Grid.Select(msg.Filter)
		return nil
	case screen.Answer:
		if msg.Tag == "alerts" {
			return s.tested(msg)
		}
		if msg.Tag == "verify" && msg.Seq == s.seq {
			s.took = s.Env.Clock().Sub(s.started)
			s.started, s.proved = time.Time{}, s.Env.Clock()
			s.report, s.failed = nil, msg.Err
			if msg.Err != nil {
				return screen.Fail(msg.Err)
			}
			r := msg.Value.(tally.Report)
			s.report = &r
			if !r.OK {
				return screen.Ask(screen.Say{Text: fmt.Sprintf("The books do not agree: %s.", part.Plural(int64(len(r.Faults)), "fault")), Bad: true})
			}
			return screen.Ask(screen.Say{Text: "Every record was replayed, and counters and totals agree."})
		}
	default:
		return s.List.Update(msg)
	}
	return nil
}

// Draw puts the list above the rest where there is no room beside it: it is
// short.
func (s *Screen) Draw() widget.Block {
	if rows := min(len(s.rows)+3, s.Height-8); s.Width < screen.Wide && rows >= 10 {
		s.Grid.Focused = !s.InDetail
		return widget.Below(s.DrawList(s.Width, rows), s.DrawDetail(s.Width, s.Height-rows))
	}
	return s.List.Draw()
}

// about tells of what is chosen, and of the engine.
func (s *Screen) about(x *setting, inner, rows int) screen.Detail {
	t, now, st := s.Env.Theme, s.Env.Clock(), &s.Snap.Status
	muted := func(s string) string { return t.Paint(theme.Muted, s) }
	var lines []string
	lines = append(lines, part.Heading(t, x.Label, "", inner))
	lines = append(lines, widget.Wrap(part.Upper(x.Help)+".", inner)...)
	lines = append(lines, "")
	books := append([]string{part.Heading(t, "The books", "c proves them", inner)}, s.proof(inner, max(rows-len(lines)-1, 12))...)
	proved := !s.started.IsZero() || s.report != nil || s.failed != nil
	if proved { // what was asked for stands where it is seen
		lines = append(append(lines, books...), "")
	}
	if s.Snap.Loaded {
		serving := t.Paint(theme.Warn, "not serving")
		if st.Serving {
			serving = widget.Safe(st.BaseURL)
		}
		disk := ""
		if st.DiskBytes > 0 {
			disk = control.Compact(st.DiskBytes) + "B" + muted(" used, ") + control.Compact(st.FreeBytes) + "B" + muted(" free")
		}
		facts := []part.Fact{
			{"address", serving}, {"data", widget.Safe(st.Data)}, {"disk", disk}, {"log", widget.Safe(s.Env.LogFile)},
			{"records", tally.Group(st.Records) + muted(fmt.Sprintf("   in flight %d", st.InFlight)+waitingText(st.Waiting)+prunedText(st.Pruned))},
			{"version", widget.Safe(st.Version) + muted(fmt.Sprintf("   process %d, up %s", st.PID, control.Ago(now.Sub(st.StartedAt))))},
			{"times", muted("of this screen are in ") + now.In(s.Env.Zone).Format("MST, -07:00")},
		}
		lines = append(lines, part.Heading(t, "This engine", "", inner))
		lines = append(lines, part.Facts(t, facts, inner)...)
		for _, w := range st.Warnings {
			for _, l := range widget.Wrap(t.Glyphs.Alert+" "+widget.Safe(w.Sentence), inner) {
				lines = append(lines, t.Paint(theme.Warn, l))
			}
		}
		lines = append(append(lines, s.nodes(inner)...), "")
	}
	if !proved {
		lines = append(lines, books...)
	}
	return screen.Detail{Title: "About", Note: "", Lines: lines}
}

// prunedText tells what the retention has removed.
func prunedText(p *control.Pruned) string {
	switch {
	case p == nil:
		return ""
	case p.Going:
		return "   being removed: before " + p.Before.Format("2 Jan")
	}
	return fmt.Sprintf("   removed %s before %s", tally.Group(int64(p.Records)), p.Before.Format("2 Jan"))
}

// waitingText tells how many requests wait for room beside those in flight.
func waitingText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("   waiting %d", n)
}

// proof tells how the proof of the books goes, or went.
func (s *Screen) proof(width, most int) []string {
	t, now := s.Env.Theme, s.Env.Clock()
	wrapped := func(r theme.Role, text string) (out []string) {
		for _, l := range widget.Wrap(text, width) {
			out = append(out, t.Paint(r, l))
		}
		return out
	}
	if !s.started.IsZero() {
		spent := now.Sub(s.started)
		spin := t.Glyphs.Spinner[int(spent/(500*time.Millisecond))%len(t.Glyphs.Spinner)]
		return wrapped(theme.Info, fmt.Sprintf("%s replaying %s records, %s", spin, tally.Group(s.Snap.Status.Records), control.Ago(spent)))
	}
	r := s.report
	switch {
	case s.failed != nil:
		return wrapped(theme.Bad, t.Glyphs.Wrong+" not proved: "+widget.Safe(screen.Explain(s.failed)))
	case r == nil:
		return wrapped(theme.Muted, "Every record is replayed, and counters and totals must come out as they stand. Requests are served meanwhile.")
	}
	when := t.Paint(theme.Muted, fmt.Sprintf("  %s ago, in %s", widget.Ago(s.proved, now), widget.Latency(max(s.took, time.Millisecond))))
	counts := fmt.Sprintf("%s records, %s counters, %s totals, %s holds", tally.Group(r.Records), tally.Group(r.Counters), tally.Group(r.Rollups), tally.Group(r.Holds))
	if r.Pruned > 0 {
		counts += fmt.Sprintf("; %s older records vouched for by opening balances", tally.Group(r.Pruned))
	}
	var out []string
	if r.OK {
		out = append(out, t.Paint(theme.OK, t.Glyphs.Good+" all of it agrees")+when)
	} else {
		out = append(out, t.Paint(theme.Bad, t.Glyphs.Wrong+" "+part.Plural(int64(len(r.Faults)), "fault"))+when)
	}
	out = append(out, wrapped(theme.Muted, counts)...)
	for i, f := range r.Faults {
		if len(out) >= most-1 && i < len(r.Faults)-1 {
			return append(out, t.Paint(theme.Muted, fmt.Sprintf("and %d more: tallygate verify", len(r.Faults)-i)))
		}
		out = append(out, t.Paint(theme.Bad, widget.Safe(f.Kind+" "+f.Subject))+" "+widget.Safe(f.Message))
	}
	return out
}
