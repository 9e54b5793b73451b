package analytics

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// money is for sums that are divided by a count.
type money = tally.NanoUSD

// metric is a figure of usage.
type metric struct {
	name   string
	of     func(*control.Sums) float64
	format func(float64) string
	worse  bool // more of it is bad news
	mean   bool // it does not add up
}

var metrics = []metric{
	{"requests", func(s *control.Sums) float64 { return float64(s.Requests) }, compact, false, false},
	{"tokens", func(s *control.Sums) float64 { return float64(s.InputTokens + s.OutputTokens) }, compact, false, false},
	{"cost", func(s *control.Sums) float64 { return float64(s.CostNanoUSD) / float64(tally.Dollar) }, part.Dollars, false, false},
	{"credits", func(s *control.Sums) float64 { return float64(s.CreditsNanoUSD) / float64(tally.Dollar) }, part.Dollars, false, false},
	{"margin", func(s *control.Sums) float64 { return float64(s.Margin()) / float64(tally.Dollar) }, part.Dollars, false, false},
	{"errors", func(s *control.Sums) float64 { return float64(s.Errors) }, compact, true, false},
	{"latency", func(s *control.Sums) float64 { return s.TotalMS }, func(v float64) string { return widget.Latency(part.Millis(v)) }, true, true},
	{"saved by caches", func(s *control.Sums) float64 { return float64(s.SavedNanoUSD) / float64(tally.Dollar) },
		part.Dollars, false, false},
}

// compact writes a count; on an axis there are halves of one, too.
func compact(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	return control.Compact(int64(v + 0.5))
}

func (s *Screen) Draw() widget.Block {
	t := s.env.Theme
	head := s.drawHead(s.width)
	_, used := head.Size()
	rest := s.height - used
	if s.got.have != allAnswers {
		line := t.Paint(theme.Muted, "adding up"+t.Glyphs.Ellipsis)
		if s.fault != "" {
			line = t.Paint(theme.Bad, t.Glyphs.Wrong+" "+widget.Safe(s.fault)) + t.Paint(theme.Muted, "   It is tried again.")
		}
		return widget.Below(head, widget.Box{Title: "Usage"}.Draw(t, s.width, rest, []string{"", line}))
	}
	tiles := s.drawTotals(s.width)
	_, used = tiles.Size()
	if rest -= used; s.large {
		return widget.Below(head, tiles, s.drawCourse(s.width, rest))
	}
	below := min(max(len(s.shown)+3, 8), max(rest*45/100, 6))
	if rest-below < widget.MinChart+2 {
		return widget.Below(head, tiles, s.drawRows(s.width, rest))
	}
	return widget.Below(head, tiles, s.drawCourse(s.width, rest-below), s.drawRows(s.width, below))
}

// drawHead says what is seen.
func (s *Screen) drawHead(width int) widget.Block {
	t := s.env.Theme
	names := make([]string, len(spans))
	for i, x := range spans {
		names[i] = x.name
	}
	left := part.OneOf(t, " range", names, s.span, ofSpan, width)
	by := part.OneOf(t, " by", s.breakdowns(), s.by, ofBreakdown, width)
	when := s.when()
	if s.client != "" {
		when = t.Strong(theme.Accent, "only "+widget.Safe(s.called(s.client))) + t.Paint(theme.Muted, " (esc: all)  ") + when
	}
	if s.got.have == allAnswers && s.fault == "" && s.got.wanted != s.wanted() {
		when = t.Paint(theme.Muted, "adding up"+t.Glyphs.Ellipsis) + "  " + when
	}
	if s.fault != "" && s.got.have == allAnswers {
		when = t.Paint(theme.Bad, t.Glyphs.Wrong+" not up to date") + "  " + when
	}
	if s.got.have == allAnswers && s.earlier == 0 && width >= 100 {
		when += t.Paint(theme.Muted, "  as of "+s.got.until.In(s.env.Zone).Format("15:04:05"))
	}
	return widget.NewBlock(width, 2, widget.Between(left, when+" ", width), by)
}

