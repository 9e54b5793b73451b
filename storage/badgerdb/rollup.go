package badgerdb

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
)

// bySubject is the family of subjects that a record is charged on and does not name, such
// as visitors. The family is the store's own.
const bySubject = 255

// bySession is the family that has rows of days only.
var bySession = uint8(slices.Index(tally.Families, tally.ByClientSession))

// combination is everything that rollups tell records apart by. Records that
// agree in it are added up once and go into all their rows together.
type combination struct {
	bucket                         uint32
	status                         int
	gateway, client, key, provider tally.ID
	token, model, upstream         string
	country, code                  string
	failures                       string // provider and cause of attempts that failed, each with a zero byte behind it
	tags                           tally.Tags
	limit                          tally.Dim // of a refusal, which one was used up
	session                        string    // of a combination for that alone
	others                         string    // charged subjects the record does not name, each with a zero byte behind it
}

// sheet adds up records that are not in the store's rollups yet.
type sheet map[combination]*tally.Sums

func combine(r *tally.Record) combination {
	limit, _ := r.UsedUp()
	return combination{
		bucket: uint32(max(r.At.Unix(), 0) / granSeconds[quarters]), status: r.Status,
		gateway: r.Gateway, client: r.Client, key: r.Key, provider: r.Provider,
		token: r.Token, model: r.Model, upstream: r.Upstream, country: r.Country, code: r.Code,
		tags: r.Tags, failures: failures(r), limit: limit, others: others(r),
	}
}

// combinations are those that a record counts in: one for its session, which is counted by
// days, as nearly every record has another one, and one for all else.
func combinations(r *tally.Record, yield func(combination)) {
	yield(combine(r))
	if session := r.SessionRow(); session != "" && r.Client != "" {
		yield(combination{bucket: dayOf(r.At) * quartersOfDay, client: r.Client, session: session})
	}
}

func (s sheet) count(r *tally.Record) {
	combinations(r, func(c combination) {
		sums := s[c]
		if sums == nil {
			sums = &tally.Sums{}
			s[c] = sums
		}
		sums.Count(r)
	})
}

// failures lists the attempts that failed.
func failures(r *tally.Record) string {
	var out string
	for i := range r.Tries {
		if a := &r.Tries[i]; a.Cause != "" {
			out += string(a.Provider) + "\x00" + a.Cause + "\x00"
		}
	}
	return out
}

// others lists the charged subjects for which a record has no rows otherwise. They are rare.
func others(r *tally.Record) string {
	var out string
	for i := range r.Charges {
		s := r.Charges[i].Subject
		if i > 0 && s == r.Charges[i-1].Subject || names(r, s) || strings.Contains(out, string(s)+"\x00") {
			continue
		}
		out += string(s) + "\x00"
	}
	return out
}

// names reports whether a record names a subject for which there is a family.
func names(r *tally.Record, s tally.Subject) bool {
	if r.NamesPart(s) {
		return true
	}
	kind, id := s.Split()
	for code := subjectGateway; code <= subjectToken; code++ {
		if kind == subjectKinds[code] {
			return id != "" && id == named(r, code)
		}
	}
	return false
}

// rows calls f with the 15-minute row of every family the combination is part
// of.
func (c *combination) rows(f func(rowKey)) {
	if c.session != "" {
		f(rowKey{quarters, bySession, c.bucket, tally.Dim{string(c.client), c.session}})
		return
	}
	r := tally.Record{Gateway: c.gateway, Client: c.client, Key: c.key, Provider: c.provider, Token: c.token,
		Model: c.model, Upstream: c.upstream, Country: c.country, Code: c.code, Status: c.status, Tags: c.tags}
	for rest := c.failures; rest != ""; {
		var provider, cause string
		provider, rest, _ = strings.Cut(rest, "\x00")
		cause, rest, _ = strings.Cut(rest, "\x00")
		r.Tries = append(r.Tries, tally.Attempt{Provider: tally.ID(provider), Cause: cause})
	}
	if c.limit != (tally.Dim{}) {
		metric, window, _ := strings.Cut(c.limit[1], " ")
		r.Reached = &tally.Reached{Subject: tally.Subject(c.limit[0]), Metric: tally.Metric(metric), Window: window}
	}
	for i, family := range tally.Families {
		family.Dims(&r, func(dim tally.Dim) { f(rowKey{quarters, uint8(i), c.bucket, dim}) })
	}
	for s := range strings.SplitSeq(strings.TrimSuffix(c.others, "\x00"), "\x00") {
		if s != "" {
			f(rowKey{quarters, bySubject, c.bucket, tally.Dim{s}})
		}
	}
}

// row is a row of a rollup as the store has it.
type row struct {
	sums    tally.Sums
	through uint64 // it counts the records up to here
}

