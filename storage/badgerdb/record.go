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
	gone      bool      // it was deleted before its day: only its number is left

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

// A record says only what differs from the record before it in its value: gateway, model,
// limits and the like are written once. A number is written as the difference from what one
// would expect, and left out where the difference is zero. This file has versions 2 to 4,
// of which the older ones have fewer flags and texts. Version 1 is in record1.go.

// flags of a record. The first seven take one byte.
const (
	flagStream = 1 << iota
	flagSameLimits
	flagSettledAsLast // at the same instant
	flagNewSession
	flagEnds // it has a SessionEnds
	flagVisitor
	flagBilled
	flagStray
	flagUncounted
	flagCut
	flagTries
	flagReached
	flagGone // and nothing else
	flagEntry
	flagDocument // of its entry

	flags = 15
)

// texts is how many texts a record has; the first of them are IDs. The texts that differ
// most often from one record to the next come first.
const (
	texts   = 25
	idTexts = 6
)

// previous is what the encoder and the decoder know of the record before.
type previous struct {
	texts     [texts]string
	limits    []limit
	at        int64 // the second of its admission
	settledAt time.Time
	tries     [][tryTexts]string // of the latest record with so many
}

// forget makes the next record say everything.
func (p *previous) forget() { *p = previous{limits: p.limits[:0], tries: p.tries[:0]} }

func textsOf(r *tally.Record) [texts]string {
	return [texts]string{string(r.ID), string(r.Client), string(r.Key), string(r.Provider), string(r.Price), string(r.Gateway), r.Model,
		r.Upstream, r.Code, string(r.Outcome), string(r.Basis), r.Session, r.Token, r.Origin,
		r.Country, r.Endpoint, r.VisitorNet, string(r.Tier), r.Answered, r.Request, r.Reason, r.Asked, pieceText(r.Piece), r.Trace,
		string(r.Tags)}
}

func setTexts(r *tally.Record, s *[texts]string) {
	r.ID, r.Client, r.Key, r.Provider, r.Price, r.Gateway, r.Model = tally.ID(s[0]), tally.ID(s[1]), tally.ID(s[2]), tally.ID(s[3]), tally.ID(s[4]), tally.ID(s[5]), s[6]
	r.Upstream, r.Code, r.Outcome, r.Basis, r.Session, r.Token, r.Origin = s[7], s[8], tally.Outcome(s[9]), tally.Basis(s[10]), s[11], s[12], s[13]
	r.Country, r.Endpoint, r.VisitorNet, r.Tier, r.Answered, r.Request, r.Reason, r.Asked = s[14], s[15], s[16], tally.Tier(s[17]), s[18], s[19], s[20], s[21]
	r.Piece, r.Trace, r.Tags = tally.Piece(s[22]), s[23], tally.Tags(s[24])
}

// pieceText is a piece as it is kept. Searches were kept before any other piece, and have
// no name.
func pieceText(p tally.Piece) string {
	if p == tally.Search {
		return ""
	}
	return string(p)
}

// pieceOf is the piece of a text that says of so many what they are.
func pieceOf(text string, n int64) tally.Piece {
	if text == "" && n != 0 {
		return tally.Search
	}
	return tally.Piece(text)
}

// numbers is how many numbers a record may have.
const numbers = 23

// numbersOf are a record's numbers except the time when it was settled. Those that are
// there most often come first.
func numbersOf(r *tally.Record) [numbers]int64 {
	t, listed, billed := &r.Tokens, r.Listed, tally.NanoUSD(0)
	if r.Billed != nil { // of our bill and the upstream's, one is most often the cost
		listed, billed = r.Listed-r.Cost, *r.Billed-r.Cost
	}
	return [numbers]int64{t.Input, t.Output, int64(r.Cost), int64(r.Total), int64(r.Total - r.FirstByte), int64(r.Credits - r.Cost), t.CachedInput,
		t.Reasoning, 0, int64(r.Status - usualStatus), int64(r.Attempts - 1), r.Count - 1, int64(r.Waited), t.CacheWrite,
		r.Pieces, int64(billed), int64(listed), t.CacheWriteLong, t.AudioInput, t.ImageInput, t.AudioOutput, t.ImageOutput,
		int64(r.Saved)}
}

const (
	usualStatus   = 200
	settledNumber = 8 // the place of how much longer than Total it took to settle the record
)

func setNumbers(r *tally.Record, n *[numbers]int64, billed bool) {
	r.Tokens = tally.Tokens{Input: n[0], Output: n[1], CachedInput: n[6], Reasoning: n[7], CacheWrite: n[13],
		CacheWriteLong: n[17], AudioInput: n[18], ImageInput: n[19], AudioOutput: n[20], ImageOutput: n[21]}
	r.Cost, r.Total, r.Pieces, r.Listed = tally.NanoUSD(n[2]), time.Duration(n[3]), n[14], tally.NanoUSD(n[16])
	r.FirstByte, r.Credits, r.Waited = r.Total-time.Duration(n[4]), tally.NanoUSD(n[5])+r.Cost, time.Duration(n[12])
	r.Piece = pieceOf(string(r.Piece), r.Pieces)
	r.Saved = tally.NanoUSD(n[22])
	r.Status, r.Attempts, r.Count = int(n[9])+usualStatus, int(n[10])+1, n[11]+1
	if billed {
		all := tally.NanoUSD(n[15]) + r.Cost
		r.Billed, r.Listed = &all, r.Listed+r.Cost
	}
}

