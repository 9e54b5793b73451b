package tally

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseLimit(t *testing.T) {
	month, minute := Window{Unit: Month}, Window{Unit: Minute}
	for in, want := range map[string]LimitEdit{
		"requests=60/minute":           {Limit: Limit{Requests, minute, 60, false, 0}},
		" requests=60/minute ":         {Limit: Limit{Requests, minute, 60, false, 0}},
		"requests=0/minute":            {Limit: Limit{Requests, minute, 0, false, 0}},
		"tokens=20M/month:15":          {Limit: Limit{TokensIO, Window{Unit: Month, Day: 15}, 20_000_000, false, 0}},
		"tokens=1.5k/month":            {Limit: Limit{TokensIO, month, 1500, false, 0}},
		"tokens=.25M/month":            {Limit: Limit{TokensIO, month, 250_000, false, 0}},
		"tokens=3.000/month":           {Limit: Limit{TokensIO, month, 3, false, 0}},
		"tokens=200000000/month":       {Limit: Limit{TokensIO, month, 200_000_000, false, 0}},
		"tokens=1000000000000000/week": {Limit: Limit{TokensIO, Window{Unit: Week}, MaxCount, false, 0}},
		"tokens=1000000000M/week":      {Limit: Limit{TokensIO, Window{Unit: Week}, MaxCount, false, 0}},
		"cost=50/month":                {Limit: Limit{Cost, month, int64(50 * Dollar), false, 0}},
		"cost=$0.15/month,warn":        {Limit: Limit{Cost, month, 150_000_000, true, 0}},
		"cost=1.5k/month":              {Limit: Limit{Cost, month, int64(1500 * Dollar), false, 0}},
		"credits=0.000000001/total":    {Limit: Limit{Credits, Window{Unit: Total}, 1, false, 0}},
		"cost=100M/lifetime":           {Limit: Limit{Cost, Window{Unit: Total}, int64(MaxMoney), false, 0}},
		"sessions=none/day":            {Limit: Limit{Sessions, Window{Unit: Day}, 0, false, 0}, Remove: true},
		"cost=2/6h":                    {Limit: Limit{Cost, Window{Unit: DayPart, Hours: 6}, int64(2 * Dollar), false, 0}},
		"cost=150/quarter:15":          {Limit: Limit{Cost, Window{Unit: Quarter, Day: 15}, int64(150 * Dollar), false, 0}},
		"credits=balance":              {Limit: Limit{Balance, Window{Unit: Total}, 0, false, 0}},
		"credits=balance,warn":         {Limit: Limit{Balance, Window{Unit: Total}, 0, true, 0}},
		"credits=none/balance":         {Limit: Limit{Balance, Window{Unit: Total}, 0, false, 0}, Remove: true},
	} {
		if got, err := ParseLimit(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "cost", "cost=", "cost=50", "cost=50/", "cost=/month", "cost=50/year", "hugs=1/day", "COST=1/day", "=1/day",
		"cost=-1/day", "cost=1e3/day", "cost=50/month,Warn", "cost=50/month, warn", "cost=0.0000000001/day", "cost=100000001/day", "cost=101M/day",
		"cost=$$5/day", "requests=$5/day", "requests=1.5/day", "requests=1.0001k/day", "requests=k/day", "requests=./day", "requests=5./day",
		"requests=1000000000000001/day", "requests=99999999999999999999/day", "requests=9999999999999M/day", "requests=-1/day", "requests=1kk/day",
		"requests=1 k/day", "requests=None/day", "requests=5/month:32", "balance=5/total", "balance=0/total", "cost=balance", "cost=2/5h", "cost=2/h"} {
		if got, err := ParseLimit(in); CodeOf(err) != Invalid || AsError(err).Message == "" {
			t.Errorf("%q: %+v, %v; want Invalid", in, got, err)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, seed := range []string{"requests=60/minute", "tokens=20M/month:15", "cost=$1.5k/month,warn", "cost=none/day", "tokens=200000000/month"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		e, err := ParseLimit(in)
		if err != nil {
			return
		}
		if err := e.Validate(); err != nil && !e.Remove {
			t.Errorf("%q is %+v, which is not valid: %v", in, e, err)
		}
		again, err := ParseLimit(e.Limit.String())
		if again.Remove = e.Remove; err != nil || again != e {
			t.Errorf("%q is %+v, written %q, read %+v, %v", in, e, e.Limit, again, err)
		}
	})
}

// TestLimitText: every limit there can be is written as it is read.
func TestLimitText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{Metric: rapid.SampledFrom(Metrics[:]).Draw(t, "metric"), Window: rapid.SampledFrom(windows).Draw(t, "window"),
			Max: rapid.Int64Range(0, MaxCount).Draw(t, "max"), Warn: rapid.Bool().Draw(t, "warn")}
		if l.Metric == Balance {
			l.Window, l.Max = Window{Unit: Total}, 0
		}
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		if got, err := ParseLimit(l.String()); err != nil || got.Limit != l || got.Remove {
			t.Fatalf("%+v is written %q, read %+v, %v", l, l, got, err)
		}
	})
	for _, bad := range []Limit{
		{"hugs", Window{Unit: Day}, 1, false, 0}, {Cost, Window{}, 1, false, 0}, {Cost, Window{Unit: Month, Day: 32}, 1, false, 0},
		{Balance, Window{Unit: Total}, 1, false, 0}, {Balance, Window{Unit: Day}, 0, false, 0},
		{Requests, Window{Unit: Day}, -1, false, 0}, {Requests, Window{Unit: Day}, MaxCount + 1, false, 0}, {Cost, Window{Unit: Day}, int64(MaxMoney) + 1, false, 0},
	} {
		if err := bad.Validate(); CodeOf(err) != Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestEditLimits(t *testing.T) {
	edits := func(list ...string) (out []LimitEdit) {
		for _, s := range list {
			e, err := ParseLimit(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, e)
		}
		return out
	}
	limits := []Limit{}
	for _, tc := range []struct {
		edits []string
		want  string
	}{
		{[]string{"cost=50/month", "requests=60/minute"}, "cost=50/month requests=60/minute"},
		{[]string{"cost=70/month,warn"}, "cost=70/month,warn requests=60/minute"},
		{[]string{"cost=1/month:15", "cost=2/day"}, "cost=70/month,warn requests=60/minute cost=1/month:15 cost=2/day"},
		{[]string{"requests=none/minute", "cost=none/month", "cost=3/month"}, "cost=1/month:15 cost=2/day cost=3/month"},
		{nil, "cost=1/month:15 cost=2/day cost=3/month"},
		{[]string{"cost=9/day", "requests=none/minute"}, "not_found"},
	} {
		before := slices.Clone(limits)
		next, err := EditLimits(limits, edits(tc.edits...))
		var texts []string
		for _, l := range next {
			texts = append(texts, l.String())
		}
		got := strings.Join(texts, " ")
		if err != nil {
			got, next = string(CodeOf(err)), before
		}
		if got != tc.want || !reflect.DeepEqual(limits, before) {
			t.Errorf("%q: %s, want %s; the list itself went from %v to %v", tc.edits, got, tc.want, before, limits)
		}
		limits = next
	}
}

func TestLimitError(t *testing.T) {
	e := &LimitError{Charge: Charge{Counter: Counter{Subject: "client/cl_1", Metric: Cost, Period: Period{Label: "2026-11-21"}}, Max: 100}, Used: 60, Held: 30, Need: 40}
	if !e.ByHoldsOnly() {
		t.Errorf("%v: 60 and 40 fit in 100", e)
	}
	if e.Used++; e.ByHoldsOnly() {
		t.Errorf("%v: 61 and 40 do not fit in 100", e)
	}
	e.Need, e.Max = math.MaxInt64, math.MaxInt64-1
	if e.ByHoldsOnly() {
		t.Errorf("%v: the sum wrapped around", e)
	}
	for _, part := range []string{"client/cl_1", "cost", "2026-11-21", NanoUSD(61).Display()} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%q does not say %s", e, part)
		}
	}
}

func TestRoom(t *testing.T) {
	var r Room
	r.Narrow(3, 50)
	r.Narrow(1, 70)
	if r != (Room{Charge: 4, Left: 50}) {
		t.Errorf("%+v", r)
	}
	r.Narrow(0, -5)
	if r != (Room{Charge: 1, Left: 0}) {
		t.Errorf("%+v", r)
	}
}

func TestSubject(t *testing.T) {
	for _, s := range []Subject{SubjectOf("client", "cl_1"), "visitor/10.0.0.0/24", "gateway/"} {
		kind, id := s.Split()
		if SubjectOf(kind, id) != s || kind == "" {
			t.Errorf("%s splits into %q and %q", s, kind, id)
		}
	}
}

func TestMetrics(t *testing.T) {
	a := Amounts{10, 11, 12, 13, 14, 15}
	for i, m := range Metrics {
		if m.Index() != i || a.Of(m) != int64(10+i) {
			t.Errorf("%s is at %d, %d", m, m.Index(), a.Of(m))
		}
	}
	if Metric("hugs").Index() != -1 {
		t.Error("an unknown metric has a place")
	}
}
