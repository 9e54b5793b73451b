package pgstore

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Entities are rows of JSON. A change also says which revision it was planned on: what must
// be unique, such as slugs, is looked at in memory, so of two nodes that change something at
// once the second one has to look again.

// Load implements storage.Config.
func (s *Store) Load(ctx context.Context) (out []tally.Entity, rev int64, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := tx.QueryRow(ctx, `SELECT rev FROM cluster WHERE one = 1`).Scan(&rev); err != nil {
			return err
		}
		out, err = entities(ctx, tx)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	s.planned.Store(rev)
	s.heardRev(rev)
	return out, rev, nil
}

func entities(ctx context.Context, tx pgx.Tx) (out []tally.Entity, err error) {
	rows, err := tx.Query(ctx, `SELECT kind, id, body FROM entity ORDER BY kind, id`)
	if err != nil {
		return nil, err
	}
	var kind, id, body string
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &body}, func() error {
		e, err := readEntity(fromText(kind), fromText(id), body)
		out = append(out, e)
		return err
	})
	return out, err
}

func readEntity(kind, id, body string) (tally.Entity, error) {
	if tally.NewEntity(tally.EntityKind(kind)) == nil {
		return nil, tally.Errorf(tally.Corrupt, "the nodes' database holds a %q, which this version does not know", kind).
			WithHint("use the version that made it")
	}
	e, err := tally.ReadEntity(tally.EntityKind(kind), []byte(body))
	if err != nil || string(e.Base().ID) != id {
		return nil, tally.Errorf(tally.Corrupt, "%s %s cannot be read", kind, id).
			WithHint("bring the database back to an earlier state by its own tools: tallygate help nodes")
	}
	return e, nil
}

type entityID struct {
	kind tally.EntityKind
	id   tally.ID
}

// Apply implements storage.Config. It is a Conflict, too, if another node has changed
// anything since the latest Load or Apply of this one.
func (s *Store) Apply(ctx context.Context, by tally.Act, changes ...tally.Change) (int64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	seen := map[entityID]bool{}
	for _, c := range changes {
		k := entityID{c.Kind, c.ID}
		if tally.NewEntity(c.Kind) == nil || c.ID == "" || seen[k] ||
			c.Entity != nil && (c.Entity.Kind() != c.Kind || c.Entity.Base().ID != c.ID) {
			return 0, tally.Errorf(tally.Invalid, "the change of %s %q is malformed", c.Kind, c.ID)
		}
		seen[k] = true
	}
	if len(changes) == 0 {
		return s.planned.Load(), nil
	}
	planned := s.planned.Load()
	most := patience + time.Duration(len(changes))*changePatience
	rev, err := s.actFor(ctx, most, func(ctx context.Context, tx pgx.Tx, c *state) (int64, error) {
		if c.rev != planned {
			return 0, tally.Errorf(tally.Conflict, "another node has changed something meanwhile").
				WithHint("read it again and repeat the change")
		}
		return c.rev + 1, apply(ctx, tx, c, by, changes)
	})
	if err != nil {
		return 0, err
	}
	s.planned.Store(rev)
	s.heardRev(rev)
	for _, c := range changes {
		if c.Entity != nil {
			c.Entity.Base().Rev = rev
		}
	}
	return rev, nil
}

// changePatience is how much longer an act may take for each change: a config file has thousands.
const changePatience = 10 * time.Millisecond

func apply(ctx context.Context, tx pgx.Tx, c *state, by tally.Act, changes []tally.Change) error {
	old, err := entitiesOf(ctx, tx, changes)
	if err != nil {
		return err
	}
	rev := c.rev + 1
	var b pgx.Batch
	for _, x := range changes {
		before := old[entityID{x.Kind, x.ID}]
		if is := revOf(before); is != x.IfRev {
			return tally.Errorf(tally.Conflict, "%s %s changed meanwhile", x.Kind, x.ID).
				WithHint("read it again and repeat the change")
		}
		e, ok, err := c.chain.Append(by, rev, x, before)
		if err != nil {
			return err
		}
		if ok {
			if err := queueAudit(&b, &e); err != nil {
				return err
			}
		}
		if x.Entity == nil {
			b.Queue(`DELETE FROM entity WHERE kind = $1 AND id = $2`, toText(string(x.Kind)), toText(string(x.ID)))
			continue
		}
		is := x.Entity.Base().Rev
		x.Entity.Base().Rev = rev
		body, err := json.Marshal(x.Entity)
		x.Entity.Base().Rev = is // the one passed in gets it once it is stored
		if err != nil {
			return tally.Errorf(tally.Internal, "encode %s %s: %w", x.Kind, x.ID, err)
		}
		b.Queue(`INSERT INTO entity (kind, id, rev, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, id) DO UPDATE SET rev = excluded.rev, body = excluded.body`,
			toText(string(x.Kind)), toText(string(x.ID)), rev, string(body))
	}
	b.Queue(`UPDATE cluster SET rev = $1, audit_seq = $2, audit_hash = $3 WHERE one = 1`, rev,
		int64(c.chain.Seq), c.chain.Hash)
	return tx.SendBatch(ctx, &b).Close()
}

