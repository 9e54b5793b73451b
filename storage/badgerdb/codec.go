package badgerdb

import (
	"encoding/binary"
	"math"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// The codec of records, holds and rollup rows: fields in a fixed order behind a
// version, numbers as varints, texts with their length before them. Its reader
// takes whatever bytes it is given and fails instead of panicking.
const codecVersion = 1

// writer appends to a buffer.
type writer struct{ b []byte }

func (w *writer) uint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) int(n int64)   { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) text(s string) { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.int(math.MinInt64)
		return
	}
	w.int(t.Unix())
	w.uint(uint64(t.Nanosecond()))
}

// reader takes from a buffer. After a failure it returns zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) text() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) time() time.Time {
	s := r.int()
	if s == math.MinInt64 || r.failed {
		return time.Time{}
	}
	return time.Unix(s, int64(r.uint()%1e9)).UTC()
}

// count is the length of a list whose elements take at least a byte each.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) end(what string) error {
	if r.failed || len(r.b) > 0 {
		return tally.Errorf(tally.Corrupt, "%s cannot be read", what).WithHint("run tallygate verify; restore a backup")
	}
	return nil
}

// flags of a record.
const (
	flagStream = 1 << iota
	flagNewSession
)

func (w *writer) record(r *tally.Record) {
	w.b = append(w.b, codecVersion)
	w.text(string(r.ID))
	w.uint(r.Seq)
	w.time(r.At)
	for _, s := range [...]string{string(r.Gateway), string(r.Client), string(r.Key), string(r.Provider), r.Token, r.Session, r.Origin, r.Country,
		r.Endpoint, r.Model, r.Upstream, r.VisitorNet, string(r.Visitor), string(r.Outcome), string(r.Basis), r.Code} {
		w.text(s)
	}
	w.time(r.SessionEnds)
	flags := uint64(0)
	if r.Stream {
		flags |= flagStream
	}
	if r.NewSession {
		flags |= flagNewSession
	}
	w.uint(flags)
	for _, n := range [...]int64{int64(r.Attempts), int64(r.Status), r.Tokens.Input, r.Tokens.CachedInput, r.Tokens.CacheWrite, r.Tokens.Output,
		r.Tokens.Reasoning, int64(r.Cost), int64(r.Credits), int64(r.FirstByte), int64(r.Total), r.Count} {
		w.int(n)
	}
	w.uint(uint64(len(r.Charges)))
	for i := range r.Charges {
		c := &r.Charges[i]
		w.text(string(c.Subject))
		w.uint(uint64(c.Metric.Index()))
		w.text(c.Window)
		w.int(c.Amount)
		w.int(c.Used)
		w.int(c.Max)
	}
}

func (r *reader) record(out *tally.Record) {
	if r.version(); r.failed {
		return
	}
	out.ID = tally.ID(r.text())
	out.Seq = r.uint()
	out.At = r.time()
	var s [16]string
	for i := range s {
		s[i] = r.text()
	}
	out.Gateway, out.Client, out.Key, out.Provider = tally.ID(s[0]), tally.ID(s[1]), tally.ID(s[2]), tally.ID(s[3])
	out.Token, out.Session, out.Origin, out.Country, out.Endpoint, out.Model, out.Upstream, out.VisitorNet = s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11]
	if s[12] != "" {
		out.Visitor = []byte(s[12])
	}
	out.Outcome, out.Basis, out.Code = tally.Outcome(s[13]), tally.Basis(s[14]), s[15]
	out.SessionEnds = r.time()
	flags := r.uint()
	out.Stream, out.NewSession = flags&flagStream != 0, flags&flagNewSession != 0
	var n [12]int64
	for i := range n {
		n[i] = r.int()
	}
	out.Attempts, out.Status = int(n[0]), int(n[1])
	out.Tokens = tally.Tokens{Input: n[2], CachedInput: n[3], CacheWrite: n[4], Output: n[5], Reasoning: n[6]}
	out.Cost, out.Credits, out.FirstByte, out.Total, out.Count = tally.NanoUSD(n[7]), tally.NanoUSD(n[8]), time.Duration(n[9]), time.Duration(n[10]), n[11]
	if k := r.count(); k > 0 {
		out.Charges = make([]tally.Charged, k)
	}
	for i := range out.Charges {
		c := &out.Charges[i]
		c.Subject, c.Metric, c.Window = tally.Subject(r.text()), r.metric(), r.text()
		c.Amount, c.Used, c.Max = r.int(), r.int(), r.int()
	}
}

