package control

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestSpans(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"24h": 24 * time.Hour, "90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1h30m": 90 * time.Minute, "36600d": 36600 * 24 * time.Hour,
		"1d12h": 36 * time.Hour, "1w2d3h": 219 * time.Hour, "0": 0, "0s": 0, " 10s ": 10 * time.Second, "1.5s": 1500 * time.Millisecond,
	} {
		got, err := ParseSpan(in)
		if err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", in, got, err, want)
		}
		if again, err := ParseSpan(FormatSpan(got)); err != nil || again != got {
			t.Errorf("%q is written %q, which is %v, %v", in, FormatSpan(got), again, err)
		}
	}
	for _, bad := range []string{"", "d", "-1d", "1.5d", "36601d", "99999999999999999999d", "-1h", "1e3h", "d1", "1 d", "+1d", "900000h", "1d-2h", "5", "1h1d"} {
		if got, err := ParseSpan(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		} else if e := tally.AsError(err); e.Code != tally.Invalid || e.Hint == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 36 * time.Hour: "1d12h", 90 * 24 * time.Hour: "90d", time.Hour: "1h", 90 * time.Second: "1m30s", 25*time.Hour + time.Minute: "1d1h1m"} {
		if got := FormatSpan(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

// A date begins where the zone's calendar reaches it, also where there is no
// midnight; a month where the gateway's cycle does.
func TestDatesBeginWithTheirDay(t *testing.T) {
	for _, tc := range []struct {
		date, zone string
		cycle      int
		want       string
	}{
		{"2026-11-21", "UTC", 0, "2026-11-21T00:00:00Z"},
		{"2026-07-01", "Europe/Lisbon", 0, "2026-06-30T23:00:00Z"},
		{"2018-11-04", "America/Sao_Paulo", 0, "2018-11-04T03:00:00Z"}, // midnight was skipped
		{"2026-11-21T10:00:00+05:30", "UTC", 0, "2026-11-21T04:30:00Z"},
		{"today", "UTC", 0, "2026-11-21T00:00:00Z"}, {"Yesterday", "UTC", 0, "2026-11-20T00:00:00Z"}, {"now", "UTC", 0, "2026-11-21T12:00:00Z"},
		{"today", "Asia/Kathmandu", 0, "2026-11-20T18:15:00Z"}, {"tomorrow", "UTC", 0, "2026-11-22T00:00:00Z"},
		{"fri", "UTC", 0, "2026-11-27T00:00:00Z"}, {"Saturday", "UTC", 0, "2026-11-28T00:00:00Z"}, // noon is one
		{"this month", "UTC", 0, "2026-11-01T00:00:00Z"}, {"last month", "UTC", 0, "2026-10-01T00:00:00Z"}, {"2026-02", "UTC", 0, "2026-02-01T00:00:00Z"},
		{"this month", "UTC", 25, "2026-10-25T00:00:00Z"}, {"last month", "UTC", 25, "2026-09-25T00:00:00Z"}, {"2026-02", "UTC", 31, "2026-02-28T00:00:00Z"},
		{"1999-12-31", "UTC", 0, ""}, {"2200-01-01", "UTC", 0, ""}, {"2026-02-30", "UTC", 0, ""}, {"21.11.2026", "UTC", 0, ""}, {"", "UTC", 0, ""}, {"2026-13", "UTC", 0, ""},
	} {
		zone, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Date(tc.date).At(Calendar{noon, zone, tc.cycle})
		if (err == nil) != (tc.want != "") || err == nil && got.UTC().Format(time.RFC3339) != tc.want {
			t.Errorf("%q in %s: %v %v, want %q", tc.date, tc.zone, got, err, tc.want)
		}
	}
}

// A day of the week is the next one, but for the beginning of a span the latest.
func TestDaysOfTheWeek(t *testing.T) {
	for day, want := range map[Since]string{"fri": "2026-11-20", "monday": "2026-11-16", "sat": "2026-11-21"} {
		if at, err := day.At(Calendar{Now: noon, Zone: time.UTC}, 0); err != nil || at.Format(time.DateOnly) != want {
			t.Errorf("since %s is %v, %v, want %s", day, at, err, want)
		}
	}
}

func FuzzTimes(f *testing.F) {
	for _, seed := range []string{"90d", "1h30m", "2026-11-21", "2026-11-21T10:00:00Z", "never", "", "-1", "9999999999w", "2018-11-04", "last month", "2026-11"} {
		f.Add(seed)
	}
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		f.Fatal(err)
	}
	c := Calendar{noon, zone, 15}
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := Expiry(s).At(c); err == nil && !at.IsZero() && !at.After(noon) {
			t.Errorf("%q expires at %v, which has passed", s, at)
		}
		if at, err := Since(s).At(c, time.Hour); err == nil && (at.Year() < 1900 || at.Year() > 2200) {
			t.Errorf("%q is %v", s, at)
		}
		if p, err := Month(s).In(c); err == nil && !p.Start.Before(p.End) {
			t.Errorf("%q is %v", s, p)
		}
		if d, err := ParseSpan(s); err == nil {
			if again, err := ParseSpan(FormatSpan(d)); err != nil || again != d {
				t.Errorf("%q is %v, written %q", s, d, FormatSpan(d))
			}
		}
	})
}

