package badgerdb

import "tallygate/engine/tally"

// sums writes a row of a rollup and the sequence number up to which it counts.
func (e *encoder) sums(through uint64, s *tally.Sums) {
	e.b = append(e.b, sumsVersion)
	e.uint(through)
	var list [tally.NumFigures]int64
	for i, n := range s.Figures() {
		list[i] = *n
	}
	e.figures(list[:])
	e.figures(s.Latency[:])
}

func decodeSums(payload []byte, s *tally.Sums) (through uint64, err error) {
	d := decoder{b: payload}
	d.version(sumsVersion)
	through = d.uint()
	*s = tally.Sums{}
	if d.format == 1 {
		d.sums1(s)
	} else {
		d.sums2(s)
	}
	return through, d.end("a row of a rollup")
}

func (d *decoder) sums2(s *tally.Sums) {
	mask := d.mask(tally.NumFigures)
	for i, n := range s.Figures() {
		if mask&(1<<i) != 0 {
			*n = d.int()
		}
	}
	d.figures(s.Latency[:])
}

// sums1 reads a row of version 1: its first figures, none left out.
func (d *decoder) sums1(s *tally.Sums) {
	const figures = 13
	for i, n := range s.Figures() {
		if i < figures {
			*n = d.int()
		}
	}
	used := d.uint()
	for i := range s.Latency {
		if used&(1<<i) != 0 {
			s.Latency[i] = d.int()
		}
	}
}