// when is the span in dates.
func (s *Screen) when() string {
	t := s.env.Theme
	sp := spans[s.span]
	now := s.env.Clock()
	if sp.month {
		text := monthOf(now, s.env.Zone, s.earlier).Format("January 2006")
		if s.earlier == 0 {
			text += " so far"
		}
		return t.Paint(theme.Text, text)
	}
	until := now.Add(-time.Duration(s.earlier) * sp.length()).In(s.env.Zone)
	since := until.Add(-sp.length())
	format := "2 Jan"
	if sp.every == "hour" {
		format = "2 Jan 15:04"
	}
	text := since.Format(format) + " – " + until.Format(format)
	if s.earlier == 0 {
		text = since.Format(format) + " – now"
	}
	return t.Paint(theme.Text, text)
}

// drawTotals draws the metrics as figures with their change.
func (s *Screen) drawTotals(width int) widget.Block {
	t := s.env.Theme
	n := min(len(metrics), max(width/16, 1))
	first := max(min(s.metric-n/2, len(metrics)-n), 0) // the chosen one is among them
	now, before := &s.got.now.Total, &s.got.before.Total
	blocks := make([]widget.Block, 0, n)
	for i := first; i < first+n; i++ {
		m, w := metrics[i], width/n
		if i-first < width%n {
			w++
		}
		name := t.Paint(theme.Muted, " "+m.name+" ")
		if i == s.metric {
			name = t.Selection.Render(" " + m.name + " ")
		}
		v := m.of(now)
		value := t.Strong(theme.Text, m.format(v))
		if m.name == "errors" && w >= 18 {
			value += t.Paint(theme.Muted, " "+part.Percent(widget.Share(now.Errors, now.Requests)))
		}
		value += "  " + part.Change(t, v, m.of(before), m.worse)
		spot := widget.Spot{What: widget.ChoiceSpot, Of: ofMetric, N: i}
		blocks = append(blocks, widget.NewBlock(w, 3, widget.Mark(spot, widget.Pad(name, w)),
			widget.Mark(spot, widget.Pad(" "+value, w))))
	}
	return widget.Beside(blocks...)
}

// drawCourse draws the metric over time: sums as columns, means and compared spans as
// lines, each in rows of its own.
func (s *Screen) drawCourse(width, height int) widget.Block {
	t, m, g := s.env.Theme, metrics[s.metric], &s.got
	inner, rows := widget.Inner(width, height)
	at, n, running := s.steps(g.span.every, g)
	now, before := make([]float64, n), make([]float64, n)
	for i := range g.course.Rows {
		r := &g.course.Rows[i]
		step := at(r.At)
		if step < 0 {
			step += n
			if g.span.month { // months are of several lengths
				step = part.DaysBetween(monthOf(g.until.Add(-time.Minute), s.env.Zone, 1), r.At, s.env.Zone)
			}
			if step >= 0 && step < n {
				before[step] = m.of(&r.Sums)
			}
		} else if step < n {
			now[step] = m.of(&r.Sums)
		}
	}
	note := part.Legend(t, theme.Accent, "this span "+m.format(m.of(&g.now.Total)))
	title := fmt.Sprintf("%s per %s", part.Upper(m.name), g.span.every)
	if m.mean {
		title = fmt.Sprintf("Mean %s by %s", m.name, g.span.every)
	}
	line := func(values []float64, role theme.Role, rows int) []string {
		return widget.Chart{Format: m.format, Times: s.times(inner, n), Series: []widget.Series{{Values: values, Role: role}}}.Draw(t, inner, rows).Lines()
	}
	var lines []string
	switch below := rows / 2; {
	case s.compare && below >= widget.MinChart:
		note += "  " + part.Legend(t, theme.Muted, "before, below "+m.format(m.of(&g.before.Total)))
		lines = append(line(now, theme.Accent, rows-below), line(before, theme.Muted, below)...)
	case m.mean || s.compare:
		lines = line(now, theme.Accent, rows)
	default:
		c := widget.Columns{Values: now, Running: running, Format: m.format, Whole: m.name == "requests" || m.name == "errors", Role: theme.Accent, Labels: s.labels(n, running)}
		if g.span.month && running {
			c.Ahead = make([]float64, monthOf(g.until, s.env.Zone, 0).AddDate(0, 1, -1).Day()-n)
		}
		if s.cursor.Show(&c); s.cursor.On {
			note = t.Paint(theme.Info, t.Glyphs.Up+" "+s.pointed(n)) + "  " + t.Paint(theme.Text, m.format(now[s.cursor.At]))
		}
		lines = c.Draw(t, inner, rows).Lines()
	}
	return widget.Box{Title: title, Note: note, NotePainted: true}.Draw(t, width, height, lines)
}

