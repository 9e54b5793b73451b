package overview_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/tui/analytics"
	"tallygate/tui/clients"
	"tallygate/tui/overview"
	"tallygate/tui/requests"
	"tallygate/tui/screen"
	"tallygate/tui/tuitest"
)

// several are screens that lead to each other.
func several(e *screen.Env) []screen.Screen {
	return []screen.Screen{overview.New(e), clients.New(e), requests.New(e), analytics.New(e)}
}

func TestWhoIsCloseToACapIsSeenAtOnce(t *testing.T) {
	for _, size := range []string{"80x24", "120x36"} {
		tuitest.Run(t, tuitest.Setup{Size: size, Screens: several}, func(d *tuitest.Driver) {
			d.Expect("by budget used", "Needs attention")
			before := -1
			for _, name := range []string{"Nordlicht", "Hotel Aurora", "Dr. Silva", "Website chat", "Search index", "Acme Bakery", "Gym Pulse"} {
				row := slices.IndexFunc(d.Lines(), regexp.MustCompile("[●◐○✗] "+name).MatchString)
				if row <= before {
					t.Errorf("%s: %s stands too high:\n%s", size, name, d.Screen())
				}
				before = row
			}
			d.Expect("Nordlicht Reisen is refused now", "1 refused now")
			d.Press("o").Expect("by spend").Press("o").Expect("by last use")
		})
	}
}

func TestTheOverviewLeadsToWhatItShows(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Screens: several}, func(d *tuitest.Driver) {
		d.Press("down", "enter").Expect("/ client:=hotel-aurora", "Hotel Aurora")
		d.Press("1", "tab", "j", "j", "j", "G", "g", "enter").Expect("/ client:=nordlicht-reisen", "Nordlicht GmbH", "Refused since", "The caller reads")
	})
}

// Somebody's bot has stopped: who it is stands first, and R asks until when it may go
// on.
func TestARefusedClientIsRaisedUntilADate(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Screens: several}, func(d *tuitest.Driver) {
		d.Press("R").Expect("Raise a limit of Nordlicht Reisen", "refused since").Type("friday").Press("ctrl+s").Expect("Raised: cost=1.44/month +0.72 until 2026-11-27")
		in := tuitest.Last(t, d, control.ClientsRaise)
		if in.Until != "friday" || in.Limit != "cost/month" || in.By != "0.72" {
			t.Errorf("raised by %+v", in)
		}
		d.Wait(3 * time.Second).ExpectNot("refused now")
	})
}

func TestANewStoreSaysWhatToDo(t *testing.T) {
	for _, size := range []string{"60x16", "80x24", "120x36"} {
		tuitest.Run(t, tuitest.Setup{Size: size, Screens: several, World: tuitest.Empty}, func(d *tuitest.Driver) {
			d.Expect("No request yet", "provider", "client", "request")
			if size != "60x16" {
				d.Expect("curl", "YOUR_KEY", "tallygate try")
			}
			d.Press("Y")
			if len(d.Copied) != 1 || !strings.Contains(d.Copied[0], "/v1/chat/completions") {
				t.Errorf("copied %q", d.Copied)
			}
		})
	}
}

func TestATestRequestIsExplained(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Screens: several}, func(d *tuitest.Driver) {
		d.Press("T").Expect("Send a test request").Press("ctrl+s").Expect("answered", "What happened", "limits")
		if in := tuitest.Last(t, d, control.EngineTry); in.Client != "nordlicht-reisen" {
			t.Errorf("tried as %+v", in)
		}
		d.Press("enter").ExpectNot("What happened")
	})
}

// Shapes stand still until a bucket closes; the number beside them does not.
func TestChartsMoveWhenABucketCloses(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Screens: several}, func(d *tuitest.Driver) {
		chart := func() string {
			lines := d.Lines()
			for i, l := range lines {
				if strings.Contains(l, "─ Requests/s ") && strings.Contains(l, "answered") {
					return strings.Join(lines[i+1:i+10], "\n")
				}
			}
			t.Fatalf("there is no chart:\n%s", d.Screen())
			return ""
		}
		d.Wait(20*time.Second - time.Duration(d.Env.Clock().UnixNano())%(20*time.Second) + 1500*time.Millisecond)
		first := chart()
		d.World.Crowd(500)
		d.Wait(2 * time.Second)
		if chart() != first {
			t.Errorf("the chart moves within a bucket:\n%s\n%s", first, chart())
		}
		d.Wait(30 * time.Second)
		if chart() == first {
			t.Errorf("the chart stands still:\n%s", first)
		}
	})
}

// What was told and nobody has seen stands in what needs attention until A acknowledges it;
// a warning that is still true stays.
func TestAlertsAreAcknowledged(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "120x36", Screens: several}, func(d *tuitest.Driver) {
		d.World.Tell("The bill of openai is off", "by 3 %")
		d.Wait(16*time.Second).Press("A").Expect("No alert is chosen").Press("tab", "G", "k", "k").Expect("The bill of openai is off", "by 3 %", "A acknowledges it").Press("A").Ticks(4)
		d.ExpectNot("The bill of openai is off")
		if in := tuitest.Last(t, d, control.AlertsAck); in.ID == "" || in.All {
			t.Errorf("acknowledged %+v", in)
		}
		d.Press("g").Expect("Nordlicht Reisen is refused now", "A acknowledges it").Press("A").Ticks(4).Expect("Nordlicht Reisen is refused now").ExpectNot("A acknowledges it")
		d.Press("A").Expect("it is acknowledged")
	})
}
