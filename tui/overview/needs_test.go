package overview

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) // a Wednesday

func state(metric tally.Metric, unit tally.Unit, used, most int64, resets time.Time) control.LimitState {
	return control.LimitState{Limit: tally.Limit{Metric: metric, Window: tally.Window{Unit: unit}, Max: most}, Used: used, ResetsAt: resets}
}

func TestWhenALimitIsReached(t *testing.T) {
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	long := noon.AddDate(-1, 0, 0)
	for _, tc := range []struct {
		name  string
		limit control.LimitState
		since time.Time
		want  time.Time // zero: not before the reset
	}{
		{"half a day, two thirds used", state(tally.Requests, tally.Day, 66, 99, noon.Add(12*time.Hour)), long, noon.Add(6 * time.Hour)},
		{"half a day, a third used", state(tally.Requests, tally.Day, 33, 99, noon.Add(12*time.Hour)), long, time.Time{}},
		{"made yesterday, half of the month's used", state(tally.Cost, tally.Month, 50, 100, december), noon.Add(-24 * time.Hour), noon.Add(24 * time.Hour)},
		{"for good", state(tally.Cost, tally.Total, 90, 100, time.Time{}), noon.Add(-9 * 24 * time.Hour), noon.Add(24 * time.Hour)},
		{"for good, years ahead", state(tally.Cost, tally.Total, 1, 1e15, time.Time{}), noon.Add(-24 * time.Hour), time.Time{}},
		{"nothing used", state(tally.Cost, tally.Month, 0, 100, december), long, time.Time{}},
		{"all used", state(tally.Cost, tally.Month, 100, 100, december), long, time.Time{}},
		{"a clock that was set back", state(tally.Cost, tally.Month, 50, 100, december), noon.Add(time.Hour), time.Time{}},
	} {
		at, ok := reaches(&tc.limit, tc.since, noon)
		if ok != !tc.want.IsZero() || ok && at.Sub(tc.want).Abs() > time.Minute {
			t.Errorf("%s: %v, %v, want %v", tc.name, at, ok, tc.want)
		}
	}
}

func TestDaysAreNamed(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		at   time.Time
		zone *time.Location
		want string
	}{
		{noon.Add(3 * time.Hour), time.UTC, "today at 15:00"},
		{noon.Add(3 * time.Hour), tokyo, "tomorrow"},
		{noon.Add(48 * time.Hour), time.UTC, "on Fri 27 Nov"},
		{noon.Add(20 * 24 * time.Hour), time.UTC, "on 15 Dec"},
		{noon.Add(-24 * time.Hour), time.UTC, "yesterday"},
		{noon.Add(-48 * time.Hour), time.UTC, "23 Nov"},
		{noon.AddDate(-1, 0, 0), time.UTC, "25 Nov 2025"},
	} {
		if got := day(tc.at, noon, tc.zone); got != tc.want {
			t.Errorf("%v in %v is %q, want %q", tc.at, tc.zone, got, tc.want)
		}
	}
}