// queueAudit writes an entry of the audit log.
func queueAudit(b *pgx.Batch, e *tally.AuditEntry) error {
	body, err := json.Marshal(e)
	if err != nil {
		return tally.Errorf(tally.Internal, "encode the audit log: %w", err)
	}
	b.Queue(`INSERT INTO audit (seq, at, actor, kind, id, name, body) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		int64(e.Seq), e.At, toText(e.Actor), toText(string(e.Kind)), toText(string(e.ID)), toText(e.Name), string(body))
	return nil
}

// revOf is an entity's revision, 0 if there is none.
func revOf(e tally.Entity) int64 {
	if e == nil {
		return 0
	}
	return e.Base().Rev
}

// entitiesOf reads what changes replace.
func entitiesOf(ctx context.Context, tx pgx.Tx, changes []tally.Change) (map[entityID]tally.Entity, error) {
	var kinds, ids []string
	for _, c := range changes {
		kinds, ids = append(kinds, toText(string(c.Kind))), append(ids, toText(string(c.ID)))
	}
	rows, err := tx.Query(ctx, `SELECT e.kind, e.id, e.body FROM entity e JOIN unnest($1::text[], $2::text[]) AS q (kind, id) ON e.kind = q.kind AND e.id = q.id`, kinds, ids)
	if err != nil {
		return nil, err
	}
	out := map[entityID]tally.Entity{}
	var kind, id, body string
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &body}, func() error {
		e, err := readEntity(fromText(kind), fromText(id), body)
		if err == nil {
			out[entityID{e.Kind(), e.Base().ID}] = e
		}
		return err
	})
	return out, err
}

// AuditLog implements storage.Config. A cursor is the Seq of the last entry of the page.
func (s *Store) AuditLog(ctx context.Context, q storage.AuditQuery) (out []tally.AuditEntry, next string, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out, next = nil, ""
		var end int64
		if err := tx.QueryRow(ctx, `SELECT audit_seq FROM cluster WHERE one = 1`).Scan(&end); err != nil {
			return err
		}
		before, most, err := q.Page(uint64(end))
		if err != nil {
			return err
		}
		for before > 1 {
			page, err := auditPage(ctx, tx, int64(before), 1000)
			if err != nil {
				return err
			}
			for i := range page {
				e := &page[i]
				if e.Seq != before-1 {
					break
				}
				before = e.Seq
				if !q.Match(e) {
					continue
				}
				if len(out) == most {
					next = strconv.FormatUint(out[len(out)-1].Seq, 10)
					return nil
				}
				out = append(out, *e)
			}
			if len(page) == 0 || before > page[len(page)-1].Seq {
				return tally.Errorf(tally.Corrupt, "entry %d of the audit log is missing", before-1).
					WithHint("bring the database back to an earlier state by its own tools: tallygate help nodes")
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return out, next, nil
}

// auditPage reads entries before one, the latest first.
func auditPage(ctx context.Context, tx pgx.Tx, before int64, most int) ([]tally.AuditEntry, error) {
	rows, err := tx.Query(ctx, `SELECT body FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT $2`, before, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanAudit)
}

func scanAudit(row pgx.CollectableRow) (e tally.AuditEntry, err error) {
	var body string
	if err := row.Scan(&body); err != nil {
		return e, err
	}
	if json.Unmarshal([]byte(body), &e) != nil {
		return e, tally.Errorf(tally.Corrupt, "an entry of the audit log cannot be read").
			WithHint("bring the database back to an earlier state by its own tools: tallygate help nodes")
	}
	return e, nil
}

// VerifyAudit implements storage.Config.
func (s *Store) VerifyAudit(ctx context.Context) (r tally.AuditReport, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		r, err = verifyAudit(ctx, tx)
		return err
	})
	return r, err
}

func verifyAudit(ctx context.Context, tx pgx.Tx) (r tally.AuditReport, err error) {
	var end, chain tally.AuditChain
	if err := tx.QueryRow(ctx, `SELECT audit_seq, audit_hash FROM cluster WHERE one = 1`).Scan(&end.Seq,
		&end.Hash); err != nil {
		return r, err
	}
	rows, err := tx.Query(ctx, `SELECT body FROM audit WHERE seq <= $1 ORDER BY seq`, int64(end.Seq))
	if err != nil {
		return r, err
	}
	defer rows.Close()
	fault := func(err error) {
		r.Faults = append(r.Faults, tally.Fault{Kind: "audit", Subject: "the audit log",
			Message: tally.AsError(err).Message})
	}
	for rows.Next() && len(r.Faults) == 0 { // what comes behind a fault cannot be proved
		e, err := scanAudit(rows)
		if err == nil {
			err = chain.Follow(&e)
		}
		if err != nil {
			fault(err)
		}
	}
	if err := rows.Err(); err != nil {
		return r, err
	}
	if len(r.Faults) == 0 && chain != end {
		fault(tally.Errorf(tally.Corrupt, "it ends with entry %d, and %d were written", chain.Seq, end.Seq))
	}
	return tally.AuditReport{OK: len(r.Faults) == 0, Entries: end.Seq, Hash: end.Hash, Faults: r.Faults}, nil
}
