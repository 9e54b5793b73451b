// Package forecast says what is likely to be used by the end of a span, and how far from that
// it may come out, from what whole days have used. It is pure: it reads nothing, and what was
// booked is never its business. Amounts are in the unit of what is counted, nano-USD of money.
//
// A day is taken to be a level with a slope, times what is usual for its day of the week, and
// noise. The slope is believed as far as the days prove it; the week has a shape only where
// three weeks of it are there and explain what the noise would not.
//
// The range is found by playing the days to come many times over: each time with days like
// those that are known, of which some are taken to be more common than they were, and some
// unlike any of them; with another slope; and with more or less of today's use still to come.
// So it is wide where the days are few or unlike each other, and what comes lies in it in at
// least four of five cases, which a test holds for histories of many kinds.
package forecast

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

const (
	// Reach is of how many days a forecast is made at most, the latest that are over.
	Reach = 28
	// Enough is how many of them must have used something to tell what is likely, and Week
	// how many there must be to tell a range: of fewer nobody knows how unlike days may be.
	Enough = 3
	Week   = 7

	wholeWeeks = 21    // days from which on a week may have a shape
	clearShape = 3.0   // how much better than noise it must explain the days, as F of 6 figures
	usualTrend = 0.013 // of the level a day: how fast things grow or shrink where nothing proves it
	usualNoise = 0.5   // of the level: the noise that is assumed beside that of the days, as of
	assumed    = 3.0   // so many days
	unlike     = 1.0   // how far days may be from what is likely that are like none known, as a logarithm
	plays      = 200
	beyond     = 15 // of them at each end, out of the range
)

// Day is what a day that is over has used.
type Day struct {
	Amount int64
	// Void days tell nothing: a limit was used up, so nobody knows what they would have used.
	Void bool
}

// History is what is known.
type History struct {
	Days   []Day        // without a gap, the latest last
	Today  time.Weekday // of the day under way
	Passed float64      // the share of it that is over
	Signed bool         // amounts may be below zero
}

// Outlook is what is likely to be used in a span, between which amounts that lies in four of
// five cases, and in how many days from now so much is used as there is room for: at the
// earliest and likely. Where it is not within the span these are its length.
type Outlook struct {
	Low, Likely, High int64
	Earliest, Reached float64
}

// Model tells of the days to come.
type Model struct {
	// Known are the days since the first that has used something, and Used those of them that
	// have.
	Known, Used int

	today        time.Weekday
	rest         float64 // of today
	signed       bool
	level, slope float64    // of a day, in the middle of the days known, and a day later
	from         float64    // how many days that middle lies before today
	shape        [7]float64 // by day of the week
	shaped       bool
	off          []float64 // how far the days were from what was likely, without their shape
	most         float64   // the largest of them
	turn         float64   // deviation of the slope
}

// Of makes a model. Days before the first that has used something do not count: the thing may
// not have been there.
func Of(h History) *Model {
	m := (&Model{today: h.Today, signed: h.Signed}).At(h.Passed)
	days := h.Days[max(len(h.Days)-Reach, 0):]
	for len(days) > 0 && days[0].Amount == 0 {
		days = days[1:]
	}
	var x, y []float64
	var of []int
	for i, d := range days {
		if d.Void {
			continue
		}
		m.Known++
		if d.Amount != 0 {
			m.Used++
		}
		ago := len(days) - i
		x, y = append(x, float64(-ago)), append(y, float64(d.Amount))
		of = append(of, weekday(h.Today, -ago))
	}
	if m.Ok() {
		m.fit(x, y, of)
	}
	return &m
}

// At is the model when so much of the same day has passed.
func (m *Model) At(passed float64) Model {
	out := *m
	out.rest = 1 - min(max(passed, 0), 1)
	return out
}

// Ok reports whether there is enough to tell what is likely, and Ranged whether there is for
// an outlook.
func (m *Model) Ok() bool     { return m.Used >= Enough }
func (m *Model) Ranged() bool { return m.Ok() && m.Known >= Week }

// Shaped reports whether the days of the week are told apart.
func (m *Model) Shaped() bool { return m.shaped }

func weekday(today time.Weekday, days int) int { return ((int(today)+days)%7 + 7) % 7 }

// fit takes level, slope and noise from days: how far each is from today, what it has used,
// and which day of the week it was.
func (m *Model) fit(x, y []float64, of []int) {
	n := float64(len(x))
	l, free := lineOf(x, y), max(n-2, 0)
	for i := range m.shape {
		m.shape[i] = 1
	}
	if shape, ok := shapeOf(y, of); ok {
		flat := make([]float64, len(y))
		for i := range y {
			flat[i] = y[i] / shape[of[i]]
		}
		shaped := lineOf(x, flat)
		shaped.left = 0
		for i := range y {
			d := y[i] - shape[of[i]]*shaped.at(x[i])
			shaped.left += d * d
		}
		if (l.left-shaped.left)/6 > clearShape*shaped.left/(n-8) {
			m.shape, m.shaped, l, free = shape, true, shaped, n-8
		}
	}
	m.level, m.from = l.level, -l.middle
	assume, trend := usualNoise*l.level, usualTrend*l.level
	noise := (l.left + assumed*assume*assume) / (free + assumed)
	if trend != 0 {
		proof := l.spread / noise
		likely := 1 / (proof + 1/(trend*trend))
		m.slope, m.turn = l.slope*proof*likely, math.Sqrt(likely)
	}
	for i := range y {
		m.off = append(m.off, y[i]/m.shape[of[i]]-m.level-m.slope*(x[i]-l.middle))
		m.most = max(m.most, m.off[i])
	}
}

// line is the straight one through points that is nearest to all.
type line struct {
	middle, level float64 // of x, and what it has there
	slope         float64
	spread, left  float64 // sums of squares: of x, and of what is beside the line
}

