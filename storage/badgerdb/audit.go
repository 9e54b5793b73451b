package badgerdb

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// The audit log is one row per entry, as JSON, and where the log ends, which is written in
// the transaction of the change. Rows behind the end count for nothing. So the entries of a
// large change can be written ahead, and a log whose last entries were taken away is
// noticed.

func auditKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{tableAudit}, seq) }

func (s *Store) readAudit(txn *badger.Txn) error {
	payload, err := get(txn, keyAudit)
	if err != nil || payload == nil {
		return err
	}
	if json.Unmarshal(payload, &s.audit) != nil {
		return corrupt("where the audit log ends cannot be read")
	}
	return nil
}

// writeAudit begins the transaction of a change with its entries, and returns where the log
// then ends. The transaction is the caller's, even if there is an error.
func (s *Store) writeAudit(by tally.Act, rev int64, changes []tally.Change) (*badger.Txn, tally.AuditChain, error) {
	txn, chain, bytes := s.db.NewTransaction(true), s.audit, 0
	set := func(key []byte, value any) error {
		payload, err := json.Marshal(value)
		if err != nil {
			return tally.Errorf(tally.Internal, "encode the audit log: %w", err)
		}
		if bytes += len(payload); bytes > maxBatchBytes {
			if err := s.commit(txn); err != nil {
				return cannotWrite(err)
			}
			txn, bytes = s.db.NewTransaction(true), len(payload)
		}
		if err := txn.Set(key, seal(key, payload)); err != nil {
			return cannotWrite(err)
		}
		return nil
	}
	for _, c := range changes {
		old, err := entityIn(txn, c)
		if err != nil {
			return txn, chain, err
		}
		e, ok, err := chain.Append(by, rev, c, old)
		if err == nil && ok {
			err = set(auditKey(e.Seq), &e)
		}
		if err != nil {
			return txn, chain, err
		}
	}
	return txn, chain, set(keyAudit, chain)
}

// entityIn is the entity that a change replaces, nil if there is none.
func entityIn(txn *badger.Txn, c tally.Change) (tally.Entity, error) {
	key := entityKey(c.Kind, c.ID)
	payload, err := get(txn, key)
	if err != nil || payload == nil {
		return nil, err
	}
	return decodeEntity(key, payload)
}

func decodeAudit(key, payload []byte) (e tally.AuditEntry, err error) {
	if json.Unmarshal(payload, &e) != nil || string(auditKey(e.Seq)) != string(key) {
		return e, corrupt("an entry of the audit log cannot be read")
	}
	return e, nil
}

// AuditLog implements storage.Config. A cursor is the Seq of the last entry of the
// page.
func (s *Store) AuditLog(ctx context.Context, q storage.AuditQuery) ([]tally.AuditEntry, string, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	txn, chain, err := s.auditLog()
	if err != nil {
		return nil, "", err
	}
	defer txn.Discard()
	before, most, err := q.Page(chain.Seq)
	if err != nil {
		return nil, "", err
	}
	var out []tally.AuditEntry
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true})
	defer it.Close()
	if before == 0 {
		return nil, "", nil
	}
	next := before - 1
	for it.Seek(auditKey(next)); next > 0; it.Next() {
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		if !it.ValidForPrefix([]byte{tableAudit}) || string(it.Item().Key()) != string(auditKey(next)) {
			return nil, "", corrupt("entry %d of the audit log is missing", next)
		}
		var e tally.AuditEntry
		err := it.Item().Value(func(v []byte) error {
			payload, err := unseal(it.Item().Key(), v)
			if err == nil {
				e, err = decodeAudit(it.Item().Key(), payload)
			}
			return err
		})
		if err != nil {
			return nil, "", err
		}
		next--
		if !q.Match(&e) {
			continue
		}
		if len(out) == most {
			return out, strconv.FormatUint(out[len(out)-1].Seq, 10), nil
		}
		out = append(out, e)
	}
	return out, "", nil
}

// auditLog is a consistent picture of the log, and where the log ends.
func (s *Store) auditLog() (txn *badger.Txn, chain tally.AuditChain, err error) {
	err = s.queue.alone(func() error {
		txn, chain = s.db.NewTransaction(false), s.audit
		return nil
	})
	return txn, chain, err
}

// VerifyAudit implements storage.Config.
func (s *Store) VerifyAudit(ctx context.Context) (tally.AuditReport, error) {
	ctx, done, err := s.read(ctx)
	if err != nil {
		return tally.AuditReport{}, err
	}
	defer done()
	v := newVerifier(ctx, s.opts.chunkBits)
	if v.txn, v.audit, err = s.auditLog(); err != nil {
		return tally.AuditReport{}, err
	}
	defer v.txn.Discard()
	if err := v.auditChain(); err != nil {
		return tally.AuditReport{}, err
	}
	return tally.AuditReport{OK: len(v.report.Faults) == 0, Entries: v.audit.Seq, Hash: v.audit.Hash, Faults: v.report.Faults}, nil
}

// auditChain follows the audit log from its first entry to its end. It reports only the
// first fault, since what comes behind a fault cannot be proved.
func (v *verifier) auditChain() error {
	var chain tally.AuditChain
	broken := false
	err := v.entries([]byte{tableAudit}, "audit", func(key, payload []byte) error {
		if broken || chain.Seq == v.audit.Seq {
			return nil
		}
		e, err := decodeAudit(key, payload)
		if err == nil {
			err = chain.Follow(&e)
		}
		broken = err != nil
		return err
	})
	if err == nil && len(v.report.Faults) == 0 && chain != v.audit {
		v.fault("audit", "the audit log", "it ends with entry %d, and %d were written", chain.Seq, v.audit.Seq)
	}
	return err
}
