package badgerdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// maxFaults bounds a report: where so much is wrong, the first of it tell.
const maxFaults = 100

// Verify implements storage.Store. It reads one consistent picture while
// requests go on.
func (s *Store) Verify(ctx context.Context) (tally.Report, error) {
	if err := ctx.Err(); err != nil {
		return tally.Report{}, err
	}
	s.pruning.RLock()
	defer s.pruning.RUnlock()
	v := &verifier{counted: map[rowKey]*tally.Sums{}, alive: map[tally.Counter]int64{}, subjects: map[tally.Subject][]tally.Counter{}}
	err := s.exclusively(func() error {
		if err := s.flush(); err != nil {
			return err
		}
		v.txn = s.db.NewTransaction(false)
		v.seq, v.pruned = s.seq, s.pruned
		s.ledger.Counters(func(c tally.Counter, u tally.Usage) {
			v.alive[c] = u.Used
			v.subjects[c.Subject] = append(v.subjects[c.Subject], c)
		})
		v.report.Holds = int64(s.ledger.Holds())
		return nil
	})
	if err != nil {
		return tally.Report{}, err
	}
	defer v.txn.Discard()
	for _, step := range []func(context.Context) error{v.openings, v.records, v.rollups, v.counters, v.rest} {
		if err := step(ctx); err != nil {
			return tally.Report{}, err
		}
	}
	v.report.Pruned = int64(v.pruned)
	v.report.OK = len(v.report.Faults) == 0
	if v.report.Faults == nil {
		v.report.Faults = []tally.Fault{}
	}
	return v.report, nil
}

type verifier struct {
	txn         *badger.Txn
	seq, pruned uint64
	counted     map[rowKey]*tally.Sums // 15-minute rows as the records say
	alive       map[tally.Counter]int64
	subjects    map[tally.Subject][]tally.Counter
	replayed    map[tally.Counter]int64 // of windows that rollups are too coarse for
	report      tally.Report
}

func (v *verifier) fault(kind, subject, format string, args ...any) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, tally.Fault{Kind: kind, Subject: subject, Message: fmt.Sprintf(format, args...)})
	}
}

// entries calls f with every entry of a table; one that is damaged is a fault.
func (v *verifier) entries(ctx context.Context, table byte, kind string, f func(key, payload []byte) error) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{table}
	it := v.txn.NewIterator(o)
	defer it.Close()
	n := 0
	for it.Rewind(); it.Valid(); it.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		key := it.Item().KeyCopy(nil)
		err := it.Item().Value(func(value []byte) error {
			payload, err := unseal(key, value)
			if err != nil {
				return err
			}
			return f(key, payload)
		})
		if err != nil {
			v.fault(kind, keyText(key), "%s", tally.AsError(err).Message)
		}
	}
	return nil
}

func (v *verifier) sums(k rowKey) *tally.Sums {
	x := v.counted[k]
	if x == nil {
		x = &tally.Sums{}
		v.counted[k] = x
	}
	return x
}

// openings start from what pruned records contributed.
func (v *verifier) openings(ctx context.Context) error {
	return v.entries(ctx, tableOpening, "rollup", func(key, payload []byte) error {
		k, ok := parseRowTail(key[1:])
		if !ok {
			return tally.Errorf(tally.Corrupt, "an opening balance has a malformed key")
		}
		_, x, err := decodeSums(payload)
		if err == nil {
			v.sums(k).Merge(&x)
		}
		return err
	})
}

// records replays every record and looks for gaps.
func (v *verifier) records(ctx context.Context) error {
	v.replayed = map[tally.Counter]int64{}
	next := v.pruned + 1
	err := v.entries(ctx, tableRecord, "record", func(key, payload []byte) error {
		_, seq, ok := parseRecordKey(key)
		if !ok {
			return tally.Errorf(tally.Corrupt, "a record has a malformed key")
		}
		if seq <= v.pruned {
			return nil // a crash came between its balance and its deletion
		}
		r := reader{b: payload}
		r.time()
		var rec tally.Record
		r.record(&rec)
		if err := r.end("the record"); err != nil {
			return err
		}
		if seq != next || rec.Seq != seq {
			v.fault("gap", keyText(key), "records %d to %d are missing, or out of order", next, seq-1)
		}
		next = seq + 1
		v.report.Records++
		v.count(&rec)
		return nil
	})
	if err == nil && next != v.seq+1 {
		v.fault("gap", "records", "records %d to %d are missing", next, v.seq)
	}
	return err
}

