package tui

import "testing"

func TestLayout(t *testing.T) {
	for _, tc := range []struct {
		width, height int
		body          rect
	}{
		{60, 20, rect{0, 2, 60, 17}}, {80, 24, rect{0, 2, 80, 21}}, {100, 30, rect{0, 2, 100, 27}}, {120, 36, rect{0, 2, 120, 33}},
		{160, 45, rect{0, 2, 160, 42}}, {220, 60, rect{0, 2, 220, 57}}, {60, 16, rect{0, 2, 60, 13}},
	} {
		l := arrange(tc.width, tc.height)
		if l.TooSmall != "" {
			t.Errorf("%dx%d: %s", tc.width, tc.height, l.TooSmall)
		}
		if l.body != tc.body {
			t.Errorf("%dx%d: the body is %+v, want %+v", tc.width, tc.height, l.body, tc.body)
		}
		whole := 0
		for _, r := range []rect{l.header, l.tabs, l.body, l.footer} {
			if r.X != 0 || r.Width != tc.width || r.Y != whole {
				t.Errorf("%dx%d: %+v leaves a gap or overlaps", tc.width, tc.height, r)
			}
			whole += r.Height
		}
		if whole != tc.height {
			t.Errorf("%dx%d: %d rows are used", tc.width, tc.height, whole)
		}
	}
	for _, tc := range []struct {
		width, height int
		want          string
	}{{59, 40, "tallygate needs 60×16 cells; this terminal has 59×40."}, {200, 15, "tallygate needs 60×16 cells; this terminal has 200×15."}} {
		if got := arrange(tc.width, tc.height).TooSmall; got != tc.want {
			t.Errorf("%dx%d: %q, want %q", tc.width, tc.height, got, tc.want)
		}
	}
}
