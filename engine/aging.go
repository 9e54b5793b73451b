package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const (
	endsSoon = 30 * 24 * time.Hour // of a model: its owner needs time to change what asks for it
	oldBook  = 60                  // days after which prices are not to be trusted
)

// bookAge says how old the built-in prices are.
func (e *Engine) bookAge(now time.Time) control.PriceBook {
	if e.book.asOf.IsZero() {
		return control.PriceBook{}
	}
	days := int(now.Sub(e.book.asOf).Hours() / 24)
	return control.PriceBook{AsOf: e.book.asOf.Format(time.DateOnly), AgeDays: max(days, 0), Old: days > oldBook}
}

// endings warns of offered models that are shut down or soon will be, and of those
// that their provider lists no more. Those that are in use come first; of many
// that are not, only the names are told.
func (e *Engine) endings(ctx context.Context, c *tally.Catalog, now time.Time) (out []control.Warning, err error) {
	type ends struct {
		*tally.Model
		at time.Time
	}
	var list []ends
	for _, m := range c.Models {
		p := c.Provider(m.Provider)
		switch {
		case !m.Enabled || p == nil || !p.Enabled:
		case !m.ShutdownAt.IsZero() && m.ShutdownAt.Sub(now) < endsSoon:
			list = append(list, ends{m, m.ShutdownAt})
		case !m.MissingAt.IsZero():
			list = append(list, ends{m, m.MissingAt})
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	sums, err := e.modelSums(ctx, nil, now, now.Add(-shownSpan))
	if err != nil {
		return nil, err
	}
	idle := func(m *tally.Model) int {
		if sums[0].maybe(m) {
			return 0
		}
		return 1
	}
	tally.OrderStable(list, func(a, b ends) int {
		return cmp.Or(cmp.Compare(idle(a.Model), idle(b.Model)), a.at.Compare(b.at))
	})
	var rest []string
	for _, x := range list {
		if len(out) >= maxWarned && idle(x.Model) == 1 {
			rest = append(rest, x.Name)
			continue
		}
		out = append(out, ending(x.Model, providerName(c, x.Provider), now))
	}
	if len(rest) > 0 {
		out = append(out, control.Warning{
			Kind: control.WarnEnds, Gravity: control.Warn, Sentence: "More models end within 30 days",
			Detail: "nobody asked for them in the last 30: " + someOf(rest, maxWarned), Next: "tallygate models list",
		})
	}
	return out, nil
}

// ending tells of one model that ends.
func ending(m *tally.Model, provider string, now time.Time) control.Warning {
	w := control.Warning{Kind: control.WarnEnds, Gravity: control.Warn, Thing: control.Thing{Kind: "model", ID: m.ID, Name: m.Name}, Until: m.ShutdownAt}
	if m.ReplacedBy != "" {
		w.Detail = "use " + m.ReplacedBy
	}
	left := m.ShutdownAt.Sub(now)
	shut := fmt.Sprintf("shut down by %s on %s", provider, m.ShutdownAt.Format(time.DateOnly))
	switch {
	case m.ShutdownAt.IsZero() || left >= endsSoon:
		w.Sentence = fmt.Sprintf("Model %s is no longer listed by %s since %s", m.Name, provider, m.MissingAt.Format(time.DateOnly))
		w.Since, w.Until = m.MissingAt, time.Time{}
	case left <= 0:
		w.Sentence = "Model " + m.Name + " was " + shut
	default:
		w.Sentence = fmt.Sprintf("Model %s is %s (%s)", m.Name, shut, inDays(left))
	}
	return w
}

// inDays writes how far something is away: "within a day", "in 1 day", "in 12 days".
func inDays(left time.Duration) string {
	switch days := int(left.Hours() / 24); days {
	case 0:
		return "within a day"
	case 1:
		return "in 1 day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}
