package tui_test

import (
	"fmt"
	"testing"
	"time"

	"tallygate/tui/gateways"
	"tallygate/tui/keys"
	"tallygate/tui/models"
	"tallygate/tui/providers"
	"tallygate/tui/screen"
	"tallygate/tui/settings"
	"tallygate/tui/theme"
	"tallygate/tui/tuitest"
)

// The driver fails a test in which a line is too long or a terminal would obey
// a name.
func TestTheHouseFitsEverySize(t *testing.T) {
	worlds := map[string]func(testing.TB, func() time.Time) *tuitest.World{"hostile": tuitest.Hostile, "long": tuitest.Long, "empty": tuitest.Empty}
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			s := tuitest.Setup{World: world, Screens: house, Theme: theme.Mono}
			tuitest.Run(t, s, func(d *tuitest.Driver) {
				for _, size := range []string{"60x16", "80x24", "118x30", "200x50"} {
					d.Resize(size)
					for i := range house(d.Env) {
						d.Press(fmt.Sprint(i+1), "down", "enter", "pgdown", "esc")
						if size != "60x16" {
							continue
						}
						for _, key := range []string{"n", "e", "d", "r", "p", "i", "t", "b", "o", "f"} {
							d.Press(key, "tab", "esc", "esc", "esc")
						}
					}
				}
			})
		})
	}
}

func house(e *screen.Env) []screen.Screen {
	return []screen.Screen{keys.New(e), providers.New(e), models.New(e), gateways.New(e), settings.New(e)}
}
