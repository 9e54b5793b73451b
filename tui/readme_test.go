package tui_test

import (
	"testing"

	"tallygate/tui/tuitest"
)

// The README shows the interface as it is: its keys from the registry, and a
// picture of the first screen.
func TestReadme(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "120x36"}, func(d *tuitest.Driver) {
		d.Press("1").Ticks(1)
		const readme = "../README.md"
		tuitest.Section(t, readme, "picture", "```text\n"+d.Screen()+"\n```\n")
		tuitest.Section(t, readme, "keys", d.App.KeyTable())
	})
}
