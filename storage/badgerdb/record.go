package badgerdb

import (
	"slices"
	"time"

	"tallygate/engine/tally"
)

// entry is a record as the store keeps it.
type entry struct {
	tally.Record
	settledAt time.Time // never runs backwards from one record to the next
	stray     bool      // it names other subjects than its hold did

	// Of one that was read: what Charges is made of. Most readers need only the
	// charges on subjects that the record does not name, which are rare; fill
	// makes all.
	limits []limit
	used   []int64
}

// foreign reports whether the record is charged on a subject it does not name.
func (x *entry) foreign() bool {
	return slices.ContainsFunc(x.limits, func(l limit) bool { return l.code == subjectText })
}

// fill makes the charges of a record that was read.
func (x *entry) fill() {
	if len(x.limits) == 0 {
		return
	}
	r, amounts := &x.Record, x.Amounts()
	r.Charges = make([]tally.Charged, len(x.limits))
	for i := range r.Charges {
		l := &x.limits[i]
		r.Charges[i] = tally.Charged{Subject: l.of(r), Metric: tally.Metrics[l.metric], Window: l.label, Amount: amounts[l.metric], Used: x.used[i], Max: l.max}
	}
}

// Records that are settled in one transaction and on one day lie together in a
// block, under the sequence number of the first: Badger spends as much on a
// small value as on a large one. Sequence numbers are dense, so they are not
// written; blocks that do not join prove a loss.
//
// A block is a version and records. A record says only what differs from the
// one before it: gateway, model, limits and the like are written once.

// flags of a record.
const (
	flagStream = 1 << iota
	flagNewSession
	flagStray
	flagEnds       // it has a SessionEnds
	flagVisitor    // it has a Visitor
	flagSameLimits // its limits are those of the one before
)

// texts is how many texts a record has: the first are IDs.
const (
	texts   = 16
	idTexts = 5
)

// previous is what the encoder and the decoder know of the record before.
type previous struct {
	texts  [texts]string
	limits []limit
}

// limit is a charge but for what was used of it. Which subject is one that the
// record names is told by its code, so that other clients have the same limits.
type limit struct {
	code       byte
	subject    tally.Subject // "" if the code tells
	metric     byte
	label      string
	start, end int64 // of a hold
	max        int64
}

func textsOf(r *tally.Record) [texts]string {
	return [texts]string{string(r.ID), string(r.Gateway), string(r.Client), string(r.Key), string(r.Provider), r.Token, r.Session, r.Origin, r.Country,
		r.Endpoint, r.Model, r.Upstream, r.VisitorNet, string(r.Outcome), string(r.Basis), r.Code}
}

