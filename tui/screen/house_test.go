package screen_test

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/tuitest"
)

func TestAGatewayIsMadeWithAPrivateKeyShownOnce(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Press("n").Type("Shop").Press("tab").Type("Mars/Phobos").Press("tab").Expect("not a time zone")
		d.Press("shift+tab")
		for range "Mars/Phobos" {
			d.Press("backspace")
		}
		d.Type("Europe/Lisbon").Press("tab", "tab").Type("cost=200/month").Press("ctrl+s")
		in := last(t, d, control.GatewaysCreate)
		if *in.Name != "Shop" || *in.TimeZone != "Europe/Lisbon" || *in.CycleDay != 1 || in.Access != nil || len(in.Limits) != 1 {
			t.Errorf("it was made as %+v", in)
		}
		d.Expect("Private key of gateway", "only time").Press("enter").Ticks(4).Expect("▸ ● Shop")
	})
}

func TestAGatewayIsEdited(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Expect("client keys only", "fast → gpt-4.1-mini", "OPENAI_BASE_URL=http")
		d.Press("e", "tab", "tab", "tab", "tab", "tab", "tab", "tab").Press("space").Type("cheap").Press("ctrl+s").Expect("not ASKED=MODEL")
		d.Type("=gpt-4.1").Press("ctrl+s")
		in := last(t, d, control.GatewaysUpdate)
		if (*in.Aliases)["cheap"] != "gpt-4.1" || (*in.Aliases)["fast"] != "gpt-4.1-mini" || in.Access != nil {
			t.Errorf("the change is %+v", in)
		}
	})
}

func TestAGatewayWithClientsIsNotDeleted(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Press("d").Expect("agency has 7 clients").ExpectNot("Delete gateway")
		d.Press("space").Expect("Switch off gateway agency?", "It is in use").Press("tab", "enter").Ticks(4).Expect("○ Agency")
		d.Press("r", "ctrl+s").Expect("Private key of gateway agency")
		if got := last(t, d, control.GatewaysRotate).Grace; got != 24*time.Hour {
			t.Errorf("the grace is %s", got)
		}
	})
}

func TestSettingsAreChanged(t *testing.T) {
	tuitest.Run(t, only(screen.NewSettings), func(d *tuitest.Driver) {
		d.Press("space").Expect("Serve models without a price?", "count as free").Press("tab", "enter").Ticks(4).Expect("allow, as free")
		if in := last(t, d, control.SettingsSet); in.Unpriced == nil || *in.Unpriced != tally.AllowAtZero {
			t.Errorf("the change is %+v", in)
		}
		d.Press("down", "enter").Type("x").Press("ctrl+s").Expect("not a whole number").Press("backspace").Type("0").Press("ctrl+s")
		if in := last(t, d, control.SettingsSet); in.DefaultMaxOutput == nil || *in.DefaultMaxOutput != 0 || in.RetentionDays != nil {
			t.Errorf("the change is %+v", in)
		}
		d.Press("down", "space")
		if in := last(t, d, control.SettingsSet); in.OnLeave == nil || *in.OnLeave != tally.LeaveCancel {
			t.Errorf("the change is %+v", in)
		}
		d.Expect("10s", "2048").Press("down", "enter").Expect("Change: Wait for room")
	})
}

func TestAThemeIsChosenAtOnce(t *testing.T) {
	tuitest.Run(t, only(screen.NewSettings), func(d *tuitest.Driver) {
		d.Press("t").Type("ascii").Press("enter").Expect("The theme is ascii.", "+").ExpectNot("╭")
		if d.Env.Theme.Name != theme.ASCII {
			t.Errorf("the theme is %s", d.Env.Theme.Name)
		}
	})
}

func TestTheBooksAreProved(t *testing.T) {
	tuitest.Run(t, only(screen.NewSettings), func(d *tuitest.Driver) {
		d.Press("c").Expect("all of it agrees")
		d.World.Fail("engine.verify", tally.Errorf(tally.Corrupt, "record 7 cannot be read"))
		d.Press("c").Expect("not proved: record 7 cannot be read")
	})
}

func TestTheBooksAreProvedForLongerThanACall(t *testing.T) {
	tuitest.Run(t, only(screen.NewSettings), func(d *tuitest.Driver) {
		d.World.Hang("engine.verify")
		d.Press("c").Wait(2 * time.Minute)
		d.Expect("replaying").Press("c").Expect("being proved already")
	})
}
