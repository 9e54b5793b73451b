package engine

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
)

const (
	limitsAtOnce = 500 // alerts of one look; what is beyond is found by the next
	marksKept    = 4   // periods of a limit that a clock may go back to
	// balanceLow is the threshold of a balance below an amount.
	balanceLow = 99
	usedUp     = 100
)

// limitLook finds the limits of which an owner is to be told.
type limitLook struct {
	*Engine
	c       *tally.Catalog
	now     time.Time
	run     alertRun
	more    bool // there are more than one look tells of
	percent map[tally.Thresholds][]int
}

// alertLimits looks at every limit, and says whether that was all. Of a limit an owner is
// told once for each threshold in each period, of the highest where several are passed
// together. The caller holds the alerts' mu.
func (e *Engine) alertLimits(ctx context.Context, c *tally.Catalog, now time.Time) (alertRun, bool, error) {
	l := &limitLook{Engine: e, c: c, now: now, percent: map[tally.Thresholds][]int{}}
	err := e.eachLimited(c, now, &control.RefusedCounts{}, func(_ *int, w watched) error {
		if len(w.limits) == 0 {
			return nil
		}
		return l.look(ctx, &w)
	})
	tally.OrderStable(l.run.raised, func(a, b *tally.Alert) int { return cmp.Compare(b.Percent, a.Percent) })
	l.run.raised = e.fewer(now, l.run.raised)
	return l.run, !l.more, err
}

// look looks at the limits of one thing.
func (l *limitLook) look(ctx context.Context, w *watched) error {
	subject := tally.SubjectOf(w.Kind, w.id)
	states, err := l.meter.Standings(ctx, l.c, w.p.Gateway, subject, w.limits, l.now)
	if err != nil {
		return err
	}
	id := tally.ID(subject)
	mark, changed := l.alerts.marks[id], false
	for i := range states {
		s := &states[i]
		reached, err := l.reached(ctx, w, s)
		if err != nil {
			return err
		}
		name := limitKey(s)
		was := markOf(mark, name, s.Period.Label)
		told := 0
		if was != nil {
			told = was.Percent
		}
		again := was != nil && was.Max != s.Max && reached < told // it was raised
		if reached <= told && !again {
			continue
		}
		if l.more = len(l.run.raised) >= limitsAtOnce; l.more {
			break
		}
		changed = true
		mark = marked(mark, id, tally.LimitMark{Limit: name, Period: s.Period.Label, Percent: reached, Max: s.Max})
		until := resetsAt(*s)
		l.alerts.supersede(&l.run, l.now, func(x *tally.Alert) bool {
			return x.Of == id && x.Limit != "" && x.Metric == s.Metric && x.Until.Equal(until)
		})
		if reached > told {
			if x := l.alert(w, s, id, reached); x != nil {
				l.run.raised = append(l.run.raised, x)
			}
		}
	}
	if changed {
		l.run.put = append(l.run.put, mark)
	}
	return nil
}

// limitKey names a limit whatever its amount: "cost/month".
func limitKey(s *meter.Standing) string { return string(s.Metric) + "/" + s.Window.String() }

func markOf(m *tally.AlertMark, limit, period string) *tally.LimitMark {
	if m == nil {
		return nil
	}
	for i := range m.Limits {
		if m.Limits[i].Limit == limit && m.Limits[i].Period == period {
			return &m.Limits[i]
		}
	}
	return nil
}

// marked is what is marked of a thing, with one mark more. That takes the place of what is
// known of the limit's period; where a limit has marks of many periods, the first goes.
func marked(old *tally.AlertMark, id tally.ID, x tally.LimitMark) *tally.AlertMark {
	out := &tally.AlertMark{Meta: tally.Meta{ID: id}}
	if old != nil {
		*out = *old
	}
	of := func(m tally.LimitMark) bool { return m.Limit == x.Limit }
	out.Limits = slices.DeleteFunc(slices.Clone(out.Limits), func(m tally.LimitMark) bool {
		return of(m) && m.Period == x.Period
	})
	out.Limits = append(out.Limits, x)
	n := 0
	for _, m := range out.Limits {
		if of(m) {
			n++
		}
	}
	if first := slices.IndexFunc(out.Limits, of); n > marksKept {
		out.Limits = slices.Delete(out.Limits, first, first+1)
	}
	return out
}

