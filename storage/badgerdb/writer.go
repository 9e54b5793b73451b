package badgerdb

import (
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// maxBatchBytes bounds what one transaction writes of jobs. It is far below the 15 % of a
// memtable that Badger takes.
const maxBatchBytes = 256 << 10

// write is the writer's goroutine. It alone writes to Badger and decides the order of
// settlements. It ends when the queue is closed and empty.
func (s *Store) write() {
	defer s.running.Done()
	b := &batch{}
	var jobs []*job
	for {
		var tick, closed bool
		jobs, tick, closed = s.queue.take(jobs, s.checkpoint != nil && !s.stuck)
		for _, j := range jobs {
			s.put(b, j)
		}
		s.finish(b)
		if closed && len(jobs) == 0 {
			return
		}
		clear(jobs)
		s.keepUp(tick)
	}
}

// batch is the jobs of one transaction, and the buffers it refers to.
type batch struct {
	jobs    []*job
	settled []*job // those with a record
	holds   []*ledger.Hold
	changes []ledger.Settled
	slot    encoder // the value of a slot with holds
	blocks  []span  // blocks of records in records
	records encoder
	before  position // to return to when the transaction fails
}

// span is where the value of a block lies in a buffer.
type span struct {
	day      uint32
	first    uint64
	from, to int
}

// position is where the store's records end.
type position struct {
	seq       uint64
	settledAt time.Time // never runs backwards: the days in keys go by it
	reached   time.Time // when the last record was settled; falls where an era ends. It is not written
}

func (b *batch) reset() {
	clear(b.jobs)
	clear(b.settled)
	clear(b.holds)
	clear(b.changes)
	b.jobs, b.settled, b.holds, b.changes, b.blocks = b.jobs[:0], b.settled[:0], b.holds[:0], b.changes[:0], b.blocks[:0]
	b.slot.begin()
	b.records.begin()
}

// put decides a job and adds it to the batch.
func (s *Store) put(b *batch, j *job) {
	if len(b.slot.b)+len(b.records.b) > maxBatchBytes || j.kind == jobAlone {
		s.finish(b)
	}
	if len(b.jobs) == 0 {
		b.before = s.end
	}
	switch j.kind {
	case jobAlone:
		j.err = j.alone()
		j.done <- struct{}{}
		return
	case jobHold:
		if len(b.holds) == 0 {
			b.slot.slotHead(s.journal.epoch, s.end.seq)
		}
		b.holds = append(b.holds, j.hold)
		b.slot.hold(j.hold, nil)
	case jobSettle, jobLose:
		var change ledger.Settled
		if change, j.err = s.settle(b, j); j.err != nil {
			break
		}
		b.changes = append(b.changes, change)
		j.entry.stray = change.Stray
		s.add(b, j)
	case jobEnter:
		s.finish(b)
		b.before = s.end
		if j.err = s.enter(j); j.err == nil {
			s.add(b, j)
			*j.entered = j.entry.Record
		}
		b.jobs = append(b.jobs, j)
		s.finish(b)
		return
	case jobMade:
		s.addMade(b, j)
	case jobRefuse:
		r := &j.entry.Record
		r.At, r.Charges = ledger.UTC(r.At), nil
		if r.Reached != nil {
			with := *r.Reached
			with.Resets = ledger.UTC(with.Resets)
			r.Reached = &with
		}
		r.Session, r.NewSession, r.SessionEnds = "", false, time.Time{}
		s.add(b, j)
	}
	b.jobs = append(b.jobs, j)
}

// settle replaces a job's hold by its record in the ledger.
func (s *Store) settle(b *batch, j *job) (ledger.Settled, error) {
	for {
		var change ledger.Settled
		var err error
		if j.kind == jobLose {
			change, err = s.ledger.Lost(j.id, j.now, &j.entry.Record)
		} else {
			change, err = s.ledger.Settle(j.id, &j.entry.Record)
		}
		if err != nil || change.Lacking == nil {
			return change, err
		}
		s.finish(b) // what is settled must be among the sums before the sums are asked for
		b.before = s.end
		if err := s.adopt(change.Lacking); err != nil {
			return change, err
		}
	}
}

// longestRequest bounds what a record's Total may move the clock of
// settlements.
const longestRequest = 24 * time.Hour

// add gives a job's record the next sequence number and writes it to a block.
func (s *Store) add(b *batch, j *job) {
	r := &j.entry.Record
	s.end.seq++
	r.Seq, r.Count = s.end.seq, max(r.Count, 1)
	took := max(r.Total, 0)
	if r.Outcome != tally.Lost { // the store itself measured how long a lost request took
		took = min(took, longestRequest)
	}
	s.place(b, j, r.At.Add(took))
}

// addMade gives a record of another store, which was settled there, the next number.
func (s *Store) addMade(b *batch, j *job) {
	s.end.seq++
	j.entry.Seq = s.end.seq
	s.place(b, j, j.entry.settledAt)
}

// place writes a job's record, settled at a time or later, to a block.
func (s *Store) place(b *batch, j *job, settled time.Time) {
	r := &j.entry.Record
	s.end.reached = later(s.end.reached, settled)
	s.end.settledAt = later(s.end.settledAt, s.end.reached)
	j.entry.settledAt = s.end.reached
	j.day = dayOf(s.end.settledAt)
	if len(b.blocks) == 0 || b.blocks[len(b.blocks)-1].day != j.day {
		b.closeBlock()
		b.blocks = append(b.blocks, span{day: j.day, first: r.Seq, from: len(b.records.b)})
		b.records.blockHead()
	}
	b.records.entry(&j.entry)
	b.settled = append(b.settled, j)
}

// closeBlock seals the block that is being written.
func (b *batch) closeBlock() {
	if len(b.blocks) == 0 {
		return
	}
	x := &b.blocks[len(b.blocks)-1]
	b.records.b = append(b.records.b[:x.from], seal(recordKey(x.day, x.first), b.records.b[x.from:])...)
	x.to = len(b.records.b)
}

// finish makes a batch durable and tells those who wait.
func (s *Store) finish(b *batch) {
	if len(b.jobs) == 0 {
		return
	}
	err := s.commitBatch(b)
	if s.complain("a transaction failed", err); err != nil {
		s.undo(b, err)
	} else {
		s.ledger.Commit(b.holds, b.changes)
		if len(b.settled) == 1 && b.settled[0].kind == jobEnter {
			s.ledger.Entered(&b.settled[0].entry.Record)
		}
		s.count(b)
	}
	s.acknowledge(b.jobs)
	b.reset()
}

func (s *Store) commitBatch(b *batch) error {
	if len(b.holds) == 0 && len(b.settled) == 0 {
		return nil
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	if len(b.holds) > 0 {
		key := holdKey(side(s.journal.epoch), s.journal.slot)
		b.slot.b = seal(key, b.slot.b)
		if err := txn.Set(key, b.slot.b); err != nil {
			return err
		}
	}
	for key := range s.phantoms {
		if err := txn.Delete([]byte(key)); err != nil {
			return err
		}
	}
	b.closeBlock()
	for _, x := range b.blocks {
		if err := txn.Set(recordKey(x.day, x.first), b.records.b[x.from:x.to:x.to]); err != nil {
			return err
		}
	}
	for _, j := range b.settled {
		if j.kind == jobEnter || j.kind == jobMade && j.entry.Entry != nil {
			if err := setEntry(txn, &j.entry); err != nil {
				return err
			}
		}
		if !j.entry.HasDetail() {
			continue
		}
		key := detailKey(dayOf(j.entry.At), j.entry.Seq)
		if err := txn.Set(key, seal(key, detailsOf(&j.entry.Record))); err != nil {
			return err
		}
	}
	if err := s.commit(txn); err != nil {
		return err
	}
	clear(s.phantoms)
	if len(b.holds) > 0 {
		s.journal.slot++
	}
	return nil
}

// undo takes back what a batch did to the ledger, the latest first. None of it is durable.
func (s *Store) undo(b *batch, err error) {
	failed, changes := cannotWrite(err), b.changes
	for _, j := range slices.Backward(b.jobs) {
		if j.err != nil {
			continue
		}
		j.err = failed
		switch j.kind {
		case jobHold:
			s.ledger.Drop(j.hold)
		case jobSettle, jobLose:
			last := len(changes) - 1
			s.ledger.Unsettle(changes[last])
			changes = changes[:last]
		case jobEnter:
			s.ledger.Unenter(&j.entry.Record)
			if s.phantoms == nil {
				s.phantoms = map[string]bool{}
			}
			s.phantoms[string(entryKey(j.entry.Client, j.entry.ID))] = true
		}
	}
	s.end = b.before
}

// complain logs what goes wrong. It logs that again only if the failure changes or if all
// went well in between: a disk that fails does so for every request.
func (s *Store) complain(what string, err error) {
	switch {
	case err == nil:
		delete(s.complaints, what)
	case s.complaints[what] != err.Error():
		s.complaints[what] = err.Error()
		s.log.Error(what, "err", err)
	}
}

func cannotWrite(err error) error {
	return tally.Errorf(tally.Unavailable, "the store cannot write: %w", err).WithHint("look at the disk; restart when it is well")
}

// count counts the records of a durable batch and tells the hook.
func (s *Store) count(b *batch) {
	if len(b.settled) == 0 {
		return
	}
	for _, j := range b.settled {
		s.fresh.count(&j.entry.Record)
		s.presence.add(&j.entry.Record)
	}
	s.ledger.See(s.end.reached)
	s.committed.Store(s.end.seq)
	s.records.Store(int64(s.end.seq - s.pruned.seq))
	if s.opts.Hook == nil {
		return
	}
	told := make([]tally.Record, 0, len(b.settled))
	for _, j := range b.settled {
		if r := j.entry.Record; r.Entry == nil {
			r.Visitor, r.Tries = slices.Clone(r.Visitor), slices.Clone(r.Tries)
			told = append(told, r)
		}
	}
	if len(told) > 0 {
		s.opts.Hook(told)
	}
}

// rejournal begins a new epoch of the journal of holds.
func (s *Store) rejournal() error {
	open := s.ledger.Kept()
	epoch, slot := s.journal.next, uint32(0)
	s.journal.next += 2 // if this fails, nothing that was written under the number counts
	for part := range slices.Chunk(open, maxSlotHolds) {
		var e encoder
		e.slotHead(epoch, s.end.seq)
		for _, h := range part {
			e.hold(h, s.ledger.Counted(h))
		}
		if err := s.set(holdKey(side(epoch), slot), e.b); err != nil {
			return err
		}
		slot++
	}
	state := holdsState{epoch, s.end}
	var e encoder
	e.holdsState(&state)
	if err := s.set(keyHolds, e.b); err != nil {
		return err
	}
	s.journal = journal{epoch: epoch, slot: slot, limit: slot + slotsPerEpoch + uint32(len(open)), next: epoch + 1}
	return nil
}

// set writes one value in a transaction of its own.
func (s *Store) set(key, payload []byte) error {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	if err := txn.Set(key, seal(key, payload)); err != nil {
		return err
	}
	return s.commit(txn)
}