// entry writes a record.
func (e *encoder) entry(x *entry) {
	r := &x.Record
	e.limits = e.limits[:0]
	for i := range r.Charges {
		c := &r.Charges[i]
		l := limit{metric: byte(c.Metric.Index()), label: c.Window, max: c.Max}
		l.code, l.subject = codeOf(c.Subject, r)
		e.limits = append(e.limits, l)
	}
	flags := byte(0)
	for _, f := range [...]struct {
		bit byte
		set bool
	}{
		{flagStream, r.Stream}, {flagNewSession, r.NewSession}, {flagStray, x.stray}, {flagEnds, !r.SessionEnds.IsZero()},
		{flagVisitor, len(r.Visitor) > 0}, {flagSameLimits, slices.Equal(e.limits, e.last.limits)},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	e.b = append(e.b, flags)
	e.time(r.At)
	e.int(int64(x.settledAt.Sub(r.At)))
	e.texts(textsOf(r))
	if flags&flagVisitor != 0 {
		e.text(string(r.Visitor))
	}
	if flags&flagEnds != 0 {
		e.time(r.SessionEnds)
	}
	for _, n := range [...]int64{int64(r.Attempts), int64(r.Status), r.Tokens.Input, r.Tokens.CachedInput, r.Tokens.CacheWrite, r.Tokens.Output,
		r.Tokens.Reasoning, int64(r.Cost), int64(r.Credits), int64(r.FirstByte), int64(r.Total), r.Count} {
		e.int(n)
	}
	if flags&flagSameLimits == 0 {
		e.putLimits(false)
	}
	for i := range r.Charges {
		e.int(r.Charges[i].Used) // the amount is what the record says of the metric
	}
}

// texts writes those that are not as in the record before.
func (e *encoder) texts(list [texts]string) {
	mask := uint64(0)
	for i := range list {
		if list[i] == e.last.texts[i] {
			mask |= 1 << i
		}
	}
	e.uint(mask)
	for i := range list {
		switch {
		case mask&(1<<i) != 0:
		case i < idTexts:
			e.id(list[i])
		default:
			e.text(list[i])
		}
	}
	e.last.texts = list
}

// putLimits writes e.limits, and remembers them.
func (e *encoder) putLimits(periods bool) {
	e.uint(uint64(len(e.limits)))
	for i := range e.limits {
		l := &e.limits[i]
		e.b = append(e.b, l.code|l.metric<<4)
		if l.code == subjectText {
			e.text(string(l.subject))
		}
		e.int(l.max)
		// Several limits often count over the same period: which one has said it.
		same := slices.IndexFunc(e.limits[:i], func(o limit) bool { return o.label == l.label && o.start == l.start && o.end == l.end })
		e.uint(uint64(same + 1))
		if same >= 0 {
			continue
		}
		e.text(l.label)
		if periods {
			e.int(l.start)
			e.int(l.end - l.start)
		}
	}
	e.limits, e.last.limits = e.last.limits, e.limits
}

// entry reads a record. Its Seq is told by its place.
func (d *decoder) entry(x *entry) {
	*x = entry{}
	r := &x.Record
	flags := d.byte()
	r.Stream, r.NewSession, x.stray = flags&flagStream != 0, flags&flagNewSession != 0, flags&flagStray != 0
	r.At = d.time()
	x.settledAt = r.At.Add(time.Duration(d.int()))
	d.texts()
	s := &d.last.texts
	r.ID, r.Gateway, r.Client, r.Key, r.Provider = tally.ID(s[0]), tally.ID(s[1]), tally.ID(s[2]), tally.ID(s[3]), tally.ID(s[4])
	r.Token, r.Session, r.Origin, r.Country, r.Endpoint, r.Model, r.Upstream, r.VisitorNet = s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12]
	r.Outcome, r.Basis, r.Code = tally.Outcome(s[13]), tally.Basis(s[14]), s[15]
	if flags&flagVisitor != 0 {
		r.Visitor = []byte(d.text())
	}
	if flags&flagEnds != 0 {
		r.SessionEnds = d.time()
	}
	var n [12]int64
	for i := range n {
		n[i] = d.int()
	}
	r.Attempts, r.Status = int(n[0]), int(n[1])
	r.Tokens = tally.Tokens{Input: n[2], CachedInput: n[3], CacheWrite: n[4], Output: n[5], Reasoning: n[6]}
	r.Cost, r.Credits, r.FirstByte, r.Total, r.Count = tally.NanoUSD(n[7]), tally.NanoUSD(n[8]), time.Duration(n[9]), time.Duration(n[10]), n[11]
	if flags&flagSameLimits == 0 {
		d.takeLimits(false)
	}
	if d.failed {
		return
	}
	x.limits = d.last.limits
	for range x.limits {
		d.used = append(d.used, d.int())
	}
	x.used = d.used[len(d.used)-len(x.limits):]
	if x.foreign() {
		x.fill()
	}
}

// texts reads those that are not as in the record before.
func (d *decoder) texts() {
	mask := d.uint()
	var ids [idTexts]int // where each ends in the scratch
	d.ids = d.ids[:0]
	for i := range d.last.texts {
		switch {
		case mask&(1<<i) != 0:
		case i < idTexts:
			d.id()
		default:
			d.last.texts[i] = d.text()
		}
		if i < idTexts {
			ids[i] = len(d.ids)
		}
	}
	all, from := string(d.ids), 0 // one allocation for all of them
	for i, to := range ids {
		if mask&(1<<i) == 0 {
			d.last.texts[i] = all[from:to]
		}
		from = to
	}
}

// takeLimits reads limits into d.last.
func (d *decoder) takeLimits(periods bool) {
	list := make([]limit, d.count())
	for i := range list {
		l := &list[i]
		b := d.byte()
		if l.code, l.metric = b&15, b>>4; l.code > subjectToken || l.metric >= tally.NumMetrics {
			d.fail()
			return
		}
		if l.code == subjectText {
			l.subject = tally.Subject(d.text())
		}
		l.max = d.int()
		same := d.uint()
		switch {
		case same > uint64(i):
			d.fail()
			return
		case same > 0:
			o := &list[same-1]
			l.label, l.start, l.end = o.label, o.start, o.end
			continue
		}
		l.label = d.text()
		if periods {
			l.start = d.int()
			l.end = l.start + d.int()
		}
	}
	d.last.limits = list
}

// block is the records of one value.
type block struct {
	day     uint32
	first   uint64
	entries []entry
}

func (b *block) last() uint64 { return b.first + uint64(len(b.entries)) - 1 }

// open checks a value and decodes its records, whose charges are to be filled.
// What they point to stays valid; the list is used again by the next call.
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
	d := decoder{b: payload, all: string(payload)}
	d.version()
	for len(d.b) > 0 {
		b.entries = append(b.entries, entry{})
		x := &b.entries[len(b.entries)-1]
		d.entry(x)
		x.Seq = b.last()
	}
	if d.failed || len(b.entries) == 0 {
		return corrupt("%s cannot be read", keyText(key))
	}
	return nil
}
