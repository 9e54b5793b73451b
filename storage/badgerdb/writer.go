package badgerdb

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// A job is one act to be made durable. Jobs that come while a transaction is
// being committed go into the next one together.
type job struct {
	kind   jobKind
	hold   *ledger.Hold
	id     tally.ID
	now    time.Time
	record tally.Record
	alone  func() error // runs between transactions

	err    error
	done   chan struct{} // gets one token
	undone *ledger.Hold  // what a failed commit must put back
}

type jobKind int

const (
	jobHold jobKind = iota
	jobSettle
	jobRefuse
	jobLose
	jobAlone
)

var jobPool = sync.Pool{New: func() any { return &job{done: make(chan struct{}, 1)} }}

func newJob(k jobKind) *job {
	j := jobPool.Get().(*job)
	done := j.done
	*j = job{kind: k, done: done}
	return j
}

// maxBatch bounds a transaction; at about 600 bytes a job it is far below the
// 15 % of a memtable that one may hold.
const maxBatch = 512

// flushEvery is how often rollups are written.
const flushEvery = time.Second

// send hands a job to the writer and waits until it is durable.
func (s *Store) send(j *job) error {
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return errClosed()
	}
	s.jobs <- j
	s.closing.RUnlock()
	<-j.done
	err := j.err
	jobPool.Put(j)
	return err
}

// exclusively runs something in the writer, between transactions.
func (s *Store) exclusively(f func() error) error {
	j := newJob(jobAlone)
	j.alone = f
	return s.send(j)
}

// write is the writer's goroutine. It ends when jobs is closed and empty.
func (s *Store) write() {
	defer s.writing.Done()
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	b := &batch{}
	for {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				return
			}
			s.run(b, j)
		case <-ticker.C:
			s.ledger.Sweep(s.ledger.Seen())
			if err := s.flush(); err != nil {
				s.log.Error("rollups were not written; they are kept and tried again", "err", err)
			}
		}
	}
}

// run takes a job and all that wait behind it.
func (s *Store) run(b *batch, j *job) {
	b.reset()
	for ok := true; ok; {
		if j.kind == jobAlone {
			s.finish(b)
			b.reset()
			j.err = j.alone()
			j.done <- struct{}{}
		} else {
			b.jobs = append(b.jobs, j)
		}
		if len(b.jobs) == maxBatch {
			break
		}
		select {
		case j, ok = <-s.jobs:
		default:
			ok = false
		}
	}
	s.finish(b)
}

// batch is the jobs of one transaction.
type batch struct {
	jobs    []*job
	settled []*job // those with a record
	w       writer // what the transaction refers to
}

func (b *batch) reset() {
	clear(b.jobs)
	clear(b.settled)
	b.jobs, b.settled, b.w.b = b.jobs[:0], b.settled[:0], b.w.b[:0]
}

// entry cuts what was written since from out of the buffer, as the value of a
// key.
func (b *batch) entry(key []byte, from int) *badger.Entry {
	b.w.b = append(b.w.b[:from], seal(key, b.w.b[from:])...)
	return badger.NewEntry(key, b.w.b[from:len(b.w.b):len(b.w.b)])
}

// finish makes a batch durable and tells those who wait.
func (s *Store) finish(b *batch) {
	if len(b.jobs) == 0 {
		return
	}
	before := struct {
		seq uint64
		at  time.Time
	}{s.seq, s.settledAt}
	txn := s.db.NewTransaction(true)
	err := s.fill(txn, b)
	if err == nil {
		err = s.commit(txn)
	}
	txn.Discard()
	if err == nil && s.opts.Durability == Strict {
		err = s.db.Sync()
	}
	if err != nil {
		// Nothing of it happened: the ledger goes back, the newest first.
		for _, j := range slices.Backward(b.settled) {
			if j.undone != nil {
				s.ledger.Unsettle(j.undone, &j.record)
			}
		}
		s.seq, s.settledAt = before.seq, before.at
		err = tally.Errorf(tally.Unavailable, "the store cannot write: %w", err)
		for _, j := range b.jobs {
			if j.err == nil {
				j.err = err
			}
		}
		s.log.Error("a transaction failed", "jobs", len(b.jobs), "err", err)
		b.settled = b.settled[:0]
	}
	var told []tally.Record
	if s.opts.Hook != nil && len(b.settled) > 0 {
		told = make([]tally.Record, 0, len(b.settled))
	}
	for _, j := range b.settled {
		s.count(&j.record)
		if told != nil {
			told = append(told, j.record)
		}
	}
	s.records.Add(int64(len(b.settled)))
	s.ledger.See(s.settledAt)
	for _, j := range b.jobs {
		j.done <- struct{}{}
	}
	if told != nil {
		s.opts.Hook(told)
	}
}

// fill puts the jobs into a transaction. A job that cannot be done gets its
// error and leaves the others alone.
func (s *Store) fill(txn *badger.Txn, b *batch) error {
	for _, j := range b.jobs {
		var err error
		switch j.kind {
		case jobHold:
			from := len(b.w.b)
			b.w.hold(j.hold)
			err = txn.SetEntry(b.entry(holdKey(j.hold.ID), from))
		case jobSettle:
			if j.undone, j.err = s.ledger.Settle(j.id, &j.record); j.err == nil {
				err = s.settle(txn, b, j)
			}
		case jobLose:
			var r *tally.Record
			if j.undone, r, j.err = s.ledger.Lost(j.id, j.now); j.err == nil {
				j.record = *r
				err = s.settle(txn, b, j)
			}
		case jobRefuse:
			r := &j.record
			r.At, r.Charges = ledger.UTC(r.At), nil
			r.Session, r.NewSession, r.SessionEnds = "", false, time.Time{}
			err = s.add(txn, b, j)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) settle(txn *badger.Txn, b *batch, j *job) error {
	if err := s.add(txn, b, j); err != nil {
		return err
	}
	return txn.Delete(holdKey(j.record.ID))
}

// longestRequest bounds what a record's Total may move the clock of
// settlements.
const longestRequest = 24 * time.Hour

// add gives a job's record the next sequence number and writes it.
func (s *Store) add(txn *badger.Txn, b *batch, j *job) error {
	r := &j.record
	b.settled = append(b.settled, j)
	s.seq++
	r.Seq, r.Count = s.seq, max(r.Count, 1)
	took := max(r.Total, 0)
	if r.Outcome != tally.Lost { // the store itself measured that
		took = min(took, longestRequest)
	}
	if at := r.At.Add(took); at.After(s.settledAt) {
		s.settledAt = at
	}
	key, from := recordKey(dayOf(s.settledAt), r.Seq), len(b.w.b)
	b.w.time(s.settledAt)
	b.w.record(r)
	return txn.SetEntry(b.entry(key, from))
}

// sync brings the log to the disk each second, and looks how much room is left
// there.
func (s *Store) sync() {
	defer s.writing.Done()
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			if err := s.db.Sync(); err != nil && !errors.Is(err, badger.ErrDBClosed) {
				s.log.Error("the log was not synced", "err", err)
			}
			s.guard()
		}
	}
}
