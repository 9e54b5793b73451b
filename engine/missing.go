package engine

import (
	"fmt"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// missing is the error for a name that nothing has: with the nearest name that
// exists, or all if they are few, or how to make the first.
func missing(what, name string, known []string, create string) error {
	err := tally.Errorf(tally.NotFound, "there is no %s %q", what, shown(name))
	switch near := control.Nearest(name, known); {
	case near != "":
		return err.WithHint("did you mean %q?", near)
	case len(known) == 0:
		return err.WithHint("there is none yet: %s", create)
	case len(known) <= 8:
		return err.WithHint("there is %s", strings.Join(known, ", "))
	}
	return err.WithHint("see: tallygate %ss list", what)
}

// shown is a name that was given, for an error. A credential that somebody gave
// as a name must not end where errors end.
func shown(name string) string {
	if strings.HasPrefix(name, "llm_gw_") || strings.HasPrefix(name, "sk-") || strings.HasPrefix(name, "tgs_") {
		return "[redacted]"
	}
	return name
}

// someOf joins a few names for people: "a, b and 3 more".
func someOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
