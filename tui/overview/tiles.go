package overview

import (
	"fmt"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// tile is a figure with its shape.
type tile struct {
	title, value string
	note         string // what stands behind the figure; gives way where there is little room
	more         string // the same at more length
	shape        []float64
	role         theme.Role
}

// quarter is the span of what is drawn live.
const quarter = 15 * time.Minute

// tiles are the figures at the top, the most important first.
func (s *Screen) tiles(cells int) []tile {
	t, now := s.env.Theme, s.env.Clock()
	seconds := part.InSeconds(s.snap.Seconds, now, cells, (quarter / time.Duration(max(cells, 1))).Round(time.Second))
	lately := part.InSeconds(s.snap.Seconds, now, 1, 10*time.Second)[0]
	var all tally.Second // what has been seen of the last quarter of an hour
	seen := time.Duration(0)
	for i := range s.snap.Seconds {
		if x := &s.snap.Seconds[i]; now.Sub(x.At) < quarter {
			seen = max(seen, now.Sub(x.At))
			all.Requests += x.Requests
			all.Refused += x.Refused
			all.Errors += x.Errors
			all.Total += x.Total
		}
	}
	perSecond := float64(lately.Requests+lately.Refused) / 10
	against := ""
	if seen >= time.Minute {
		against = part.Change(t, perSecond, float64(all.Requests+all.Refused)/seen.Seconds(), false) + t.Paint(theme.Muted, " vs "+span15(seen))
	}
	hours := part.InHours(&s.snap.Hours, now, s.env.Zone, 24)
	today := s.today()
	last := &s.snap.Status.Last24Hours
	spend := tile{title: "Spend today", value: widget.Money(today.CostNanoUSD), note: "24 h " + widget.Money(last.CostNanoUSD), role: theme.Accent,
		shape: part.Each(hours, func(h *control.Sums) float64 { return float64(h.CostNanoUSD) })}
	if l, ok := spendCap(s.snap.Gateways); ok {
		share := part.ShareOf(l)
		spend.note = t.Paint(widget.Budget(share), part.UsedText(share)+" of ") + t.Paint(theme.Muted, l.Display())
	}
	failed := tile{title: "Errors 15 min", value: part.Percent(widget.Share(all.Errors, all.Requests)), note: "24 h " + control.Compact(last.Errors) + " failed",
		more:  fmt.Sprintf("24 h %s failed, %s refused", control.Compact(last.Errors), control.Compact(last.Refused)),
		shape: part.Each(seconds, func(b *tally.Second) float64 { return float64(b.Errors) }), role: theme.OK}
	if all.Errors > 0 {
		failed.role = theme.Bad
	}
	p99 := widget.Latency(part.Millis(last.P99MS))
	latency := tile{title: "Latency", value: "–", note: "24 h p99 " + p99, more: "24 h p50 " + widget.Latency(part.Millis(last.P50MS)) + " p99 " + p99, role: theme.Info,
		shape: part.Each(seconds, func(b *tally.Second) float64 {
			if b.Requests == 0 {
				return 0
			}
			return float64(b.Total) / float64(b.Requests)
		})}
	if all.Requests > 0 {
		latency.value = widget.Latency(all.Total / time.Duration(all.Requests))
	}
	traffic := tile{title: "Requests/s", value: part.Rate(perSecond), note: against, role: theme.Accent,
		shape: part.Each(seconds, func(b *tally.Second) float64 { return float64(b.Requests + b.Refused) })}
	if s.snap.Lost != nil { // what is not heard of is not nothing
		traffic.value, traffic.note = "–", "not known"
	}
	return []tile{
		traffic,
		spend,
		failed,
		{title: "Tokens today", value: control.Compact(today.InputTokens + today.OutputTokens), role: theme.Accent,
			note:  fmt.Sprintf("in %s  out %s", control.Compact(today.InputTokens), control.Compact(today.OutputTokens)),
			shape: part.Each(hours, func(h *control.Sums) float64 { return float64(h.InputTokens + h.OutputTokens) })},
		latency,
	}
}

// span15 names the part of a quarter of an hour that has been seen.
func span15(seen time.Duration) string {
	return fmt.Sprintf("%d min", min(int((seen+30*time.Second)/time.Minute), 15))
}

// today sums the hours since midnight.
func (s *Screen) today() control.Sums {
	var out control.Sums
	from := part.Midnight(s.env.Clock(), s.env.Zone)
	for i := range s.snap.Hours.Rows {
		if r := &s.snap.Hours.Rows[i]; !r.At.Before(from) {
			out.CostNanoUSD += r.CostNanoUSD
			out.InputTokens += r.InputTokens
			out.OutputTokens += r.OutputTokens
		}
	}
	return out
}

// drawTiles draws as many tiles as can be read.
func (s *Screen) drawTiles(width, height int) widget.Block {
	t := s.env.Theme
	n := 5
	switch {
	case width < 78:
		n = 3
	case width < 100:
		n = 4
	}
	blocks := make([]widget.Block, 0, n)
	for i, x := range s.tiles(max(width/n-4, 1))[:n] {
		w := width / n
		if i < width%n {
			w++
		}
		blocks = append(blocks, x.draw(t, w, height, s.snap.Loaded))
	}
	return widget.Beside(blocks...)
}

func (x *tile) draw(t *theme.Theme, width, height int, loaded bool) widget.Block {
	inner, rows := widget.Inner(width, height)
	value, note := t.Strong(x.role, x.value), t.Paint(theme.Muted, x.note)
	if widget.Strip(x.note) != x.note {
		note = x.note
	}
	if x.more != "" && widget.Width(x.more) <= inner {
		note = t.Paint(theme.Muted, x.more)
	}
	if !loaded {
		value, note = t.Paint(theme.Muted, t.Glyphs.Ellipsis), ""
	}
	shape := widget.Spark(t, part.Squeeze(x.shape, inner), inner, x.role)
	lines := []string{value, shape}
	switch {
	case rows >= 3:
		lines = []string{value, note, shape}
	case widget.Width(value)+widget.Width(note)+2 <= inner:
		lines[0] = widget.Between(value, note, inner)
	}
	return widget.Box{Title: x.title}.Draw(t, width, height, lines)
}

// drawCharts draws requests per second and the spend per day, the latter only
// where there is room for both.
func (s *Screen) drawCharts(height int) widget.Block {
	if s.width < screen.Wide {
		return s.drawTraffic(s.width, height)
	}
	left := s.width / 2
	return widget.Beside(s.drawTraffic(left, height), s.drawCost(s.width-left, height))
}

// drawTraffic draws what is answered, and what is refused in rows of its own below
// where there is room for both.
func (s *Screen) drawTraffic(width, height int) widget.Block {
	t := s.env.Theme
	inner, rows := widget.Inner(width, height)
	size := 15 * time.Second
	for _, finer := range []time.Duration{10 * time.Second, 5 * time.Second} {
		if int(quarter/finer) <= inner-8 {
			size = finer
		}
	}
	buckets := part.InSeconds(s.snap.Seconds, s.env.Clock(), int(quarter/size), size)
	per := func(n int64) float64 { return float64(n) / size.Seconds() }
	answered := part.Each(buckets, func(b *tally.Second) float64 { return per(b.Requests) })
	refused := part.Each(buckets, func(b *tally.Second) float64 { return per(b.Refused) })
	chart := func(values []float64, role theme.Role, rows int) []string {
		return widget.Chart{Format: part.Rate, Times: []string{"-15m", "-10m", "-5m", "now"}, Series: []widget.Series{{Values: values, Role: role}}}.Draw(t, inner, rows).Lines()
	}
	if !s.snap.Loaded {
		return widget.Box{Title: "Requests/s", Focused: s.pane == traffic}.Draw(t, width, height,
			[]string{t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)})
	}
	note := part.Legend(t, theme.Accent, "answered "+part.Rate(answered[len(answered)-1])) + "  " + part.Legend(t, theme.Warn, "refused "+part.Rate(refused[len(refused)-1]))
	var lines []string
	if below := rows * 2 / 5; below >= widget.MinChart && slices.Max(refused) > 0 {
		lines = append(chart(answered, theme.Accent, rows-below), chart(refused, theme.Warn, below)...)
	} else {
		lines = chart(answered, theme.Accent, rows)
	}
	return widget.Box{Title: "Requests/s", Note: note, NotePainted: true, Focused: s.pane == traffic}.Draw(t, width, height, lines)
}