// entry writes a record.
func (e *encoder) entry(x *entry) {
	r, last := &x.Record, &e.last
	e.limits = e.limits[:0]
	for i := range r.Charges {
		c := &r.Charges[i]
		l := limit{metric: byte(c.Metric.Index()), label: c.Window, max: c.Max}
		l.code, l.subject = codeOf(c.Subject, r)
		e.limits = append(e.limits, l)
	}
	n := numbersOf(r)
	n[settledNumber] = int64(x.settledAt.Sub(r.At)) - int64(r.Total)
	settledAsLast := n[settledNumber] != 0 && x.settledAt.Equal(last.settledAt)
	if settledAsLast {
		n[settledNumber] = 0
	}
	set := uint64(0)
	for _, f := range [...]struct {
		bit uint64
		set bool
	}{
		{flagStream, r.Stream}, {flagSameLimits, slices.Equal(e.limits, last.limits)}, {flagSettledAsLast, settledAsLast},
		{flagNewSession, r.NewSession}, {flagEnds, !r.SessionEnds.IsZero()}, {flagVisitor, len(r.Visitor) > 0}, {flagBilled, r.Billed != nil},
		{flagStray, x.stray}, {flagUncounted, r.Uncounted}, {flagCut, r.Cut}, {flagTries, len(r.Tries) > 0},
		{flagReached, r.Reached != nil}, {flagEntry, r.Entry != nil}, {flagDocument, r.Entry != nil && r.Entry.Document != ""},
	} {
		if f.set {
			set |= f.bit
		}
	}
	e.uint(set)
	e.after(last.at, r.At)
	list := textsOf(r)
	e.changed(list[:], last.texts[:], idTexts)
	e.figures(n[:])
	if set&flagVisitor != 0 {
		e.text(string(r.Visitor))
	}
	if set&flagEnds != 0 {
		e.after(r.At.Unix(), r.SessionEnds)
	}
	if set&flagTries != 0 {
		e.tries(r)
	}
	if set&flagReached != 0 {
		e.reached(r.Reached)
	}
	if set&flagEntry != 0 {
		e.booked(r.Entry)
	}
	if set&flagDocument != 0 {
		e.text(r.Entry.Document)
	}
	if set&flagSameLimits == 0 {
		e.putLimits(false)
	}
	for i := range r.Charges {
		e.int(r.Charges[i].Used) // the amount is what the record says of the metric
	}
	last.at, last.settledAt = r.At.Unix(), x.settledAt
}

// entryGone writes that a record is gone.
func (e *encoder) entryGone() { e.uint(flagGone) }

// entry reads a record. Its Seq is told by its place.
func (d *decoder) entry(x *entry) {
	*x = entry{}
	sameLimits := false
	if d.format == 1 {
		sameLimits = d.entry1(x)
	} else {
		sameLimits = d.entry2(x)
	}
	if x.gone {
		return
	}
	if !sameLimits {
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

// entry2 reads a record of version 2 or later up to its limits.
func (d *decoder) entry2(x *entry) (sameLimits bool) {
	r, last := &x.Record, &d.last
	set := d.mask(flags)
	if x.gone = set&flagGone != 0; x.gone {
		return true
	}
	r.Stream, r.NewSession, x.stray = set&flagStream != 0, set&flagNewSession != 0, set&flagStray != 0
	r.Uncounted, r.Cut = set&flagUncounted != 0, set&flagCut != 0
	r.At = d.after(last.at)
	d.changed(last.texts[:], d.mask(texts), idTexts)
	setTexts(r, &last.texts)
	var n [numbers]int64
	d.figures(n[:])
	setNumbers(r, &n, set&flagBilled != 0)
	if set&flagVisitor != 0 {
		r.Visitor = d.visitor()
	}
	if set&flagEnds != 0 {
		r.SessionEnds = d.after(r.At.Unix())
	}
	if set&flagTries != 0 {
		d.tries(r)
	}
	if set&flagReached != 0 {
		r.Reached = d.reached()
	}
	if set&flagEntry != 0 {
		r.Entry = d.booked()
	}
	if set&flagDocument != 0 {
		if r.Entry == nil {
			d.failed = true
			return true
		}
		r.Entry.Document = d.text()
	}
	if x.settledAt = last.settledAt; set&flagSettledAsLast == 0 {
		x.settledAt = r.At.Add(time.Duration(n[settledNumber] + n[3]))
	}
	last.at, last.settledAt = r.At.Unix(), x.settledAt
	return set&flagSameLimits != 0
}

// visitor reads the hash of a visitor; none is nil, however it is written.
func (d *decoder) visitor() []byte {
	if v := d.text(); v != "" {
		return []byte(v)
	}
	return nil
}

// reached writes the limit that a request was refused for.
func (e *encoder) reached(x *tally.Reached) {
	e.text(string(x.Subject))
	e.text(string(x.Metric))
	e.text(x.Window)
	for _, n := range [...]int64{x.Used, x.Held, x.Need, x.Max} {
		e.int(n)
	}
	e.time(x.Resets)
}

func (d *decoder) reached() *tally.Reached {
	return &tally.Reached{Subject: tally.Subject(d.text()), Metric: tally.Metric(d.text()), Window: d.text(),
		Used: d.int(), Held: d.int(), Need: d.int(), Max: d.int(), Resets: d.time()}
}

// booked writes what makes a record one of the book of money.
func (e *encoder) booked(x *tally.Entry) {
	e.text(string(x.Kind))
	e.int(int64(x.Funds))
	e.text(x.Reason)
	e.text(x.Reference)
	e.text(x.By)
	e.time(x.Expires)
	e.text(string(x.Reverses))
	e.text(x.Day)
}

func (d *decoder) booked() *tally.Entry {
	return &tally.Entry{Kind: tally.EntryKind(d.text()), Funds: tally.NanoUSD(d.int()), Reason: d.text(), Reference: d.text(), By: d.text(),
		Expires: d.time(), Reverses: tally.ID(d.text()), Day: d.text()}
}
