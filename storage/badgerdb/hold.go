package badgerdb

import (
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// Holds are a journal. Those that are opened in one transaction lie together
// under a slot; that one is settled is told by its record, not by a deletion.
// When the slots of an epoch are used up, the holds that are still open are
// written once more as the first of the next epoch, which then begins: one small
// value says so. Epochs take turns on two sides of the table, and write over
// what the epoch before last has left. So the table stays small, and a hold
// costs a part of one write.

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
	e.b = append(e.b, codecVersion)
	e.uint(x.epoch)
	e.uint(x.began.seq)
	e.time(x.began.settledAt)
}

func decodeHoldsState(payload []byte) (x holdsState, err error) {
	d := decoder{b: payload}
	d.version()
	x.epoch, x.began.seq, x.began.settledAt = d.uint(), d.uint(), d.time()
	return x, d.end("the state of the holds")
}

// slotHead begins the value of a slot. A hold in it is open unless a record
// with its ID has a sequence number above after.
func (e *encoder) slotHead(epoch, after uint64) {
	e.b = append(e.b, codecVersion)
	e.uint(epoch)
	e.uint(after)
}

// hold writes what a later process needs to settle the hold as lost. Counted is
// nil where the records since the periods began can tell.
func (e *encoder) hold(h *ledger.Hold, counted []int64) {
	e.entry(&entry{Record: h.Draft, settledAt: h.At})
	e.time(h.ExpiresAt)
	e.int(h.Output)
	e.int(h.Bounds[tally.TokensIO.Index()].Base)
	for _, n := range h.Held {
		e.int(n)
	}
	e.uint(uint64(len(h.Charges)))
	for i := range h.Charges {
		c := &h.Charges[i]
		e.subject(c.Subject, &h.Draft)
		e.b = append(e.b, byte(c.Metric.Index()))
		e.text(c.Period.Label)
		e.int(c.Period.Start.Unix())
		e.int(c.Period.End.Unix())
		e.int(c.Max)
		if counted == nil || aligned(&c.Period) {
			e.int(-1)
		} else {
			e.int(counted[i])
		}
	}
	if h.Session == nil {
		e.b = append(e.b, 0)
		return
	}
	e.b = append(e.b, 1)
	e.text(string(h.Session.Client))
	e.text(h.Session.Member)
	e.time(h.SessionEnds)
}

func (d *decoder) hold() *ledger.Hold {
	h := &ledger.Hold{}
	var x entry
	d.entry(&x)
	h.Draft = x.Record
	h.ID, h.At = h.Draft.ID, h.Draft.At
	h.ExpiresAt = d.time()
	h.Output = d.int()
	h.Bounds[tally.TokensIO.Index()].Base = d.int()
	for i := range h.Held {
		if h.Held[i] = d.int(); h.Held[i] < 0 {
			d.fail()
		}
	}
	h.NewSession = h.Held[tally.Sessions.Index()] > 0
	if n := d.count(); n > 0 {
		h.Charges, h.Counted = make([]tally.Charge, n), make([]int64, n)
	}
	for i := range h.Charges {
		c := &h.Charges[i]
		c.Subject, c.Metric, c.Period.Label = d.subject(&h.Draft), d.metric(), d.text()
		c.Period.Start, c.Period.End = time.Unix(d.int(), 0).UTC(), time.Unix(d.int(), 0).UTC()
		c.Max, h.Counted[i] = d.int(), d.int()
	}
	switch d.byte() {
	case 0:
	case 1:
		h.Session = &tally.SessionUse{Client: tally.ID(d.text()), Member: d.text()}
		h.SessionEnds = d.time()
		h.Session.Until = h.SessionEnds
	default:
		d.fail()
	}
	return h
}

// adoptMinutes makes the counters of orphans alive whose periods rollups are too
// coarse for. Later the records that tell may be pruned.
func (s *Store) adoptMinutes(x *slot, h *ledger.Hold) error {
	for i := range h.Charges {
		c := &h.Charges[i].Counter
		if aligned(&c.Period) {
			continue
		}
		used := h.Counted[i]
		err := s.db.View(func(txn *badger.Txn) error {
			if used < 0 {
				n, err := s.fromRecords(txn, c)
				used = n
				return err
			}
			return backwards(txn, nil, func(_ uint32, e *entry) bool {
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
	d.version()
	s.epoch, s.after = d.uint(), d.uint()
	for len(d.b) > 0 {
		s.holds = append(s.holds, d.hold())
	}
	return s, d.end("holds")
}
