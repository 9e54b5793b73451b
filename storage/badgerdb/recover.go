package badgerdb

import (
	"context"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// recover reads what the store knows, counts the records behind the latest
// checkpoint, and puts back the holds that were open.
func (s *Store) recover(ctx context.Context) error {
	t := tail{settled: map[tally.ID]uint64{}, raised: newRaised(func(k rowKey) [][]byte { return s.coarse.Load().keys(k) })}
	var is found
	err := s.view(func(txn *badger.Txn) (err error) { is, err = s.readSchema(txn); return err })
	if err == nil && is.schema != 0 {
		err = s.view(s.readState, s.readEras, s.readOpenings, s.readCoarse, s.readThin)
		if err == nil && is.schema < Schema {
			err = s.upgrade(ctx, is)
		}
		if err == nil {
			err = s.view(s.readRevs, s.readAudit, s.readSessions, t.slots, s.replay(&t))
		}
	}
	if err != nil {
		return err
	}
	if head := readHead(s.opts.Dir); s.end.seq < head {
		return tally.Errorf(tally.Corrupt, "the store in %s has lost records: it ends with %d, and %d were safe", s.opts.Dir, s.end.seq, head).
			WithHint("restore a backup (tallygate backup restore BACKUPS --to NEW-DIR); to go on with what is left, remove the file %s there", headName)
	}
	if is.schema == 0 {
		if err := s.writeSchema(); err != nil {
			return err
		}
	}
	s.committed.Store(s.end.seq)
	s.records.Store(int64(s.end.seq - s.pruned.seq))
	for h, x := range t.open() {
		s.ledger.Orphaned(h)
		if err := s.adoptMinutes(x, h); err != nil {
			return err
		}
	}
	return s.resume(&t)
}

// view takes steps that read the same picture.
func (s *Store) view(steps ...func(*badger.Txn) error) error {
	return s.db.View(func(txn *badger.Txn) error {
		for _, step := range steps {
			if err := step(txn); err != nil {
				return err
			}
		}
		return nil
	})
}

// resume makes what was recovered the beginning of a new run: rows that were behind are
// brought up, and the journal of holds begins an epoch.
func (s *Store) resume(t *tail) error {
	drop := []func() error{s.dropPruned, func() error { return s.dropFine(inline) }}
	if s.opts.Reads {
		drop = nil
	}
	for _, step := range append(drop, func() error { return s.saveTail(t) }, s.finishOpenings, s.finishThinning) {
		if err := step(); err != nil {
			return err
		}
	}
	// The next epoch writes on the other side than the epoch that counts. Its number is one
	// that nothing on the table has.
	s.journal = journal{epoch: t.epoch, next: t.epoch + 1}
	for s.journal.next <= t.latest {
		s.journal.next += 2
	}
	if err := s.rejournal(); err != nil {
		return cannotWrite(err)
	}
	return nil
}

func (s *Store) readState(txn *badger.Txn) error {
	payload, err := get(txn, keyState)
	if err != nil || payload == nil {
		return err
	}
	if s.saved, err = decodeState(payload); err != nil {
		return err
	}
	s.end, s.pruned = s.saved.end, s.saved.pruned
	s.end.reached = s.end.settledAt
	s.durable.Store(s.end.seq)
	s.ledger.See(s.saved.seen)
	return nil
}

func (s *Store) readSessions(txn *badger.Txn) error {
	return each(txn, []byte{tableSession}, func(key, payload []byte) error {
		client, member, ok := parsePairKey(key)
		d := decoder{b: payload}
		ends := d.time()
		if !ok {
			d.fail()
		}
		s.ledger.Run(ledger.Session{Client: tally.ID(client), Member: member, Ends: ends})
		return d.end("a session")
	})
}

// tail is what lies behind the latest checkpoint, and the journal of holds.
type tail struct {
	from    position // records behind it are replayed
	epoch   uint64   // of the journal, the oldest that counts
	latest  uint64   // of the journal, whether it counts or not
	held    []slot
	settled map[tally.ID]uint64 // sequence number of the latest record of a request
	raised  raised              // rows brought up by the replay
}

// slots reads the journal of holds.
func (t *tail) slots(txn *badger.Txn) error {
	payload, err := get(txn, keyHolds)
	if err != nil {
		return err
	}
	var state holdsState
	if payload != nil {
		if state, err = decodeHoldsState(payload); err != nil {
			return err
		}
	}
	t.epoch, t.from = state.epoch, state.began
	return each(txn, []byte{tableHold}, func(_, payload []byte) error {
		x, err := decodeSlot(payload)
		if err != nil {
			return err
		}
		t.latest = max(t.latest, x.epoch)
		if x.epoch >= t.epoch { // otherwise it is of an epoch that is over
			t.held = append(t.held, x)
		}
		return nil
	})
}

// open returns the holds of the journal that no record has settled, each with
// its slot.
func (t *tail) open() map[*ledger.Hold]*slot {
	byID := map[tally.ID]*ledger.Hold{}
	out := map[*ledger.Hold]*slot{}
	for i := range t.held {
		x := &t.held[i]
		for _, h := range x.holds {
			if t.settled[h.ID] > x.after {
				continue
			}
			if old := byID[h.ID]; old != nil { // written again in a later epoch, or raised since
				if out[old].after > x.after || out[old].after == x.after && old.Output > h.Output {
					continue
				}
				delete(out, old)
			}
			byID[h.ID], out[h] = h, x
		}
	}
	return out
}

// replay counts the records behind the latest checkpoint.
func (s *Store) replay(t *tail) func(*badger.Txn) error {
	return func(txn *badger.Txn) error {
		from := t.from
		if s.saved.end.seq < from.seq {
			from = s.saved.end
		}
		next := from.seq + 1
		return s.forwards(txn, recordKey(dayOf(from.settledAt), next), func(b *block) error {
			if b.first != next && b.first > s.pruned.seq+1 {
				s.log.Error("records are missing; run tallygate verify", "from", next, "to", b.first-1)
			}
			for i := range b.entries {
				if b.entries[i].Seq < next {
					continue // twice there: never count it twice
				}
				if err := s.replayed(txn, t, &b.entries[i]); err != nil {
					return err
				}
			}
			next = max(next, b.last()+1)
			return nil
		})
	}
}

// replayed counts one record.
func (s *Store) replayed(txn *badger.Txn, t *tail, x *entry) error {
	if !x.Outcome.Refused() {
		t.settled[x.ID] = x.Seq
	}
	s.ledger.Replay(&x.Record, x.stray)
	s.ledger.See(x.settledAt)
	if x.Seq <= s.saved.end.seq {
		return nil
	}
	s.end = position{x.Seq, later(s.end.settledAt, x.settledAt), x.settledAt}
	s.presence.add(&x.Record)
	return t.raised.count(txn, &x.Record)
}

// saveTail writes the rows that the replay has brought up, and then, as a
// checkpoint, the rest.
func (s *Store) saveTail(t *tail) error {
	if err := s.save(&t.raised, s.end.seq); err != nil {
		return err
	}
	return s.completeCheckpoint()
}

// each calls f with every entry of a table, in the order of keys.
func each(txn *badger.Txn, prefix []byte, f func(key, payload []byte) error) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		err := it.Item().Value(func(v []byte) error {
			payload, err := unseal(key, v)
			if err != nil {
				return err
			}
			return f(key, payload)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
