package badgerdb

import (
	"encoding/binary"
	"math"
	"time"

	"tallygate/engine/tally"
)

// The codec of what is written often: fields in a fixed order behind a version,
// numbers as varints, texts with their length before them. The decoder takes
// whatever bytes it is given and fails instead of panicking.
const codecVersion = 1

// encoder appends to a buffer.
type encoder struct{ b []byte }

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

// decoder takes from a buffer. After a failure it returns zeros.
type decoder struct {
	b      []byte
	failed bool
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

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) time() time.Time {
	s := d.int()
	if s == math.MinInt64 || d.failed {
		return time.Time{}
	}
	return time.Unix(s, int64(d.uint()%1e9)).UTC()
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

func (d *decoder) version() {
	if d.byte() != codecVersion {
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

// A subject that the record names is written as one of these, others as text.
const (
	subjectText = iota
	subjectGateway
	subjectClient
	subjectKey
	subjectToken
)

// subjectKinds are the kinds of the subjects that records name, by their codes.
var subjectKinds = [...]string{subjectGateway: "gateway", subjectClient: "client", subjectKey: "key", subjectToken: "token"}

// named is the ID of the subject of a code that a record names.
func named(r *tally.Record, code int) tally.ID {
	return [...]tally.ID{subjectGateway: r.Gateway, subjectClient: r.Client, subjectKey: r.Key, subjectToken: tally.ID(r.Token)}[code]
}

func (e *encoder) subject(s tally.Subject, r *tally.Record) {
	kind, id := s.Split()
	for code := subjectGateway; code <= subjectToken; code++ {
		if kind == subjectKinds[code] && id == named(r, code) && len(s) == len(kind)+1+len(id) {
			e.b = append(e.b, byte(code))
			return
		}
	}
	e.b = append(e.b, subjectText)
	e.text(string(s))
}

func (d *decoder) subject(r *tally.Record) tally.Subject {
	code := int(d.byte())
	switch {
	case code == subjectText:
		return tally.Subject(d.text())
	case code > subjectToken:
		d.fail()
		return ""
	}
	return tally.SubjectOf(subjectKinds[code], named(r, code))
}

func (d *decoder) metric() tally.Metric {
	n := d.byte()
	if n >= tally.NumMetrics {
		d.fail()
		return tally.Requests
	}
	return tally.Metrics[n]
}

// sums writes a row of a rollup and the sequence number up to which it counts.
func (e *encoder) sums(through uint64, s *tally.Sums) {
	e.b = append(e.b, codecVersion)
	e.uint(through)
	for _, n := range [...]int64{s.Requests, s.Refused, s.Errors, s.Sessions, s.Tokens.Input, s.Tokens.CachedInput, s.Tokens.CacheWrite,
		s.Tokens.Output, s.Tokens.Reasoning, int64(s.Cost), int64(s.Credits), int64(s.FirstByte), int64(s.Total)} {
		e.int(n)
	}
	used := uint64(0) // one bit for each class of latency that is not empty
	for i, n := range s.Latency {
		if n != 0 {
			used |= 1 << i
		}
	}
	e.uint(used)
	for _, n := range s.Latency {
		if n != 0 {
			e.int(n)
		}
	}
}

func decodeSums(payload []byte, s *tally.Sums) (through uint64, err error) {
	d := decoder{b: payload}
	d.version()
	through = d.uint()
	var n [13]int64
	for i := range n {
		n[i] = d.int()
	}
	*s = tally.Sums{
		Requests: n[0], Refused: n[1], Errors: n[2], Sessions: n[3],
		Tokens: tally.Tokens{Input: n[4], CachedInput: n[5], CacheWrite: n[6], Output: n[7], Reasoning: n[8]},
		Cost:   tally.NanoUSD(n[9]), Credits: tally.NanoUSD(n[10]), FirstByte: time.Duration(n[11]), Total: time.Duration(n[12]),
	}
	used := d.uint()
	for i := range s.Latency {
		if used&(1<<i) != 0 {
			s.Latency[i] = d.int()
		}
	}
	return through, d.end("a row of a rollup")
}
