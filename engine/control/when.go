package control

import (
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// longestSpan bounds lengths of time: a hundred years.
const longestSpan = 100 * 366 * 24 * time.Hour

var wholeUnits = [...]struct {
	letter string
	length time.Duration
}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}}

// ParseSpan reads a length of time as people write it, from "0" to a hundred
// years: "90d", "2w", "1d12h", "1h30m", "10s".
func ParseSpan(s string) (time.Duration, error) {
	bad := tally.Errorf(tally.Invalid, "%q is not a length of time", s).WithHint("like 90d, 2w, 1d12h, 30m or 10s")
	var whole time.Duration
	rest := strings.TrimSpace(s)
	for _, unit := range wholeUnits {
		number, after, ok := strings.Cut(rest, unit.letter)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || time.Duration(n) > longestSpan/unit.length {
			return 0, bad
		}
		whole += time.Duration(n) * unit.length
		if rest = after; rest == "" {
			rest = "0"
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.HasPrefix(rest, "-") || d > longestSpan-whole {
		return 0, bad
	}
	return whole + d, nil
}

// FormatSpan writes a length of time as [ParseSpan] reads it, with no unit that
// is zero: "90d", "1d12h", "1h30m", "0s".
func FormatSpan(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := (d % day).String() // "1h0m0s"
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if d >= day {
		return strconv.FormatInt(int64(d/day), 10) + "d" + text
	}
	return text
}

// Date names an instant: "2026-12-01", "2026-11", "today", "yesterday", "tomorrow",
// "fri" or "friday" (the next one), "this month" and "last month", each of which is
// the first instant of what it names in a zone; "now"; and RFC 3339. What it may be
// left out for is said where it is used.
type Date string

// Since is a [Date], where a day of the week is the latest one, or a length of time
// ago: "7d".
type Since string

// Expiry is a [Date] in the future, a length of time from now ("90d"), or
// "never", as is "".
type Expiry string

// Zone is the IANA name of a time zone: "Europe/Lisbon".
type Zone string

// Month names a month: "2026-11", "this" or "last".
type Month string

// Calendar is what names of instants are read by.
type Calendar struct {
	Now  time.Time
	Zone *time.Location
	// CycleDay is the first day of a month, 1 to 31; 0 is 1.
	CycleDay int
}

func (c Calendar) period(u tally.Unit, t time.Time) tally.Period {
	return tally.Window{Unit: u}.Period(t, c.Zone, c.CycleDay)
}

// instant reads a date. A civil one is looked up by its noon, which is on the
// right day also in a zone that skips midnight.
func (c Calendar) instant(s string) (time.Time, bool) {
	switch strings.ToLower(s) {
	case "now":
		return c.Now.UTC(), true
	case "today":
		return c.period(tally.Day, c.Now).Start, true
	case "yesterday":
		return c.period(tally.Day, c.period(tally.Day, c.Now).Start.Add(-time.Second)).Start, true
	case "tomorrow":
		return c.period(tally.Day, c.Now).End, true
	}
	if day, ok := weekday(s); ok {
		p := c.period(tally.Day, c.Now)
		for p = c.period(tally.Day, p.End); p.Start.In(c.Zone).Weekday() != day; p = c.period(tally.Day, p.End) {
		}
		return p.Start, true
	}
	if p, err := Month(s).In(c); err == nil && s != "" {
		return p.Start, true
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), inReach(t)
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || !inReach(t) {
		return time.Time{}, false
	}
	return c.period(tally.Day, time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, c.Zone)).Start, true
}

// named reads what a filter compares times with: a day or a month that is named is all
// of it. An instant, with "2d" for how long ago, can only be compared, and has no length.
func (c Calendar) named(text, op string) (tally.Period, error) {
	text = strings.TrimSpace(text)
	if p, err := Month(text).In(c); err == nil {
		return p, nil
	}
	at, err := Since(text).At(c, 0)
	if err != nil || text == "" {
		return tally.Period{}, tally.Errorf(tally.Invalid, "%q is not a time", text)
	}
	if day := c.period(tally.Day, at); day.Start.Equal(at) && c.isDay(text) {
		return day, nil
	}
	if op == "=" {
		return tally.Period{}, tally.Errorf(tally.Invalid, "%q is an instant, and no day or month", text)
	}
	return tally.Period{Start: at, End: at}, nil
}

// isDay reports whether a text that names a time names a day.
func (c Calendar) isDay(text string) bool {
	_, err := ParseSpan(text)
	return err != nil && !strings.EqualFold(text, "now") && !strings.ContainsAny(text, ":")
}

// weekday reads a day of the week, in full or its first three letters.
func weekday(s string) (time.Weekday, bool) {
	s = strings.ToLower(s)
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := strings.ToLower(d.String()); s == name || s == name[:3] {
			return d, true
		}
	}
	return 0, false
}

