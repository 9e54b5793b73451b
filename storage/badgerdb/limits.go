package badgerdb

import (
	"slices"

	"tallygate/engine/tally"
)

// limit is a charge without what was used of it. A subject that the record names is written
// as a code, so that records of other clients can have the same limits.
type limit struct {
	code       byte
	subject    tally.Subject // "" if the code tells
	metric     byte
	label      string
	start, end int64 // of a hold
	max        int64
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

// codeOf tells how a record names a subject. other is the subject if the record does not
// name it.
func codeOf(s tally.Subject, r *tally.Record) (code byte, other tally.Subject) {
	for code := subjectGateway; code <= subjectToken; code++ {
		if id := named(r, code); id != "" && s.Is(subjectKinds[code], id) {
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

// putLimits writes e.limits, and remembers them.
func (e *encoder) putLimits(periods bool) {
	e.uint(uint64(len(e.limits)))
	for i := range e.limits {
		l := &e.limits[i]
		e.b = append(e.b, l.code|l.metric<<4)
		if l.code == subjectText {
			e.text(string(l.subject))
		}
		e.int(l.max)
		// Several limits often count over the same period. The period is written once; a
		// later limit says only which one has named it.
		same := slices.IndexFunc(e.limits[:i], func(o limit) bool { return o.label == l.label && o.start == l.start && o.end == l.end })
		e.uint(uint64(same + 1))
		if same >= 0 {
			continue
		}
		e.text(l.label)
		if periods {
			e.int(l.start)
			e.int(l.end - l.start)
		}
	}
	e.limits, e.last.limits = e.last.limits, e.limits
}

// takeLimits reads limits into d.last.
func (d *decoder) takeLimits(periods bool) {
	list := make([]limit, d.count())
	for i := range list {
		l := &list[i]
		b := d.byte()
		if l.code, l.metric = b&15, b>>4; l.code > subjectToken || l.metric >= tally.NumMetrics {
			d.fail()
			return
		}
		if l.code == subjectText {
			l.subject = tally.Subject(d.text())
		}
		l.max = d.int()
		same := d.uint()
		switch {
		case same > uint64(i):
			d.fail()
			return
		case same > 0:
			o := &list[same-1]
			l.label, l.start, l.end = o.label, o.start, o.end
			continue
		}
		l.label = d.text()
		if periods {
			l.start = d.int()
			l.end = l.start + d.int()
		}
	}
	d.last.limits = list
}
