package widget

import (
	"fmt"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Amount writes an amount of a metric in little room.
func Amount(m tally.Metric, n int64) string { return control.AmountOf(m, n).Short(time.Time{}) }

// Money writes an amount of money in little room: cents, more decimals where the
// amount is small, and no cents where it is large.
func Money(n tally.NanoUSD) string { return control.MoneyOf(n).Short(time.Time{}) }

// Latency writes a length of time of a request: "402 ms", "1.9 s", "–" for none.
func Latency(d time.Duration) string {
	return control.LatencyOf(float64(d) / float64(time.Millisecond)).Short(time.Time{})
}

// Ago writes how long ago something was, "never" for a zero time: "2s", "5m", "3h",
// "41d".
func Ago(t, now time.Time) string { return control.MomentOf(t).Short(now) }

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