// begin is when step i of n begins.
func (s *Screen) begin(i, n int) time.Time {
	g := &s.got
	last := g.until.Add(-time.Minute) // in the latest step
	if g.span.every == "day" {
		return part.Midnight(last, s.env.Zone).AddDate(0, 0, i-n+1)
	}
	return part.HourOf(last, s.env.Zone).Add(time.Duration(i-n+1) * time.Hour)
}

// pointed says which of n steps the cursor is on.
func (s *Screen) pointed(n int) string {
	at := s.begin(s.cursor.At, n).In(s.env.Zone)
	if s.got.span.every == "day" {
		return at.Format("Mon 2 Jan")
	}
	return at.Format("Mon 2 Jan 15:04")
}

// labels are what stands below the columns of n steps.
func (s *Screen) labels(n int, running bool) map[int]string {
	out := map[int]string{}
	for i := range n {
		at := s.begin(i, n).In(s.env.Zone)
		switch {
		case s.got.span.every == "day":
			if i%7 == 0 {
				out[i] = at.Format("2 Jan")
			}
		case n > 24:
			if at.Hour() == 0 {
				out[i] = at.Format("Mon 2")
			}
		case i%4 == 0:
			out[i] = at.Format("15:04")
		}
	}
	if running && s.got.span.every == "day" {
		out[n-1] = "today"
	} else if running {
		out[n-1] = "now"
	}
	return out
}

// times are the labels of the time axis of lines.
func (s *Screen) times(width, n int) []string {
	format := "15:04"
	if s.got.span.every == "day" {
		format = "2 Jan"
	} else if n > 24 {
		format = "Mon 2"
	}
	out := make([]string, min(max(width/16, 2), 7))
	for i := range out {
		out[i] = s.begin((n-1)*i/(len(out)-1), n).In(s.env.Zone).Format(format)
	}
	return out
}

// drawRows draws the breakdown, and the clients compared beside it where there
// is room.
func (s *Screen) drawRows(width, height int) widget.Block {
	t, m := s.env.Theme, metrics[s.metric]
	s.right = s.right && s.hasRivals()
	s.shares.Focused, s.rival.Focused = !s.right, s.right
	left := width
	if s.hasRivals() {
		left = width / 2
	}
	inner, rows := widget.Inner(left, height)
	note := "share of " + m.name
	if m.mean {
		note = "mean " + m.name
	}
	if from, to, of := s.shares.Window(); of > to-from+1 && to > 0 {
		note = fmt.Sprintf("%d-%d of %d, %s", from, to, of, note)
	}
	shares := widget.Box{Title: "By " + string(s.got.by), Note: note, Focused: !s.right}.Draw(t, left, height, s.shares.Draw(t, inner, rows).Lines())
	if !s.hasRivals() {
		return shares
	}
	inner, _ = widget.Inner(width-left, height)
	title := "Clients compared"
	if s.got.client != "" {
		title = "Models of " + widget.Safe(s.called(s.got.client))
	}
	return widget.Beside(shares, widget.Box{Title: title, Note: "by " + m.name + ", cost per 1k", Focused: s.right}.
		Draw(t, width-left, height, s.rival.Draw(t, inner, rows).Lines()))
}

// sheet exports what is seen: the breakdown of both spans, and their course.
func (s *Screen) sheet() dialog.Sheet {
	g := s.got
	return func(_ context.Context, w io.Writer, f control.Format) (rows int64, err error) {
		out := control.UsageTable.Writer(w, f)
		for _, part := range []struct {
			name string
			rows []control.UsageRow
		}{{"this span", g.now.Rows}, {"span before", g.before.Rows}, {"per " + string(g.span.every), g.course.Rows}} {
			for _, r := range part.rows {
				r.Part = part.name
				if err := out.Write(&r); err != nil {
					return rows, err
				}
				rows++
			}
		}
		return rows, out.End()
	}
}
