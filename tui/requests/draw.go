package requests

import (
	"fmt"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// empty says why there are no rows.
func (s *Screen) none() []string {
	return []string{"No request yet. The first one shows up here within a second.", "", "T  sends a test request and explains every check", "tallygate try"}
}

// Draw implements Screen.
func (s *Screen) Draw() widget.Block {
	s.Grid.Empty = nil
	return s.List.Draw()
}

// costWidth is what amounts down to a millionth of a dollar take.
const costWidth = 10

// cell draws what the list does not: times to the second, outcomes in their colour,
// amounts down to a millionth of a dollar.
func (s *Screen) cell(v *control.RequestView, column string) (string, bool) {
	t := s.Env.Theme
	role := part.OutcomeRole(v.Outcome)
	switch column {
	case "at":
		return t.Paint(theme.Muted, part.Moment(v.At, s.Env.Clock(), s.Env.Zone)), true
	case "status":
		text := part.Status(v)
		if v.Count > 1 {
			text += " ×" + control.Compact(v.Count)
		}
		return t.Paint(role, text), true
	case "tokens":
		if v.InputTokens+v.OutputTokens == 0 {
			return t.Paint(theme.Muted, "–"), true
		}
	case "cost":
		switch cost := widget.Money(v.CostNanoUSD); {
		case v.CostNanoUSD == 0 && v.Outcome != tally.OK:
			return t.Paint(theme.Muted, "–"), true
		case len(cost) > costWidth:
			return "<$0.000001", true
		}
	case "code":
		return t.Paint(role, note(v)), true
	}
	return "", false
}

// note is what is not usual about a request.
func note(v *control.RequestView) string {
	var out []string
	switch {
	case v.Code != "":
		out = append(out, widget.Safe(part.Words(v.Code)))
	case v.Outcome != tally.OK:
		out = append(out, string(v.Outcome))
	case v.Stream:
		out = append(out, "stream")
	}
	if v.Attempts > 1 {
		out = append(out, fmt.Sprintf("attempt %d", v.Attempts))
	}
	return strings.Join(out, ", ")
}

// note says whether the rows follow.
func (s *Screen) note(int) string {
	t := s.Env.Theme
	state := t.Paint(theme.OK, t.Glyphs.On+" live")
	switch n := s.rows.missed(s.Snap); {
	case s.Snap.Lost != nil:
		state = t.Paint(theme.Bad, t.Glyphs.Wrong+" reconnecting")
	case s.rows.sort != "":
		of := "of " + tally.Group(int64(s.rows.sorted.from))
		if since := s.rows.sorted.since; !since.IsZero() {
			of = "of the latest " + tally.Group(int64(s.rows.sorted.from)) + ", since " + part.Moment(since, s.Env.Clock(), s.Env.Zone)
		}
		if s.asking {
			of = "sorting" + t.Glyphs.Ellipsis
		}
		state = t.Paint(theme.Warn, "by "+s.Table.Column(strings.TrimPrefix(s.rows.sort, "-")).Head()+" "+of+", G follows")
	case !s.rows.follow && n > 0:
		state = t.Paint(theme.Warn, fmt.Sprintf("%s paused, %s new, G follows", t.Glyphs.Half, tally.Group(n)))
	case !s.rows.follow:
		state = t.Paint(theme.Warn, t.Glyphs.Half+" paused as of "+s.rows.as.In(s.Env.Zone).Format("15:04:05")+", G follows")
	}
	if s.failures {
		state = t.Paint(theme.Bad, "failures only") + "  " + state
	}
	if s.asking && len(s.Shown) > 0 && !s.rows.follow {
		state = t.Paint(theme.Muted, "reading history"+t.Glyphs.Ellipsis) + "  " + state
	}
	return state
}
