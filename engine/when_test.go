package engine

import (
	"testing"
	"time"

	"tallygate/engine/tally"
)

func TestSpans(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"24h": 24 * time.Hour, "90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1h30m": 90 * time.Minute, "36600d": 36600 * 24 * time.Hour,
		"": 0, "d": 0, "-1d": 0, "0d": 0, "1.5d": 0, "36601d": 0, "99999999999999999999d": 0, "-1h": 0, "0s": 0, "1e3h": 0, "d1": 0, "1 d": 0, "+1d": 24 * time.Hour, "900000h": 0,
	} {
		got, ok := parseSpan(in)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%q: %v %v, want %v", in, got, ok, want)
		}
	}
}

// A date begins where the zone's calendar reaches it, also where there is no
// midnight.
func TestDatesBeginWithTheirDay(t *testing.T) {
	for _, tc := range []struct{ date, zone, want string }{
		{"2026-11-21", "UTC", "2026-11-21T00:00:00Z"},
		{"2026-07-01", "Europe/Lisbon", "2026-06-30T23:00:00Z"},
		{"2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"}, // midnight was skipped
		{"2026-11-21T10:00:00+05:30", "UTC", "2026-11-21T04:30:00Z"},
		{"1999-12-31", "UTC", ""}, {"2200-01-01", "UTC", ""}, {"2026-02-30", "UTC", ""}, {"21.11.2026", "UTC", ""}, {"", "UTC", ""},
	} {
		loc, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parseInstant(tc.date, loc)
		if ok != (tc.want != "") || ok && got.UTC().Format(time.RFC3339) != tc.want {
			t.Errorf("%q in %s: %v %v, want %q", tc.date, tc.zone, got, ok, tc.want)
		}
	}
}

// Civil edges ascend, are buckets, cover the span, and are days of the zone
// whatever it does to its clocks.
func TestCivilEdges(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Lisbon", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range []tally.Unit{tally.Hour, tally.Day} {
			for _, start := range []string{"2011-12-25", "2018-10-30", "2026-03-25", "2026-10-20"} {
				since, _ := time.Parse(time.DateOnly, start)
				until := since.Add(12*24*time.Hour + 7*time.Minute)
				edges, ok := civilEdges(unit, since, until, loc, maxSpans)
				if !ok || edges[0].After(since) || edges[len(edges)-1].Before(until) {
					t.Fatalf("%s %ss from %s: %v do not cover the span", zone, unit, start, edges)
				}
				for i, e := range edges {
					if e.UnixNano()%int64(tally.Bucket) != 0 || i > 0 && !e.After(edges[i-1]) {
						t.Fatalf("%s %ss from %s: %v", zone, unit, start, edges)
					}
					if local := e.In(loc); unit == tally.Day && i > 0 && zone != "America/Sao_Paulo" && (local.Hour() != 0 || local.Minute() != 0) {
						t.Errorf("%s: a day begins at %v", zone, local)
					}
				}
			}
		}
	}
	if _, ok := civilEdges(tally.Hour, noon, noon.AddDate(1, 0, 0), time.UTC, maxSpans); ok {
		t.Error("a year of hours is not refused")
	}
}

func FuzzTimes(f *testing.F) {
	for _, seed := range []string{"90d", "1h30m", "2026-11-21", "2026-11-21T10:00:00Z", "never", "", "-1", "9999999999w", "2018-11-04"} {
		f.Add(seed)
	}
	loc, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := parseExpiry(s, noon, loc); err == nil && !at.IsZero() && !at.After(noon) {
			t.Errorf("%q expires at %v, which has passed", s, at)
		}
		if at, err := parseSince(s, time.Hour, noon, loc); err == nil && (at.Year() < 1900 || at.Year() > 2200) {
			t.Errorf("%q is %v", s, at)
		}
	})
}
