package widget

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Compact writes a count in at most five characters: "812", "18.2k", "3.41M".
func Compact(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	for _, u := range []struct {
		size int64
		sign string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n < u.size {
			continue
		}
		v := float64(n) / float64(u.size)
		decimals := 2
		switch {
		case v >= 99.95:
			decimals = 0
		case v >= 9.995:
			decimals = 1
		}
		text := strconv.FormatFloat(v, 'f', decimals, 64)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return sign + text + u.sign
	}
	return sign + strconv.FormatInt(n, 10)
}

// Amount writes an amount of a metric in little room.
func Amount(m tally.Metric, n int64) string {
	if m.Money() {
		return Money(tally.NanoUSD(n))
	}
	return Compact(n)
}

// Money writes an amount of money in little room: cents, more decimals where
// the amount is small, and no cents where it is large.
func Money(n tally.NanoUSD) string {
	if n >= 100_000*tally.Dollar {
		return "$" + Compact(int64(n/tally.Dollar))
	}
	return n.Display()
}

// Latency writes a length of time of a request: "402 ms", "1.9 s".
func Latency(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < 10*time.Second && d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// Ago writes how long ago something was, "never" for a zero time: "2s", "5m",
// "3h", "41d".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Span(now.Sub(t))
}

// Until writes how long it is to something: "12 days", "3 h".
func Until(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d <= 0:
		return "now"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d >= time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

// Span writes a length of time with its largest unit.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}