func (l *line) at(x float64) float64 { return l.level + l.slope*(x-l.middle) }

func lineOf(x, y []float64) (l line) {
	n := float64(len(x))
	for i := range x {
		l.middle += x[i] / n
		l.level += y[i] / n
	}
	for i := range x {
		d := x[i] - l.middle
		l.spread += d * d
		l.slope += d * y[i]
	}
	if l.spread > 0 {
		l.slope /= l.spread
	}
	for i := range x {
		d := y[i] - l.at(x[i])
		l.left += d * d
	}
	return l
}

// shapeOf is how much each day of the week has of what a day has in the mean; false where
// there are too few weeks.
func shapeOf(y []float64, of []int) (shape [7]float64, ok bool) {
	mean := 0.0
	var count [7]float64
	for i := range y {
		mean += y[i] / float64(len(y))
		shape[of[i]] += y[i]
		count[of[i]]++
	}
	if len(y) < wholeWeeks || mean <= 0 {
		return shape, false
	}
	const least = 0.02 // of the mean: a day that is never used is no reason to divide by nothing
	for d := range shape {
		if count[d] < 2 {
			return shape, false
		}
		shape[d] = max(shape[d]/count[d]/mean, least)
	}
	return shape, true
}

// day is a day to come, or today for 0: what is likely of it, what is usual for its day of the
// week, and how far it is from the middle of the days known.
func (m *Model) day(ahead int) (likely, usual, far float64) {
	far, usual = m.from+float64(ahead), m.shape[weekday(m.today, ahead)]
	return m.amount((m.level + m.slope*far) * usual), usual, far
}

// amount is what a day may be: not below zero unless amounts are.
func (m *Model) amount(n float64) float64 {
	if n < 0 && !m.signed {
		return 0
	}
	return n
}

// Day is what is likely on a day to come; 0 is what is left of today.
func (m *Model) Day(ahead int) int64 {
	likely, _, _ := m.day(ahead)
	if ahead == 0 {
		likely *= m.rest
	}
	return whole(likely)
}

// whole rounds to an amount that can be added to others.
func whole(f float64) int64 {
	const most = 1 << 61
	return int64(math.Round(min(max(f, -most), most)))
}

// parts are the parts of the days of a span from now on, by how many days they are ahead.
func (m *Model) parts(days float64) (out []float64) {
	for share := min(days, m.rest); share > 0; share = min(days-m.rest-float64(len(out)-1), 1) {
		out = append(out, share)
	}
	return out
}

// Reached is in how many days from now so much more is likely to be used, at most most.
func (m *Model) Reached(more int64, most float64) float64 {
	parts := m.parts(most)
	used := make([]float64, len(parts))
	for ahead, share := range parts {
		likely, _, _ := m.day(ahead)
		used[ahead] = likely * share
	}
	return crossing(parts, used, float64(more), most)
}

// crossing is when parts of days, each spread evenly, come to an amount; most if they do not.
func crossing(parts, used []float64, more, most float64) float64 {
	at, sum := 0.0, 0.0
	for i, n := range used {
		if sum += n; sum >= more && n > 0 {
			return at + parts[i]*(1-(sum-more)/n)
		}
		at += parts[i]
	}
	return most
}

// Ahead is what is likely in so many days from now on, where there is room for so much.
func (m *Model) Ahead(days float64, room int64) Outlook {
	parts := m.parts(days)
	used, weights := make([]float64, len(parts)), make([]float64, len(m.off)+1)
	var sums, reached [plays]float64
	r := rand.New(rand.NewPCG(1, 2)) // the same days have the same outlook
	for play := range plays {
		m.play(r, parts, weights, used)
		for _, n := range used {
			sums[play] += n
		}
		reached[play] = crossing(parts, used, float64(room), days)
	}
	out := Outlook{Reached: m.Reached(room, days)}
	for ahead, share := range parts {
		likely, _, _ := m.day(ahead)
		out.Likely += whole(likely * share)
	}
	sort.Float64s(sums[:])
	sort.Float64s(reached[:])
	out.Low, out.High = min(whole(sums[beyond]), out.Likely), max(whole(sums[plays-1-beyond]), out.Likely)
	out.Earliest = min(reached[beyond], out.Reached)
	return out
}

// play draws what the days to come may use. Weights are for days like those known, and the
// last one for days that are like none of them.
func (m *Model) play(r *rand.Rand, parts, weights, used []float64) {
	sum, n := 0.0, float64(len(m.off))
	for i := range weights {
		w := r.ExpFloat64()
		if i == len(m.off) {
			w *= 1 + 2*Week/n
		}
		sum += w
		weights[i] = sum
	}
	slope, all := m.slope+m.turn*r.NormFloat64(), math.Exp(r.NormFloat64()/n)
	for ahead, share := range parts {
		_, usual, far := m.day(ahead)
		off := 0.0
		if i := sort.SearchFloat64s(weights, r.Float64()*sum); i < len(m.off) {
			off = m.off[i]
		} else if off = m.level * (math.Exp(unlike*(r.NormFloat64()-unlike/2)) - 1); r.Uint64()&1 == 0 {
			off = m.most * math.Exp(unlike/2*r.NormFloat64())
		}
		if share < 1 { // nobody knows which hours are the busy ones
			share *= 1 + (1-share)*(2*r.Float64()-1)
		}
		used[ahead] = m.amount((m.level+slope*far+off)*usual) * share * all
	}
}

// AtPace is how long it takes until so much more is used at the pace of what has passed: a
// simple share, for spans that are shorter than a day.
func AtPace(used, more int64, passed time.Duration) time.Duration {
	return time.Duration(whole(float64(passed) * float64(more) / float64(used)))
}
