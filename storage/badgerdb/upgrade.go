package badgerdb

import (
	"context"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// A store of an older schema is brought up to this schema when it is opened. Families that
// it did not have get their rows, and so do the names that records are searched for by. All
// of these rows come from the records that are there, so the new families say nothing of
// pruned ones. Nothing else is written again, and every value is read in the version it has.
// The audit log, which began with schema 4, begins empty.
//
// The upgrade counts what the store's last checkpoint has counted. The records behind that
// are then replayed as after any crash. An upgrade that is stopped goes on where it was.
// Until it is complete, no other program takes the store.

// upgradeRecords is how many records an upgrade counts before it writes their sums. That
// bounds its memory.
const upgradeRecords = 20_000

// upgrade is an upgrade under way.
type upgrade struct {
	*Store
	from     byte   // the schema
	seq      uint64 // the records up to here are counted
	n        int    // of records that are counted and not written
	rows     raised
	openings raised // what records that have opening balances contributed to them
	presence presence
	txn      *badger.Txn // sees what is written
}

func (s *Store) upgrade(ctx context.Context, is found) error {
	began := time.Now()
	s.log.Info("the store is brought up to a new schema, once", "from", is.schema, "to", Schema, "records", s.saved.end.seq-s.pruned.seq)
	u := &upgrade{Store: s, from: is.schema, seq: max(is.filled, s.pruned.seq), presence: newPresence(s.opts.chunkBits)}
	u.begin()
	defer func() { u.txn.Discard() }()
	if err := u.write(); err != nil { // from now on, an older program takes the store for a newer program's
		return err
	}
	if familiesOf[is.schema] < familiesOf[Schema] {
		if err := s.db.View(func(txn *badger.Txn) error { return u.records(ctx, txn) }); err != nil {
			return err
		}
		if err := u.write(); err != nil {
			return err
		}
	}
	if err := s.writeSchema(); err != nil {
		return err
	}
	s.log.Info("the store is brought up", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// begin begins with the next records.
func (u *upgrade) begin() {
	added := func(keys func(rowKey) [][]byte) raised {
		return newRaised(func(k rowKey) [][]byte {
			if int(k.family) < familiesOf[u.from] || k.family == bySubject {
				return nil
			}
			return keys(k)
		})
	}
	u.rows, u.openings = added(u.coarse.Load().keys), added(func(k rowKey) [][]byte { return [][]byte{u.coarse.Load().opening(k)} })
	u.n, u.txn = 0, u.db.NewTransaction(false)
}

// records counts all records that are to be counted.
func (u *upgrade) records(ctx context.Context, txn *badger.Txn) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRecord}})
	defer it.Close()
	var b block
	for it.Rewind(); it.Valid(); it.Next() {
		if ctx.Err() != nil {
			return tally.Errorf(tally.Unavailable, "the store was not waited for: %w", context.Cause(ctx)).WithHint("it goes on where it was when the store is opened again")
		}
		err := it.Item().Value(func(v []byte) error { return b.open(it.Item().Key(), v) })
		if err != nil { // the record stays damaged, so that whoever asks for it is told; verify does not count it either
			u.log.Error("records are damaged and not counted; run tallygate verify", "err", err)
			continue
		}
		for i := range b.entries {
			if err := u.count(&b.entries[i].Record); err != nil {
				return err
			}
		}
		if u.n < u.opts.upgradeRecords {
			continue
		}
		if err := u.write(); err != nil {
			return err
		}
		u.txn.Discard()
		u.begin()
	}
	return nil
}

func (u *upgrade) count(r *tally.Record) error {
	if r.Seq <= u.seq { // counted; or pruned, and only its removal was stopped
		return nil
	}
	u.seq = r.Seq
	u.n++
	if r.Seq <= u.saved.end.seq {
		u.presence.add(r) // those that are there are written again
		if err := u.rows.count(u.txn, r); err != nil {
			return err
		}
	}
	if r.Seq <= u.Store.openings.from {
		return u.openings.count(u.txn, r)
	}
	return nil
}

// write writes what was counted, and last how far that goes.
func (u *upgrade) write() error {
	if err := u.save(&u.rows, min(u.seq, u.saved.end.seq)); err != nil {
		return err
	}
	if err := u.save(&u.openings, min(u.seq, u.Store.openings.from)); err != nil {
		return err
	}
	w := u.slices()
	defer w.discard()
	for _, key := range u.presence.dirty {
		if err := w.set(key, nil); err != nil {
			return err
		}
	}
	u.presence.dirty = u.presence.dirty[:0]
	if err := w.set(keySchema, upgrading(u.from, u.seq)); err != nil {
		return err
	}
	return w.commit()
}
