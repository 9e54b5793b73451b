package badgerdb

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// maxFaults bounds a report: where more is wrong, the first faults tell enough.
const maxFaults = 100

// Verify implements storage.Store. It reads one consistent picture while
// requests go on, in memory that does not grow with the store, and proves:
// every value is what was written; no record is missing; every row of every
// rollup is the sum of its records, pruned ones by their opening balances; every
// record is found by whom it names; the book of money has the entries that the records
// have, none taken back twice; no entry of the audit log is missing or changed; every
// counter that is alive is the sum of its subject's records and holds; the holds
// are those whose records are not there.
func (s *Store) Verify(ctx context.Context, rest time.Duration) (tally.Report, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return tally.Report{}, err
	}
	defer done()
	s.pruning.RLock()
	defer s.pruning.RUnlock()
	v := newVerifier(ctx, s.opts.chunkBits)
	v.rests, v.worked = rest, time.Now()
	if err := s.queue.alone(func() error { return v.begin(s) }); err != nil {
		return tally.Report{}, err
	}
	defer v.txn.Discard()
	for _, step := range []func() error{v.readJournal, v.openings, v.records, v.rollups, v.counters, v.holds, v.rest, v.auditChain} {
		if err := step(); err != nil {
			return tally.Report{}, err
		}
	}
	v.report.Pruned = int64(v.pruned.seq) + v.thin.count()
	v.report.OK = len(v.report.Faults) == 0
	return v.report, nil
}

type verifier struct {
	ctx    context.Context
	rests  time.Duration // after each bit of work
	worked time.Time     // since when there was no rest
	report tally.Report
	txn    *badger.Txn
	end    position
	pruned pruned
	eras   eras
	coarse coarse
	thin   thin
	audit  tally.AuditChain
	opened uint64 // opening balances count up to here; some of the records may still be there

	want     fingerprints // of rows, as openings and records say
	presence presence     // of records
	counting map[tally.Subject][]*counting
	open     map[tally.ID]*ledger.Hold // as the ledger says
	journal  tail
	book     bookCheck
}

// goOn rests if it is time to, and returns an error when the work is not wanted any more.
func (v *verifier) goOn() error {
	if v.rests > 0 && time.Since(v.worked) > 5*time.Millisecond {
		select {
		case <-v.ctx.Done():
		case <-time.After(v.rests):
		}
		v.worked = time.Now()
	}
	if v.ctx.Err() != nil {
		return context.Cause(v.ctx)
	}
	return nil
}

// counting is a counter that is alive, and the sums that it should have.
type counting struct {
	tally.Counter
	is, should tally.Usage
}

func newVerifier(ctx context.Context, chunkBits uint8) *verifier {
	return &verifier{
		ctx: ctx, report: tally.Report{Faults: []tally.Fault{}}, want: newFingerprints(), presence: newPresence(chunkBits),
		counting: map[tally.Subject][]*counting{}, open: map[tally.ID]*ledger.Hold{}, journal: tail{settled: map[tally.ID]uint64{}},
		book: bookCheck{seen: map[string]tally.Record{}, back: map[string]bool{}},
	}
}

// begin takes the picture. It runs in the writer, where nothing is half done, except for
// holds that are not written yet.
func (v *verifier) begin(s *Store) error {
	if err := cmp.Or(s.finishOpenings(), s.finishThinning(), s.completeCheckpoint()); err != nil {
		return err
	}
	v.txn, v.end, v.pruned, v.opened, v.eras = s.db.NewTransaction(false), s.end, s.pruned, s.openings.to, s.eras()
	v.audit, v.coarse, v.thin = s.audit, *s.coarse.Load(), *s.thin.Load()
	counter := func(c tally.Counter, u tally.Usage) {
		v.counting[c.Subject] = append(v.counting[c.Subject], &counting{Counter: c, is: u})
	}
	hold := func(h *ledger.Hold) {
		if written := h.Written(); written != nil {
			v.open[h.ID] = written
		}
		for _, subject := range subjectsHeld(h) {
			for _, c := range v.counting[subject] {
				if c.Period.Contains(h.At) {
					c.should.Held = tally.AddSat(c.should.Held, h.Holds()[c.Metric.Index()])
				}
			}
		}
	}
	s.ledger.Audit(counter, hold)
	return nil
}

