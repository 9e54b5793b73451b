package analytics_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/analytics"
	"tallygate/tui/clients"
	"tallygate/tui/overview"
	"tallygate/tui/requests"
	"tallygate/tui/screen"
	"tallygate/tui/tuitest"
)

// question returns the latest question about usage that is broken down and not
// cut into steps.
func question(t *testing.T, d *tuitest.Driver, by string) (since, until time.Time) {
	t.Helper()
	for _, q := range tuitest.Sent(d.World, control.UsageShow) {
		if string(q.By) == by && q.Every == "" {
			since, _ = time.Parse(time.RFC3339, string(q.Since))
			until, _ = time.Parse(time.RFC3339, string(q.Until))
			if until.Sub(since) > 0 && (until.After(d.Env.Clock().Add(-time.Minute))) {
				return since, until
			}
		}
	}
	return since, until
}

func TestUsageIsSeenOverEverySpan(t *testing.T) {
	tuitest.Run(t, tuitest.Only(analytics.New), func(d *tuitest.Driver) {
		d.Ticks(1).Expect("Cost per day", "By client", "Clients compared", "Hotel Aurora", "26 Oct – now")
		for _, tc := range []struct {
			title string
			long  time.Duration
		}{{"Cost per day", 90 * 24 * time.Hour}, {"Cost per day", 0}, {"Cost per hour", 24 * time.Hour}, {"Cost per hour", 7 * 24 * time.Hour}, {"Cost per day", 30 * 24 * time.Hour}} {
			d.World.Forget()
			d.Press("t").Expect(tc.title)
			if since, until := question(t, d, "client"); tc.long > 0 && until.Sub(since) != tc.long {
				t.Errorf("asked for %v, want %v", until.Sub(since), tc.long)
			}
		}
	})
}

func TestMonthsAreSpans(t *testing.T) {
	tuitest.Run(t, tuitest.Only(analytics.New), func(d *tuitest.Driver) {
		d.Ticks(1).Press("M").Ticks(1).Expect("November 2026 so far", "today")
		d.World.Forget()
		d.Press("left").Ticks(1).Expect("October 2026").ExpectNot("so far", "today")
		asked := false
		for _, q := range tuitest.Sent(d.World, control.UsageShow) {
			asked = asked || q.By == "client" && q.Every == "" && q.Month == "2026-10"
		}
		if !asked {
			t.Errorf("October was asked for as %+v", tuitest.Sent(d.World, control.UsageShow))
		}
		d.Press("left").Ticks(1).Expect("September 2026")
	})
}

func TestEarlierSpansMeetWithoutAGap(t *testing.T) {
	tuitest.Run(t, tuitest.Only(analytics.New), func(d *tuitest.Driver) {
		d.Ticks(1).Press("right").Expect("This is the latest span")
		d.Press("left").ExpectNot("– now").Press("left", "right", "right").Expect("– now")
		d.Press("left", "left", "esc").Expect("– now")
		d.World.Forget()
		d.Press("t")
		var spans [][2]string
		for _, q := range tuitest.Sent(d.World, control.UsageShow) {
			if q.By == "client" && q.Every == "" {
				spans = append(spans, [2]string{string(q.Since), string(q.Until)})
			}
		}
		meets := false
		for _, a := range spans {
			for _, b := range spans {
				meets = meets || a[1] == b[0]
			}
		}
		if !meets {
			t.Errorf("no span ends where another begins: %v", spans)
		}
	})
}

func TestUsageIsBrokenDown(t *testing.T) {
	tuitest.Run(t, tuitest.Only(analytics.New), func(d *tuitest.Driver) {
		d.Ticks(1)
		for _, by := range []string{"model", "provider", "gateway", "status", "country", "code", "upstream", "tag", "tool", "client"} {
			d.Press("b").Expect("By " + by)
		}
		for _, title := range []string{"Credits per day", "Margin per day", "Errors per day", "Mean latency by day", "Saved by caches per day", "Requests per day", "Tokens per day", "Cost per day"} {
			d.Press("m").Expect(title)
		}
		d.ExpectNot("━ before").Press("v").Expect("━ before, below")
	})
}

// several are screens that lead to each other.
func several(e *screen.Env) []screen.Screen {
	return []screen.Screen{overview.New(e), clients.New(e), requests.New(e), analytics.New(e)}
}

func TestOneLooksCloser(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Screens: several}, func(d *tuitest.Driver) {
		d.Press("4").Ticks(1).Press("enter").Expect("only Hotel Aurora", "By model", "Models of Hotel Aurora")
		if q := tuitest.Last(t, d, control.UsageShow); q.Client != "hotel-aurora" {
			t.Errorf("asked for %+v", q)
		}
		d.Press("enter").Expect("client:hotel-aurora", "model:")
		d.Press("4", "esc").ExpectNot("only hotel").Press("tab", "j", "enter").Expect("only ")
	})
}

func TestUsageThatCannotBeRead(t *testing.T) {
	tuitest.Run(t, tuitest.Only(analytics.New), func(d *tuitest.Driver) {
		d.Ticks(1).Expect("By client")
		d.World.Fail("usage.show", tally.Errorf(tally.Unavailable, "not now"))
		d.Press("b").Expect("not up to date", "By client")
		d.World.Fail("usage.show", nil)
		d.Wait(31 * time.Second).Expect("By model").ExpectNot("not up to date")
	})
}

func TestUsageIsExported(t *testing.T) {
	t.Chdir(t.TempDir())
	tuitest.Run(t, tuitest.Only(analytics.New), func(d *tuitest.Driver) {
		d.Ticks(1).Press("X").Expect("Export usage").Press("ctrl+s").Expect("Wrote ")
		files, err := os.ReadDir(".")
		if err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Name(), "usage-30d-2026-11-25") {
			t.Fatalf("%v, %v", files, err)
		}
		f, err := os.Open(files[0].Name())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]int{}
		for _, r := range rows[1:] {
			parts[r[0]]++
		}
		if parts["this span"] < 8 || parts["span before"] < 8 || parts["per day"] < 60 {
			t.Errorf("the parts have %v rows", parts)
		}
	})
}
