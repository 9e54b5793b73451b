package tally

import (
	"fmt"
	"strings"
	"time"
)

// Hours are the times of the week, in UTC, in which a price holds; none means
// always. Each is written "Mon-Fri 01:00-04:00", "Sat 00:00-24:00" or
// "06:00-10:00" (every day); a span that ends before it begins runs past
// midnight and belongs to the day it begins on.
type Hours []HourSpan

// HourSpan is one of [Hours]: on weekdays, from a minute of the day to another
// one that it does not contain.
type HourSpan struct {
	Days     [7]bool // by time.Weekday
	From, To int     // minutes since midnight; To may be 1440
}

var weekdays = [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

func weekday(s string) (time.Weekday, bool) {
	for i, name := range weekdays {
		if strings.EqualFold(s, name) {
			return time.Weekday(i), true
		}
	}
	return 0, false
}

// ParseHours reads spans separated by commas.
func ParseHours(s string) (Hours, error) {
	var out Hours
	for part := range strings.SplitSeq(s, ",") {
		span, err := parseSpan(strings.Fields(part))
		if err != nil {
			return nil, Errorf(Invalid, "%q are not hours", s).WithHint(`write them like "Mon-Fri 01:00-04:00, Sat 00:00-24:00", in UTC`)
		}
		out = append(out, span)
	}
	return out, nil
}

func parseSpan(words []string) (span HourSpan, err error) {
	bad := Errorf(Invalid, "not a span of hours")
	switch len(words) {
	case 1:
		span.Days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		first, last, several := strings.Cut(words[0], "-")
		if !several {
			last = first
		}
		a, ok1 := weekday(first)
		b, ok2 := weekday(last)
		if !ok1 || !ok2 {
			return span, bad
		}
		for d := a; ; d = (d + 1) % 7 {
			span.Days[d] = true
			if d == b {
				break
			}
		}
	default:
		return span, bad
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	if !ok {
		return span, bad
	}
	if span.From, ok = minuteOf(from); !ok || span.From == 1440 {
		return span, bad
	}
	if span.To, ok = minuteOf(to); !ok || span.To == span.From {
		return span, bad
	}
	return span, nil
}

func minuteOf(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' || !digits(s[:2]) || !digits(s[3:]) {
		return 0, false
	}
	m := (int(s[0]-'0')*10+int(s[1]-'0'))*60 + int(s[3]-'0')*10 + int(s[4]-'0')
	return m, m <= 1440 && s[3] < '6'
}

// Contain reports whether an instant lies in one of the spans.
func (h Hours) Contain(t time.Time) bool {
	t = t.UTC()
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	for _, s := range h {
		switch {
		case s.From < s.To:
			if s.Days[day] && minute >= s.From && minute < s.To {
				return true
			}
		case s.Days[day] && minute >= s.From || s.Days[(day+6)%7] && minute < s.To:
			return true
		}
	}
	return false
}

// Meet reports whether there is a minute of the week in both. Neither is at any hour.
func (h Hours) Meet(o Hours) bool {
	sunday := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	for minute := range 7 * 24 * 60 {
		if at := sunday.Add(time.Duration(minute) * time.Minute); h.Contain(at) && o.Contain(at) {
			return true
		}
	}
	return false
}

// String writes the hours as [ParseHours] reads them.
func (h Hours) String() string {
	var out []string
	for _, s := range h {
		out = append(out, s.String())
	}
	return strings.Join(out, ", ")
}

func (s HourSpan) String() string {
	text := fmt.Sprintf("%02d:%02d-%02d:%02d", s.From/60, s.From%60, s.To/60, s.To%60)
	if s.Days == [7]bool{true, true, true, true, true, true, true} {
		return text
	}
	// The days are written as runs from Monday on; a span of several runs is
	// written once for each.
	var spans []string
	for d := 1; d <= 7; {
		if !s.Days[d%7] {
			d++
			continue
		}
		end := d
		for end < 7 && s.Days[(end+1)%7] {
			end++
		}
		days := weekdays[d%7]
		if end > d {
			days += "-" + weekdays[end%7]
		}
		spans = append(spans, days+" "+text)
		d = end + 1
	}
	return strings.Join(spans, ", ")
}

// MarshalText implements encoding.TextMarshaler.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hours) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*h = nil
		return nil
	}
	*h, err = ParseHours(string(b))
	return err
}
