package widget

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tallygate/tui/theme"
)

func TestBar(t *testing.T) {
	th := theme.New(theme.ASCII)
	for _, tc := range []struct {
		share float64
		want  string
	}{{0, "----------"}, {0.001, "=---------"}, {0.5, "=====-----"}, {0.82, "========--"}, {0.999, "=========-"}, {1, "=========="}, {7, "=========="}, {-1, "----------"}, {math.Inf(1), "=========="}, {math.NaN(), "----------"}} {
		if got := Strip(Bar(th, tc.share, 10, theme.OK)); got != tc.want {
			t.Errorf("Bar(%v) = %q, want %q", tc.share, got, tc.want)
		}
	}
}

func TestBarsHaveTheirWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th, width := anyTheme(t), rapid.IntRange(0, 60).Draw(t, "width")
		values := rapid.SliceOfN(rapid.Float64(), 0, 100).Draw(t, "values")
		if rapid.Bool().Draw(t, "odd") {
			values = append(values, math.Inf(1), math.NaN(), math.Inf(-1))
		}
		if got := Width(Spark(th, values, width, theme.OK)); got != width {
			t.Errorf("Spark(%v, %d) is %d cells wide", values, width, got)
		}
		if got := Width(Bar(th, rapid.Float64().Draw(t, "share"), width, theme.OK)); got != width {
			t.Errorf("Bar is %d cells wide, want %d", got, width)
		}
	})
}

func TestSpark(t *testing.T) {
	th := theme.New(theme.Mono)
	for _, tc := range []struct {
		values []float64
		want   string
	}{
		{nil, "    "}, {[]float64{0, 0}, "  ▁▁"}, {[]float64{5}, "   █"}, {[]float64{1, 2, 3, 4, 5, 6, 7, 8}, "▅▆▇█"}, {[]float64{0, 0, 0, 100}, "▁▁▁█"},
	} {
		if got := Strip(Spark(th, tc.values, 4, theme.OK)); got != tc.want {
			t.Errorf("Spark(%v) = %q, want %q", tc.values, got, tc.want)
		}
	}
}

func TestShareAndBudget(t *testing.T) {
	for _, tc := range []struct {
		part, whole int64
		want        float64
		role        theme.Role
	}{{0, 10, 0, theme.OK}, {0, 0, 0, theme.OK}, {5, 10, 0.5, theme.OK}, {8, 10, 0.8, theme.Warn}, {10, 10, 1, theme.Bad}, {15, 10, 1.5, theme.Bad}, {1, 0, 1, theme.Bad}, {-1, 10, 0, theme.OK}} {
		got := Share(tc.part, tc.whole)
		if got != tc.want || Budget(got) != tc.role {
			t.Errorf("Share(%d, %d) = %v in role %d, want %v in %d", tc.part, tc.whole, got, Budget(got), tc.want, tc.role)
		}
	}
	if strings.Contains(Strip(Bar(theme.New(theme.ASCII), 0.9999, 6, theme.OK)), "======") {
		t.Error("less than all is drawn as all")
	}
}