// drawCost draws what each day of the month has cost, and what is expected of the
// rest.
func (s *Screen) drawCost(width, height int) widget.Block {
	t := s.env.Theme
	inner, rows := widget.Inner(width, height)
	m, ok := s.month()
	if !ok {
		return widget.Box{Title: "Spend per day", Focused: s.pane == spend}.Draw(t, width, height, []string{t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis)})
	}
	budget := part.BudgetOf(s.caps())
	note := fmt.Sprintf("today %s  so far %s", widget.Money(m.Days[len(m.Days)-1]), widget.Money(m.Total))
	columns := m.Columns(budget)
	if s.cursor.Show(&columns); s.cursor.On {
		note = t.Glyphs.Up + " " + m.Said(s.cursor.At)
	}
	lines := append(columns.Draw(t, inner, rows-1).Lines(), m.Says(t, budget, inner))
	return widget.Box{Title: "Spend per day, " + m.Name(), Note: note, Focused: s.pane == spend}.Draw(t, width, height, lines)
}

// spendCap is the share of the gateways' tightest limit on money, if there is
// one.
func spendCap(gateways []control.GatewayView) (l control.LimitState, ok bool) {
	for i := range gateways {
		for _, x := range gateways[i].LimitStates {
			if x.Metric == tally.Cost && (!ok || part.ShareOf(x) > part.ShareOf(l)) {
				l, ok = x, true
			}
		}
	}
	return l, ok
}
