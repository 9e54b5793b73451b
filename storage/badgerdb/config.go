package badgerdb

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// An entity is kept as JSON, so that a later version can read it.

// Load implements storage.Config.
func (s *Store) Load(ctx context.Context) ([]tally.Entity, int64, error) {
	if err := s.usable(ctx); err != nil {
		return nil, 0, err
	}
	var out []tally.Entity
	var rev int64
	err := s.queue.alone(func() error {
		rev = s.rev
		return s.db.View(func(txn *badger.Txn) error {
			return each(txn, []byte{tableEntity}, func(key, payload []byte) error {
				e, err := decodeEntity(key, payload)
				out = append(out, e)
				return err
			})
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return out, rev, nil
}

func decodeEntity(key, payload []byte) (tally.Entity, error) {
	kind, id, ok := parsePairKey(key)
	if !ok {
		return nil, corrupt("an entity has a malformed key")
	}
	if tally.NewEntity(tally.EntityKind(kind)) == nil {
		return nil, tally.Errorf(tally.Corrupt, "the store holds a %q, which this version does not know", kind).WithHint("use the version that made it")
	}
	e, err := tally.ReadEntity(tally.EntityKind(kind), payload)
	if err != nil || string(e.Base().ID) != id {
		return nil, tally.Errorf(tally.Corrupt, "%s %s cannot be read", kind, id).WithHint("restore a backup (tallygate backup restore BACKUPS --to NEW-DIR)")
	}
	return e, nil
}

func (s *Store) readRevs(txn *badger.Txn) error {
	payload, err := get(txn, keyRev)
	if err != nil {
		return err
	}
	if payload != nil {
		d := decoder{b: payload}
		s.rev = d.int()
		if err := d.end("the revision"); err != nil {
			return err
		}
	}
	return each(txn, []byte{tableEntity}, func(key, payload []byte) error {
		e, err := decodeEntity(key, payload)
		if err == nil {
			s.revs[entityID{e.Kind(), e.Base().ID}] = e.Base().Rev
		}
		return err
	})
}

// Apply implements storage.Config.
func (s *Store) Apply(ctx context.Context, by tally.Act, changes ...tally.Change) (int64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	var rev int64
	err := s.queue.alone(func() (err error) {
		rev, err = s.apply(by, changes)
		return err
	})
	return rev, err
}

func (s *Store) apply(by tally.Act, changes []tally.Change) (int64, error) {
	seen := map[entityID]bool{}
	for _, c := range changes {
		k := entityID{c.Kind, c.ID}
		if tally.NewEntity(c.Kind) == nil || c.ID == "" || seen[k] ||
			c.Entity != nil && (c.Entity.Kind() != c.Kind || c.Entity.Base().ID != c.ID) {
			return 0, tally.Errorf(tally.Invalid, "the change of %s %q is malformed", c.Kind, c.ID)
		}
		seen[k] = true
		if s.revs[k] != c.IfRev {
			return 0, tally.Errorf(tally.Conflict, "%s %s changed meanwhile", c.Kind, c.ID).WithHint("read it again and repeat the change")
		}
	}
	if len(changes) == 0 {
		return s.rev, nil
	}
	rev := s.rev + 1
	txn, chain, err := s.writeAudit(by, rev, changes)
	defer func() { txn.Discard() }()
	if err != nil {
		return 0, err
	}
	for _, c := range changes {
		switch err := put(txn, c, rev); {
		case errors.Is(err, badger.ErrTxnTooBig):
			return 0, tally.Errorf(tally.Invalid, "a change of %s things is too large to be made in one act", tally.Group(int64(len(changes)))).
				WithHint("make it in parts: of a config file, apply one with the providers first, then one with the gateways")
		case err != nil:
			return 0, err
		}
	}
	var e encoder
	e.int(rev)
	err = txn.Set(keyRev, seal(keyRev, e.b))
	if err == nil {
		err = s.commit(txn)
	}
	if err == nil {
		err = s.db.Sync() // an owner's change is rare and must not be lost
	}
	if err != nil {
		return 0, cannotWrite(err)
	}
	s.rev, s.audit = rev, chain
	for _, c := range changes {
		k := entityID{c.Kind, c.ID}
		if c.Entity == nil {
			delete(s.revs, k)
			continue
		}
		s.revs[k] = rev
		c.Entity.Base().Rev = rev
	}
	return rev, nil
}

// put writes a changed entity. The one passed in gets its revision only once it
// is stored.
func put(txn *badger.Txn, c tally.Change, rev int64) error {
	key := entityKey(c.Kind, c.ID)
	if c.Entity == nil {
		return txn.Delete(key)
	}
	old := c.Entity.Base().Rev
	c.Entity.Base().Rev = rev
	payload, err := json.Marshal(c.Entity)
	c.Entity.Base().Rev = old
	if err != nil {
		return tally.Errorf(tally.Internal, "encode %s %s: %w", c.Kind, c.ID, err)
	}
	return txn.Set(key, seal(key, payload))
}
