package engine

import (
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// calendarOf is what dates are read by that the owner names for things of a
// gateway: its zone, and its first day of a month.
func calendarOf(c *tally.Catalog, gateway tally.ID, now time.Time) control.Calendar {
	out := control.Calendar{Now: now, Zone: c.Zone(gateway)}
	if gw := c.Gateway(gateway); gw != nil {
		out.CycleDay = gw.CycleDay
	}
	return out
}

// commonCalendar is that of all gateways as far as they agree, else UTC and the
// first of the month.
func commonCalendar(c *tally.Catalog, now time.Time) control.Calendar {
	out := control.Calendar{Now: now, Zone: time.UTC}
	for i, gw := range c.Gateways {
		own := calendarOf(c, gw.ID, now)
		if i == 0 {
			out = own
		}
		if own.Zone.String() != out.Zone.String() {
			out.Zone = time.UTC
		}
		if own.CycleDay != out.CycleDay {
			out.CycleDay = 0
		}
	}
	return out
}

// spanOf reads the span of time that the owner asks for: a month, or from since,
// which is so long ago as fallback says if it is left out, until an instant or the
// zero time.
func spanOf(c control.Calendar, month control.Month, since, until control.Since, fallback time.Duration) (from, to time.Time, err error) {
	if month != "" {
		if since != "" || until != "" {
			return from, to, tally.Errorf(tally.Invalid, "a month was asked for, and a span besides").WithHint("give one of both")
		}
		p, err := month.In(c)
		return p.Start, p.End, err
	}
	if from, err = since.At(c, fallback); err == nil && until != "" {
		to, err = until.At(c, 0)
	}
	return from, to, err
}

// Edges of usage are multiples of [tally.Bucket].

func bucketDown(t time.Time) time.Time { return t.UTC().Truncate(tally.Bucket) }

func bucketUp(t time.Time) time.Time {
	if down := bucketDown(t); !down.Equal(t) {
		return down.Add(tally.Bucket)
	}
	return t.UTC()
}

// civilEdges cuts a span into civil hours or days of a zone. The first edge is
// the beginning of the window that since lies in; the last is at or after
// until.
func civilEdges(unit tally.Unit, since, until time.Time, loc *time.Location, most int) ([]time.Time, bool) {
	w := tally.Window{Unit: unit}
	at := w.Period(since, loc, 0)
	edges := []time.Time{bucketDown(at.Start)}
	for {
		// A day that the calendar skips is empty, and ends where it begins.
		if end := bucketUp(at.End); end.After(edges[len(edges)-1]) {
			edges = append(edges, end)
		}
		if !at.End.Before(until) {
			return edges, true
		}
		if len(edges) > most {
			return nil, false
		}
		at = w.Period(at.End, loc, 0)
	}
}
