package tui_test

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/tuitest"
)

// What can be seen to be pressed can be pressed, and does what its key does.
func TestThePointerPressesWhatIsSeen(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Click("3 Clients").Expect("╭─ Clients")
		d.Click("Gym Pulse").Expect("╭─ Gym Pulse")
		d.Click("used").Expect("▼used").Click("used").Expect("▲used")
		d.Click("s suspend").Expect("Suspend gym-pulse?")
		d.Click("7 Requests").Expect("Suspend gym-pulse?") // what a dialog covers cannot be pressed
		d.Click(" Suspend ").ExpectNot("Suspend gym-pulse?").Ticks(20)
		d.Click("e edit").Expect("Edit gym-pulse").Click("Company").Type("Iron").Expect("Iron").Click(" Cancel ").ExpectNot("Edit gym-pulse")
		d.Click("? all keys").Expect("Keys on Clients").ExpectNot("go to Settings").Wheel("add a key", 1).Wheel("add a key", 9).Expect("go to Settings").Press("esc")
		d.Click("7 Requests").Expect("● live").Wheel("gpt-4.1-mini", 3).Expect("paused")
		d.Click("1 Overview").Click("Dr. Silva Clinic").Click("Dr. Silva Clinic").Expect("╭─ Dr. Silva Clinic")
	})
}

// A terminal's own selection is taken away only where somebody wants the mouse.
func TestTheMouseIsTakenOnlyIfWanted(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		if d.App.View().MouseMode != tea.MouseModeNone {
			t.Error("the mouse is taken though nobody wants it")
		}
		d.Press(":").Type("mouse").Press("enter").Expect("Hold shift to select")
		if d.App.View().MouseMode != tea.MouseModeCellMotion {
			t.Error("the mouse is not taken though somebody wants it")
		}
	})
}
