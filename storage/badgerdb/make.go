package badgerdb

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// Source is what a store is made of that several nodes had in common.
type Source struct {
	Entities []tally.Entity
	Rev      int64
	// Audit calls yield with the audit log, from its first entry on.
	Audit func(yield func(*tally.AuditEntry) error) error
	// Openings calls yield with what records that are gone have added to rows, a UTC day at a
	// time: rows of quarters, and of families that know days only, rows of days.
	Openings func(yield func(map[Row]*tally.Sums) error) error
	// Records calls yield with all records, those of the book of money too, in the order in
	// which they were settled. They get new numbers.
	Records  func(yield func(*Kept) error) error
	Sessions []ledger.Session
}

// makeBatch is how many values, or records, one transaction of a new store has.
const makeBatch = 500

// Make makes a store in a new folder and proves it. The error is Conflict if the folder has
// something in it. What was made of a store that is not whole is removed.
func Make(ctx context.Context, o Options, from *Source) (tally.Report, error) {
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		return tally.Report{}, tally.Errorf(tally.Conflict, "%s is not empty", o.Dir).WithHint("name a new folder")
	}
	report, err := fill(ctx, o, from)
	if err != nil {
		err = errors.Join(err, os.RemoveAll(o.Dir))
	}
	return report, err
}

func fill(ctx context.Context, o Options, from *Source) (report tally.Report, err error) {
	s, err := Open(ctx, o)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m := &maker{store: s, ctx: ctx}
	for _, step := range []func(*Source) error{m.config, m.openings, m.records, m.sessions} {
		if err := step(from); err != nil {
			return report, err
		}
	}
	if err := s.queue.alone(s.completeCheckpoint); err != nil {
		return report, err
	}
	report, err = s.Verify(ctx, 0)
	if err == nil && !report.OK {
		err = tally.Errorf(tally.Corrupt, "what was made does not add up: %s", report.Faults[0].Message)
	}
	return report, err
}

// maker fills a new store.
type maker struct {
	ctx   context.Context
	store *Store
	list  []Kept
}

// write runs steps in the writer, some of them in each transaction.
func (m *maker) write(steps []func(*badger.Txn) error) error {
	for len(steps) > 0 {
		some := steps[:min(len(steps), makeBatch)]
		steps = steps[len(some):]
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		err := m.store.queue.alone(func() error {
			txn := m.store.db.NewTransaction(true)
			defer txn.Discard()
			for _, step := range some {
				if err := step(txn); err != nil {
					return err
				}
			}
			return m.store.commit(txn)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// set is a step that writes a value.
func set(key, payload []byte) func(*badger.Txn) error {
	return func(txn *badger.Txn) error { return txn.Set(key, seal(key, payload)) }
}

func (m *maker) config(from *Source) error {
	s := m.store
	var steps []func(*badger.Txn) error
	for _, e := range from.Entities {
		payload, err := json.Marshal(e)
		if err != nil {
			return tally.Errorf(tally.Internal, "encode %s %s: %w", e.Kind(), e.Base().ID, err)
		}
		steps = append(steps, set(entityKey(e.Kind(), e.Base().ID), payload))
		s.revs[entityID{e.Kind(), e.Base().ID}] = e.Base().Rev
	}
	var chain tally.AuditChain
	err := from.Audit(func(e *tally.AuditEntry) error {
		if err := chain.Follow(e); err != nil {
			return err
		}
		payload, err := json.Marshal(e)
		steps = append(steps, set(auditKey(e.Seq), payload))
		return err
	})
	if err != nil {
		return err
	}
	end, err := json.Marshal(chain)
	if err != nil {
		return err
	}
	var rev encoder
	rev.int(from.Rev)
	if err := m.write(append(steps, set(keyAudit, end), set(keyRev, rev.b))); err != nil {
		return err
	}
	return s.queue.alone(func() error { s.rev, s.audit = from.Rev, chain; return nil })
}

// openings writes what records that are gone have added, as balances and in the rows of all
// granularities.
func (m *maker) openings(from *Source) error {
	return from.Openings(func(rows map[Row]*tally.Sums) error {
		all := map[rowKey]*tally.Sums{}
		var steps []func(*badger.Txn) error
		for r, x := range rows {
			if *x == (tally.Sums{}) {
				continue
			}
			k := rowKey{quarters, r.Family, r.Bucket, r.Dim}
			if r.Gran == days {
				k.bucket *= quartersOfDay
			}
			var e encoder
			e.sums(0, x)
			steps = append(steps, set(k.opening(), e.b))
			coarse(nil).places(k, func(at rowKey) {
				if all[at] == nil {
					all[at] = &tally.Sums{}
				}
				all[at].Merge(x)
			})
			// What it has used is always to be added up: nobody knows when it was.
			use := ledger.Use{Subject: k.subject(), At: time.Unix(int64(k.bucket)*granSeconds[quarters],
				0).UTC(), Stray: true}
			steps = append(steps, func(txn *badger.Txn) error { return putUse(txn, use) })
		}
		for k, x := range all {
			var e encoder
			e.sums(0, x)
			steps = append(steps, set(k.bytes(), e.b))
		}
		return m.write(steps)
	})
}

func (m *maker) records(from *Source) error {
	err := from.Records(func(k *Kept) error {
		m.list = append(m.list, *k)
		if len(m.list) < makeBatch {
			return nil
		}
		return m.flush()
	})
	if err != nil {
		return err
	}
	return m.flush()
}

// flush writes records like a batch of settlements.
func (m *maker) flush() error {
	s, list := m.store, m.list
	m.list = m.list[:0]
	if len(list) == 0 {
		return nil
	}
	if m.ctx.Err() != nil {
		return context.Cause(m.ctx)
	}
	jobs := make([]*job, len(list))
	for i := range list {
		jobs[i] = s.queue.newJob(jobMade)
		jobs[i].entry = entry{Record: list[i].Record, settledAt: list[i].Settled}
	}
	if err := s.queue.send(jobs...); err != nil {
		return err
	}
	var failed error
	for _, j := range jobs {
		failed = errors.Join(failed, s.queue.wait(j))
	}
	if failed != nil {
		return failed
	}
	uses := map[tally.Subject]ledger.Use{}
	for i := range list {
		r := &list[i].Record
		if r.Outcome.Refused() {
			continue
		}
		for _, subject := range subjectsOf(r) {
			u := uses[subject]
			u.Subject, u.Stray = subject, u.Stray || r.Entry != nil
			if r.Entry == nil {
				u.At = later(u.At, r.At)
			}
			uses[subject] = u
		}
	}
	var steps []func(*badger.Txn) error
	for _, u := range uses {
		steps = append(steps, func(txn *badger.Txn) error { return putUse(txn, u) })
	}
	return m.write(steps)
}

func (m *maker) sessions(from *Source) error {
	var steps []func(*badger.Txn) error
	for _, x := range from.Sessions {
		steps = append(steps, func(txn *badger.Txn) error { return putSession(txn, x) })
		m.store.ledger.Run(x)
	}
	return m.write(steps)
}
