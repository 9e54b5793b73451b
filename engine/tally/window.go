package tally

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Unit is the length of a window.
type Unit string

// The units, from the shortest.
const (
	Minute  Unit = "minute"
	Hour    Unit = "hour"
	DayPart Unit = "hours" // as many as the window says
	Day     Unit = "day"
	Week    Unit = "week" // starts on Monday
	Month   Unit = "month"
	Quarter Unit = "quarter" // starts with the months January, April, July and October
	Total   Unit = "total"   // never resets
)

// Window is over what a limit counts: the span, which is a calendar window in the
// gateway's time zone, and the part of what is used in it. Day is the first day of a month or a quarter, 1 to 31 (the
// last day of a shorter month stands in); 0 means the gateway's cycle day. Hours is how
// many hours one of several hours has, from local midnight on; they divide a day.
// Per is "" for all that is used; the key of a part, "model", "session" or that of a tag, for
// a limit that each value of it has; or KEY=VALUE for one that only this value has.
// It is written "minute", "6h", "month", "month:15", "day per session" or
// "month per project=alpha".
type Window struct {
	Unit  Unit
	Day   int
	Hours int
	Per   string
}

// PartLabel is the label of the part that the window is of, for a request that has a value
// for its key; ok is false if it is of another value.
func (w Window) PartLabel(value func(key string) string) (label string, ok bool) {
	key, only, one := strings.Cut(w.Per, "=")
	is := value(key)
	return key + "=" + is, !one || only == is
}

// Each reports whether each value of a part has a limit of its own.
func (w Window) Each() bool { return w.Per != "" && !strings.Contains(w.Per, "=") }

// dayParts are how many hours a window of several hours may have.
var dayParts = []int{2, 3, 4, 6, 8, 12}

// ParseWindow reads a window as [Window.String] writes it. "lifetime" is
// another word for "total".
func ParseWindow(s string) (Window, error) {
	span, per, parts := strings.Cut(s, " per ")
	w, err := parseWindowSpan(span)
	if err == nil && parts {
		w.Per, err = parsePer(per)
	}
	return w, err
}

// parsePer reads what a limit is per.
func parsePer(s string) (string, error) {
	key, value, one := strings.Cut(s, "=")
	switch {
	case one && key == PartModel && value != "" && !strings.ContainsFunc(value, notInTag), !one && (key == PartModel || key == PartSession || key == TagTool):
		return s, nil
	case one && key == PartSession:
		return "", Errorf(Invalid, "a limit is for each session, not for one").WithHint("write per session")
	case one && key == TagTool && CheckTagKey(value) == nil:
		return s, nil
	case one && key == TagTool:
		return "", Errorf(Invalid, "%q is not a tool", value).WithHint("as usage --by tool has them, in small letters: tool=codex")
	case one && key == PartModel:
		return "", Errorf(Invalid, "%q is not the name of a model", value)
	case one:
		return Tag(key, value)
	}
	return s, CheckTagKey(key)
}

func parseWindowSpan(s string) (Window, error) {
	if n, ok := strings.CutSuffix(s, "h"); ok && digits(n) && n != "" {
		return parseHours(s, n)
	}
	name, day, cut := strings.Cut(s, ":")
	w := Window{Unit: Unit(name)}
	if name == "lifetime" {
		w.Unit = Total
	}
	switch w.Unit {
	case Minute, Hour, Day, Week, Month, Quarter, Total:
	default:
		return Window{}, Errorf(Invalid, "%q is not a window", s).
			WithHint("one of minute, hour, 2h to 12h, day, week, month, month:15 (starts on the 15th), quarter, total")
	}
	if !cut {
		return w, nil
	}
	n, err := strconv.Atoi(day)
	if w.Unit != Month && w.Unit != Quarter || err != nil || n < 1 || n > 31 {
		return Window{}, Errorf(Invalid, "%q is not a window", s).
			WithHint("only a month and a quarter have a first day, from 1 to 31: month:15")
	}
	w.Day = n
	return w, nil
}

