package feed

import (
	"sort"
	"time"

	"tallygate/engine/tally"
)

// kept is how many seconds are kept for charts: the last 15 minutes.
const kept = 15 * 60

// second is the traffic of this node, and what the others have told meanwhile.
type second struct{ own, others tally.Second }

// all is the traffic of all nodes.
func (s *second) all() tally.Second {
	sum := s.own
	sum.Requests += s.others.Requests
	sum.Errors += s.others.Errors
	sum.Refused += s.others.Refused
	sum.Tokens += s.others.Tokens
	sum.Cost += s.others.Cost
	sum.Total += s.others.Total
	return sum
}

// count adds a record to a second, as [tally.Sums.Count] does to a rollup.
func count(s *tally.Second, r *tally.Record) {
	if r.Outcome.Refused() {
		s.Refused += r.Count
		return
	}
	s.Requests++
	if r.Outcome.Failed() {
		s.Errors++
	}
	s.Tokens += r.Tokens.Total()
	s.Cost += r.Cost
	s.Total += r.Total
}

// Tick ends a second: what was published since the last tick is its traffic.
// Quiet seconds are kept for charts and told once, so that a quiet night does
// not push what is worth keeping out of the ring.
func (f *Feed) Tick(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now.own.At = now.UTC().Truncate(time.Second)
	f.seconds[f.ticks%kept] = f.now
	f.ticks++
	s := f.now.all()
	f.now = second{}
	quiet := s.Requests == 0 && s.Refused == 0
	if quiet && f.idle {
		return
	}
	f.idle = quiet
	f.add(tally.TickEvent, s.At).second = s
	f.wake()
}

// Seed tells what was settled from one instant to another, before the first
// tick: so the charts of an engine that was just started are not empty.
func (f *Feed) Seed(from, to time.Time, records []tally.Record) {
	to = to.UTC().Truncate(time.Second)
	from = from.UTC().Truncate(time.Second)
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(int(to.Sub(from)/time.Second), kept)
	if f.ticks > 0 || n <= 0 {
		return
	}
	f.ticks = n
	first := to.Add(-time.Duration(n) * time.Second)
	for i := range n {
		f.seconds[i] = second{own: tally.Second{At: first.Add(time.Duration(i+1) * time.Second)}} // named by its end
	}
	for i := range records {
		r := &records[i]
		if at := r.At.Add(r.Total).Sub(first); at >= 0 && at < time.Duration(n)*time.Second {
			count(&f.seconds[at/time.Second].own, r)
		}
	}
}

// SeedOthers tells what other nodes have settled in the last 15 minutes, in place of what
// was told of it before: nobody may have listened to them all the time.
func (f *Feed) SeedOthers(records []tally.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.seconds {
		f.seconds[i].others = tally.Second{}
	}
	n := min(f.ticks, kept)
	for i := range records {
		r := &records[i]
		at := r.At.Add(r.Total)
		k := sort.Search(n, func(k int) bool { return f.second(k).own.At.After(at) }) // named by its end
		if k < n && f.second(k).own.At.Sub(at) <= time.Second {
			count(&f.second(k).others, r)
		}
	}
}

// second is the one behind so many older ones that are kept. The caller holds mu.
func (f *Feed) second(i int) *second { return &f.seconds[(max(f.ticks-kept, 0)+i)%kept] }

// Seconds returns the traffic of all nodes in the seconds of the last 15 minutes, the oldest
// first. That of others is in it as far as it was told.
func (f *Feed) Seconds() []tally.Second { return f.each((*second).all) }

// OwnSeconds is Seconds of this node alone.
func (f *Feed) OwnSeconds() []tally.Second {
	return f.each(func(s *second) tally.Second { return s.own })
}

func (f *Feed) each(of func(*second) tally.Second) []tally.Second {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]tally.Second, min(f.ticks, kept))
	for i := range out {
		out[i] = of(f.second(i))
	}
	return out
}
