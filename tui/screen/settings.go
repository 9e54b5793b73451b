package screen

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Settings is what the owner changes while the engine runs, how this terminal
// looks, and where the engine keeps what it knows; it proves the books, too.
type Settings struct {
	list
	snap    *live.Snapshot
	report  *tally.Report
	failed  error
	started time.Time // of the proof that is under way
	proved  time.Time
	took    time.Duration
	seq     int
}

// setting is one of the things that can be set.
type setting struct {
	id    string // of the input it sets, or "theme"
	group string
	label string
	help  string
}

var settings = []setting{
	{"unpriced", "costs", "models without a price", "refuse: requests for them are refused, because their cost could not be counted. allow: they are served and count as free, so no limit on cost stops them."},
	{"default_max_output", "costs", "longest answer, if unsaid", "Before a request is sent, its cost is held at the longest answer it may get. This many output tokens are taken for one that names no maximum, if money or tokens are limited. 0: as many as the model can give, at most 16,384."},
	{"on_leave", "costs", "when a client leaves", "drain: a stream is read to its end for exact usage. cancel: it is closed, and what it may have used by then is booked. auto: cancel where that is known to stop the provider's bill, else drain."},
	{"hold_wait", "costs", "wait for room", "How long a request waits for money or places that only other requests in flight hold, before it is refused."},
	{"retention_days", "records", "keep records", "Days to keep the record of each request. Totals, bills and limits stay for good."},
	{"drop_words", "records", "words of failures", "kept: the first words of what a provider says of a failure are kept for 7 days; they may quote a prompt. dropped: only status and code are kept, and what is there is deleted."},
	{"visitor_wait", "visitors", "wait for room", "How long a request of a visitor waits for money or places that only others in flight hold."},
	{"visitor_max_output", "visitors", "longest answer", "Output tokens of a visitor's request, unless the access token says otherwise."},
	{"visitor_in_flight", "visitors", "at the same time", "Requests of one visitor's address at the same time."},
	{"trusted_proxies", "visitors", "trusted proxies", "Reverse proxies in front of this gateway, as addresses or networks, spaces between: 127.0.0.1 10.0.0.0/8. Only they are believed whom they forward for. Without them every visitor seems to have the proxy's address."},
	{"country_file", "visitors", "countries from", "A GeoLite2 or DB-IP database of yours, by its whole path. It is read again when it changes. Empty: the one that is built in."},
	{"theme", "terminal", "theme", "auto is dark or light, as your terminal's background is. mono has no colours; ascii has nothing beyond ASCII either. It is kept for this machine."},
}

// proofPatience bounds a proof of the books: it replays every record.
const proofPatience = 30 * time.Minute

// NewSettings makes the screen.
func NewSettings(e *Env) *Settings {
	s := &Settings{snap: &live.Snapshot{}, list: newList(e, []widget.Column{{Title: "", Width: 8, Priority: 1}, {Title: "setting", Least: 26}, {Title: "is"}})}
	s.bare = true
	return s
}

// Name implements Screen, as do the methods below.
func (s *Settings) Name() string { return "settings" }

func (s *Settings) Show(snap *live.Snapshot) {
	s.snap = snap
	s.refresh()
}

func (s *Settings) refresh() {
	t := s.env.Theme
	if !s.snap.Loaded {
		s.table.Empty = []string{"loading…"}
		s.table.SetRows(nil)
		return
	}
	rows := make([]widget.Row, 0, len(settings))
	group := ""
	for _, x := range settings {
		head := ""
		if x.group != group {
			group, head = x.group, t.Paint(theme.Muted, x.group)
		}
		rows = append(rows, widget.Row{ID: x.id, Cells: []string{head, x.label, s.value(x.id)}})
	}
	s.table.SetRows(rows)
}

// value is a setting in words.
func (s *Settings) value(id string) string {
	t, set := s.env.Theme, &s.snap.Settings
	switch id {
	case "unpriced":
		if set.Unpriced == tally.AllowAtZero {
			return t.Paint(theme.Warn, "allow, as free")
		}
		return "refuse"
	case "default_max_output":
		if set.DefaultMaxOutput == 0 {
			return "the model's, at most " + tally.Group(tally.LargestDefaultOutput)
		}
		return tally.Group(set.DefaultMaxOutput) + " tokens"
	case "on_leave":
		return string(set.OnLeave)
	case "hold_wait":
		return waitSetting(set.HoldWait)
	case "visitor_wait":
		return waitSetting(set.VisitorWait)
	case "visitor_max_output":
		return tally.Group(set.VisitorMaxOutput) + " tokens"
	case "visitor_in_flight":
		return plural(int64(set.VisitorInFlight), "request")
	case "retention_days":
		if set.RetentionDays == 0 {
			return "for good"
		}
		return plural(int64(set.RetentionDays), "day")
	case "drop_words":
		if set.DropWords {
			return "dropped"
		}
		return "kept for 7 days"
	case "trusted_proxies":
		return cmp.Or(widget.Safe(strings.Join(set.TrustedProxies, " ")), t.Paint(theme.Muted, "none"))
	case "country_file":
		return s.countries()
	}
	name := string(s.env.Chosen)
	if s.env.Chosen == theme.Auto || name == "" {
		name = "auto: " + string(t.Name)
	}
	return name
}

