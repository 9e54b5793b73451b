package part

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Bars below each other are of one length, whatever figures stand beside them.
func TestBarsOfLimitsCompare(t *testing.T) {
	th := theme.New(theme.ASCII)
	var charges []tally.Charged
	var states []control.LimitState
	for _, l := range []struct {
		metric    tally.Metric
		used, max int64
	}{{tally.Requests, 3, 5}, {tally.TokensIO, 0, 250_000_000}, {tally.Cost, 12_345_678, 1_000_000_000_000}} {
		charges = append(charges, tally.Charged{Subject: "client/x", Metric: l.metric, Window: "total", Max: l.max, Used: l.used})
		states = append(states, control.LimitState{Limit: tally.Limit{Metric: l.metric, Window: tally.Window{Unit: tally.Total}, Max: l.max}, Used: l.used})
	}
	for _, width := range []int{48, 60, 76} {
		for what, lines := range map[string][]string{"of a request": Charges(th, charges, width), "of a client": Gauges(th, states, width, time.Now(), time.UTC)} {
			lengths, bars := map[int]bool{}, 0
			for _, l := range lines {
				for _, word := range strings.Fields(widget.Strip(l)) {
					if len(word) > 1 && strings.Trim(word, "=-") == "" {
						lengths[len(word)] = true
						bars++
					}
				}
			}
			if bars != len(states) || len(lengths) != 1 {
				t.Errorf("%s, at %d: %d bars\n%s", what, width, bars, widget.Strip(strings.Join(lines, "\n")))
			}
		}
	}
}
