package screen

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func (s *Requests) empty() []string {
	switch {
	case !s.snap.Loaded || s.asking:
		return []string{"loading…"}
	case s.problem != "":
		return []string{widget.Safe(s.problem)}
	case s.words() != "" || s.failures:
		if s.rows.end {
			return []string{"No request matches. esc clears the filter."}
		}
		return []string{"No request matches so far. PgDn looks further back, esc clears the filter."}
	}
	return []string{"No request yet. The first one shows up here within a second.", "", "T  sends a test request and explains every check", "tallygate try"}
}

// costWidth is what amounts down to a millionth of a dollar take.
const costWidth = 10

// cells are those of a row, made when it is drawn.
func (s *Requests) cells(i int) []string {
	t, v := s.env.Theme, s.shown[i]
	role := outcomeRole(v.Outcome)
	tokens, cost := "–", "–"
	if v.InputTokens+v.OutputTokens > 0 {
		tokens = widget.Compact(v.InputTokens + v.OutputTokens)
	}
	if v.CostNanoUSD > 0 || v.Outcome == tally.OK {
		if cost = widget.Money(v.CostNanoUSD); len(cost) > costWidth {
			cost = "<$0.000001"
		}
	}
	return []string{t.Paint(theme.Muted, s.moment(v.At)), t.Paint(role, status(v)), widget.Safe(dash(v.Client)), widget.Safe(dash(v.Model)), widget.Safe(dash(v.Provider)),
		tokens, cost, widget.Latency(millis(v.TotalMS)), t.Paint(role, note(v))}
}

// moment writes when something was in eight cells: the second today, the minute
// this week, or the day.
func (s *Requests) moment(at time.Time) string {
	today := midnight(s.env.Clock(), s.env.Zone)
	at = at.In(s.env.Zone)
	switch {
	case !at.Before(today):
		return at.Format("15:04:05")
	case !at.Before(today.AddDate(0, 0, -6)):
		return at.Weekday().String()[:2] + at.Format(" 15:04")
	}
	return at.Format("2 Jan")
}

// status is what the client got; a request whose end nobody saw has none.
func status(v *control.RequestView) string {
	if v.Status == 0 {
		return "–"
	}
	return strconv.Itoa(v.Status)
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// note is what is not usual about a request.
func note(v *control.RequestView) string {
	var out []string
	switch {
	case v.Code != "":
		out = append(out, widget.Safe(words(v.Code)))
	case v.Outcome != tally.OK:
		out = append(out, string(v.Outcome))
	case v.Stream:
		out = append(out, "stream")
	}
	if v.Attempts > 1 {
		out = append(out, fmt.Sprintf("attempt %d", v.Attempts))
	}
	if v.Count > 1 {
		out = append(out, "×"+widget.Compact(v.Count))
	}
	return strings.Join(out, ", ")
}

func (s *Requests) Draw() widget.Block {
	t := s.env.Theme
	state := t.Paint(theme.OK, t.Glyphs.On+" live")
	switch n := s.rows.missed(s.snap); {
	case s.snap.Lost != nil:
		state = t.Paint(theme.Bad, t.Glyphs.Wrong+" reconnecting")
	case !s.rows.follow && n > 0:
		state = t.Paint(theme.Warn, fmt.Sprintf("%s paused, %s new, G follows", t.Glyphs.Half, tally.Group(n)))
	case !s.rows.follow:
		state = t.Paint(theme.Warn, t.Glyphs.Half+" paused, G follows")
	}
	if s.failures {
		state = t.Paint(theme.Bad, "failures only") + "  " + state
	}
	if s.asking && len(s.shown) > 0 && !s.rows.follow {
		state = t.Paint(theme.Muted, "reading history"+t.Glyphs.Ellipsis) + "  " + state
	}
	s.notePainted = true
	return s.draw("Requests", state, 60, s.drawDetail)
}