func TestPercent(t *testing.T) {
	for in, want := range map[string]Percent{"0": 0, "20": 2000, "12.5": 1250, "12.50%": 1250, " 7 %": 700, "0.01": 1, "1000": 100_000, "007": 700, "-1": -100, "+5": 500, "-100": -10_000} {
		var got Percent
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "%", "1.", ".5", "1.234", "1e2", "1000.01", "99999", "1,5", "5%%", "٣", "-100.01", "--1", "+-1", "-", "+"} {
		var got Percent
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is %d", bad, got)
		} else if e := tally.AsError(err); e.Code != tally.Invalid || e.Hint == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzPercent(f *testing.F) {
	for _, seed := range []string{"20", "12.5%", "1000", "-1", "0.01", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var p Percent
		if p.UnmarshalText([]byte(s)) != nil {
			return
		}
		var again Percent
		if err := again.UnmarshalText([]byte(p.String())); p < MinPercent || p > MaxPercent || err != nil || again != p {
			t.Errorf("%q is %d basis points, written %q", s, p, p.String())
		}
	})
}

// everyKind has a field of every kind of value that operations take.
type everyKind struct {
	Text     *string              `json:"text,omitempty"`
	Number   *int64               `json:"number,omitempty"`
	Whole    int                  `json:"whole,omitempty"`
	Yes      *bool                `json:"yes,omitempty"`
	Span     *time.Duration       `json:"span_ns,omitempty"`
	Share    *Percent             `json:"share,omitempty"`
	List     *[]string            `json:"list,omitempty"`
	Plain    []string             `json:"plain,omitempty"`
	Pairs    *map[string]string   `json:"pairs,omitempty"`
	Limits   []tally.LimitEdit    `json:"limits,omitempty"`
	Prices   []PriceField         `json:"prices,omitempty"`
	Choice   *tally.Access        `json:"choice,omitempty"`
	Expires  *Expiry              `json:"expires,omitempty"`
	From     Date                 `json:"from,omitempty"`
	Amount   tally.NanoUSD        `json:"amount_nano_usd,omitempty"`
	Optional tally.MissingSession `json:"optional,omitempty"`
}

// What a form or a flag reads is written in the same words again, for every kind.
func TestTextsAreReadAsTheyAreWritten(t *testing.T) {
	fields := FieldsOf(reflect.TypeFor[everyKind]())
	for name, texts := range map[string][]string{
		"text": {"Hotel Aurora"}, "number": {"4096", "0"}, "whole": {"3"}, "yes": {"yes", "no"}, "span_ns": {"1d12h", "90d", "0s", "10s"}, "share": {"12.5", "0"},
		"list": {"a b c"}, "plain": {"a b"}, "pairs": {"gpt-4=gpt-4o-mini o3=o4"}, "limits": {"cost=50/month requests=60/minute,warn tokens=2000000/month:15"},
		"prices": {"input=0.15 output=0.6 request=0.01"}, "choice": {"public"}, "expires": {"90d", "never", "2027-01-31"}, "from": {"2026-12-01", "today"}, "amount_nano_usd": {"0.000000001", "50"}, "optional": {"refuse"},
	} {
		for i := range fields {
			f := &fields[i]
			if f.Name != name {
				continue
			}
			for _, text := range texts {
				var in everyKind
				if err := f.Fill(&in, text, ""); err != nil {
					t.Errorf("%s: %q cannot be read: %v", name, text, err)
				} else if got := f.Text(&in); got != text {
					t.Errorf("%s: %q is written %q", name, text, got)
				}
				if err := f.Check(text); err != nil {
					t.Errorf("%s: %q: %v", name, text, err)
				}
			}
			if f.Value() == "" {
				t.Errorf("help has no word for a %s", name)
			}
		}
	}
	for _, f := range fields {
		for _, bad := range []string{"no such = thing / at all", "-5x"} {
			if f.Choices == nil && (f.Name == "text" || f.Name == "list" || f.Name == "plain" || f.Name == "from") {
				continue
			}
			if err := f.Check(bad); err == nil {
				t.Errorf("%s takes %q", f.Name, bad)
			} else if tally.AsError(err).Code != tally.Invalid {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	}
}

// A form has all limits; one that is gone from it is removed.
func TestALimitThatIsGoneFromAFormIsRemoved(t *testing.T) {
	var in everyKind
	for _, f := range FieldsOf(reflect.TypeFor[everyKind]()) {
		if f.Name == "limits" {
			if err := f.Fill(&in, "cost=80/month", "cost=50/month requests=60/minute"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := joined(in.Limits, tally.LimitEdit.String); got != "cost=80/month requests=none/minute" {
		t.Errorf("the edits are %q", got)
	}
}

func TestAWordThatIsNoChoice(t *testing.T) {
	err := decodeInput([]byte(`{"choice":"tokn"}`), &everyKind{})
	if e := tally.AsError(err); err == nil || !strings.Contains(e.Hint, "did you mean token?") || !strings.Contains(e.Hint, "public") {
		t.Errorf("%v", err)
	}
	if err := decodeInput([]byte(`{"choice":"key","optional":""}`), &everyKind{}); err != nil {
		t.Error(err)
	}
}

// Nothing asked for by name is taken for nothing said.
func TestLeastNumbers(t *testing.T) {
	var in RequestQuery
	for _, f := range FieldsOf(reflect.TypeFor[RequestQuery]()) {
		if f.Name == "limit" {
			for text, ok := range map[string]bool{"0": false, "-1": false, "1": true, "1000": true} {
				if err := f.Set(&in, text); (err == nil) != ok {
					t.Errorf("--limit %s: %v", text, err)
				}
			}
			return
		}
	}
	t.Error("no limit")
}