// countries is where visitors' countries come from, and how old that is.
func (s *Settings) countries() string {
	t, db := s.env.Theme, &s.snap.Status.Countries
	text := "built in"
	if s.snap.Settings.CountryFile != "" {
		text = widget.Safe(s.snap.Settings.CountryFile)
	}
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

func (s *Settings) selected() *setting {
	for i := range settings {
		if settings[i].id == s.table.SelectedID() {
			return &settings[i]
		}
	}
	return nil
}

func (s *Settings) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Answer:
		if msg.Tag == "verify" && msg.Seq == s.seq {
			s.took = s.env.Clock().Sub(s.started)
			s.started, s.proved = time.Time{}, s.env.Clock()
			s.report, s.failed = nil, msg.Err
			if msg.Err != nil {
				return Fail(msg.Err)
			}
			r := msg.Value.(tally.Report)
			s.report = &r
			if !r.OK {
				return Ask(Say{Text: fmt.Sprintf("The books do not agree: %s.", plural(int64(len(r.Faults)), "fault")), Bad: true})
			}
			return Ask(Say{Text: "Every record was replayed, and counters and totals agree."})
		}
	case tea.KeyPressMsg:
		cmd, _ := s.key(msg)
		s.refresh()
		return cmd
	}
	return nil
}

// Draw puts the list above the rest where there is no room beside it: it is
// short.
func (s *Settings) Draw() widget.Block {
	if rows := min(len(settings)+3, s.height-8); s.width < wide && rows >= 10 {
		s.table.Focused = !s.detail
		return widget.Below(s.drawList("Settings", "", s.width, rows), s.drawDetail(s.width, s.height-rows))
	}
	return s.draw("Settings", "", 50, s.drawDetail)
}

func (s *Settings) drawDetail(width, height int) widget.Block {
	t, now, st := s.env.Theme, s.env.Clock(), &s.snap.Status
	inner, rows := widget.Inner(width, height)
	muted := func(s string) string { return t.Paint(theme.Muted, s) }
	var lines []string
	if x := s.selected(); x != nil {
		lines = append(lines, heading(t, x.label, "", inner))
		lines = append(lines, widget.Wrap(x.help, inner)...)
		if flag := byCommand[x.id]; flag != "" {
			lines = append(lines, widget.Wrap("It is changed with: tallygate settings set "+flag, inner)...)
		}
		lines = append(lines, "")
	}
	books := append([]string{heading(t, "The books", "c proves them", inner)}, s.proof(inner, max(rows-len(lines)-1, 12))...)
	proved := !s.started.IsZero() || s.report != nil || s.failed != nil
	if proved { // what was asked for stands where it is seen
		lines = append(append(lines, books...), "")
	}
	if s.snap.Loaded {
		serving := t.Paint(theme.Warn, "not serving")
		if st.Serving {
			serving = widget.Safe(st.BaseURL)
		}
		disk := ""
		if st.DiskBytes > 0 {
			disk = widget.Compact(st.DiskBytes) + "B" + muted(" used, ") + widget.Compact(st.FreeBytes) + "B" + muted(" free")
		}
		facts := []fact{
			{"address", serving}, {"data", widget.Safe(st.Data)}, {"disk", disk}, {"log", widget.Safe(s.env.LogFile)},
			{"records", tally.Group(st.Records) + muted(fmt.Sprintf("   in flight %d", st.InFlight)+waitingText(st.Waiting))},
			{"version", widget.Safe(st.Version) + muted(fmt.Sprintf("   process %d, up %s", st.PID, widget.Span(now.Sub(st.StartedAt))))},
			{"times", muted("of this screen are in ") + now.In(s.env.Zone).Format("MST, -07:00")},
		}
		lines = append(lines, heading(t, "This engine", "", inner))
		lines = append(lines, factLines(t, facts, inner)...)
		for _, w := range st.Warnings {
			for _, l := range widget.Wrap(t.Glyphs.Alert+" "+widget.Safe(w), inner) {
				lines = append(lines, t.Paint(theme.Warn, l))
			}
		}
		lines = append(lines, "")
	}
	if !proved {
		lines = append(lines, books...)
	}
	return s.box("About", "", width, height, lines)
}

// waitingText tells how many requests wait for room beside those in flight.
func waitingText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("   waiting %d", n)
}

// proof tells how the proof of the books goes, or went.
func (s *Settings) proof(width, most int) []string {
	t, now := s.env.Theme, s.env.Clock()
	wrapped := func(r theme.Role, text string) (out []string) {
		for _, l := range widget.Wrap(text, width) {
			out = append(out, t.Paint(r, l))
		}
		return out
	}
	if !s.started.IsZero() {
		spent := now.Sub(s.started)
		spin := t.Glyphs.Spinner[int(spent/(500*time.Millisecond))%len(t.Glyphs.Spinner)]
		return wrapped(theme.Info, fmt.Sprintf("%s replaying %s records, %s", spin, tally.Group(s.snap.Status.Records), widget.Span(spent)))
	}
	r := s.report
	switch {
	case s.failed != nil:
		return wrapped(theme.Bad, t.Glyphs.Wrong+" not proved: "+widget.Safe(explain(s.failed)))
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
		out = append(out, t.Paint(theme.Bad, t.Glyphs.Wrong+" "+plural(int64(len(r.Faults)), "fault"))+when)
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
