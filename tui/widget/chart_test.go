package widget

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tallygate/tui/theme"
)

// plot draws values as a chart without styles.
func plot(width, height int, values ...float64) string {
	c := Chart{Series: []Series{{Values: values, Role: theme.OK}}, Times: []string{"-15m", "now"}}
	return Strip(c.Draw(themes[2], width, height).String())
}

func TestChartOfAllSorts(t *testing.T) {
	for name, values := range map[string][]float64{
		"empty": nil, "zero": {0, 0, 0}, "one": {5}, "flat": {3, 3, 3, 3}, "infinite": {1, math.Inf(1), math.NaN(), math.Inf(-1), 2}, "negative": {-1, -5},
		"tiny": {5e-324, 1e-310}, "huge": {math.MaxFloat64, 1}, "many": make([]float64, 5000),
	} {
		for _, size := range [][2]int{{0, 0}, {1, 1}, {19, 6}, {20, 5}, {20, 6}, {24, 8}, {60, 12}, {200, 40}} {
			t.Run(fmt.Sprintf("%s %dx%d", name, size[0], size[1]), func(t *testing.T) {
				c := Chart{Series: []Series{{Values: values, Role: theme.OK}}, Times: []string{"then", "now"}}
				rectangle(t, c.Draw(themes[0], size[0], size[1]), size[0], size[1])
			})
		}
	}
}

func TestChartsAreRectangles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(0, 160).Draw(t, "width"), rapid.IntRange(0, 40).Draw(t, "height")
		c := Chart{Times: []string{"-24h", "-12h", "now"}}
		for range rapid.IntRange(0, 2).Draw(t, "series") {
			c.Series = append(c.Series, Series{Values: rapid.SliceOfN(rapid.Float64(), 0, 200).Draw(t, "values"), Role: theme.Accent})
		}
		if rapid.Bool().Draw(t, "money") {
			c.Format = func(v float64) string { return fmt.Sprintf("$%.2f", v) }
		}
		rectangle(t, c.Draw(anyTheme(t), width, height), width, height)
	})
}

// A spike of one value must be seen however many values share its column.
func TestChartKeepsSpikes(t *testing.T) {
	values := make([]float64, 900)
	values[433] = 40
	lines := strings.Split(plot(60, 12, values...), "\n")
	if !strings.Contains(lines[0], "40") || !strings.ContainsAny(lines[0], "╭╮│") {
		t.Errorf("the spike does not reach the top:\n%s", strings.Join(lines, "\n"))
	}
}

func TestChartAxis(t *testing.T) {
	for _, tc := range []struct {
		largest float64
		want    string
	}{{0, "1"}, {1, "1"}, {7, "8"}, {22.4, "25"}, {26, "30"}, {1001, "1.5k"}} {
		if got := strings.Fields(plot(60, 12, 0, tc.largest, 0))[0]; got != tc.want {
			t.Errorf("the axis of %v ends at %s, want %s", tc.largest, got, tc.want)
		}
	}
	last := strings.Split(plot(60, 12, 1, 2, 3), "\n")[11]
	if fields := strings.Fields(last); len(fields) != 2 || fields[0] != "-15m" || fields[1] != "now" || !strings.HasSuffix(last, "now") {
		t.Errorf("the time axis is %q", last)
	}
}

// A chart that is flat looks like one: a line at its height, not an empty box.
func TestChartOfAFlatSeries(t *testing.T) {
	lines := strings.Split(plot(60, 12, 5, 5, 5, 5, 5), "\n")
	drawn := 0
	for _, l := range lines {
		if strings.Count(l, "─") > 40 {
			drawn++
		}
	}
	if drawn != 1 {
		t.Errorf("%d lines are drawn for a flat series:\n%s", drawn, strings.Join(lines, "\n"))
	}
}
