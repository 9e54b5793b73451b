package tally

import "time"

// Raise adds to the limit of its metric and window until an instant, at which it ends
// by itself. What the limit counts goes on as it is. Several add up.
type Raise struct {
	Metric Metric    `json:"metric"`
	Window Window    `json:"window"`
	By     int64     `json:"by"`    // in the metric's unit, above 0
	Until  time.Time `json:"until"` // from then on it is over
}

// Of reports whether the raise belongs to a limit.
func (r Raise) Of(l Limit) bool { return r.Metric == l.Metric && r.Window == l.Window }

// RaisesOf are the raises of a limit that are in force at an instant.
func RaisesOf(l Limit, raises []Raise, at time.Time) (out []Raise) {
	for _, r := range raises {
		if r.Of(l) && at.Before(r.Until) {
			out = append(out, r)
		}
	}
	return out
}

// MaxAt is the most that a limit allows at an instant: its own and the raises in
// force, at most what a limit may be.
func (l Limit) MaxAt(raises []Raise, at time.Time) int64 {
	most := l.Max
	for _, r := range RaisesOf(l, raises, at) {
		most = min(AddSat(most, r.By), l.Metric.top())
	}
	return most
}

// KeptRaises are the raises that still belong to one of the limits, and are not over
// at an instant.
func KeptRaises(limits []Limit, raises []Raise, at time.Time) (out []Raise) {
	for _, l := range limits {
		out = append(out, RaisesOf(l, raises, at)...)
	}
	return out
}
