package screen

import (
	"tallygate/engine/tally"
	"tallygate/tui/theme"
)

// outcomeRole is how an outcome is painted.
func outcomeRole(o tally.Outcome) theme.Role {
	switch o {
	case tally.OK:
		return theme.OK
	case tally.OutcomeLimited, tally.Canceled:
		return theme.Warn
	case tally.OutcomeDenied, tally.OutcomeFailed, tally.Lost:
		return theme.Bad
	}
	return theme.Text
}
