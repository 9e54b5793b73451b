package badgerdb

import (
	"cmp"
	"fmt"
	"hash/maphash"

	"tallygate/engine/tally"
)

// fingerprints are sums over rows, one for each granularity and family. Each figure is
// multiplied by a random odd number of its place and of its row's key. So a row with
// another key or another figure is missed only by a chance of 1 in 2^64. Fingerprints add
// up like the figures themselves, so rows can be compared with records without either list
// in memory.
type fingerprints struct {
	seed   maphash.Seed
	places [fields]uint64
	of     [grans][256]uint64
}

// fields is how many figures a row has.
const fields = tally.NumFigures + tally.LatencyBuckets

func newFingerprints() fingerprints {
	f := fingerprints{seed: maphash.MakeSeed()}
	for i := range f.places {
		f.places[i] = maphash.Comparable(f.seed, i) | 1
	}
	return f
}

// add adds a row, or a part of one.
func (f *fingerprints) add(k rowKey, s *tally.Sums) {
	var sum uint64
	for i, n := range s.Figures() {
		if *n != 0 {
			sum += uint64(*n) * f.places[i]
		}
	}
	for i, n := range s.Latency {
		if n != 0 {
			sum += uint64(n) * f.places[tally.NumFigures+i]
		}
	}
	f.of[k.gran][k.family] += sum * (maphash.Comparable(f.seed, k) | 1)
}

func (f *fingerprints) addSheet(of coarse, s sheet) {
	for c, sums := range s {
		c.rows(func(k rowKey) {
			of.places(k, func(at rowKey) { f.add(at, sums) })
		})
	}
}

// openings starts from what pruned records contributed.
func (v *verifier) openings() error {
	return v.eachOpening(func(k rowKey, x *tally.Sums) {
		v.coarse.places(k, func(at rowKey) { v.want.add(at, x) })
		amounts := x.Amounts()
		for _, c := range v.counting[k.subject()] {
			if aligned(&c.Period) && inside(k.bucket, v.coarse.snap(c.Period.Start), v.coarse.snap(c.Period.End)) {
				c.should.Used = tally.AddSat(c.should.Used, amounts.Of(c.Metric))
			}
		}
	})
}

// eachOpening calls f with the opening balances that stand: of coarse chunks those of spans,
// of others those of quarters.
func (v *verifier) eachOpening(f func(rowKey, *tally.Sums)) error {
	var x tally.Sums
	read := func(prefix []byte, spans bool) error {
		return v.entries(prefix, "rollup", func(key, payload []byte) error {
			k, ok := parseRowTail(key[len(prefix):])
			if !ok || k.family != bySubject && int(k.family) >= len(tally.Families) {
				return corrupt("an opening balance has a malformed key")
			}
			if _, err := decodeSums(payload, &x); err != nil {
				return err
			}
			if _, is := v.coarse.span(k.bucket); is == spans {
				f(k, &x)
			}
			return nil
		})
	}
	for _, of := range openingTables() {
		if err := cmp.Or(read(of.fine, false), read(of.spans, true)); err != nil {
			return err
		}
	}
	return nil
}

// rollups compares every row of every granularity with the records.
func (v *verifier) rollups() error {
	is := fingerprints{seed: v.want.seed, places: v.want.places}
	err := v.eachRow([]byte{tableRollup}, func(k rowKey, x *tally.Sums) {
		v.report.Rollups++
		is.add(k, x)
	})
	if err != nil {
		return err
	}
	for gran := range uint8(grans) {
		for family := range 256 {
			if is.of[gran][family] == v.want.of[gran][family] {
				continue
			}
			if err := v.localise(gran, uint8(family)); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachRow calls f with the rows that stand.
func (v *verifier) eachRow(prefix []byte, f func(rowKey, *tally.Sums)) error {
	var x tally.Sums
	return v.entries(prefix, "rollup", func(key, payload []byte) error {
		k, ok := parseRowKey(key)
		if !ok {
			return corrupt("a rollup has a malformed key")
		}
		if _, err := decodeSums(payload, &x); err != nil {
			return err
		}
		if v.coarse.stands(k) {
			f(k, &x)
		}
		return nil
	})
}

// localise finds the rows of a family that are wrong. It needs memory for all rows of the
// family, and so is used only where something is wrong.
func (v *verifier) localise(gran, family uint8) error {
	want := map[rowKey]*tally.Sums{}
	add := func(k rowKey, x *tally.Sums) {
		if k.family != family {
			return
		}
		v.coarse.places(k, func(at rowKey) {
			if at.gran != gran {
				return
			}
			if want[at] == nil {
				want[at] = &tally.Sums{}
			}
			want[at].Merge(x)
		})
	}
	if err := v.eachOpening(add); err != nil {
		return err
	}
	err := v.eachRecord(func([]byte, error) {}, func(*block) {}, func(x *entry) {
		if x.Seq <= v.opened {
			return
		}
		one := tally.Sums{}
		one.Count(&x.Record)
		combinations(&x.Record, func(c combination) {
			c.rows(func(k rowKey) { add(k, &one) })
		})
	})
	if err != nil {
		return err
	}
	err = v.eachRow([]byte{tableRollup, gran, family}, func(k rowKey, x *tally.Sums) {
		w := want[k]
		delete(want, k)
		switch {
		case w == nil:
			v.fault("rollup", k.String(), "no record belongs to it")
		case *w != *x:
			v.fault("rollup", k.String(), "it says %s; the records say %s", sumsText(x), sumsText(w))
		}
	})
	for k, x := range want {
		v.fault("rollup", k.String(), "it is missing, or cannot be read; the records say %s", sumsText(x))
	}
	return err
}

func sumsText(x *tally.Sums) string {
	return fmt.Sprintf("%d requests, %d refused, %d tokens, %s", x.Requests, x.Refused, x.Tokens.Total(), x.Cost.Display())
}
