package badgerdb

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// Whatever is done to an entry in the book, or to its record, verify notices.
func TestBookDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct {
		do    func(*world)
		words string
	}{
		"missing in the book": {func(w *world) { w.change([]byte{tableEntry}, once(remove)) }, "missing in the book"},
		"another amount": {func(w *world) {
			w.change([]byte{tableEntry}, once(func(key, payload []byte) []byte {
				x, err := decodeBooked(key, payload)
				if err != nil {
					t.Fatal(err)
				}
				x.Credits++
				var e encoder
				e.b = append(e.b, bookVersion)
				e.uint(x.Seq)
				e.entry(&x)
				return e.b
			}))
		}, "does not say of it"},
		"not readable": {func(w *world) {
			w.change([]byte{tableEntry}, once(func(_, payload []byte) []byte { return payload[:len(payload)-1] }))
		}, "cannot be read"},
		"reversed twice": {func(w *world) {
			for _, id := range []tally.ID{"en_back", "en_again"} {
				w.Enter(ctx, tally.Record{ID: id, At: w.now, Client: "cl_1", Outcome: tally.Booked, Entry: &tally.Entry{Kind: tally.Adjustment, Reverses: "en_1"}})
			}
		}, "taken back before"},
	} {
		t.Run(name, func(t *testing.T) {
			w := full(t)
			w.enter("en_1", -3, 50)
			w.enter("en_2", 4, 0)
			w.sound()
			damage.do(w)
			r, err := w.Verify(ctx, 0)
			if err != nil || r.OK || !strings.Contains(r.Faults[0].Message, damage.words) {
				t.Errorf("%+v, %v; want %q", r, err, damage.words)
			}
		})
	}
}

// A transaction that fails and is kept all the same leaves no entry whose record is
// another one's.
func TestBookPhantom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reserve("req_1")
	w.fail(1, true)
	if err := w.enter("en_1", 5, 0); err == nil {
		t.Fatal("nothing has failed")
	}
	w.now = w.now.Add(time.Second)
	w.settle("req_1")
	w.agree()
	if err := w.enter("en_1", 6, 0); err != nil {
		t.Error(err)
	}
	w.agree()
	w.crash()
	w.agree()
}
