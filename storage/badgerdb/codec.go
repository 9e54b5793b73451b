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

// forget makes the next record say everything: it begins a value.
func (e *encoder) forget() {
	e.last.texts, e.last.limits = [texts]string{}, e.last.limits[:0]
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

// crockford is the alphabet of IDs.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// crockfordValue tells what a character of the alphabet stands for, 255 for
// others.
var crockfordValue = func() (v [256]byte) {
	for i := range v {
		v[i] = 255
	}
	for i := range len(crockford) {
		v[crockford[i]] = byte(i)
	}
	return v
}()

// idDigits is how many characters an ID has behind its prefix, and idBytes what
// they come to.
const (
	idDigits = 26
	idBytes  = 16
)

// id writes a text that is most often an ID: its 128 bits instead of their 26
// characters. The lowest bit of the length tells.
func (e *encoder) id(s string) {
	prefix := len(s) - idDigits - 1
	if prefix < 0 || s[prefix] != '_' || crockfordValue[s[prefix+1]] > 7 {
		e.plain(s)
		return
	}
	var hi, lo uint64
	for i := prefix + 1; i < len(s); i++ {
		v := crockfordValue[s[i]]
		if v == 255 {
			e.plain(s)
			return
		}
		hi, lo = hi<<5|lo>>59, lo<<5|uint64(v)
	}
	e.uint(uint64(prefix)<<1 | 1)
	e.b = append(e.b, s[:prefix]...)
	e.b = binary.BigEndian.AppendUint64(e.b, hi)
	e.b = binary.BigEndian.AppendUint64(e.b, lo)
}

func (e *encoder) plain(s string) {
	e.uint(uint64(len(s)) << 1)
	e.b = append(e.b, s...)
}

// decoder takes from a buffer. After a failure it returns zeros.
type decoder struct {
	b      []byte
	all    string // of which b is the end, so that texts are parts of it; may be empty
	failed bool
	last   previous
	used   []int64 // what records have used of their limits
	ids    []byte  // scratch
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

// id reads what the encoder's id wrote, and appends it to d.ids.
func (d *decoder) id() {
	n := d.uint()
	packed := n&1 == 1
	n >>= 1
	need := n
	if packed {
		need += idBytes
	}
	if need > uint64(len(d.b)) {
		d.fail()
		return
	}
	d.ids = append(d.ids, d.b[:n]...)
	if packed {
		hi, lo := binary.BigEndian.Uint64(d.b[n:]), binary.BigEndian.Uint64(d.b[n+8:])
		at := len(d.ids)
		d.ids = append(d.ids, "_00000000000000000000000000"...)
		for i := len(d.ids) - 1; i > at; i-- {
			d.ids[i] = crockford[lo&31]
			hi, lo = hi>>5, lo>>5|hi<<59
		}
	}
	d.b = d.b[need:]
}

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

// codeOf tells how a record names a subject; other is the subject if it does
// not.
func codeOf(s tally.Subject, r *tally.Record) (code byte, other tally.Subject) {
	kind, id := s.Split()
	for code := subjectGateway; code <= subjectToken; code++ {
		if kind == subjectKinds[code] && id != "" && id == named(r, code) {
			return byte(code), ""
		}
	}
	return subjectText, s
}

// of is the subject of a limit of a record.
func (l *limit) of(r *tally.Record) tally.Subject {
	if l.code == subjectText {
		return l.subject
	}
	return tally.SubjectOf(subjectKinds[l.code], named(r, int(l.code)))
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
