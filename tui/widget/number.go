package widget

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Compact writes a count in at most five characters and a sign: "812",
// "18.2k", "3.41M".
func Compact(n int64) string {
	size := uint64(n)
	if n < 0 {
		return "-" + compact(-size)
	}
	return compact(size)
}

func compact(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	const units = "kMGTPE"
	v, unit := float64(n)/1000, 0
	for ; v >= 999.5; v /= 1000 {
		unit++
	}
	decimals := 2
	switch {
	case v >= 99.95:
		decimals = 0
	case v >= 9.995:
		decimals = 1
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + units[unit:unit+1]
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
	case d >= 9950*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= 999500*time.Microsecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000)
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
