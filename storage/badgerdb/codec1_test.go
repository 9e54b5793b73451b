package badgerdb

import (
	"slices"

	"tallygate/engine/tally"
)

// What the program of schema 1 wrote. It is here only, for tests.

// encoder1 writes version 1.
type encoder1 struct {
	encoder
	texts1 [texts1]string
}

func (e *encoder1) blockHead() {
	e.forget()
	e.texts1 = [texts1]string{}
	e.b = append(e.b, 1)
}

func (e *encoder1) entry(x *entry) {
	r := &x.Record
	e.limits = e.limits[:0]
	for i := range r.Charges {
		c := &r.Charges[i]
		l := limit{metric: byte(c.Metric.Index()), label: c.Window, max: c.Max}
		l.code, l.subject = codeOf(c.Subject, r)
		e.limits = append(e.limits, l)
	}
	set := byte(0)
	for _, f := range [...]struct {
		bit byte
		set bool
	}{
		{flagStream1, r.Stream}, {flagNewSession1, r.NewSession}, {flagStray1, x.stray}, {flagEnds1, !r.SessionEnds.IsZero()},
		{flagVisitor1, len(r.Visitor) > 0}, {flagSameLimits1, slices.Equal(e.limits, e.last.limits)},
	} {
		if f.set {
			set |= f.bit
		}
	}
	e.b = append(e.b, set)
	e.time(r.At)
	e.int(int64(x.settledAt.Sub(r.At)))
	list := [texts1]string{string(r.ID), string(r.Gateway), string(r.Client), string(r.Key), string(r.Provider), r.Token, r.Session, r.Origin, r.Country,
		r.Endpoint, r.Model, r.Upstream, r.VisitorNet, string(r.Outcome), string(r.Basis), r.Code}
	mask := uint64(0)
	for i := range list {
		if list[i] == e.texts1[i] {
			mask |= 1 << i
		}
	}
	e.uint(mask)
	for i := range list {
		switch {
		case mask&(1<<i) != 0:
		case i < idTexts1:
			e.id(list[i])
		default:
			e.text(list[i])
		}
	}
	e.texts1 = list
	if set&flagVisitor1 != 0 {
		e.text(string(r.Visitor))
	}
	if set&flagEnds1 != 0 {
		e.time(r.SessionEnds)
	}
	for _, n := range [...]int64{int64(r.Attempts), int64(r.Status), r.Tokens.Input, r.Tokens.CachedInput, r.Tokens.CacheWrite, r.Tokens.Output,
		r.Tokens.Reasoning, int64(r.Cost), int64(r.Credits), int64(r.FirstByte), int64(r.Total), r.Count} {
		e.int(n)
	}
	if set&flagSameLimits1 == 0 {
		e.putLimits(false)
	}
	for i := range r.Charges {
		e.int(r.Charges[i].Used)
	}
}

func (e *encoder1) sums(through uint64, s *tally.Sums) {
	e.b = append(e.b, 1)
	e.uint(through)
	figures := s.Figures()
	for _, n := range figures[:13] {
		e.int(*n)
	}
	used := uint64(0)
	for i, n := range s.Latency {
		if n != 0 {
			used |= 1 << i
		}
	}
	e.uint(used)
	for _, n := range s.Latency {
		if n != 0 {
			e.int(n)
		}
	}
}
