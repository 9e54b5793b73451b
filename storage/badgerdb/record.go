package badgerdb

import (
	"time"

	"tallygate/engine/tally"
)

// entry is a record as the store keeps it.
type entry struct {
	tally.Record
	settledAt time.Time // never runs backwards from one record to the next
	stray     bool      // it names other subjects than its hold did
}

// Records that are settled in one transaction and on one day lie together in a
// block, under the sequence number of the first: Badger spends as much on a
// small value as on a large one. Sequence numbers are dense, so they are not
// written; blocks that do not join prove a loss.
//
// A block is a version, and for each record its length and its fields.

// flags of a record.
const (
	flagStream = 1 << iota
	flagNewSession
	flagStray
	flagSession // it has a SessionEnds
)

// entry writes a record.
func (e *encoder) entry(x *entry) {
	r := &x.Record
	flags := byte(0)
	for _, f := range [...]struct {
		bit byte
		set bool
	}{{flagStream, r.Stream}, {flagNewSession, r.NewSession}, {flagStray, x.stray}, {flagSession, !r.SessionEnds.IsZero()}} {
		if f.set {
			flags |= f.bit
		}
	}
	e.b = append(e.b, flags)
	e.time(r.At)
	e.int(int64(x.settledAt.Sub(r.At)))
	for _, s := range [...]string{string(r.ID), string(r.Gateway), string(r.Client), string(r.Key), string(r.Provider), r.Token, r.Session, r.Origin, r.Country,
		r.Endpoint, r.Model, r.Upstream, r.VisitorNet, string(r.Outcome), string(r.Basis), r.Code} {
		e.text(s)
	}
	e.uint(uint64(len(r.Visitor)))
	e.b = append(e.b, r.Visitor...)
	if flags&flagSession != 0 {
		e.time(r.SessionEnds)
	}
	for _, n := range [...]int64{int64(r.Attempts), int64(r.Status), r.Tokens.Input, r.Tokens.CachedInput, r.Tokens.CacheWrite, r.Tokens.Output,
		r.Tokens.Reasoning, int64(r.Cost), int64(r.Credits), int64(r.FirstByte), int64(r.Total), r.Count} {
		e.int(n)
	}
	e.uint(uint64(len(r.Charges)))
	for i := range r.Charges {
		c := &r.Charges[i]
		e.subject(c.Subject, r)
		e.b = append(e.b, byte(c.Metric.Index()))
		e.text(c.Window)
		e.int(c.Used) // the amount is what the record says of the metric
		e.int(c.Max)
	}
}

// entry reads a record. Its Seq is told by its place.
func (d *decoder) entry(x *entry) {
	r := &x.Record
	flags := d.byte()
	r.Stream, r.NewSession, x.stray = flags&flagStream != 0, flags&flagNewSession != 0, flags&flagStray != 0
	r.At = d.time()
	x.settledAt = r.At.Add(time.Duration(d.int()))
	var s [16]string
	for i := range s {
		s[i] = d.text()
	}
	r.ID, r.Gateway, r.Client, r.Key, r.Provider = tally.ID(s[0]), tally.ID(s[1]), tally.ID(s[2]), tally.ID(s[3]), tally.ID(s[4])
	r.Token, r.Session, r.Origin, r.Country, r.Endpoint, r.Model, r.Upstream, r.VisitorNet = s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12]
	r.Outcome, r.Basis, r.Code = tally.Outcome(s[13]), tally.Basis(s[14]), s[15]
	if v := d.bytes(); len(v) > 0 {
		r.Visitor = append([]byte(nil), v...)
	}
	if flags&flagSession != 0 {
		r.SessionEnds = d.time()
	}
	var n [12]int64
	for i := range n {
		n[i] = d.int()
	}
	r.Attempts, r.Status = int(n[0]), int(n[1])
	r.Tokens = tally.Tokens{Input: n[2], CachedInput: n[3], CacheWrite: n[4], Output: n[5], Reasoning: n[6]}
	r.Cost, r.Credits, r.FirstByte, r.Total, r.Count = tally.NanoUSD(n[7]), tally.NanoUSD(n[8]), time.Duration(n[9]), time.Duration(n[10]), n[11]
	k := d.count()
	if k == 0 {
		return
	}
	amounts := r.Amounts()
	r.Charges = make([]tally.Charged, k)
	for i := range r.Charges {
		c := &r.Charges[i]
		c.Subject, c.Metric, c.Window = d.subject(r), d.metric(), d.text()
		c.Amount, c.Used, c.Max = amounts.Of(c.Metric), d.int(), d.int()
	}
}

// append adds a record to a block, which must not be empty: it begins with the
// version.
func (e *encoder) append(x *entry, scratch *encoder) {
	scratch.b = scratch.b[:0]
	scratch.entry(x)
	e.uint(uint64(len(scratch.b)))
	e.b = append(e.b, scratch.b...)
}

// block is the records of one value, not yet decoded.
type block struct {
	day     uint32
	first   uint64
	entries [][]byte // parts of the value
}

func (b *block) last() uint64 { return b.first + uint64(len(b.entries)) - 1 }

// openBlock checks a value and cuts it into records, reusing b.
func (b *block) open(key, value []byte) error {
	var ok bool
	b.entries = b.entries[:0]
	if b.day, b.first, ok = parseRecordKey(key); !ok {
		return corrupt("records have a malformed key")
	}
	payload, err := unseal(key, value)
	if err != nil {
		return err
	}
	d := decoder{b: payload}
	d.version()
	for len(d.b) > 0 {
		b.entries = append(b.entries, d.bytes())
	}
	if d.failed || len(b.entries) == 0 {
		return corrupt("%s cannot be read", keyText(key))
	}
	return nil
}

// read decodes the i-th record.
func (b *block) read(i int, x *entry) error {
	*x = entry{}
	d := decoder{b: b.entries[i]}
	d.entry(x)
	x.Seq = b.first + uint64(i)
	if d.failed || len(d.b) > 0 {
		return corrupt("record %d cannot be read", x.Seq)
	}
	return nil
}
