package engine

import (
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// parseSpan reads a length of time as people write it: "12h", "90d", "2w",
// "1h30m". It is positive and at most a hundred years.
func parseSpan(s string) (time.Duration, bool) {
	const most = 100 * 366 * 24 * time.Hour
	unit := time.Duration(0)
	switch {
	case strings.HasSuffix(s, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(s, "w"):
		unit = 7 * 24 * time.Hour
	}
	if unit != 0 {
		n, err := strconv.ParseInt(s[:len(s)-1], 10, 32)
		if err != nil || n <= 0 || n > int64(most/unit) {
			return 0, false
		}
		return time.Duration(n) * unit, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0 && d <= most
}

// parseInstant reads a date, which means its first instant in the zone, or a
// whole timestamp.
func parseInstant(s string, loc *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), inReach(t)
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || !inReach(t) {
		return time.Time{}, false
	}
	// Noon is on the right day in a zone that skips midnight.
	noon := time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, loc)
	return tally.Window{Unit: tally.Day}.Period(noon, loc, 0).Start, true
}

func inReach(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2200 }

// parseExpiry reads how long a key works: "90d", "12h", a date, and "" or
// "never" for forever (the zero time). A key that had expired already would be
// a mistake.
func parseExpiry(s string, now time.Time, loc *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "never" {
		return time.Time{}, nil
	}
	if d, ok := parseSpan(s); ok {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	t, ok := parseInstant(s, loc)
	if !ok {
		return time.Time{}, tally.Errorf(tally.Invalid, "%q is not an expiry", s).
			WithHint("how long it works, like 90d or 12h, a date like %s, or never", now.AddDate(0, 3, 0).Format(time.DateOnly))
	}
	if !t.After(now) {
		return time.Time{}, tally.Errorf(tally.Invalid, "%s has passed already", s).WithHint("an expiry lies in the future")
	}
	return t, nil
}

// parseSince reads the start of a span of history: "24h", "7d", a date; ""
// is so long ago as fallback says.
func parseSince(s string, fallback time.Duration, now time.Time, loc *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return now.Add(-fallback), nil
	}
	if d, ok := parseSpan(s); ok {
		return now.Add(-d), nil
	}
	if t, ok := parseInstant(s, loc); ok {
		return t, nil
	}
	return time.Time{}, tally.Errorf(tally.Invalid, "%q is not a time", s).WithHint("24h, 7d, 30d, 90d, or a date like %s", now.In(loc).AddDate(0, -1, 0).Format(time.DateOnly))
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
