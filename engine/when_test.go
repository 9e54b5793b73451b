package engine

import (
	"testing"
	"time"

	"tallygate/engine/tally"
)

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
