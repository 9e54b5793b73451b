package tui

import (
	"tallygate/tui/analytics"
	"tallygate/tui/clients"
	"tallygate/tui/gateways"
	"tallygate/tui/keys"
	"tallygate/tui/models"
	"tallygate/tui/overview"
	"tallygate/tui/providers"
	"tallygate/tui/requests"
	"tallygate/tui/screen"
	"tallygate/tui/settings"
)

// Screens makes every screen, in the order of their numbers.
func Screens(e *screen.Env) []screen.Screen {
	return []screen.Screen{
		overview.New(e), gateways.New(e), clients.New(e), keys.New(e), providers.New(e), models.New(e), requests.New(e), analytics.New(e), settings.New(e),
	}
}
