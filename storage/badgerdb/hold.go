package badgerdb

import (
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// Holds are kept as a journal. Holds that are opened in one transaction lie together under
// a slot. That a hold is settled is told by its record, not by a deletion. When the slots
// of an epoch are used up, the holds that are still open are written once more as the first
// slots of the next epoch. That epoch then begins; one small value says so. Epochs take
// turns on two sides of the table, and overwrite what the epoch before last has left. So
// the table stays small, and a hold costs a part of one write.

// slotsPerEpoch is how many slots an epoch has, beside one for each open hold.
const slotsPerEpoch = 256

// maxSlotHolds bounds how many holds lie in one slot when they are written again.
const maxSlotHolds = 128

// journal is where the next holds go.
type journal struct {
	epoch uint64
	slot  uint32
	limit uint32 // the epoch ends at this slot
	next  uint64 // the number of the next epoch: of the other parity, and never used
}

func side(epoch uint64) uint8 { return uint8(epoch & 1) }

// holdsState is what the store knows of its journal of holds.
type holdsState struct {
	epoch uint64   // the oldest that counts
	began position // of the records when it began
}

func (e *encoder) holdsState(x *holdsState) {
	e.b = append(e.b, stateVersion)
	e.uint(x.epoch)
	e.uint(x.began.seq)
	e.time(x.began.settledAt)
}

func decodeHoldsState(payload []byte) (x holdsState, err error) {
	d := decoder{b: payload}
	d.version(stateVersion)
	x.epoch, x.began.seq, x.began.settledAt = d.uint(), d.uint(), d.time()
	return x, d.end("the state of the holds")
}

// heldMetrics are the metrics of which a slot says what is held: all but the balance, of
// which it is what it is of credits.
const heldMetrics = tally.NumMetrics - 1

// slotHead begins the value of a slot. A hold in the slot is open unless a record with the
// hold's ID has a sequence number above after.
func (e *encoder) slotHead(epoch, after uint64) {
	e.forget()
	e.b = append(e.b, slotVersion)
	e.uint(epoch)
	e.uint(after)
}

// hold writes what a later process needs in order to settle the hold as lost. counted is
// nil where the records since the periods began can tell.
func (e *encoder) hold(h *ledger.Hold, counted []int64) {
	limits := e.last.limits // a draft has none, and must not hide those of the hold before
	e.last.limits = nil
	e.entry(&entry{Record: h.Draft, settledAt: h.At})
	e.last.limits = limits
	e.time(h.ExpiresAt)
	e.int(h.Output)
	e.int(h.Bounds[tally.TokensIO.Index()].Base)
	for _, n := range h.Held[:heldMetrics] {
		e.int(n)
	}
	e.limits = e.limits[:0]
	for i := range h.Charges {
		c := &h.Charges[i]
		l := limit{metric: byte(c.Metric.Index()), label: c.Period.Label, start: c.Period.Start.Unix(), end: c.Period.End.Unix(), max: c.Max}
		l.code, l.subject = codeOf(c.Subject, &h.Draft)
		e.limits = append(e.limits, l)
	}
	if slices.Equal(e.limits, e.last.limits) {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
		e.putLimits(true)
	}
	if counted == nil {
		e.b = append(e.b, 0)
	} else {
		e.b = append(e.b, 1)
		for _, n := range counted {
			e.int(n)
		}
	}
	if h.Session == nil {
		e.b = append(e.b, 0)
		return
	}
	e.b = append(e.b, 1)
	e.id(string(h.Session.Client))
	e.text(h.Session.Member)
	e.time(h.SessionEnds)
}

func (d *decoder) hold() *ledger.Hold {
	h := &ledger.Hold{}
	var x entry
	limits := d.last.limits
	d.last.limits = nil
	d.entry(&x)
	d.last.limits = limits
	x.fill()
	h.Draft = x.Record
	h.ID, h.At = h.Draft.ID, h.Draft.At
	h.ExpiresAt = d.time()
	h.Output = d.int()
	h.Bounds[tally.TokensIO.Index()].Base = d.int()
	for i := range h.Held[:heldMetrics] {
		if h.Held[i] = d.int(); h.Held[i] < 0 {
			d.fail()
		}
	}
	h.Held[tally.Balance.Index()] = h.Held[tally.Credits.Index()]
	h.NewSession = h.Held[tally.Sessions.Index()] > 0
	if d.byte() == 0 {
		d.takeLimits(true)
	}
	if n := len(d.last.limits); n > 0 {
		h.Charges = make([]tally.Charge, n)
	}
	for i := range h.Charges {
		l := &d.last.limits[i]
		period := tally.Period{Label: l.label, Start: time.Unix(l.start, 0).UTC(), End: time.Unix(l.end, 0).UTC()}
		h.Charges[i] = tally.Charge{Counter: tally.Counter{Subject: l.of(&h.Draft), Metric: tally.Metrics[l.metric], Period: period}, Max: l.max}
	}
	if d.byte() == 1 && !d.failed {
		h.Counted = make([]int64, len(h.Charges))
		for i := range h.Counted {
			h.Counted[i] = d.int()
		}
	}
	switch d.byte() {
	case 0:
	case 1:
		d.ids = d.ids[:0]
		d.id()
		h.Session = &tally.SessionUse{Client: tally.ID(d.ids), Member: d.text()}
		h.SessionEnds = d.time()
		h.Session.Until = h.SessionEnds
	default:
		d.fail()
	}
	return h
}

// adoptMinutes makes those counters of orphans alive whose periods are too short for
// rollups. It does so now, because the records that tell may be pruned later.
func (s *Store) adoptMinutes(x *slot, h *ledger.Hold) error {
	for i := range h.Charges {
		c := &h.Charges[i].Counter
		if aligned(&c.Period) {
			continue
		}
		used := int64(-1)
		if h.Counted != nil {
			used = h.Counted[i]
		}
		err := s.db.View(func(txn *badger.Txn) error {
			if used < 0 {
				n, err := s.fromRecords(txn, c)
				used = n
				return err
			}
			return s.backwards(txn, nil, s.committed.Load(), nil, func(_ uint32, e *entry) bool {
				if e.Seq > x.after && c.Period.Contains(e.At) && slices.Contains(subjectsOf(&e.Record), c.Subject) {
					used = tally.AddSat(used, e.Amounts().Of(c.Metric))
				}
				return e.Seq > x.after
			})
		})
		if err != nil {
			return err
		}
		s.ledger.Adopt(*c, used)
	}
	return nil
}

// slot is a decoded slot of the journal.
type slot struct {
	epoch, after uint64
	holds        []*ledger.Hold
}

func decodeSlot(payload []byte) (s slot, err error) {
	d := decoder{b: payload}
	d.version(slotVersion)
	s.epoch, s.after = d.uint(), d.uint()
	for len(d.b) > 0 {
		s.holds = append(s.holds, d.hold())
	}
	return s, d.end("holds")
}
