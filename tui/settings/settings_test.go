package settings_test

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/settings"
	"tallygate/tui/theme"
	"tallygate/tui/tuitest"
)

func TestSettingsAreChanged(t *testing.T) {
	tuitest.Run(t, tuitest.Only(settings.New), func(d *tuitest.Driver) {
		d.Press("space").Expect("Serve models without a price?", "count as free").Press("tab", "enter").Ticks(4).Expect("allow, as free")
		if in := tuitest.Last(t, d, control.SettingsSet); in.Unpriced == nil || *in.Unpriced != tally.AllowAtZero {
			t.Errorf("the change is %+v", in)
		}
		d.Press("down", "enter").Type("x").Press("ctrl+s").Expect("not a whole number").Press("backspace").Type("0").Press("ctrl+s")
		if in := tuitest.Last(t, d, control.SettingsSet); in.DefaultMaxOutput == nil || *in.DefaultMaxOutput != 0 || in.RetentionDays != nil {
			t.Errorf("the change is %+v", in)
		}
		d.Press("down", "space")
		if in := tuitest.Last(t, d, control.SettingsSet); in.OnLeave == nil || *in.OnLeave != tally.LeaveCancel {
			t.Errorf("the change is %+v", in)
		}
		d.Expect("10s", "2048").Press("down", "enter").Expect("Change: Wait for room")
	})
}

func TestAThemeIsChosenAtOnce(t *testing.T) {
	tuitest.Run(t, tuitest.Only(settings.New), func(d *tuitest.Driver) {
		d.Press("t").Type("ascii").Press("enter").Expect("The theme is ascii.", "+").ExpectNot("╭")
		if d.Env.Theme.Name != theme.ASCII {
			t.Errorf("the theme is %s", d.Env.Theme.Name)
		}
	})
}

func TestTheBooksAreProved(t *testing.T) {
	tuitest.Run(t, tuitest.Only(settings.New), func(d *tuitest.Driver) {
		d.Press("c").Expect("all of it agrees")
		d.World.Fail("engine.verify", tally.Errorf(tally.Corrupt, "record 7 cannot be read"))
		d.Press("c").Expect("not proved: record 7 cannot be read")
	})
}

func TestTheBooksAreProvedForLongerThanACall(t *testing.T) {
	tuitest.Run(t, tuitest.Only(settings.New), func(d *tuitest.Driver) {
		d.World.Hang("engine.verify")
		d.Press("c").Wait(2 * time.Minute)
		d.Expect("replaying").Press("c").Expect("being proved already")
	})
}
