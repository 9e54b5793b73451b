package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
func (e *Engine) endings(ctx context.Context, c *tally.Catalog, now time.Time) (out []string, err error) {
	type ending struct {
		*tally.Model
		at time.Time
	}
	var list []ending
	for _, m := range c.Models {
		p := c.Provider(m.Provider)
		switch {
		case !m.Enabled || p == nil || !p.Enabled:
		case !m.ShutdownAt.IsZero() && m.ShutdownAt.Sub(now) < endsSoon:
			list = append(list, ending{m, m.ShutdownAt})
		case !m.MissingAt.IsZero():
			list = append(list, ending{m, m.MissingAt})
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	sums, err := e.sumsBy(ctx, tally.ByModel, "", shownSpan, now)
	if err != nil {
		return nil, err
	}
	idle := func(m *tally.Model) int {
		if sums(m.Name).Requests > 0 {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b ending) int {
		return cmp.Or(cmp.Compare(idle(a.Model), idle(b.Model)), a.at.Compare(b.at))
	})
	var rest []string
	for _, x := range list {
		if len(out) >= maxWarned && idle(x.Model) == 1 {
			rest = append(rest, x.Name)
			continue
		}
		out = append(out, endingText(x.Model, providerName(c, x.Provider), now))
	}
	if len(rest) > 0 {
		out = append(out, fmt.Sprintf("more models end within 30 days, and nobody asked for them in the last 30: %s", someOf(rest, maxWarned)))
	}
	return out, nil
}

// endingText tells of one model that ends.
func endingText(m *tally.Model, provider string, now time.Time) string {
	use := ""
	if m.ReplacedBy != "" {
		use = ": use " + m.ReplacedBy
	}
	left := m.ShutdownAt.Sub(now)
	switch days := int(left.Hours() / 24); {
	case m.ShutdownAt.IsZero() || left >= endsSoon:
		return fmt.Sprintf("model %s is no longer listed by %s since %s%s", m.Name, provider, m.MissingAt.Format(time.DateOnly), use)
	case left <= 0:
		return fmt.Sprintf("model %s was shut down by %s on %s%s", m.Name, provider, m.ShutdownAt.Format(time.DateOnly), use)
	case days == 0:
		return fmt.Sprintf("model %s is shut down by %s on %s (within a day)%s", m.Name, provider, m.ShutdownAt.Format(time.DateOnly), use)
	case days == 1:
		return fmt.Sprintf("model %s is shut down by %s on %s (in 1 day)%s", m.Name, provider, m.ShutdownAt.Format(time.DateOnly), use)
	default:
		return fmt.Sprintf("model %s is shut down by %s on %s (in %d days)%s", m.Name, provider, m.ShutdownAt.Format(time.DateOnly), days, use)
	}
}