func parseHours(s, number string) (Window, error) {
	n, err := strconv.Atoi(number)
	switch {
	case err == nil && n == 1:
		return Window{Unit: Hour}, nil
	case err == nil && n == 24:
		return Window{Unit: Day}, nil
	case err != nil || !slices.Contains(dayParts, n):
		return Window{}, Errorf(Invalid, "%q is not a window: a day cannot be cut into parts of %s hours", s, number).
			WithHint("one of 2h, 3h, 4h, 6h, 8h, 12h; they begin at midnight")
	}
	return Window{Unit: DayPart, Hours: n}, nil
}

// String writes the window as [ParseWindow] reads it.
func (w Window) String() string {
	if w.Per != "" {
		return w.span() + " per " + w.Per
	}
	return w.span()
}

// Whole is the span without the part.
func (w Window) Whole() Window {
	w.Per = ""
	return w
}

func (w Window) span() string {
	switch {
	case w.Unit == DayPart:
		return strconv.Itoa(w.Hours) + "h"
	case w.Day != 0 && (w.Unit == Month || w.Unit == Quarter):
		return string(w.Unit) + ":" + strconv.Itoa(w.Day)
	}
	return string(w.Unit)
}

// MarshalText implements encoding.TextMarshaler.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Window) UnmarshalText(b []byte) (err error) {
	*w, err = ParseWindow(string(b))
	return err
}

