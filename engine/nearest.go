package engine

import (
	"fmt"
	"strings"

	"tallygate/engine/tally"
)

// missing is the error for a name that nothing has: with the nearest name that
// exists, or all if they are few, or how to make the first.
func missing(what, name string, known []string, create string) error {
	err := tally.Errorf(tally.NotFound, "there is no %s %q", what, name)
	switch near := nearest(name, known); {
	case near != "":
		return err.WithHint("did you mean %q?", near)
	case len(known) == 0:
		return err.WithHint("there is none yet: %s", create)
	case len(known) <= 8:
		return err.WithHint("there is %s", strings.Join(known, ", "))
	}
	return err.WithHint("see: tallygate %ss list", what)
}

// nearest returns the known name that a typing error away from name, "" if
// none is near.
func nearest(name string, known []string) string {
	name = strings.ToLower(name)
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := editDistance(name, strings.ToLower(k), distance); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return best
	}
	for _, k := range known {
		if len(name) >= 3 && strings.Contains(strings.ToLower(k), name) {
			return k
		}
	}
	return ""
}

// editDistance is the Levenshtein distance in bytes, or limit if it is not
// below that.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return min(row[len(b)], limit)
}

// names joins a few names for people: "a, b and 3 more".
func someOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