// What refuses somebody comes first, then what will, the nearest first; each
// client is named once.
func TestWhatNeedsAttention(t *testing.T) {
	client := func(slug string, status tally.Status, states ...control.LimitState) control.ClientView {
		return control.ClientView{Client: tally.Client{Slug: slug, Status: status, Meta: tally.Meta{CreatedAt: noon.AddDate(-1, 0, 0), UpdatedAt: noon.Add(-48 * time.Hour)}}, LimitStates: states}
	}
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	warns := state(tally.Cost, tally.Month, 120, 100, december)
	warns.Warn = true
	s := &live.Snapshot{
		Status: control.Status{Warnings: []string{"provider a cannot be used", "keys expire within a week: x/y"}, Unknown: 3},
		Clients: []control.ClientView{
			client("calm", tally.Active, state(tally.Cost, tally.Month, 30, 100, december)),
			client("near", tally.Active, state(tally.Cost, tally.Month, 85, 100, december), state(tally.TokensIO, tally.Day, 82, 100, noon.Add(time.Hour))),
			client("over", tally.Active, state(tally.Cost, tally.Month, 100, 100, december)),
			client("rushing", tally.Active, state(tally.Requests, tally.Minute, 60, 60, noon.Add(time.Minute))),
			client("stopped", tally.Suspended, state(tally.Cost, tally.Month, 100, 100, december)),
			client("gone", tally.Inactive, state(tally.Cost, tally.Month, 100, 100, december)),
			client("warned", tally.Active, warns),
		},
		Keys: []control.KeyView{
			{Key: tally.Key{Label: "bot", ExpiresAt: noon.Add(49 * time.Hour)}, ClientSlug: "near", State: "active"},
			{Key: tally.Key{Label: "old", ExpiresAt: noon.Add(-time.Hour)}, ClientSlug: "near", State: "expired"},
		},
		ByCode: control.Usage{Rows: []control.UsageRow{
			{ID: tally.CodeModelUnpriced, Sums: control.Sums{Refused: 12}}, {ID: tally.CodeRate, Sums: control.Sums{Refused: 900}}}},
	}
	for i := range 6 {
		r := &control.RequestView{At: noon.Add(-time.Minute), Provider: "openai", Outcome: tally.OK}
		if i < 3 {
			r.Outcome, r.Code = tally.OutcomeFailed, tally.CodeProviderTimeout
		}
		s.Tail = append(s.Tail, r)
	}
	s.Tail = append(s.Tail, &control.RequestView{At: noon.Add(-time.Minute), Outcome: tally.OutcomeDenied, Code: tally.CodeModelUnpriced, Model: "gpt-next"})
	cap := tally.NanoUSD(100).Display() + "/month"
	var got []string
	for _, n := range needs(s, noon, time.UTC) {
		got = append(got, n.text)
	}
	want := []string{
		"over at 100% of " + cap, "openai: 3 of 6 requests failed in 10 min", "12 requests for models without a price: gpt-next",
		"warned at 120% of " + cap, "Provider a cannot be used", "near at 85% of " + cap, "stopped is suspended", "key bot of near expires in 2 days",
		"3 requests with a key that nobody has",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhereAWarningIsDealtWith(t *testing.T) {
	for warning, want := range map[string]string{
		"client acme waited 214 times, 35 min in all, for money or places that its own requests held: raise its limit or its requests in flight": "clients",
		"12 % of the answers of gpt-4o for acme ended where a limit allowed no more":                                                             "clients",
		"openrouter billed $1.20 for what our prices make $0.80 (24 h): look at models import openrouter":                                        "models",
		"openai answered gpt-4 as gpt-5: the dearer price is booked":                                                                             "models",
		"1 answer is read to its end for a caller who has left":                                                                                  "requests",
		"3 answers are read to their end for callers who have left":                                                                              "requests",
		"provider a cannot be used":    "providers",
		"the disk is nearly full: ...": "settings",
		"gateway main is switched off": "gateways",
	} {
		if got := placeOf(warning); got.Screen != want {
			t.Errorf("%q leads to %s, want %s", warning, got.Screen, want)
		}
	}
}

func TestAFullBarIsALimitThatIsReached(t *testing.T) {
	for share, want := range map[float64]string{0: "0%", 0.0001: "0.1%", 0.996: "99%", 1: "100%", 1.204: "120%"} {
		if got := part.UsedText(share); got != want {
			t.Errorf("%v is %q, want %q", share, got, want)
		}
	}
}

// Charts move when a bucket closes, and seconds without traffic are not told.
func TestSecondsFallIntoBucketsThatAreOver(t *testing.T) {
	at := noon.Add(7 * time.Second)
	seconds := []tally.Second{{At: noon.Add(-29 * time.Second), Requests: 1}, {At: noon, Requests: 2}, {At: noon.Add(time.Second), Requests: 4}, {At: noon.Add(-time.Hour), Requests: 8}}
	for _, now := range []time.Time{at, at.Add(3 * time.Second)} {
		if got := part.InSeconds(seconds, now, 3, 10*time.Second); got[0].Requests != 1 || got[1].Requests != 0 || got[2].Requests != 2 {
			t.Errorf("at %v: %+v", now, got)
		}
	}
	if got := part.InSeconds(seconds, at.Add(4*time.Second), 3, 10*time.Second); got[1].Requests != 2 || got[2].Requests != 4 {
		t.Errorf("once a bucket has closed: %+v", got)
	}
}

func TestHoursOfAZoneBetweenTheHours(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 25, 11, 30, 0, 0, time.UTC) // 17:00 there
	u := control.Usage{Rows: []control.UsageRow{{At: begin, Sums: control.Sums{Requests: 9}}, {At: begin.Add(-time.Hour), Sums: control.Sums{Requests: 1}}, {At: begin.Add(-24 * time.Hour), Sums: control.Sums{Requests: 2}}}}
	if got := part.InHours(&u, noon, kolkata, 24); got[23].Requests != 1 || got[0].Requests != 2 {
		t.Errorf("%+v", got)
	}
}

func TestChange(t *testing.T) {
	th := theme.New(theme.ASCII)
	for _, tc := range []struct {
		now, before float64
		want        string
	}{{118, 100, "^ 18%"}, {50, 100, "v 50%"}, {100, 100, "same"}, {1, 0, "new"}, {0, 0, "none"}, {5000, 100, "^ 50x"}} {
		if got := widget.Strip(part.Change(th, tc.now, tc.before, false)); got != tc.want {
			t.Errorf("%v after %v is %q, want %q", tc.now, tc.before, got, tc.want)
		}
	}
}

// A provider that does not answer is nowhere shown as well.
func TestASilentProvider(t *testing.T) {
	p := control.ProviderView{Provider: tally.Provider{Meta: tally.Meta{ID: "pr_1"}, Name: "spare", Enabled: true}, Silent: true,
		LastFailure: &control.LastFailure{AttemptView: control.AttemptView{Cause: "timeout", Detail: "no connection within 10s"}}}
	got := needs(&live.Snapshot{Providers: []control.ProviderView{p}}, noon, time.UTC)
	if len(got) != 1 || got[0].role != theme.Bad || got[0].text != "spare does not answer" || got[0].note != "the latest: timeout: no connection within 10s" {
		t.Errorf("needs: %+v", got)
	}
	th := theme.New(theme.Dark)
	if sign := part.ToneSign(th, control.ProviderTable.Tone(&p)); strings.Contains(sign, th.Glyphs.On) || p.State() != "silent" {
		t.Errorf("state: %q %q", sign, p.State())
	}
}

// A disk that refuses everybody comes before what only may come, and what may be done
// about a warning has a line of its own.
func TestNeedsOfTheEngine(t *testing.T) {
	s := &live.Snapshot{Status: control.Status{Fault: "no space", Warnings: []string{
		"the clock is 1h0m0s behind the last request; if it was ahead and is right now: tallygate settings accept-clock",
		"the disk does not keep what it is given, so requests are refused until it does; it says: no space"}}}
	got := needs(s, time.Now(), time.UTC)
	if len(got) != 2 || got[0].role != theme.Bad || got[0].note != "it says: no space" || got[1].role != theme.Warn || got[1].text != "The clock is 1h0m0s behind the last request" {
		t.Errorf("needs %+v", got)
	}
	for _, n := range got {
		if n.to.Screen != "settings" {
			t.Errorf("%q leads to %q", n.text, n.to.Screen)
		}
	}
}
