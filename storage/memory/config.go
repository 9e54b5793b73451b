package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"tallygate/engine/tally"
)

type entityKey struct {
	kind tally.EntityKind
	id   tally.ID
}

// Load implements storage.Config.
func (s *Store) Load(ctx context.Context) ([]tally.Entity, int64, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	keys := slices.SortedFunc(maps.Keys(s.entities), func(a, b entityKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	var out []tally.Entity
	for _, k := range keys {
		e, err := copyOf(s.entities[k])
		if err != nil {
			return nil, 0, err
		}
		out = append(out, e)
	}
	return out, s.rev, nil
}

// Apply implements storage.Config.
func (s *Store) Apply(ctx context.Context, by tally.Act, changes ...tally.Change) (int64, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	next := maps.Clone(s.entities)
	chain, log := s.chain, s.log
	seen := map[entityKey]bool{}
	for _, c := range changes {
		k := entityKey{c.Kind, c.ID}
		if tally.NewEntity(c.Kind) == nil || c.ID == "" || seen[k] ||
			c.Entity != nil && (c.Entity.Kind() != c.Kind || c.Entity.Base().ID != c.ID) {
			return 0, tally.Errorf(tally.Invalid, "the change of %s %q is malformed", c.Kind, c.ID)
		}
		seen[k] = true
		var rev int64
		if old := s.entities[k]; old != nil {
			rev = old.Base().Rev
		}
		if rev != c.IfRev {
			return 0, tally.Errorf(tally.Conflict, "%s %s changed meanwhile", c.Kind, c.ID).WithHint("read it again and repeat the change")
		}
		delete(next, k)
		if c.Entity != nil {
			e, err := copyOf(c.Entity)
			if err != nil {
				return 0, err
			}
			e.Base().Rev = s.rev + 1
			next[k] = e
		}
		entry, ok, err := chain.Append(by, s.rev+1, c, s.entities[k])
		if err != nil {
			return 0, err
		}
		if ok {
			log = append(log, entry)
		}
	}
	if len(changes) == 0 {
		return s.rev, nil
	}
	s.entities, s.rev, s.chain, s.log = next, s.rev+1, chain, log
	for _, c := range changes {
		if c.Entity != nil {
			c.Entity.Base().Rev = s.rev
		}
	}
	return s.rev, nil
}

// copyOf returns a copy that shares nothing.
func copyOf(e tally.Entity) (tally.Entity, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "encode %s %s: %w", e.Kind(), e.Base().ID, err)
	}
	c := tally.NewEntity(e.Kind())
	if err := json.Unmarshal(b, c); err != nil {
		return nil, tally.Errorf(tally.Internal, "decode %s %s: %w", e.Kind(), e.Base().ID, err)
	}
	return c, nil
}
