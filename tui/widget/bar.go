package widget

import (
	"strings"

	"tallygate/tui/theme"
)

// Bar draws a share, 0 to 1, as a bar of a width: "━━━━────". Something is
// never drawn as nothing, and less than all never as all.
func Bar(t *theme.Theme, share float64, width int, role theme.Role) string {
	if width <= 0 {
		return ""
	}
	n := int(min(max(share, 0), 1)*float64(width) + 0.5)
	if share > 0 {
		n = max(n, 1)
	}
	if share < 1 {
		n = min(n, width-1)
	}
	n = min(max(n, 0), width)
	return t.Paint(role, strings.Repeat(t.Glyphs.Bar, n)) + t.Paint(theme.Faint, strings.Repeat(t.Glyphs.BarRest, width-n))
}

// Share is part of whole, both not negative, as 0 to 1 or more.
func Share(part, whole int64) float64 {
	switch {
	case part <= 0:
		return 0
	case whole <= 0:
		return 1
	}
	return float64(part) / float64(whole)
}

// Budget is the role of a budget's bar: calm, near its cap, at its cap.
func Budget(share float64) theme.Role {
	switch {
	case share >= 1:
		return theme.Bad
	case share >= 0.8:
		return theme.Warn
	}
	return theme.OK
}

// Spark draws values as a row of blocks, one cell each; the latest width values
// if there are more. All zero is a flat line at the bottom.
func Spark(t *theme.Theme, values []float64, width int, role theme.Role) string {
	return spark(t, t.Glyphs.Spark, values, width, role)
}

// SparkRow is Spark for a row of a table: nothing in it is as tall as the row, so that
// those of neighbouring rows stay apart, and zero is a dot.
func SparkRow(t *theme.Theme, values []float64, width int, role theme.Role) string {
	steps := append([]string{t.Glyphs.Dot}, t.Glyphs.Spark[:len(t.Glyphs.Spark)-1]...)
	return spark(t, steps, values, width, role)
}

func spark(t *theme.Theme, steps []string, values []float64, width int, role theme.Role) string {
	if width <= 0 {
		return ""
	}
	if len(values) > width {
		values = values[len(values)-width:]
	}
	top := 0.0
	for _, v := range values {
		if v > top && v <= maxFinite {
			top = v
		}
	}
	var out strings.Builder
	for _, v := range values {
		i := 0
		if top > 0 && v > 0 {
			i = min(int(v/top*float64(len(steps)-1)+0.5), len(steps)-1)
			if steps[0] == t.Glyphs.Dot { // something is never drawn as nothing
				i = max(i, 1)
			}
		}
		out.WriteString(steps[max(i, 0)])
	}
	return spaces(width-len(values)) + t.Paint(role, out.String())
}

// What is drawn lies between these, or counts as nothing: beyond them arithmetic
// ends.
const minFinite, maxFinite = 1e-12, 1e300
