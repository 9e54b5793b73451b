package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/tuitest"
)

// nothing is what screens say where there is nothing.
var nothing = []string{"No clients yet", "first one", "makes the first", "adds the first", "Nothing", "nothing to compare", "none in the records", "no request in 24 h",
	"No request", "No client", "No gateway", "No key", "No provider", "No model", "no price any more", " matches", "no limits", "0 of 0"}

// What may not be read, or cannot be, is not shown as if there were nothing, on any screen:
// neither from the start nor once the lists are there.
func TestWhatCannotBeReadIsNotEmpty(t *testing.T) {
	denied := tally.Errorf(tally.Denied, "that needs a right that you do not have")
	look := func(t *testing.T, d *tuitest.Driver, says bool) {
		t.Helper()
		for i := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1)).Ticks(4)
			text := d.Screen()
			for _, words := range nothing {
				if strings.Contains(text, words) {
					t.Errorf("screen %d says %q:\n%s", i+1, words, text)
				}
			}
			if says && !strings.Contains(text, "a right that you do not have") {
				t.Errorf("screen %d does not say why:\n%s", i+1, text)
			}
		}
	}
	lists := []string{control.EngineStatus.Name, control.ClientsList.Name, control.UsageShow.Name}
	for _, op := range lists {
		t.Run("from the start, "+op, func(t *testing.T) {
			tuitest.Run(t, tuitest.Setup{World: func(tb testing.TB, clock func() time.Time) *tuitest.World {
				w := tuitest.Full(tb, clock)
				w.Fail(op, denied)
				return w
			}}, func(d *tuitest.Driver) { look(t, d, true) })
		})
	}
	t.Run("later", func(t *testing.T) {
		tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
			for _, op := range []string{control.RequestsList.Name, control.UsageShow.Name, control.TokensList.Name, control.VisitorsList.Name} {
				d.World.Fail(op, denied)
			}
			d.Ticks(4)
			look(t, d, false)
			d.Press("7").Press("/").Type("client:gym-pulse").Press("enter").Ticks(4).Expect("a right that you do not")
		})
	})
}