// readRow reads a row; one that is not there is empty.
func readRow(txn *badger.Txn, key []byte, x *row) error {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		*x = row{}
		return nil
	}
	if err != nil {
		return unreadable(key, err)
	}
	return item.Value(func(v []byte) error {
		payload, err := unseal(key, v)
		if err == nil {
			x.through, err = decodeSums(payload, &x.sums)
		}
		return err
	})
}

// rowsOf returns the families and values whose rows together add up what a
// subject has used.
func rowsOf(s tally.Subject) []rowKey {
	out := []rowKey{{family: bySubject, dim: tally.Dim{string(s)}}}
	if of, label, part := s.Part(); part {
		if i := slices.Index(tally.Families, tally.PartFamily(of, label)); i >= 0 {
			_, id := of.Split()
			out = append(out, rowKey{family: uint8(i), dim: tally.Dim{string(id), tally.PartValue(label)}})
		}
		return out
	}
	kind, id := s.Split()
	if i := slices.Index(tally.Families, tally.Family(kind)); i >= 0 && slices.Contains(subjectKinds[:], kind) && id != "" {
		out = append(out, rowKey{family: uint8(i), dim: tally.Dim{string(id)}})
	}
	return out
}

// subject is whose use a row counts; a subject that nothing counts on, if nobody's.
func (k rowKey) subject() tally.Subject {
	id := tally.ID(k.dim[0])
	if k.family == bySubject {
		return tally.Subject(id)
	}
	switch family := tally.Families[k.family]; family {
	case tally.ByClientModel:
		return tally.PartOf(tally.SubjectOf("client", id), tally.PartModel+"="+k.dim[1])
	case tally.ByKeyModel:
		return tally.PartOf(tally.SubjectOf("key", id), tally.PartModel+"="+k.dim[1])
	case tally.ByClientTag:
		return tally.PartOf(tally.SubjectOf("client", id), k.dim[1])
	default:
		return tally.SubjectOf(string(family), id)
	}
}

// part is buckets of some granularity, one after the other.
type part struct {
	gran        uint8
	bucket, end uint32 // [bucket, end)
	less        bool   // it is taken away
}

// parts cuts a span, whose ends are multiples of 15 minutes and edges of coarse chunks, into
// the fewest parts.
func (c coarse) parts(from, to time.Time) []part {
	var out []part
	at, end := from.Unix(), to.Unix()
	for at < end {
		p := part{gran: quarters}
		for g := uint8(days); g > quarters; g-- {
			if at%granSeconds[g] == 0 && at+granSeconds[g] <= end {
				p.gran = g
				break
			}
		}
		next := at + granSeconds[p.gran]
		if _, is := c.span(uint32(max(at, 0) / granSeconds[quarters])); is && p.gran != days {
			p.gran, next = spans, min(end, at-at%daySeconds+daySeconds)
		}
		p.bucket, p.end = uint32(at/granSeconds[p.gran]), uint32(next/granSeconds[p.gran])
		out, at = append(out, p), next
	}
	return out
}

// fewest cuts a span like parts. Where the ends of the span lie within days, it may take
// the whole day and take away what is too much. The days of most zones are not those of
// UTC, and would take 24 hours each.
func (c coarse) fewest(from, to time.Time) []part {
	first, last := from.Truncate(24*time.Hour), to.Add(-1).Truncate(24*time.Hour)
	before, behind := c.parts(first, from), c.parts(to, last.Add(24*time.Hour))
	if first.Equal(last) {
		if direct := c.parts(from, to); len(direct) <= 1+len(before)+len(behind) {
			return direct
		}
		return append(append(c.parts(first, last.Add(24*time.Hour)), less(before)...), less(behind)...)
	}
	var out []part
	if head := c.parts(from, first.Add(24*time.Hour)); len(head) > 1+len(before) {
		out, from = less(before), first
	}
	if tail := c.parts(last, to); len(tail) > 1+len(behind) {
		out, to = append(out, less(behind)...), last.Add(24*time.Hour)
	}
	return append(out, c.parts(from, to)...)
}

// less marks parts that are taken away.
func less(list []part) []part {
	for i := range list {
		list[i].less = true
	}
	return list
}

// inside reports whether a 15-minute bucket lies in [from, to).
func inside(bucket uint32, from, to time.Time) bool {
	at := int64(bucket) * granSeconds[quarters]
	return from.Unix() <= at && at < to.Unix()
}

// narrow cuts a span to where there are rows at all: from the first record's
// day to the end of the latest admission's.
func (s *Store) narrow(txn *badger.Txn, from, to time.Time) (time.Time, time.Time) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tableRollup, days}})
	defer it.Close()
	if it.Rewind(); !it.Valid() {
		return from, from
	}
	// The first family is the total, and its first row the first day.
	if first, ok := parseRowKey(it.Item().Key()); ok {
		from = later(from, time.Unix(int64(first.bucket)*daySeconds, 0).UTC())
	}
	if last := s.latest().Truncate(24 * time.Hour).Add(24 * time.Hour); last.Before(to) {
		to = last
	}
	return from, to
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
