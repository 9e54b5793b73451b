package tui_test

import (
	"fmt"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/tui/tuitest"
)

// opening is an engine that has not answered yet.
func opening(tb testing.TB, clock func() time.Time) *tuitest.World {
	w := tuitest.Full(tb, clock)
	w.Hang(control.EngineStatus.Name)
	return w
}

// lost is an engine that cannot be reached any more.
func lost(d *tuitest.Driver) {
	d.World.Lose(tuitest.ErrLost)
	d.Ticks(32)
}

// What every screen looks like. go test -update writes the files anew; look at
// what changed before you commit it.
func TestGolden(t *testing.T) {
	for _, tc := range []struct {
		state string
		setup tuitest.Setup
		then  func(*tuitest.Driver)
		sizes []string
	}{
		{"full", tuitest.Setup{}, nil, []string{"80x24", "120x36", "200x50"}},
		{"empty", tuitest.Setup{World: tuitest.Empty}, nil, []string{"80x24", "120x36"}},
		{"opening", tuitest.Setup{World: opening}, nil, []string{"80x24"}},
		{"lost", tuitest.Setup{}, lost, []string{"80x24"}},
		{"long", tuitest.Setup{World: tuitest.Long}, nil, []string{"80x24", "120x36"}},
		{"hostile", tuitest.Setup{World: tuitest.Hostile}, nil, []string{"80x24", "120x36"}},
	} {
		for _, size := range tc.sizes {
			t.Run(tc.state+" "+size, func(t *testing.T) {
				tc.setup.Size = size
				tuitest.Run(t, tc.setup, func(d *tuitest.Driver) {
					if tc.then != nil {
						tc.then(d)
					}
					for i, name := range d.App.Screens() {
						d.Press(fmt.Sprint(i + 1)).Ticks(1)
						d.Golden(fmt.Sprintf("%s/%s/%s", size, tc.state, name))
					}
				})
			})
		}
	}
}

// What every kind of dialog looks like.
func TestGoldenDialogs(t *testing.T) {
	for _, size := range []string{"80x24", "120x36"} {
		for name, keys := range map[string][]string{
			"palette": {"1", ":"}, "help": {"3", "?"}, "new-client": {"3", "n"}, "delete-in-use": {"3", "d"}, "key-shown": {"3", "a", "ctrl+s"}, "try": {"1", "T", "ctrl+s"},
			"tokens": {"2", "down", "b"}, "mint-token": {"2", "down", "t"}, "templates": {"2", "down", "m"}, "template": {"2", "down", "m", "e"}, "token": {"2", "down", "b", "enter"}, "money": {"3", "$", "left"},
		} {
			t.Run(name+" "+size, func(t *testing.T) {
				tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
					d.Press(keys...)
					d.Golden(fmt.Sprintf("%s/dialogs/%s", size, name))
				})
			})
		}
	}
}
