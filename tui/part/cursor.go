package part

import (
	"fmt"
	"time"

	"tallygate/tui/widget"
)

// Cursor points at a bucket of a chart; the zero value points at none.
type Cursor struct {
	On bool
	At int
}

// Move goes so many of n buckets on, or to the latest if nothing is pointed at.
func (c *Cursor) Move(by, n int) {
	if !c.On {
		by, c.At = 0, n-1
	}
	c.On, c.At = n > 0, max(min(c.At+by, n-1), 0)
}

// Show marks the bucket in a chart. A chart that has become shorter has its latest marked.
func (c *Cursor) Show(chart *widget.Columns) {
	c.At = min(c.At, max(len(chart.Values)-1, 0))
	chart.Cursor, chart.On = c.At, c.On
}

// DayFilter selects the requests of a civil day.
func DayFilter(day time.Time) string {
	return fmt.Sprintf("at:>=%s at:<%s", day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly))
}