func subjectsHeld(h *ledger.Hold) []tally.Subject {
	r := h.Draft
	r.Charges = make([]tally.Charged, len(h.Charges))
	for i := range h.Charges {
		r.Charges[i].Subject = h.Charges[i].Subject
	}
	return subjectsOf(&r)
}

func (v *verifier) fault(kind, subject, format string, args ...any) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, tally.Fault{Kind: kind, Subject: subject, Message: fmt.Sprintf(format, args...)})
	}
}

// entries calls f with every entry of a table. A damaged entry is a fault. The key and the
// payload are f's until f returns.
func (v *verifier) entries(prefix []byte, kind string, f func(key, payload []byte) error) error {
	it := v.txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	n := 0
	for it.Rewind(); it.Valid(); it.Next() {
		if n++; n%64 == 0 {
			if err := v.goOn(); err != nil {
				return err
			}
		}
		key := it.Item().Key()
		err := it.Item().Value(func(value []byte) error {
			payload, err := unseal(key, value)
			if err != nil {
				return err
			}
			return f(key, payload)
		})
		if err != nil {
			v.fault(kind, keyText(key), "%s", tally.AsError(err).Message)
		}
	}
	return nil
}

// eachRecord replays every record that is not pruned.
func (v *verifier) eachRecord(damaged func(key []byte, err error), joins func(*block), f func(*entry)) error {
	it := v.txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRecord}})
	defer it.Close()
	b := block{thin: &v.thin}
	for it.Rewind(); it.Valid(); it.Next() {
		if err := v.goOn(); err != nil {
			return err
		}
		err := it.Item().Value(func(value []byte) error {
			if err := b.open(it.Item().Key(), value); err != nil {
				return err
			}
			joins(&b)
			for i := range b.entries {
				f(&b.entries[i])
			}
			return nil
		})
		if err != nil {
			damaged(it.Item().Key(), err)
		}
	}
	return nil
}

// records replays every record and looks for gaps.
func (v *verifier) records() error {
	next, last, settledAt := v.pruned.seq+1, v.pruned.seq, time.Time{}
	sums, gone := sheet{}, int64(0)
	joins := func(b *block) {
		if b.first != next {
			v.fault("gap", keyText(recordKey(b.day, b.first)), "records %d to %d are missing, or out of order", next, b.first-1)
		}
		next = b.last() + 1
		gone += int64(b.n - len(b.entries))
	}
	damaged := func(key []byte, err error) { v.fault("record", keyText(key), "%s", tally.AsError(err).Message) }
	err := v.eachRecord(damaged, joins, func(x *entry) {
		v.report.Records++
		if x.settledAt.Before(settledAt) && !v.eras.ended(last, x.Seq) || x.settledAt.Before(x.At) {
			v.fault("record", string(x.ID), "record %d was settled before the one before it, or before its admission", x.Seq)
		}
		last, settledAt = x.Seq, x.settledAt
		if x.Seq > v.journal.from.seq && !x.Outcome.Refused() {
			v.journal.settled[x.ID] = x.Seq
		}
		v.book.saw(x)
		v.count(&x.Record)
		v.present(&x.Record)
		if x.Seq <= v.opened {
			return
		}
		if sums.count(&x.Record); len(sums) >= checkpointSheet {
			v.want.addSheet(v.coarse, sums)
			clear(sums)
		}
	})
	v.want.addSheet(v.coarse, sums)
	v.checkPresent()
	if err == nil && next != v.end.seq+1 {
		v.fault("gap", "records", "records %d to %d are missing", next, v.end.seq)
	}
	if is := v.thin.count(); err == nil && gone != is {
		v.fault("record", "records", "%d have gone before their day did, and it says %d", gone, is)
	}
	return err
}

