package pgstore

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
)

// A node answers of its own records from its journal, and asks the database for those of the
// others. So it sees what it has just done, and the database need not repeat it.

// place is where a record of another node stands in the order of a search.
type place struct {
	settled int64 // nanoseconds since 1970
	node    string
	seq     int64
}

func (p *place) String() string {
	return strconv.FormatInt(p.settled, 36) + "." + strconv.FormatInt(p.seq, 36) + "." + p.node
}

func parsePlace(text string) (p place, ok bool) {
	settled, rest, _ := strings.Cut(text, ".")
	seq, node, ok := strings.Cut(rest, ".")
	var err1, err2 error
	p.settled, err1 = strconv.ParseInt(settled, 36, 64)
	p.seq, err2 = strconv.ParseInt(seq, 36, 64)
	p.node = node
	return p, ok && err1 == nil && err2 == nil
}

// theirs is a record of another node.
type theirs struct {
	badgerdb.Kept
	place
}

// Records implements storage.History. A cursor is "ours/theirs": where the search of the
// journal goes on, and where that of the database does; "-" is its beginning and "." its end.
func (s *Store) Records(ctx context.Context, q storage.RecordQuery) ([]tally.Record, string, error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, "", tally.Errorf(tally.Invalid, "a page has 1 to 1,000 records, not %d", q.Limit)
	}
	oursAt, theirsAt := "-", "-"
	if q.After != "" {
		var ok bool
		if oursAt, theirsAt, ok = strings.Cut(q.After, "/"); !ok {
			return nil, "", tally.Errorf(tally.Invalid, "%q is not a cursor", q.After)
		}
	}
	ours, oursNext, err := s.oursAfter(ctx, q, oursAt)
	if err != nil {
		return nil, "", err
	}
	others, more, err := s.theirsAfter(ctx, q, theirsAt)
	if err != nil {
		return nil, "", err
	}
	var out []tally.Record
	i, k := 0, 0
	for len(out) < q.Limit && (i < len(ours) || k < len(others)) {
		if k == len(others) || i < len(ours) && !ours[i].Settled.Before(others[k].Settled) {
			out, oursAt = append(out, ours[i].Record), ours[i].Cursor()
			i++
		} else {
			out, theirsAt = append(out, others[k].Record), others[k].place.String()
			k++
		}
	}
	if i == len(ours) && oursNext == "" {
		oursAt = "."
	}
	if k == len(others) && !more {
		theirsAt = "."
	}
	if oursAt == "." && theirsAt == "." {
		return out, "", nil
	}
	return out, oursAt + "/" + theirsAt, nil
}

// oursAfter is a page of the journal.
func (s *Store) oursAfter(ctx context.Context, q storage.RecordQuery, at string) ([]badgerdb.Kept, string, error) {
	switch at {
	case ".":
		return nil, "", s.usable(ctx)
	case "-":
		q.After = ""
	default:
		q.After = at
	}
	return s.journal.Page(ctx, q)
}

// theirsAfter is a page of the others' records; more is whether there may be further ones.
func (s *Store) theirsAfter(ctx context.Context, q storage.RecordQuery, at string) (out []theirs,
	more bool, err error) {
	from := place{settled: 1<<63 - 1}
	if storage.IsOwn(ctx) {
		return nil, false, nil
	}
	switch at {
	case ".":
		return nil, false, nil
	case "-":
	default:
		var ok bool
		if from, ok = parsePlace(at); !ok {
			return nil, false, tally.Errorf(tally.Invalid, "%q is not a cursor", at)
		}
	}
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out, more = nil, true
		names, _, err := s.shippedBy(ctx, tx)
		if err != nil {
			return err
		}
		for from := from; more && len(out) < q.Limit; {
			page, err := s.theirPage(ctx, tx, &q, from, q.Limit-len(out))
			if err != nil {
				return err
			}
			more = len(page) == q.Limit-len(out)
			for i := range page {
				page[i].Node = names[page[i].node]
				if from = page[i].place; q.Match(&page[i].Record) {
					out = append(out, page[i])
				}
			}
		}
		return nil
	})
	return out, more, err
}