func (r *reader) version() {
	if len(r.b) == 0 || r.b[0] != codecVersion {
		r.failed, r.b = true, nil
		return
	}
	r.b = r.b[1:]
}

func (r *reader) metric() tally.Metric {
	n := r.uint()
	if n >= tally.NumMetrics {
		r.failed, r.b = true, nil
		return tally.Requests
	}
	return tally.Metrics[n]
}

func decodeRecord(payload []byte) (out tally.Record, err error) {
	r := reader{b: payload}
	r.record(&out)
	return out, r.end("a record")
}

// hold writes what a later process needs to settle the hold as lost.
func (w *writer) hold(h *ledger.Hold) {
	w.record(&h.Draft)
	w.time(h.ExpiresAt)
	w.int(h.MinOutput)
	w.int(h.WantOutput)
	w.int(h.Output)
	for _, b := range h.Bounds {
		w.int(b.Base)
		w.int(b.PerMillion)
	}
	w.uint(uint64(len(h.Charges)))
	for i := range h.Charges {
		c := &h.Charges[i]
		w.text(string(c.Subject))
		w.uint(uint64(c.Metric.Index()))
		w.text(c.Period.Label)
		w.int(c.Period.Start.Unix())
		w.int(c.Period.End.Unix())
		w.int(c.Max)
	}
	if h.Session == nil {
		w.uint(0)
		return
	}
	n := uint64(1)
	if h.NewSession {
		n |= 2
	}
	w.uint(n)
	w.text(string(h.Session.Client))
	w.text(h.Session.Member)
	w.time(h.SessionEnds)
}

func decodeHold(payload []byte) (*ledger.Hold, error) {
	r := reader{b: payload}
	h := &ledger.Hold{}
	r.record(&h.Draft)
	h.ID, h.At = h.Draft.ID, h.Draft.At
	h.ExpiresAt = r.time()
	h.MinOutput, h.WantOutput, h.Output = r.int(), r.int(), r.int()
	for i := range h.Bounds {
		h.Bounds[i] = tally.Bound{Base: r.int(), PerMillion: r.int()}
	}
	h.Charges = make([]tally.Charge, r.count())
	for i := range h.Charges {
		c := &h.Charges[i]
		c.Subject, c.Metric, c.Period.Label = tally.Subject(r.text()), r.metric(), r.text()
		c.Period.Start, c.Period.End = time.Unix(r.int(), 0).UTC(), time.Unix(r.int(), 0).UTC()
		c.Max = r.int()
	}
	if n := r.uint(); n != 0 {
		h.NewSession = n&2 != 0
		h.Session = &tally.SessionUse{Client: tally.ID(r.text()), Member: r.text()}
		h.SessionEnds = r.time()
		h.Session.Until = h.SessionEnds
	}
	return h, r.end("a hold")
}

// sums writes a row of a rollup and the sequence number up to which it counts.
func (w *writer) sums(through uint64, s *tally.Sums) {
	w.b = append(w.b, codecVersion)
	w.uint(through)
	for _, n := range [...]int64{s.Requests, s.Refused, s.Errors, s.Sessions, s.Tokens.Input, s.Tokens.CachedInput, s.Tokens.CacheWrite,
		s.Tokens.Output, s.Tokens.Reasoning, int64(s.Cost), int64(s.Credits), int64(s.FirstByte), int64(s.Total)} {
		w.int(n)
	}
	used := uint64(0) // one bit for each class of latency that is not empty
	for i, n := range s.Latency {
		if n != 0 {
			used |= 1 << i
		}
	}
	w.uint(used)
	for _, n := range s.Latency {
		if n != 0 {
			w.int(n)
		}
	}
}

func decodeSums(payload []byte) (through uint64, s tally.Sums, err error) {
	r := reader{b: payload}
	r.version()
	through = r.uint()
	var n [13]int64
	for i := range n {
		n[i] = r.int()
	}
	s = tally.Sums{
		Requests: n[0], Refused: n[1], Errors: n[2], Sessions: n[3],
		Tokens: tally.Tokens{Input: n[4], CachedInput: n[5], CacheWrite: n[6], Output: n[7], Reasoning: n[8]},
		Cost:   tally.NanoUSD(n[9]), Credits: tally.NanoUSD(n[10]), FirstByte: time.Duration(n[11]), Total: time.Duration(n[12]),
	}
	used := r.uint()
	for i := range s.Latency {
		if used&(1<<i) != 0 {
			s.Latency[i] = r.int()
		}
	}
	return through, s, r.end("a row of a rollup")
}
