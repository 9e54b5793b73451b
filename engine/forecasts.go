package engine

import (
	"cmp"
	"context"
	"math"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/forecast"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// What limits and the month are likely to come to, from the sums of the last weeks' days.

// showForecast tells of everybody, or of one client and its keys.
func (e *Engine) showForecast(ctx context.Context, in control.ForecastQuery) (control.Forecast, error) {
	c, now := e.catalog.Load(), e.clock()
	cal, of, only := commonCalendar(c, now), storage.SeriesQuery{Family: tally.ByTotal}, tally.ID("")
	if in.Client != "" {
		cl, err := findClient(c, in.Client)
		if err != nil {
			return control.Forecast{}, err
		}
		cal, only = calendarOf(c, cl.Gateway, now), cl.ID
		of = storage.SeriesQuery{Family: tally.ByClient, First: string(cl.ID)}
	}
	month := tally.Window{Unit: tally.Month}.Period(now, cal.Zone, cal.CycleDay)
	out := control.Forecast{Since: month.Start, Until: month.End, Zone: cal.Zone.String(), Limits: []control.LimitForecast{}}
	days := daysBefore(now, cal.Zone)
	so := of
	of.Edges, so.Edges = days.edges, []time.Time{bucketDown(month.Start), bucketDown(now).Add(tally.Bucket)}
	ask := []storage.SeriesQuery{of, so}
	var limited []watched
	if !in.MonthOnly {
		var err error
		if limited, err = e.limitedOf(c, only, now); err != nil {
			return out, err
		}
	}
	first := map[string]int{} // by zone and kind: the query of their days
	for i := range limited {
		w := &limited[i]
		zone := c.Zone(w.p.Gateway.ID)
		q := storage.SeriesQuery{Family: tally.Family(w.Kind)}
		if only != "" {
			q.First = string(w.id)
		}
		name := zone.String() + " " + w.Kind + " " + q.First
		if first[name] == 0 {
			first[name] = len(ask)
			q.Edges = daysBefore(now, zone).edges
			ask = append(ask, q)
		}
	}
	points, err := e.store.Series(ctx, ask...)
	if err != nil {
		return out, err
	}
	sums := map[dayOf][]*tally.Sums{}
	var soFar tally.Sums
	for i := range points {
		p := &points[i]
		if p.Of == 1 {
			soFar = p.Sums
			continue
		}
		at := dayOf{p.Of, p.Dim[0]}
		if sums[at] == nil {
			sums[at] = make([]*tally.Sums, forecast.Reach)
		}
		sums[at][dayAt(ask[p.Of].Edges, p.At)] = &p.Sums
	}
	out.Month = monthForecasts(&days, sums[dayOf{0, of.First}], &soFar, month, now)
	for i := range limited {
		w := &limited[i]
		zone := c.Zone(w.p.Gateway.ID)
		name := zone.String() + " " + w.Kind + " "
		if only != "" {
			name += string(w.id)
		}
		found, err := e.limitForecasts(ctx, c, w, sums[dayOf{first[name], string(w.id)}], now)
		if err != nil {
			return out, err
		}
		out.Limits = append(out.Limits, found...)
	}
	tally.OrderStable(out.Limits, func(a, b control.LimitForecast) int {
		return cmp.Or(urgency(&a).Compare(urgency(&b)), b.Share().Compare(a.Share()))
	})
	return out, nil
}

// dayOf is whose days are meant: of which query, and which of its values.
type dayOf struct {
	query int
	value string
}

// urgency is when a limit is used up, or may be: far in the future for one that lasts.
func urgency(f *control.LimitForecast) time.Time {
	switch {
	case f.Left <= 0:
		return time.Time{}
	case !f.Reached.IsZero():
		return f.Reached
	case !f.Earliest.IsZero():
		return f.Earliest.AddDate(1, 0, 0)
	case f.Why == "":
		return tally.Never
	}
	return tally.Never.Add(time.Second)
}

// limitedOf are the things with limits that end, of one client or of all.
func (e *Engine) limitedOf(c *tally.Catalog, only tally.ID, now time.Time) (out []watched, err error) {
	err = e.eachLimited(c, now, &control.RefusedCounts{}, func(_ *int, w watched) error {
		if len(w.limits) > 0 && (only == "" || w.p.Client != nil && w.p.Client.ID == only) {
			out = append(out, w)
		}
		return nil
	})
	return out, err
}

// calendarDays are the days before today, in a zone.
type calendarDays struct {
	edges  []time.Time // one more than there are days; the last is when today began
	today  time.Weekday
	passed float64 // of today
	zone   *time.Location
}

func daysBefore(now time.Time, zone *time.Location) (d calendarDays) {
	day := tally.Window{Unit: tally.Day}
	today := day.Period(now, zone, 0)
	d.zone, d.today = zone, today.Start.In(zone).Weekday()
	d.passed = float64(now.Sub(today.Start)) / float64(today.End.Sub(today.Start))
	d.edges = make([]time.Time, forecast.Reach+1)
	for i, at := forecast.Reach, today; i >= 0; i-- {
		d.edges[i] = bucketDown(at.Start)
		at = day.Period(at.Start.Add(-time.Second), zone, 0)
	}
	return d
}

// dayAt is the number of the day that begins at an edge.
func dayAt(edges []time.Time, at time.Time) int {
	for i := range edges {
		if edges[i].Equal(at) {
			return i
		}
	}
	return 0 // which a store does not answer
}

// model is made of what the days have of a figure.
func (d *calendarDays) model(days []*tally.Sums, figure func(*tally.Sums) int64, void []bool,
	signed bool) *forecast.Model {
	h := forecast.History{Days: make([]forecast.Day, forecast.Reach), Today: d.today, Passed: d.passed, Signed: signed}
	for i, s := range days {
		if s != nil {
			h.Days[i].Amount = figure(s)
		}
		h.Days[i].Void = void != nil && void[i]
	}
	return forecast.Of(h)
}

// amountOf is the figure of a metric.
func amountOf(m tally.Metric) func(*tally.Sums) int64 {
	return func(s *tally.Sums) int64 { return s.Amounts().Of(m) }
}

// usedUp are the days on which nothing was left of a limit, as it is set now: what would have
// been used then nobody knows.
func (d *calendarDays) usedUp(days []*tally.Sums, limits []tally.Limit, cycleDay int) []bool {
	void := make([]bool, forecast.Reach)
	for _, l := range limits {
		if l.Warn || l.Max <= 0 || l.Window.Per != "" || withinADay(l.Window) {
			continue
		}
		var period tally.Period
		var used int64
		for i, s := range days {
			if at := d.edges[i]; !at.Before(period.End) {
				period, used = l.Window.Period(at, d.zone, cycleDay), 0
			}
			void[i] = void[i] || used >= l.Max
			if s != nil {
				used = tally.AddSat(used, s.Amounts().Of(l.Metric))
			}
		}
	}
	return void
}

// withinADay reports whether a window is no longer than a day.
func withinADay(w tally.Window) bool {
	switch w.Unit {
	case tally.Minute, tally.Hour, tally.DayPart, tally.Day:
		return true
	}
	return false
}

// unsure says why there is no forecast, "" if there is one.
func unsure(m *forecast.Model) string {
	switch {
	case m.Ranged():
		return ""
	case m.Known == 0:
		return "no days of data: no forecast"
	case m.Known < forecast.Week:
		return plural(m.Known, "day", "days") + " of data: no forecast"
	}
	return plural(m.Used, "day", "days") + " with usage: no forecast"
}

// daysUntil is how long it is until an instant.
func daysUntil(now, until time.Time) float64 { return float64(until.Sub(now)) / float64(day) }

// monthForecasts tell what the month comes to.
func monthForecasts(d *calendarDays, days []*tally.Sums, soFar *tally.Sums, month tally.Period,
	now time.Time) (out []control.MoneyForecast) {
	for _, f := range []struct {
		name   string
		of     func(*tally.Sums) int64
		signed bool
	}{
		{"cost", func(s *tally.Sums) int64 { return int64(s.Cost) }, false},
		{"credits", func(s *tally.Sums) int64 { return int64(s.Credits) }, false},
		{"margin", func(s *tally.Sums) int64 { return int64(s.Credits - s.Cost) }, true},
	} {
		v := control.MoneyForecast{Figure: f.name, SoFar: tally.NanoUSD(f.of(soFar))}
		m := d.model(days, f.of, nil, f.signed)
		v.Days, v.Why = m.Known, unsure(m)
		if f.signed && m.Used == 0 && out[0].Why == "" { // nothing is added to what requests cost
			v.Low, v.Likely, v.High, v.Why = v.SoFar, v.SoFar, v.SoFar, ""
		} else if v.Why == "" {
			left := daysUntil(now, month.End)
			r := m.Ahead(left, math.MaxInt64)
			v.Weekly = m.Shaped()
			v.Low, v.High = v.SoFar+tally.NanoUSD(r.Low), v.SoFar+tally.NanoUSD(r.High)
			v.Likely = v.SoFar + tally.NanoUSD(r.Likely)
			for ahead := range int(math.Round(left + d.passed)) {
				v.Ahead = append(v.Ahead, tally.NanoUSD(m.Day(ahead)))
			}
		}
		out = append(out, v)
	}
	return out
}

// limitForecasts tell what a thing's limits come to whose window ends.
func (e *Engine) limitForecasts(ctx context.Context, c *tally.Catalog, w *watched, days []*tally.Sums,
	now time.Time) ([]control.LimitForecast, error) {
	gw := w.p.Gateway
	d := daysBefore(now, c.Zone(gw.ID))
	states, standings, err := e.limitStates(ctx, c, gw, w.Kind, w.id, w.Name, w.limits, now)
	if err != nil {
		return nil, err
	}
	void := d.usedUp(days, w.limits, gw.CycleDay)
	var out []control.LimitForecast
	for i, s := range standings {
		if !s.Period.Ends() || s.Window.Unit == tally.Minute {
			continue
		}
		f := control.LimitForecast{LimitState: states[i], Whose: w.Name}
		if w.Kind != "client" {
			f.Whose = w.Kind + " " + w.Name
		}
		m := d.model(days, amountOf(s.Metric), void, false)
		f.Days, f.Why = m.Known, unsure(m)
		switch {
		case s.Left() <= 0:
			f.Why = "nothing is left"
		case s.Window.Per != "":
			f.Why = "each " + s.Window.Per + " by itself: no forecast"
		case s.Window.Unit == tally.Hour || s.Window.Unit == tally.DayPart:
			f.Why = s.Window.String() + " is less than a day: no forecast"
		}
		if f.Why == "" {
			left := daysUntil(now, s.Period.End)
			r := m.Ahead(left, s.Max-s.Used)
			f.Low, f.High = tally.AddSat(s.Used, r.Low), tally.AddSat(s.Used, r.High)
			f.Likely, f.Weekly = tally.AddSat(s.Used, r.Likely), m.Shaped()
			at := func(days float64) time.Time {
				if days >= left {
					return time.Time{}
				}
				return now.Add(time.Duration(days * float64(day))).UTC().Truncate(time.Minute)
			}
			f.Earliest, f.Reached = at(r.Earliest), at(r.Reached)
		}
		out = append(out, f)
	}
	return out, nil
}