// theirPage reads records of other nodes that a query may select.
func (s *Store) theirPage(ctx context.Context, tx pgx.Tx, q *storage.RecordQuery, from place,
	most int) (out []theirs, err error) {
	args := []any{s.id.ID, from.settled, from.node, from.seq, most}
	var where strings.Builder
	and := func(condition string, arg any) {
		args = append(args, arg)
		fmt.Fprintf(&where, " AND "+condition, len(args))
	}
	for _, x := range []struct{ column, is string }{
		{"id", string(q.ID)}, {"gateway", string(q.Gateway)}, {"client", string(q.Client)}, {"key", string(q.Key)},
		{"provider", string(q.Provider)}, {"token", q.Token}, {"endpoint", q.Endpoint},
	} {
		if x.is != "" {
			and(x.column+" = $%d", toText(x.is))
		}
	}
	// The database's times are coarser, so what lies at an edge is looked at once more.
	if !q.Since.IsZero() {
		and("at >= $%d", q.Since.Add(-time.Microsecond))
		// The index is by settlement, which comes later, unless a clock was put back.
		and("settled >= $%d", max(q.Since.Unix()-daySeconds, 0)*int64(time.Second))
	}
	if !q.Until.IsZero() {
		and("at <= $%d", q.Until)
	}
	if len(q.Models) > 0 {
		and("model = ANY($%d)", texts(q.Models))
	}
	if len(q.Codes) > 0 {
		and("code = ANY($%d)", texts(q.Codes))
	}
	if len(q.Outcomes) > 0 {
		and("outcome = ANY($%d)", texts(q.Outcomes))
	}
	if q.Status > 0 {
		and("(status = $%[1]d OR div(status::numeric, 100) = $%[1]d)", q.Status)
	}
	if q.Tag != "" {
		and("position($%d in tags) > 0", toText(q.Tag))
	}
	rows, err := tx.Query(ctx, `SELECT settled, node, seq, body, detail FROM record
		WHERE node <> $1 AND settled <= $2 AND (settled < $2 OR node < $3 OR node = $3 AND seq < $4)`+where.String()+`
		ORDER BY settled DESC, node DESC, seq DESC LIMIT $5`, args...)
	if err != nil {
		return nil, err
	}
	return readRecords(rows)
}

// readRecords reads records: where they stand, all of them, and the details of attempts.
func readRecords(rows pgx.Rows) (out []theirs, err error) {
	var at place
	var body, detail []byte
	_, err = pgx.ForEachRow(rows, []any{&at.settled, &at.node, &at.seq, &body, &detail}, func() error {
		k, err := badgerdb.DecodeRecord(body)
		if err == nil && detail != nil {
			err = badgerdb.DecodeDetails(detail, &k.Record)
		}
		out = append(out, theirs{k, at})
		return err
	})
	return out, err
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = toText(string(x))
	}
	return out
}

// LastUsed implements storage.Meter. Of visitors it knows what this node has seen.
func (s *Store) LastUsed(ctx context.Context, subjects ...tally.Subject) ([]time.Time, error) {
	out, err := s.journal.LastUsed(ctx, subjects...)
	if err != nil || len(subjects) == 0 || storage.IsOwn(ctx) {
		return out, err
	}
	last := map[string]int64{}
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT subject, max(at) FROM last_use WHERE subject = ANY($1) AND node <> $2 GROUP BY subject`, texts(subjects), s.id.ID)
		if err != nil {
			return err
		}
		var name string
		var at int64
		_, err = pgx.ForEachRow(rows, []any{&name, &at}, func() error { last[name] = at; return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, subject := range subjects {
		if at, ok := last[toText(string(subject))]; ok && out[i].Before(time.Unix(0, at)) {
			out[i] = time.Unix(0, at).UTC()
		}
	}
	return out, nil
}

// Holds implements storage.Meter. Of other nodes it tells what they last said, and counts
// all that a client holds there if the oldest of it is meant.
func (s *Store) Holds(ctx context.Context, q storage.HoldQuery) (storage.HoldSum, error) {
	out, err := s.journal.Holds(ctx, q)
	if err != nil || storage.IsOwn(ctx) {
		return out, err
	}
	list, err := s.nodes(ctx)
	if err != nil {
		return out, err
	}
	for i := range list {
		if list[i].id == s.id.ID {
			continue
		}
		for client, h := range list[i].said.Holds {
			if q.Client != "" && q.Client != client || !q.Until.IsZero() && !h.Oldest.Before(q.Until) {
				continue
			}
			out.Count += h.Count
			for m, n := range h.Held {
				out.Held[m] = tally.AddSat(out.Held[m], n)
			}
		}
	}
	return out, nil
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if cmp.Compare(a.UnixNano(), b.UnixNano()) < 0 {
		return b
	}
	return a
}