// reached is the highest threshold that a limit has reached, 0 for none. Only what is used
// counts: what requests hold comes and goes. Limits of a minute come and go as well, and
// one of nothing says no to everything on purpose.
func (l *limitLook) reached(ctx context.Context, w *watched, s *meter.Standing) (top int, err error) {
	if s.Window.Unit == tally.Minute || s.Max <= 0 || s.Used <= 0 {
		return 0, nil
	}
	settings := &l.c.Settings.Alerts
	if below := settings.BalanceBelow; s.Metric == tally.Balance && below > 0 {
		if s.Max-s.Used < int64(below) {
			top = balanceLow
		}
	} else {
		for _, p := range l.percents(w) {
			if shareReached(s.Used, s.Max, p) {
				top = p
			}
		}
	}
	if top == usedUp || s.Window.Per != "" || settings.Muted(tally.AlertRefused) {
		return top, nil
	}
	up, err := l.meter.UsedUp(s, func() (time.Time, error) {
		used, err := l.store.LastUsed(ctx, s.Subject)
		if err != nil {
			return time.Time{}, err
		}
		return used[0], nil
	})
	if up {
		top = usedUp
	}
	return top, err
}

// percents are the thresholds of a thing: those of its client, or everybody's.
func (l *limitLook) percents(w *watched) []int {
	at := l.c.Settings.Alerts.At
	if cl := w.p.Client; cl != nil && cl.AlertAt != "" {
		at = cl.AlertAt
	}
	list, known := l.percent[at]
	if !known {
		list = at.Percents()
		l.percent[at] = list
	}
	return list
}

// shareReached reports whether so many percent of most are used, exactly.
func shareReached(used, most int64, percent int) bool {
	aHi, aLo := bits.Mul64(uint64(used), 100)
	bHi, bLo := bits.Mul64(uint64(most), uint64(percent))
	return aHi > bHi || aHi == bHi && aLo >= bLo
}

// alert tells of a limit, nil if that is silenced.
func (l *limitLook) alert(w *watched, s *meter.Standing, id tally.ID, reached int) *tally.Alert {
	settings, zone := &l.c.Settings.Alerts, l.c.Zone(w.p.Gateway.ID)
	kind := tally.AlertLimit
	warning := control.Warning{Gravity: control.Warn, Thing: w.Thing,
		Detail: fmt.Sprintf("%s of %s used%s", s.Metric.Format(s.Used), s.Display(), partOf(s))}
	if !s.Warn {
		warning.Next = raiseLine(w.Kind, w.ID, w.Name, s)
	}
	switch {
	case reached == usedUp && !s.Warn && s.Window.Per == "" && !settings.Muted(tally.AlertRefused):
		kind, warning.Gravity, warning.Sentence = tally.AlertRefused, control.Bad, w.called+" is refused now"
	case s.Metric == tally.Balance:
		left := s.Metric.Format(s.Max - s.Used)
		kind, warning.Sentence = tally.AlertBalance, w.called+" has "+left+" left of what was paid in advance"
		warning.Detail = fmt.Sprintf("%s of %s used", s.Metric.Format(s.Used), s.Metric.Format(s.Max))
	default:
		share := control.ShareOf(s.Used, s.Max).Long(zone)
		warning.Sentence = fmt.Sprintf("%s has used %s of %s", w.called, share, s.Display())
	}
	if s.Period.Ends() {
		warning.Detail += ", resets " + s.Period.End.In(zone).Format("Mon 2 Jan 15:04")
	}
	if settings.Muted(kind) {
		return nil
	}
	x := l.newAlert(l.now, kind, id, &warning)
	x.Percent, x.Limit, x.Until = reached, limitName(*s, zone), resetsAt(*s)
	x.Metric, x.Used, x.Max = s.Metric, s.Used, s.Max
	return x
}
