package badgerdb

import (
	"encoding/binary"
	"math"
	"time"
)

// The codec of what is written often. Fields stand in a fixed order behind a version,
// numbers as varints, texts with their length before them. The decoder takes whatever bytes
// it is given, and fails instead of panicking.
//
// Each value has a version of its own. All versions are read for ever; nothing is
// written again only because there is a newer one.
const (
	blockVersion = 4
	slotVersion  = 2
	sumsVersion  = 2
	stateVersion = 1 // of what the store knows of itself
)

// encoder appends to a buffer.
type encoder struct {
	b      []byte
	last   previous
	limits []limit // scratch
}

// begin empties the encoder.
func (e *encoder) begin() {
	e.b = e.b[:0]
	e.forget()
}

// forget makes the next record say everything, as the first record of a value must.
func (e *encoder) forget() {
	e.last.forget()
}

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int64)   { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) text(s string) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.int(math.MinInt64)
		return
	}
	e.int(t.Unix())
	e.uint(uint64(t.Nanosecond()))
}

// after writes a time that is most often near another one, whose second is given.
func (e *encoder) after(base int64, t time.Time) {
	e.int(t.Unix() - base)
	e.uint(uint64(t.Nanosecond()))
}

// figures writes numbers of which most are often zero: first a mask of those that are not
// zero, then those numbers.
func (e *encoder) figures(list []int64) {
	mask := uint64(0)
	for i, n := range list {
		if n != 0 {
			mask |= 1 << i
		}
	}
	e.uint(mask)
	for _, n := range list {
		if n != 0 {
			e.int(n)
		}
	}
}

// changed writes the texts that differ from those of the last record, and keeps them in
// last. The first so many texts are most often IDs.
func (e *encoder) changed(list, last []string, ids int) {
	mask := uint64(0)
	for i := range list {
		if list[i] != last[i] {
			mask |= 1 << i
		}
	}
	e.uint(mask)
	for i := range list {
		switch {
		case mask&(1<<i) == 0:
		case i < ids:
			e.id(list[i])
		default:
			e.text(list[i])
		}
	}
	copy(last, list)
}

// decoder takes from a buffer. After a failure it returns zeros.
type decoder struct {
	b      []byte
	all    string // of which b is the end, so that texts are parts of it; may be empty
	failed bool
	last   previous
	used   []int64 // what records have used of their limits
	ids    []byte  // scratch
	format byte    // the version of the value
}

func (d *decoder) fail() { d.failed, d.b = true, nil }

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

// bytes takes a text without copying it.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

func (d *decoder) text() string {
	b := d.bytes()
	if d.all == "" || d.failed {
		return string(b)
	}
	end := len(d.all) - len(d.b)
	return d.all[end-len(b) : end]
}

func (d *decoder) time() time.Time {
	s := d.int()
	if s == math.MinInt64 || d.failed {
		return time.Time{}
	}
	return time.Unix(s, int64(d.uint()%1e9)).UTC()
}

// after reads what the encoder's after wrote.
func (d *decoder) after(base int64) time.Time {
	return time.Unix(base+d.int(), int64(d.uint()%1e9)).UTC()
}

// mask reads a set of at most so many things.
func (d *decoder) mask(most int) uint64 {
	mask := d.uint()
	if mask>>most != 0 {
		d.fail()
		return 0
	}
	return mask
}

// figures reads what the encoder's figures wrote.
func (d *decoder) figures(list []int64) {
	mask := d.mask(len(list))
	for i := range list {
		if list[i] = 0; mask&(1<<i) != 0 {
			list[i] = d.int()
		}
	}
}

// changed reads the texts of a mask into a list.
func (d *decoder) changed(list []string, mask uint64, ids int) {
	var ends [8]int // of each ID in the scratch
	d.ids = d.ids[:0]
	for i := range list {
		switch {
		case mask&(1<<i) == 0:
		case i < ids:
			d.id()
		default:
			list[i] = d.text()
		}
		if i < ids {
			ends[i] = len(d.ids)
		}
	}
	if len(d.ids) == 0 && mask&(1<<ids-1) == 0 {
		return
	}
	all, from := string(d.ids), 0 // one allocation for all of them
	for i, to := range ends[:ids] {
		if mask&(1<<i) != 0 {
			list[i] = all[from:to]
		}
		from = to
	}
}

// count is the length of a list whose elements take at least a byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	b := d.b[0]
	d.b = d.b[1:]
	return b
}

// version takes the version of a value, the newest of which is known.
func (d *decoder) version(newest byte) {
	if d.format = d.byte(); d.format == 0 || d.format > newest {
		d.fail()
	}
}

// end says whether everything was read, and nothing is left.
func (d *decoder) end(what string) error {
	if d.failed || len(d.b) > 0 {
		return corrupt("%s cannot be read", what)
	}
	return nil
}
