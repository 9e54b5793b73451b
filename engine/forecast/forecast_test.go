package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// histories are kinds of clients: what one uses on a day of a number, from long before the
// first that is known.
var histories = map[string]func(r *rand.Rand) func(day int) float64{
	"constant": func(r *rand.Rand) func(int) float64 {
		noise := r.Float64() * 0.5
		return func(int) float64 { return 1e9 * math.Exp(noise*r.NormFloat64()) }
	},
	"weekly": func(r *rand.Rand) func(int) float64 {
		noise, weekend := r.Float64()*0.4, r.Float64()*0.5
		return func(day int) float64 {
			if day%7 >= 5 {
				return 1e9 * weekend * math.Exp(noise*r.NormFloat64())
			}
			return 1e9 * math.Exp(noise*r.NormFloat64())
		}
	},
	"growing": func(r *rand.Rand) func(int) float64 {
		noise, trend := r.Float64()*0.4, r.Float64()*0.04-0.015
		return func(day int) float64 { return 1e9 * math.Exp(trend*float64(day)+noise*r.NormFloat64()) }
	},
	"spiky": func(r *rand.Rand) func(int) float64 {
		often, size := 0.1+0.4*r.Float64(), 2+8*r.Float64()
		return func(int) float64 {
			if r.Float64() < often {
				return 1e9 * size * math.Exp(0.5*r.NormFloat64())
			}
			return 1e8 * r.ExpFloat64()
		}
	},
	"drifting": func(r *rand.Rand) func(int) float64 {
		noise, drift, at := r.Float64()*0.3, 0.02+0.03*r.Float64(), 0.0
		return func(int) float64 {
			at += drift * r.NormFloat64()
			return 1e9 * math.Exp(at+noise*r.NormFloat64())
		}
	},
	"resting": func(r *rand.Rand) func(int) float64 {
		often := 0.3 + 0.6*r.Float64()
		return func(int) float64 {
			if r.Float64() > often {
				return 0
			}
			return 1e9 * math.Exp(0.4*r.NormFloat64())
		}
	},
}

// What comes lies in the range in at least four of five cases, whatever the history is like,
// how long it is and how far one looks; and where a client is steady the range is no excuse.
func TestTheRangeCovers(t *testing.T) {
	for kind, make := range histories {
		for _, known := range [][2]int{{7, 13}, {14, 20}, {21, 28}} {
			r := rand.New(rand.NewPCG(7, uint64(known[0])))
			const draws = 500
			told, within, below, width := 0, 0, 0, 0.0
			for range draws {
				day := make(r)
				n := known[0] + r.IntN(known[1]-known[0]+1)
				h := History{Today: time.Weekday((n + 1) % 7), Passed: r.Float64()} // day 0 is a Monday
				for i := range n {
					h.Days = append(h.Days, Day{Amount: int64(day(i))})
				}
				m, ahead := Of(h), r.IntN(30)
				came := int64(day(n) * (1 - h.Passed)) // spread evenly
				for i := range ahead {
					came += int64(day(n + 1 + i))
				}
				if !m.Ranged() {
					continue
				}
				told++
				out := m.Ahead(1-h.Passed+float64(ahead), 1)
				if out.Low > out.Likely || out.Likely > out.High || out.Low < 0 {
					t.Fatalf("%s: %+v", kind, out)
				}
				switch {
				case came < out.Low:
					below++
				case came <= out.High:
					within++
				}
				width += float64(out.High-out.Low) / float64(out.Likely+1)
			}
			share, mean := float64(within)/float64(told), width/float64(told)
			t.Logf("%-9s %2d to %2d days: %5.1f%% within, %4.1f%% below, width %3.0f%% of what is likely, of %d",
				kind, known[0], known[1], 100*share, 100*float64(below)/float64(told), 100*mean, told)
			least := 0.8
			if (kind == "spiky" || kind == "resting") && known[0] < 14 { // of spikes to come nobody knows yet
				least = 0.7
			}
			if share < least {
				t.Errorf("%s, %d to %d days: only %.1f%% came out within the range", kind, known[0], known[1], 100*share)
			}
			if kind == "constant" && known[0] >= 21 && mean > 0.6 {
				t.Errorf("%s: the range is %.0f%% of what is likely", kind, 100*mean)
			}
		}
	}
}

// Where there is too little nothing is told, and what is told of a steady client is plain.
func TestForecast(t *testing.T) {
	days := func(amounts ...int64) (h History) {
		h.Passed = 0.5
		for _, n := range amounts {
			h.Days = append(h.Days, Day{Amount: n})
		}
		return h
	}
	for _, tc := range []struct {
		days       []int64
		ok, ranged bool
		known      int
	}{
		{nil, false, false, 0}, {[]int64{0, 0, 0, 0, 0, 0, 0, 0}, false, false, 0}, {[]int64{9, 9}, false, false, 2},
		{[]int64{0, 0, 0, 9, 9, 9}, true, false, 3}, // it was made on the fourth day
		{[]int64{9, 0, 0, 0, 0, 0, 0, 9}, false, false, 8}, {[]int64{9, 0, 9, 0, 0, 0, 9}, true, true, 7},
	} {
		if m := Of(days(tc.days...)); m.Ok() != tc.ok || m.Ranged() != tc.ranged || m.Known != tc.known {
			t.Errorf("%v: %v, %v, %d days known", tc.days, m.Ok(), m.Ranged(), m.Known)
		}
	}
	h := days(8, 8, 8, 8, 8, 8, 8, 8)
	m := Of(h)
	if got := m.Ahead(2.5, 14); got.Likely != 20 || got.Reached != 1.75 || got.Earliest >= got.Reached || got.Low >= 20 || got.High <= 20 {
		t.Errorf("eight a day: %+v", got)
	}
	if m.Day(0) != 4 || m.Day(1) != 8 || m.Reached(100, 2.5) != 2.5 {
		t.Errorf("today %d, tomorrow %d, a hundred in %v days", m.Day(0), m.Day(1), m.Reached(100, 2.5))
	}
	for range 5 {
		h.Days = append(h.Days, Day{Void: true})
	}
	if again := Of(h); again.Day(1) != 8 || again.Known != 8 {
		t.Errorf("days that say nothing count: %d", again.Day(1))
	}
	if got := AtPace(60, 30, 6*time.Hour); got != 3*time.Hour {
		t.Errorf("half as much again takes %v", got)
	}
}

// The days of the week are told apart from three weeks on, if they differ.
func TestDaysOfTheWeek(t *testing.T) {
	of := func(n int, weekend int64) *Model {
		h := History{Today: time.Weekday(n % 7)}
		for day := range n { // from a Sunday on
			amount := 1000 + int64(day%5)*20
			if w := time.Weekday(day % 7); w == time.Saturday || w == time.Sunday {
				amount = weekend
			}
			h.Days = append(h.Days, Day{Amount: amount})
		}
		return Of(h)
	}
	if of(20, 50).shaped || of(28, 1040).shaped {
		t.Error("a week has a shape that nothing proves")
	}
	m := of(28, 50) // today is a Sunday
	if !m.Shaped() || m.Day(0) > 200 || m.Day(1) < 900 || m.Day(6) > 200 {
		t.Errorf("Sunday %d, Monday %d, Saturday %d", m.Day(0), m.Day(1), m.Day(6))
	}
}
