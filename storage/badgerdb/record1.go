package badgerdb

import (
	"time"

	"tallygate/engine/tally"
)

// Version 1 of a record is only read.

// flags of version 1.
const (
	flagStream1 = 1 << iota
	flagNewSession1
	flagStray1
	flagEnds1
	flagVisitor1
	flagSameLimits1
)

// texts of version 1: the first are IDs.
const (
	texts1   = 16
	idTexts1 = 5
)

// entry1 reads a record of version 1 up to its limits.
func (d *decoder) entry1(x *entry) (sameLimits bool) {
	r := &x.Record
	set := d.byte()
	r.Stream, r.NewSession, x.stray = set&flagStream1 != 0, set&flagNewSession1 != 0, set&flagStray1 != 0
	r.At = d.time()
	x.settledAt = r.At.Add(time.Duration(d.int()))
	s := d.last.texts[:texts1]
	d.changed(s, ^d.uint(), idTexts1) // its mask says which are the same
	r.ID, r.Gateway, r.Client, r.Key, r.Provider = tally.ID(s[0]), tally.ID(s[1]), tally.ID(s[2]), tally.ID(s[3]), tally.ID(s[4])
	r.Token, r.Session, r.Origin, r.Country, r.Endpoint, r.Model, r.Upstream, r.VisitorNet = s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12]
	r.Outcome, r.Basis, r.Code = tally.Outcome(s[13]), tally.Basis(s[14]), s[15]
	if set&flagVisitor1 != 0 {
		r.Visitor = d.visitor()
	}
	if set&flagEnds1 != 0 {
		r.SessionEnds = d.time()
	}
	var n [12]int64
	for i := range n {
		n[i] = d.int()
	}
	r.Attempts, r.Status = int(n[0]), int(n[1])
	r.Tokens = tally.Tokens{Input: n[2], CachedInput: n[3], CacheWrite: n[4], Output: n[5], Reasoning: n[6]}
	r.Cost, r.Credits, r.FirstByte, r.Total, r.Count = tally.NanoUSD(n[7]), tally.NanoUSD(n[8]), time.Duration(n[9]), time.Duration(n[10]), n[11]
	return set&flagSameLimits1 != 0
}
