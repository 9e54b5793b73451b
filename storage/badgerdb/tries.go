package badgerdb

import (
	"time"

	"tallygate/engine/tally"
)

// Of its texts, an attempt writes only those that differ from the same attempt of an
// earlier record; the first such attempt writes those that differ from the record itself.
// While an upstream is down, all records have such attempts.

// tryTexts is how many texts an attempt has: the first are IDs.
const (
	tryTexts   = 8
	tryIDTexts = 2
	tryNumbers = tally.NumClasses + 6
)

// lastTry is what an attempt's texts were last.
func (p *previous) lastTry(i int, r *tally.Record) *[tryTexts]string {
	if i == len(p.tries) {
		p.tries = append(p.tries, [tryTexts]string{string(r.Provider), string(r.Price), r.Upstream, string(r.Basis)})
	}
	return &p.tries[i]
}

func (e *encoder) tries(r *tally.Record) {
	e.uint(uint64(len(r.Tries)))
	for i := range r.Tries {
		t := &r.Tries[i]
		list := [tryTexts]string{
			string(t.Provider), string(t.Price), t.Upstream, string(t.Basis), t.Cause, t.Code, t.Request, pieceText(t.Piece),
		}
		e.changed(list[:], e.last.lastTry(i, r)[:], tryIDTexts)
		var n [tryNumbers]int64
		n[0], n[1], n[2], n[3] = int64(t.Took), int64(t.Status), int64(t.Cost), t.Pieces
		classes := t.Tokens.ByClass()
		copy(n[4:], classes[:])
		n[tryNumbers-2], n[tryNumbers-1] = int64(t.Key), int64(t.Saved)
		e.figures(n[:])
	}
}

func (d *decoder) tries(r *tally.Record) {
	n := d.count()
	if n == 0 { // the flag says that there are some
		d.fail()
		return
	}
	r.Tries = make([]tally.Attempt, n)
	for i := range r.Tries {
		s := d.last.lastTry(i, r)
		d.changed(s[:], d.mask(tryTexts), tryIDTexts)
		var n [tryNumbers]int64
		d.figures(n[:])
		r.Tries[i] = tally.Attempt{
			Provider: tally.ID(s[0]), Price: tally.ID(s[1]), Upstream: s[2], Basis: tally.Basis(s[3]), Cause: s[4], Code: s[5], Request: s[6],
			Took: time.Duration(n[0]), Status: int(n[1]), Cost: tally.NanoUSD(n[2]), Piece: pieceOf(s[7], n[3]), Pieces: n[3],
			Tokens: tally.TokensOf([tally.NumClasses]int64(n[4:])), Key: int(n[tryNumbers-2]),
			Saved: tally.NanoUSD(n[tryNumbers-1]),
		}
	}
}