func inReach(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2200 }

// At is the instant that the date names.
func (d Date) At(c Calendar) (time.Time, error) {
	if t, ok := c.instant(strings.TrimSpace(string(d))); ok {
		return t, nil
	}
	return time.Time{}, tally.Errorf(tally.Invalid, "%q is not a date", string(d)).WithHint("like %s, %[1]s or today", c.Now.In(c.Zone).Format(time.DateOnly))
}

// At is the instant that is named; "" is so long ago as fallback says.
func (s Since) At(c Calendar, fallback time.Duration) (time.Time, error) {
	text := strings.TrimSpace(string(s))
	if text == "" {
		return c.Now.Add(-fallback), nil
	}
	if d, err := ParseSpan(text); err == nil && d > 0 {
		return c.Now.Add(-d), nil
	}
	if t, ok := c.instant(text); ok {
		if _, ok := weekday(text); ok && t.After(c.Now) {
			return c.period(tally.Day, t.AddDate(0, 0, -7).Add(12*time.Hour)).Start, nil
		}
		return t, nil
	}
	return time.Time{}, tally.Errorf(tally.Invalid, "%q is not a time", string(s)).
		WithHint("24h, 7d, 30d, 90d, today, last month, or a date like %s", c.Now.In(c.Zone).AddDate(0, -1, 0).Format(time.DateOnly))
}

// At is when it ends: the zero time if never, else a time after now.
func (x Expiry) At(c Calendar) (time.Time, error) {
	text := strings.TrimSpace(string(x))
	if text == "" || text == "never" {
		return time.Time{}, nil
	}
	if d, err := ParseSpan(text); err == nil && d > 0 {
		return c.Now.Add(d).UTC().Truncate(time.Second), nil
	}
	t, ok := c.instant(text)
	if !ok {
		return time.Time{}, tally.Errorf(tally.Invalid, "%q is not an expiry", string(x)).
			WithHint("how long it works, like 90d or 12h, a date like %s, or never", c.Now.AddDate(0, 3, 0).Format(time.DateOnly))
	}
	if !t.After(c.Now) {
		return time.Time{}, tally.Errorf(tally.Invalid, "%s has passed already", string(x)).WithHint("an expiry lies in the future")
	}
	return t, nil
}

// In is the month that is named.
func (m Month) In(c Calendar) (tally.Period, error) {
	text := strings.ToLower(strings.TrimSpace(string(m)))
	this := c.period(tally.Month, c.Now)
	switch strings.TrimSuffix(text, " month") {
	case "this":
		return this, nil
	case "last":
		return c.period(tally.Month, this.Start.Add(-time.Second)), nil
	}
	t, err := time.Parse("2006-01", text)
	if err != nil || !inReach(t) {
		return tally.Period{}, tally.Errorf(tally.Invalid, "%q is not a month", string(m)).WithHint("this, last, or one like %s", c.Now.In(c.Zone).Format("2006-01"))
	}
	// The month of a name is the one that begins in it.
	first := max(c.CycleDay, 1)
	last := time.Date(t.Year(), t.Month()+1, 0, 12, 0, 0, 0, c.Zone)
	return c.period(tally.Month, time.Date(t.Year(), t.Month(), min(first, last.Day()), 12, 0, 0, 0, c.Zone)), nil
}
