package tui_test

import (
	"testing"

	"tallygate/tui/theme"
	"tallygate/tui/tuitest"
)

// The pictures of the README and the guide to the keys show the interface as it is.
func TestReadme(t *testing.T) {
	for _, colours := range []theme.Name{theme.Dark, theme.Light} {
		tuitest.Run(t, tuitest.Setup{Size: "120x36", Theme: colours}, func(d *tuitest.Driver) {
			d.Press("1").Ticks(1)
			tuitest.Written(t, "../assets/pictures/overview-"+string(colours)+".svg", d.SVG())
			tuitest.Written(t, "../assets/docs/keys.md", d.App.KeyGuide())
		})
	}
}
