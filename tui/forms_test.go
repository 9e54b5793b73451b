package tui_test

import (
	"slices"
	"testing"

	"tallygate/engine/control"
	"tallygate/tui/tuitest"
)

// Limits are edited as rows of metric, amount and window, models chosen from a list, and
// what comes of it is what typing would have made.
func TestFormsNeedNoTypingBlind(t *testing.T) {
	for _, size := range []string{"120x36", "80x24"} {
		tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
			d.Press("3", "/").Type("client:=gym-pulse").Press("enter", "e").Expect("Edit gym-pulse")
			reach(d, "ctrl+o edits it as rows")
			d.Press("ctrl+o").Expect("amount", "when reached").Press("esc")
		})
	}
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Press("3", "/").Type("client:=gym-pulse").Press("enter", "e").Expect("Edit gym-pulse")
		reach(d, "ctrl+o edits it as rows")
		d.Press("ctrl+o").Expect("At most")
		for range 6 {
			d.Press("down")
		}
		d.Press("ctrl+n", "right", "tab").Type("x").Press("ctrl+s").Expect("Row 3: ", "is not")
		d.Press("backspace").Type("500").Expect("At most 500 requests each month").Press("tab", "right").Expect("At most 500 requests each day; then it is refused.")
		d.Press("esc").Expect("is lost if you leave").Press("ctrl+s").Expect("--limit requests=500/day")
		reach(d, "ctrl+o chooses from a list")
		d.Press("ctrl+o").Type("gpt-4.1-mini").Press("enter", "esc", "esc").Press("ctrl+s").ExpectNot("Edit gym-pulse")
		c := tuitest.Do(t, d.World, control.ClientsShow, control.Named{Name: "gym-pulse"})
		if !slices.ContainsFunc(c.LimitStates, func(l control.LimitState) bool { return l.Text == "requests=500/day" }) {
			t.Errorf("the limits are %+v, want one of 500 requests a day too", c.LimitStates)
		}
		if !slices.Contains(c.Models, "gpt-4.1-mini") {
			t.Errorf("the models are %q, want the one that was chosen too", c.Models)
		}
	})
}

// reach goes to the field that says something of itself.
func reach(d *tuitest.Driver, says string) {
	d.T.Helper()
	for range 40 {
		if d.Has(says) {
			return
		}
		d.Press("tab")
	}
	d.T.Fatalf("no field says %q", says)
}
