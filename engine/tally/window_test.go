package tally

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// windows are all there are, as far as months differ.
var windows = []Window{{Unit: Minute}, {Unit: Hour}, {Unit: Day}, {Unit: Week}, {Unit: Month}, {Unit: Month, Day: 15},
	{Unit: Month, Day: 29}, {Unit: Month, Day: 30}, {Unit: Month, Day: 31},
	{Unit: DayPart, Hours: 2}, {Unit: DayPart, Hours: 6}, {Unit: DayPart, Hours: 12}, {Unit: Quarter}, {Unit: Quarter, Day: 31}, {Unit: Total}}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// zones are all zones of the time zone database, one for each set of rules.
func zones(t *testing.T) map[string]*time.Location {
	list, err := os.ReadFile("testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(list))
	if len(names) < 590 {
		t.Fatalf("%d zones", len(names))
	}
	out, seen := map[string]*time.Location{}, map[string]bool{}
	for _, name := range names {
		loc := zone(t, name)
		rules := ""
		for _, at := range jumps(loc, 1970) {
			rules += fmt.Sprintln(at.Unix(), offsetAt(at.Unix(), loc))
		}
		if !seen[rules] {
			seen[rules] = true
			out[name] = loc
		}
	}
	return out
}

// jumps are the instants from the beginning of a year up to 2040 at which a
// zone's clocks jump, after that beginning itself.
func jumps(loc *time.Location, year int) []time.Time {
	at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	out := []time.Time{at}
	for at.Year() < 2040 {
		next := time.Unix(offsetEnds(at.Unix(), loc), 0).UTC()
		if offsetAt(next.Unix(), loc) != offsetAt(at.Unix(), loc) {
			out = append(out, next)
		}
		at = next
	}
	return out
}

// checkPeriod holds a period, and those before and after it, to what windows
// promise.
func checkPeriod(t testing.TB, w Window, at time.Time, loc *time.Location) Period {
	t.Helper()
	p := w.Period(at, loc, 0)
	if !p.Contains(at) || !p.Start.Before(p.End) || p.Start.Location() != time.UTC || p.End.Location() != time.UTC {
		t.Fatalf("%s in %s at %v: %+v", w, loc, at, p)
	}
	if w.Unit == Total {
		return p
	}
	for _, same := range []time.Time{p.Start, p.End.Add(-1), p.Start.Add(p.End.Sub(p.Start) / 2)} {
		if q := w.Period(same, loc, 0); q != p {
			t.Fatalf("%s in %s: at %v %+v, at %v %+v", w, loc, at, p, same, q)
		}
	}
	before, after := w.Period(p.Start.Add(-1), loc, 0), w.Period(p.End, loc, 0)
	if !before.End.Equal(p.Start) || !after.Start.Equal(p.End) {
		t.Fatalf("%s in %s: a gap or an overlap around %+v: %+v, %+v", w, loc, p, before, after)
	}
	ordered := before.Label < p.Label && p.Label < after.Label
	if w.Unit == Minute || w.Unit == Hour { // their labels repeat an hour with another offset
		ordered = before.Label != p.Label && p.Label != after.Label
	}
	if !ordered {
		t.Fatalf("%s in %s: labels %s, %s, %s", w, loc, before.Label, p.Label, after.Label)
	}
	return p
}

// TestPeriodsTile looks at the periods around every change of every zone's
// rules, and around other instants.
func TestPeriodsTile(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, loc := range zones(t) {
		var at []time.Time
		for _, jump := range jumps(loc, 1970)[1:] {
			at = append(at, jump.Add(-1), jump)
		}
		// Rules repeat: of a zone with very many, some are as good as all.
		rnd.Shuffle(len(at), func(i, j int) { at[i], at[j] = at[j], at[i] })
		at = at[:min(len(at), 24)]
		// The edges of leap years, where package time errs.
		for _, x := range []string{"2028-12-30T12:00:00Z", "2028-12-31T00:00:00Z", "2028-12-31T23:59:59Z", "2029-01-01T00:00:00Z"} {
			at = append(at, utc(x))
		}
		for range 4 {
			at = append(at, time.Unix(rnd.Int64N(2_200_000_000), rnd.Int64N(1e9)))
		}
		for _, x := range at {
			for _, w := range windows {
				checkPeriod(t, w, x, loc)
			}
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestDaysBeginWithTheCalendar compares days with a clock that is read every
// minute: a day begins when a calendar on the wall first shows it, or one after.
func TestDaysBeginWithTheCalendar(t *testing.T) {
	for name, loc := range zones(t) {
		all := jumps(loc, 1970)[1:]
		for i, jump := range all {
			before, after := offsetAt(jump.Unix()-1, loc), offsetAt(jump.Unix(), loc)
			if before%60 != 0 || after%60 != 0 {
				continue // the clock is read at whole minutes
			}
			if h := jump.In(loc).Hour(); i%16 != 0 && h > 1 && h < 22 && after-before < 20*3600 {
				continue // midnight is not near
			}
			p := Window{Unit: Day}.Period(jump, loc, 0)
			day, err := time.Parse(time.DateOnly, p.Label)
			if err != nil {
				t.Fatal(err)
			}
			shows := func(unix int64) bool { return unix+offsetAt(unix, loc) >= day.Unix() }
			start := p.Start.Unix()
			for at := start - 27*3600; at < start; at += 60 {
				if shows(at) || !shows(start) {
					t.Errorf("%s: %s begins at %v, and the calendar shows it at %v", name, p.Label, p.Start, time.Unix(at, 0).In(loc))
					break
				}
			}
		}
	}
}

// TestPeriodsAreSumsOfBuckets: usage is kept by quarters of an hour, so the
// windows that limits have must be made of those, at all times to come.
func TestPeriodsAreSumsOfBuckets(t *testing.T) {
	for name, loc := range zones(t) {
		for _, at := range jumps(loc, 2026) {
			for _, w := range windows {
				p := w.Period(at, loc, 0)
				if w.Unit != Minute && (!p.Start.Equal(p.Start.Truncate(Bucket)) || p.Ends() && !p.End.Equal(p.End.Truncate(Bucket))) {
					t.Errorf("%s in %s: %+v is not a sum of buckets", w, name, p)
				}
			}
		}
	}
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestPeriod(t *testing.T) {
	for _, tc := range []struct {
		window, zone, at  string
		cycleDay          int
		label, start, end string
	}{
		{"minute", "Europe/Lisbon", "2026-07-21T14:05:59.9Z", 0, "2026-07-21T15:05+01:00", "2026-07-21T14:05:00Z", "2026-07-21T14:06:00Z"},
		{"minute", "UTC", "2026-07-21T14:05:00Z", 0, "2026-07-21T14:05Z", "2026-07-21T14:05:00Z", "2026-07-21T14:06:00Z"},
		{"hour", "Asia/Kathmandu", "2026-07-21T14:05:00Z", 0, "2026-07-21T19:00+05:45", "2026-07-21T13:15:00Z", "2026-07-21T14:15:00Z"},
		{"day", "UTC", "2026-11-21T00:00:00Z", 0, "2026-11-21", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"},
		{"week", "UTC", "2026-11-21T12:00:00Z", 0, "w2026-11-16", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"week", "UTC", "2026-11-16T00:00:00Z", 0, "w2026-11-16", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"week", "UTC", "1970-01-01T00:00:00Z", 0, "w1969-12-29", "1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z"},
		{"week", "America/New_York", "2026-03-09T03:59:59Z", 0, "w2026-03-02", "2026-03-02T05:00:00Z", "2026-03-09T04:00:00Z"},
		{"total", "UTC", "2026-11-21T12:00:00Z", 0, "total", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"},

		// Lisbon's short and long day, and the hour that is shown twice.
		{"day", "Europe/Lisbon", "2026-03-29T12:00:00Z", 0, "2026-03-29", "2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z"},
		{"day", "Europe/Lisbon", "2026-10-25T12:00:00Z", 0, "2026-10-25", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z"},
		{"hour", "Europe/Lisbon", "2026-10-25T00:30:00Z", 0, "2026-10-25T01:00+01:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		{"hour", "Europe/Lisbon", "2026-10-25T01:30:00Z", 0, "2026-10-25T01:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
		// Lord Howe moves by half an hour: at 2:00 it is 1:30 again, and 2:30.
		{"hour", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", 0, "2026-04-05T01:00+11:00", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"},
		{"hour", "Australia/Lord_Howe", "2026-04-04T15:15:00Z", 0, "2026-04-05T01:30+10:30", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"},
		{"hour", "Australia/Lord_Howe", "2026-10-03T15:40:00Z", 0, "2026-10-04T02:30+11:00", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"},
		{"day", "Australia/Lord_Howe", "2026-10-04T00:00:00Z", 0, "2026-10-04", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"},
		// São Paulo skipped midnight: the day began at one o'clock.
		{"day", "America/Sao_Paulo", "2018-11-04T02:59:59Z", 0, "2018-11-03", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"},
		{"day", "America/Sao_Paulo", "2018-11-04T03:00:00Z", 0, "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		{"hour", "America/Sao_Paulo", "2018-11-04T03:00:00Z", 0, "2018-11-04T01:00-02:00", "2018-11-04T03:00:00Z", "2018-11-04T04:00:00Z"},
		// And showed an evening twice: both belong to the day.
		{"day", "America/Sao_Paulo", "2018-02-18T02:30:00Z", 0, "2018-02-17", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"},
		// Apia had no 30 December.
		{"day", "Pacific/Apia", "2011-12-30T09:59:59Z", 0, "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"day", "Pacific/Apia", "2011-12-30T10:00:00Z", 0, "2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		{"month:30", "Pacific/Apia", "2011-12-30T10:00:00Z", 0, "m2011-12-30", "2011-12-30T10:00:00Z", "2012-01-29T10:00:00Z"},
		// St John's jumped back over midnight: its 2 November began once.
		{"day", "America/St_Johns", "2008-11-02T02:31:00Z", 0, "2008-11-02", "2008-11-02T02:30:00Z", "2008-11-03T03:30:00Z"},

		// Parts of a day begin when the clock first shows their hour: a skipped one is shorter,
		// one that is shown twice longer, and one that is skipped whole is not there.
		{"6h", "Europe/Lisbon", "2026-11-21T11:59:59Z", 0, "2026-11-21T06:00/6h", "2026-11-21T06:00:00Z", "2026-11-21T12:00:00Z"},
		{"6h", "Asia/Kathmandu", "2026-11-21T18:14:59Z", 0, "2026-11-21T18:00/6h", "2026-11-21T12:15:00Z", "2026-11-21T18:15:00Z"},
		{"6h", "Europe/Lisbon", "2026-03-29T03:00:00Z", 0, "2026-03-29T00:00/6h", "2026-03-29T00:00:00Z", "2026-03-29T05:00:00Z"},
		{"2h", "Europe/Lisbon", "2026-10-25T01:59:59Z", 0, "2026-10-25T00:00/2h", "2026-10-24T23:00:00Z", "2026-10-25T02:00:00Z"},
		{"12h", "America/St_Johns", "2008-11-02T02:31:00Z", 0, "2008-11-02T00:00/12h", "2008-11-02T02:30:00Z", "2008-11-02T15:30:00Z"},
		{"12h", "Pacific/Apia", "2011-12-30T10:00:00Z", 0, "2011-12-31T00:00/12h", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"},

		{"quarter", "UTC", "2026-11-21T12:00:00Z", 0, "q2026-10-01", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"quarter", "Europe/Lisbon", "2026-09-30T22:59:59Z", 0, "q2026-07-01", "2026-06-30T23:00:00Z", "2026-09-30T23:00:00Z"},
		{"quarter", "UTC", "2027-01-14T12:00:00Z", 15, "q2026-10-15", "2026-10-15T00:00:00Z", "2027-01-15T00:00:00Z"},
		{"quarter:31", "UTC", "2027-04-29T12:00:00Z", 15, "q2027-01-31", "2027-01-31T00:00:00Z", "2027-04-30T00:00:00Z"},

		// The last day of a leap year, far from any jump.
		{"day", "Europe/Lisbon", "2028-12-30T12:00:00Z", 0, "2028-12-30", "2028-12-30T00:00:00Z", "2028-12-31T00:00:00Z"},
		{"day", "America/New_York", "2028-12-31T12:00:00Z", 0, "2028-12-31", "2028-12-31T05:00:00Z", "2029-01-01T05:00:00Z"},
		{"hour", "America/New_York", "2028-12-31T12:00:00Z", 0, "2028-12-31T07:00-05:00", "2028-12-31T12:00:00Z", "2028-12-31T13:00:00Z"},
		// And the turn of a year in UTC, which is nothing in a zone's own.
		{"hour", "Pacific/Chatham", "2029-01-01T00:00:00Z", 0, "2029-01-01T13:00+13:45", "2028-12-31T23:15:00Z", "2029-01-01T00:15:00Z"},
		{"hour", "America/St_Johns", "2029-01-01T00:00:00Z", 0, "2028-12-31T20:00-03:30", "2028-12-31T23:30:00Z", "2029-01-01T00:30:00Z"},

		// Months begin on the gateway's day unless they name one, and on the last
		// day of a shorter month.
		{"month", "UTC", "2026-11-21T12:00:00Z", 0, "m2026-11-01", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		{"month", "UTC", "2026-11-14T23:59:59Z", 15, "m2026-10-15", "2026-10-15T00:00:00Z", "2026-11-15T00:00:00Z"},
		{"month", "UTC", "2026-11-15T00:00:00Z", 15, "m2026-11-15", "2026-11-15T00:00:00Z", "2026-12-15T00:00:00Z"},
		{"month:1", "UTC", "2026-11-14T12:00:00Z", 15, "m2026-11-01", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		{"month:31", "UTC", "2026-01-31T00:00:00Z", 0, "m2026-01-31", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"month:31", "UTC", "2026-02-28T00:00:00Z", 0, "m2026-02-28", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{"month:31", "UTC", "2026-03-30T23:59:59Z", 0, "m2026-02-28", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{"month:31", "UTC", "2026-04-30T00:00:00Z", 0, "m2026-04-30", "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"},
		{"month:30", "UTC", "2028-02-29T00:00:00Z", 0, "m2028-02-29", "2028-02-29T00:00:00Z", "2028-03-30T00:00:00Z"},
		{"month:29", "UTC", "2026-02-28T12:00:00Z", 0, "m2026-02-28", "2026-02-28T00:00:00Z", "2026-03-29T00:00:00Z"},
		{"month:29", "UTC", "2028-02-28T12:00:00Z", 0, "m2028-01-29", "2028-01-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"month", "UTC", "2026-12-31T23:59:59Z", 31, "m2026-12-31", "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z"},
		{"month", "UTC", "2027-01-01T00:00:00Z", 31, "m2026-12-31", "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z"},
	} {
		w, err := ParseWindow(tc.window)
		if err != nil {
			t.Fatal(err)
		}
		got := w.Period(utc(tc.at), zone(t, tc.zone), tc.cycleDay)
		if want := (Period{tc.label, utc(tc.start), utc(tc.end)}); got != want {
			t.Errorf("%s in %s at %s:\ngot  %+v\nwant %+v", tc.window, tc.zone, tc.at, got, want)
		}
	}
}

// TestHoursOfADay walks through days with a jump, hour by hour.
func TestHoursOfADay(t *testing.T) {
	for _, tc := range []struct {
		zone, at string
		hours    int
	}{
		{"Europe/Lisbon", "2026-03-29T12:00:00Z", 23},
		{"Europe/Lisbon", "2026-10-25T12:00:00Z", 25},
		{"Australia/Lord_Howe", "2026-04-05T00:00:00Z", 25}, // one of them half an hour
		{"Australia/Lord_Howe", "2026-10-04T00:00:00Z", 24},
		{"UTC", "2026-10-04T00:00:00Z", 24},
	} {
		loc := zone(t, tc.zone)
		day := Window{Unit: Day}.Period(utc(tc.at), loc, 0)
		var labels []string
		for at := day.Start; at.Before(day.End); {
			hour := checkPeriod(t, Window{Unit: Hour}, at, loc)
			labels = append(labels, hour.Label)
			at = hour.End
		}
		distinct := slices.Compact(slices.Sorted(slices.Values(labels)))
		if len(labels) != tc.hours || len(distinct) != tc.hours {
			t.Errorf("%s in %s has the hours %q, want %d", day.Label, tc.zone, labels, tc.hours)
		}
	}
}

func TestParseWindow(t *testing.T) {
	for in, want := range map[string]Window{
		"minute": {Unit: Minute}, "hour": {Unit: Hour}, "day": {Unit: Day}, "week": {Unit: Week}, "month": {Unit: Month},
		"month:1": {Unit: Month, Day: 1}, "month:31": {Unit: Month, Day: 31}, "total": {Unit: Total}, "lifetime": {Unit: Total},
		"1h": {Unit: Hour}, "2h": {Unit: DayPart, Hours: 2}, "12h": {Unit: DayPart, Hours: 12}, "24h": {Unit: Day}, "quarter": {Unit: Quarter}, "quarter:31": {Unit: Quarter, Day: 31},
	} {
		if got, err := ParseWindow(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "year", "Month", "month:", "month:0", "month:32", "month:-1", "month:1:2", "month: 1", "day:1", "total:1", "lifetime:1", " day", "h", "0h", "5h", "48h", "-6h", "6h:1", "6 h", "99999999999999999999h", "quarter:0", "hours"} {
		if got, err := ParseWindow(in); CodeOf(err) != Invalid {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func FuzzParseWindow(f *testing.F) {
	for _, seed := range []string{"minute", "month:15", "lifetime", "month:031", "month:+7", "06h", "quarter:7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		w, err := ParseWindow(in)
		if err != nil {
			return
		}
		if again, err := ParseWindow(w.String()); err != nil || again != w {
			t.Errorf("%q is %+v, written %q, read %+v, %v", in, w, w, again, err)
		}
	})
}

// However the wall clock is set: time never goes back, is never behind the wall, and
// passes no faster than it does, but for a leap to where the wall is.
func TestSteady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wall, floor := time.Unix(1000, 0), time.Unix(rapid.Int64Range(0, 2000).Draw(t, "floor"), 0)
		clock, latest, asked := NewSteady(func() time.Time { return wall }, floor).Now, floor, time.Time{}
		for range rapid.IntRange(1, 9).Draw(t, "reads") {
			wall = time.Unix(rapid.Int64Range(0, 2000).Draw(t, "wall"), 0)
			most := latest
			if !asked.IsZero() && wall.After(asked) {
				most = latest.Add(wall.Sub(asked))
			}
			if wall.After(most) {
				most = wall
			}
			got := clock()
			if got.Before(latest) || got.Before(wall) || got.After(most) {
				t.Fatalf("at %v after %v: %v, at most %v", wall, latest, got, most)
			}
			latest, asked = got, wall
		}
	})
}

// After a wall clock that was ahead, minutes end after a minute, and the wall clock
// catches up.
func TestSteadyCatchesUp(t *testing.T) {
	start := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	wall := start
	clock := NewSteady(func() time.Time { return wall }, start.Add(time.Hour)).Now
	clock()
	for range 65 {
		wall = wall.Add(time.Second)
		clock()
	}
	if ahead := clock().Sub(start.Add(time.Hour)); ahead < time.Minute || ahead > 65*time.Second {
		t.Errorf("after 65 s it went on by %v", ahead)
	}
	for wall.Before(start.Add(40 * time.Hour)) {
		wall = wall.Add(time.Minute)
		clock()
	}
	if now := clock(); !now.Equal(wall) {
		t.Errorf("it is %v, and %v by the wall", now, wall)
	}
}

// The machine's own zone has no name that says anything to others.
func TestCivilNamesItsZone(t *testing.T) {
	lisbon, err := time.LoadLocation("Europe/Lisbon")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if got := Civil(at, lisbon); got != "2026-07-01 13:00 (Europe/Lisbon)" {
		t.Error(got)
	}
	if got := Civil(at, time.Local); !strings.Contains(got, "(UTC") {
		t.Error(got)
	}
}
