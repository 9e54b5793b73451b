package tui_test

import (
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/tui/tuitest"
	"tallygate/tui/widget"
)

// The calendar says of each day and of the month what the ledger says, and leads to the
// day's requests.
func TestTheCalendarAgreesWithTheLedger(t *testing.T) {
	for _, size := range []string{"120x36", "80x24", "200x50"} {
		tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
			month := tuitest.Do(t, d.World, control.UsageShow, control.UsageQuery{Month: "this", Every: "day"})
			d.Press("C").Expect("Spend of all, November 2026", widget.Money(month.Total.CostNanoUSD))
			for _, r := range month.Rows {
				d.Expect(widget.Money(r.CostNanoUSD))
			}
			d.Press("left").Expect("October 2026", "in all")
			d.Press("right", "h").Expect("24 Nov").Press("enter").Expect("at:>=2026-11-24 at:<2026-11-25")
		})
	}
}

// The cursor of a chart names the day and what it cost, + makes one pane large, and esc
// takes either back.
func TestACursorReadsTheCharts(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		month := tuitest.Do(t, d.World, control.UsageShow, control.UsageQuery{Month: "this", Every: "day"})
		yesterday := widget.Money(month.Rows[len(month.Rows)-2].CostNanoUSD)
		for _, press := range []string{"1", "3", "8"} {
			d.Press(press).Ticks(4)
			if press == "8" {
				d.Press("M").Ticks(4)
			}
			d.Press("l", "h").Expect("▲ Tue 24 Nov").Press("esc").ExpectNot("▲ Tue 24 Nov")
			if press == "1" {
				d.Press("h", "h").Expect(yesterday).Press("esc")
			}
			d.Press("+")
			if n := strings.Count(d.Screen(), "╭─"); press != "8" && n != 1 {
				t.Errorf("%d panes are seen on screen %s after +", n, press)
			}
			d.Press("esc")
		}
	})
}
