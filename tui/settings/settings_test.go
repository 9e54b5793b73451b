package settings_test

import (
	"regexp"
	"strings"
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

// What is told and where is set here, an address is kept back, its secret is shown once,
// and one key sends a test.
func TestAlertsAreSet(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "120x36", Screens: tuitest.Only(settings.New).Screens}, func(d *tuitest.Driver) {
		row := func(name string) *tuitest.Driver {
			d.Press("g")
			for range 30 {
				if d.Press("down"); strings.Contains(d.Screen(), "▸") && regexp.MustCompile(`▸ .*`+regexp.QuoteMeta(name)).MatchString(d.Screen()) {
					return d
				}
			}
			t.Fatalf("there is no row %s:\n%s", name, d.Screen())
			return d
		}
		row("Alert at").Press("enter").Expect("Change: Alert at").Press("ctrl+u").Type("95,10").Press("ctrl+s").Ticks(4).Expect("10,95")
		row("Into the log").Press("space").Ticks(4)
		if in := tuitest.Last(t, d, control.AlertsSet); in.Log == nil || *in.Log {
			t.Errorf("the log is %+v", in)
		}
		d.Press("S").Expect("There is no webhook")
		row("Webhook").Press("enter").Type("ftp://x").Press("ctrl+s").Expect("not an address to post to").Press("ctrl+u").Type("http://127.0.0.1:1/canary").Press("ctrl+s").Expect("whsec_").Press("enter").Ticks(4).
			Expect("http://127.0.0.1").ExpectNot("canary", "whsec_")
		d.Press("T").Ticks(4).Expect("The test: webhook: nothing listens there")
		d.Press("S").Expect("A new secret").Press("tab", "enter").Ticks(2).Expect("whsec_")
	})
}