// count adds a record to the counters of its subjects.
func (v *verifier) count(r *tally.Record) {
	if len(v.counting) == 0 {
		return
	}
	amounts := r.Amounts()
	for _, s := range subjectsOf(r) {
		for _, c := range v.counting[s] {
			if c.Period.Contains(r.At) && (r.Seq > v.opened || !aligned(&c.Period)) {
				c.should.Used = tally.AddSat(c.should.Used, amounts.Of(c.Metric))
			}
		}
	}
}

// counters compares what the ledger says.
func (v *verifier) counters() error {
	horizon := int64(max(v.pruned.day, slices.Max(v.thin.until[:]))) * daySeconds
	for _, list := range v.counting {
		for _, c := range list {
			if !aligned(&c.Period) && c.Period.Start.Unix() < horizon {
				continue // a minute some of whose records may be gone: what it used cannot be known
			}
			v.report.Counters++
			if c.is != c.should {
				m := c.Metric
				v.fault("counter", fmt.Sprintf("%s %s %s", c.Subject, m, c.Period.Label), "it says %s used and %s held; the records say %s, the holds %s",
					m.Format(c.is.Used), m.Format(c.is.Held), m.Format(c.should.Used), m.Format(c.should.Held))
			}
		}
	}
	return nil
}

// readJournal reads the holds that were written.
func (v *verifier) readJournal() error {
	if err := v.journal.slots(v.txn); err != nil {
		v.fault("hold", "the journal of holds", "%s", tally.AsError(err).Message)
	}
	return nil
}

// holds compares the journal with the ledger.
func (v *verifier) holds() error {
	for h := range v.journal.open() {
		is := v.open[h.ID]
		switch {
		case is == nil:
			v.fault("hold", string(h.ID), "it is written, and nobody holds it")
		case is.Held != h.Held || !is.At.Equal(h.At):
			v.fault("hold", string(h.ID), "what is written is not what is held")
		}
		delete(v.open, h.ID)
		v.report.Holds++
	}
	for id := range v.open {
		v.fault("hold", string(id), "it is held and not written")
	}
	return nil
}

// rest looks whether everything else can be read.
func (v *verifier) rest() error {
	coarse := 0
	checks := []struct {
		table byte
		kind  string
		check func(key, payload []byte) error
	}{
		{tableEntity, "entity", func(key, payload []byte) error { _, err := decodeEntity(key, payload); return err }},
		{tableUse, "checkpoint", func(_, payload []byte) error { _, _, err := decodeUse(payload); return err }},
		{tableSession, "checkpoint", func(_, payload []byte) error {
			d := decoder{b: payload}
			d.time()
			return d.end("a session")
		}},
		{tableState, "checkpoint", v.state},
		{tableEntry, "entry", func(key, payload []byte) error { return v.book.check(v, key, payload) }},
		{tableCoarse, "rollup", func(key, payload []byte) error {
			chunk, of, err := decodeCoarse(key, payload)
			if is := v.coarse[chunk]; err == nil && (is == nil || *is != *of) {
				err = corrupt("its spans are not those that are read")
			}
			coarse++
			return err
		}},
		{tableDetail, "detail", func(_, payload []byte) error {
			d := decoder{b: payload}
			for len(d.b) > 0 {
				d.text()
			}
			return d.end("what went wrong with attempts")
		}},
		{tablePresence, "presence", func(key, payload []byte) error {
			if _, _, ok := parsePresenceKey(key); !ok || len(payload) > 0 {
				return corrupt("a row of presence is malformed")
			}
			return nil
		}},
	}
	for _, c := range checks {
		if err := v.entries([]byte{c.table}, c.kind, c.check); err != nil {
			return err
		}
	}
	v.book.missing(v)
	if coarse != len(v.coarse) {
		v.fault("rollup", "coarse chunks", "%d are written and %d are read", coarse, len(v.coarse))
	}
	return nil
}

func (v *verifier) state(key, payload []byte) error {
	if !bytes.Equal(key, keyState) {
		return nil
	}
	x, err := decodeState(payload)
	if err == nil && (x.end.seq != v.end.seq || x.pruned != v.pruned) {
		return corrupt("it says that records end with %d, and that %d are pruned; they end with %d, and %d are", x.end.seq, x.pruned.seq, v.end.seq, v.pruned.seq)
	}
	return err
}
