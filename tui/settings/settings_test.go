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

// Where several nodes share the store each has a line that says how it is, and one key tells
// all of each, on small terminals, too; where there is one nothing tells of nodes.
func TestNodesAreListed(t *testing.T) {
	for _, size := range []string{"120x36", "80x24"} {
		tuitest.Run(t, tuitest.Setup{Size: size, Screens: tuitest.Only(settings.New).Screens}, func(d *tuitest.Driver) {
			d.ExpectNot("NODES").Press("N").Expect("This gateway has one node.")
			d.World.Share(
				control.NodeView{Name: "fra-1", Me: true, State: "live", Host: "fra-1.example.com", Version: "1.4.0", Records: 120_000},
				control.NodeView{Name: "fra-2", State: "gone", Silent: 14 * time.Minute, Lent: map[tally.Metric]int64{tally.Cost: 420_000_000}},
				control.NodeView{Name: "ams-1", State: "live", Clock: 12 * time.Second, Silent: time.Second},
				control.NodeView{Name: "ams-2", State: "live", Faults: []string{"the database does not sync"}},
				control.NodeView{Name: "ams-3", State: "live", Unshipped: 12_000},
				control.NodeView{Name: "old\x1b[2J", State: "left"})
			d.Wait(time.Minute)
			if size == "120x36" {
				d.Expect("NODES", "answers here", "silent for 14m  has $0.42 of limits", "its clock is 12s ahead",
					"the database does not sync", "12,000 unshipped", "left")
			}
			d.Press("N")
			for _, want := range []string{"answers here", "fra-1.example.com", "silent for 14m", "$0.42", "12s ahead of the database's",
				"the database does not sync", "12,000 that the database does not have", "tallygate nodes forget NAME"} {
				for range 40 {
					if strings.Contains(d.Screen(), want) {
						break
					}
					d.Press("down")
				}
				d.Expect(want)
			}
			d.Press("esc").ExpectNot("nodes forget NAME")
		})
	}
}