// Period is one particular window: [Start, End). Both are whole seconds in
// UTC. The label is its civil name: "2026-11-21" for a day, "m2026-11-15" for
// the month that starts on the 15th, "w2026-11-16", "q2026-10-01",
// "2026-11-21T14:00+01:00" for an hour or a minute, "2026-11-21T06:00/6h", "total".
type Period struct {
	Label string    `json:"label"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Civil writes an instant for people of a zone, which it names: "2026-12-01 00:00
// (Europe/Lisbon)"; by its distance from UTC where the machine does not tell its name:
// "2026-12-01 00:00 (UTC+01:00)".
func Civil(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	name := zone.String()
	if zone == time.Local {
		name = strings.TrimSuffix("UTC"+t.Format("-07:00"), "+00:00")
	}
	return t.Format("2006-01-02 15:04") + " (" + name + ")"
}

// Never is the end of a window that does not reset.
var Never = time.Unix(253402300799, 0).UTC() // 9999-12-31T23:59:59Z

// Contains reports whether t lies in the period.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.Start) && t.Before(p.End) }

// Ends reports whether the period ever ends.
func (p Period) Ends() bool { return p.End.Before(Never) }

// Period returns the period of the window that contains t, in a zone, for a
// gateway whose months start on cycleDay (0 means 1).
//
// A civil day begins at the first instant at which the zone's calendar has
// reached it. So a midnight that the zone skips begins at the jump, a day that
// it skips is empty, and a date that it shows twice around a jump back is one
// period: windows never overlap, never leave a gap and never run backwards.
func (w Window) Period(t time.Time, loc *time.Location, cycleDay int) Period {
	switch w.Unit {
	case Minute:
		start := t.Unix() - mod(t.Unix(), 60)
		return clockPeriod(start, start+60, loc)
	case Hour:
		offset := offsetAt(t.Unix(), loc)
		start := t.Unix() - mod(t.Unix()+offset, 3600)
		end := start + 3600
		// A jump inside the hour ends it: the hour after the jump is another one.
		from, to := t.In(loc).ZoneBounds()
		if offsetAt(start, loc) != offset {
			start = from.Unix()
		}
		if offsetAt(end-1, loc) != offset {
			end = to.Unix()
		}
		return clockPeriod(start, end, loc)
	case Day:
		d := dayOf(t, loc)
		return civilPeriod("", d, d.add(1), loc)
	case Week:
		d := dayOf(t, loc)
		monday := d.add(-int64(mod(int64(d)+3, 7))) // 1970-01-01 was a Thursday
		return civilPeriod("w", monday, monday.add(7), loc)
	case DayPart:
		length := int64(w.Hours) * 3600
		start := civilOf(t, length, loc)
		label := time.Unix(start, 0).UTC().Format("2006-01-02T15:04/") + w.String()
		return Period{Label: label, Start: shows(start, loc), End: shows(start+length, loc)}
	case Month, Quarter:
		first := w.Day
		if first == 0 {
			first = max(cycleDay, 1)
		}
		d := dayOf(t, loc)
		y, m, _ := d.date()
		start := cycleStart(y, int(m), first)
		if start > d {
			start = cycleStart(y, int(m)-1, first)
		}
		y, m, _ = start.date()
		if w.Unit == Month {
			return civilPeriod("m", start, cycleStart(y, int(m)+1, first), loc)
		}
		january := int(m) - (int(m)-1)%3 // or April, July, October
		return civilPeriod("q", cycleStart(y, january, first), cycleStart(y, january+3, first), loc)
	}
	return Period{Label: string(Total), Start: time.Unix(0, 0).UTC(), End: Never}
}

// PeriodDate is the date on which the period of a label begins, in UTC; zero if it
// names none, as "total".
func PeriodDate(label string) time.Time {
	label = strings.TrimLeft(label, "mwq")
	t, _ := time.Parse(time.DateOnly, label[:min(len(label), len(time.DateOnly))])
	return t
}

func clockPeriod(start, end int64, loc *time.Location) Period {
	s := time.Unix(start, 0)
	return Period{Label: s.In(loc).Format("2006-01-02T15:04Z07:00"), Start: s.UTC(), End: time.Unix(end, 0).UTC()}
}

func civilPeriod(prefix string, from, to civilDay, loc *time.Location) Period {
	return Period{Label: prefix + from.String(), Start: from.begins(loc), End: to.begins(loc)}
}

// civilDay is a date as days since 1970-01-01, without a zone.
type civilDay int64

const daySeconds = 24 * 60 * 60

func (d civilDay) add(n int64) civilDay { return d + civilDay(n) }

func (d civilDay) date() (int, time.Month, int) {
	return time.Unix(int64(d)*daySeconds, 0).UTC().Date()
}

func (d civilDay) String() string {
	y, m, day := d.date()
	return fmt.Sprintf("%04d-%02d-%02d", y, m, day)
}

// dayOf returns the latest day that has begun at t.
func dayOf(t time.Time, loc *time.Location) civilDay {
	return civilDay(civilOf(t, daySeconds, loc) / daySeconds)
}

// begins returns the first instant at which the zone's calendar has reached
// the day.
func (d civilDay) begins(loc *time.Location) time.Time { return shows(int64(d)*daySeconds, loc) }

// civilOf returns the latest multiple of a length that the zone's clocks have reached at
// t. Civil times are seconds since the midnight with which 1970 began, without a zone; a
// length divides a day.
func civilOf(t time.Time, length int64, loc *time.Location) int64 {
	local := t.Unix() + offsetAt(t.Unix(), loc)
	at := local - mod(local, length)
	// After a jump back over an edge the clock shows the part before again, and
	// before one that is skipped the next one may share its beginning.
	for !shows(at+length, loc).After(t) {
		at += length
	}
	return at
}

// shows returns the first instant at which the zone's clocks have reached a civil time:
// the least t with t+offset(t) ≥ civil.
func shows(civil int64, loc *time.Location) time.Time {
	at := civil - 26*60*60 // no offset has ever reached 26 hours
	for {
		end := offsetEnds(at, loc)
		if begins := max(at, civil-offsetAt(at, loc)); begins < end {
			return time.Unix(begins, 0).UTC()
		}
		at = end
	}
}

// offsetAt is how far the zone's clocks are ahead of UTC, in seconds.
func offsetAt(unix int64, loc *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(loc).Zone()
	return int64(offset)
}

// offsetEnds returns an instant after another until which the offset stays the
// same; it may stay longer.
func offsetEnds(unix int64, loc *time.Location) int64 {
	_, to := time.Unix(unix, 0).In(loc).ZoneBounds()
	switch {
	case to.IsZero():
		return math.MaxInt64
	case to.Unix() > unix:
		return to.Unix()
	}
	// Far from a jump ZoneBounds answers with the end of the year, and takes
	// leap years for 365 days: on their last day that is in the past.
	return unix - mod(unix, daySeconds) + daySeconds
}

// cycleStart returns the day on which a cycle begins in a month (which may lie
// outside 1 to 12): the first-th, or the last day of a shorter month.
func cycleStart(year, month, first int) civilDay {
	last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC)
	day := last.AddDate(0, 0, min(first, last.Day())-last.Day())
	return civilDay(day.Unix() / daySeconds)
}

func mod(a, b int64) int64 {
	if m := a % b; m < 0 {
		return m + b
	} else {
		return m
	}
}