func (v *verifier) count(r *tally.Record) {
	eachRow(r, func(k rowKey) { v.sums(k).Count(r) })
	amounts := r.Amounts()
	seen := []tally.Subject{}
	for _, s := range subjectsOf(r) {
		if slices.Contains(seen, s) {
			continue
		}
		seen = append(seen, s)
		for _, c := range v.subjects[s] {
			if c.Period.Contains(r.At) {
				v.replayed[c] = tally.AddSat(v.replayed[c], amounts.Of(c.Metric))
			}
		}
	}
}

// rollups compares every row of every granularity.
func (v *verifier) rollups(ctx context.Context) error {
	want := map[rowKey]*tally.Sums{}
	for k, x := range v.counted {
		for gran := range uint8(grans) {
			at := k.at(gran)
			if want[at] == nil {
				want[at] = &tally.Sums{}
			}
			want[at].Merge(x)
		}
	}
	err := v.entries(ctx, tableRollup, "rollup", func(key, payload []byte) error {
		k, ok := parseRowKey(key)
		if !ok {
			return tally.Errorf(tally.Corrupt, "a rollup has a malformed key")
		}
		_, x, err := decodeSums(payload)
		if err != nil {
			return err
		}
		v.report.Rollups++
		switch w := want[k]; {
		case w == nil && x != (tally.Sums{}):
			v.fault("rollup", keyText(key), "no record belongs to it")
		case w != nil && *w != x:
			v.fault("rollup", keyText(key), "it says %s; the records say %s", sumsText(&x), sumsText(w))
		}
		delete(want, k)
		return nil
	})
	for k, x := range want {
		if *x != (tally.Sums{}) {
			v.fault("rollup", keyText(k.bytes()), "it is missing; the records say %s", sumsText(x))
		}
	}
	return err
}

func sumsText(x *tally.Sums) string {
	return fmt.Sprintf("%d requests, %d refused, %d tokens, %s", x.Requests, x.Refused, x.Tokens.Total(), x.Cost.Display())
}

// counters compares what the ledger says with what the records, and what was
// pruned, add up to.
func (v *verifier) counters(context.Context) error {
	for c, used := range v.alive {
		v.report.Counters++
		want := v.replayed[c]
		if v.pruned > 0 {
			if q := granSeconds[quarters]; c.Period.Start.Unix()%q != 0 || c.Period.End.Unix()%q != 0 && c.Period.Ends() {
				continue // a minute some of whose records may be pruned
			}
			want = v.fromRows(&c)
		}
		if used != want {
			v.fault("counter", fmt.Sprintf("%s %s %s", c.Subject, c.Metric, c.Period.Label), "it says %s; the records say %s", c.Metric.Format(used), c.Metric.Format(want))
		}
	}
	return nil
}

// fromRows adds up a counter from what the records, and the pruned ones, say of
// its subject.
func (v *verifier) fromRows(c *tally.Counter) (used int64) {
	of := rowsOf(c.Subject)
	for k, x := range v.counted {
		at := int64(k.bucket) * granSeconds[quarters]
		if at < c.Period.Start.Unix() || at >= c.Period.End.Unix() {
			continue
		}
		for _, o := range of {
			if k.family == o.family && k.dim == o.dim {
				used = tally.AddSat(used, x.Amounts().Of(c.Metric))
			}
		}
	}
	return used
}

// rest looks whether everything else can be read.
func (v *verifier) rest(ctx context.Context) error {
	checks := []struct {
		table byte
		kind  string
		check func(key, payload []byte) error
	}{
		{tableHold, "hold", func(_, payload []byte) error { _, err := decodeHold(payload); return err }},
		{tableEntity, "entity", func(key, payload []byte) error { _, err := decodeEntity(key, payload); return err }},
		{tableUse, "checkpoint", readTime},
		{tableSession, "checkpoint", readTime},
		{'!', "checkpoint", func(key, payload []byte) error {
			if strings.HasPrefix(string(key), string(keyState)) {
				_, err := decodeState(payload)
				return err
			}
			return nil
		}},
	}
	for _, c := range checks {
		if err := v.entries(ctx, c.table, c.kind, c.check); err != nil {
			return err
		}
	}
	return nil
}

func readTime(_, payload []byte) error {
	r := reader{b: payload}
	r.time()
	return r.end("a time")
}
