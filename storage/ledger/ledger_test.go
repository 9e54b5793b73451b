package ledger

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"tallygate/engine/tally"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func counterOf(s tally.Subject, m tally.Metric, u tally.Unit, at time.Time) tally.Counter {
	return tally.Counter{Subject: s, Metric: m, Period: tally.Window{Unit: u}.Period(at, time.UTC, 0)}
}

func reservation(id tally.ID, at time.Time, charges ...tally.Charge) *tally.Reservation {
	return &tally.Reservation{ID: id, At: at, ExpiresAt: at.Add(time.Minute), WantOutput: 100,
		Bounds: tally.Bounds{{Base: 1}, {Base: 10, PerMillion: 1e6}, {Base: 5, PerMillion: 3e6}}, Charges: charges,
		Draft: tally.Record{Gateway: "gw_1", Client: "cl_1", Count: 1}}
}

// try holds a reservation if it can, without waiting.
func try(l *Ledger, r *tally.Reservation) (*Hold, tally.Grant, []tally.Counter, error) {
	h, g, lacking, _, err := l.admit(r, nil, time.Time{}, false, false)
	return h, g, lacking, err
}

// reserve holds and keeps, adopting what the ledger lacks as used so far.
func reserve(t *testing.T, l *Ledger, r *tally.Reservation, used int64) (*Hold, tally.Grant) {
	t.Helper()
	for range 2 {
		h, g, lacking, err := try(l, r)
		if err != nil {
			t.Fatal(err)
		}
		if h != nil {
			l.Commit([]*Hold{h}, nil)
			return h, g
		}
		for _, c := range lacking {
			l.Adopt(c, used)
		}
	}
	t.Fatal("it lacks what was adopted")
	return nil, tally.Grant{}
}

func usage(t *testing.T, l *Ledger, c tally.Counter) tally.Usage {
	t.Helper()
	out := []tally.Usage{{}}
	if lacking := l.Usage([]tally.Counter{c}, out); len(lacking) > 0 {
		t.Fatalf("%+v is not alive", c)
	}
	return out[0]
}

// A counter nobody has asked for is asked of the store once, and not at all if
// its subject was not used since the period began.
func TestAdoption(t *testing.T) {
	l := New()
	day := counterOf("client/cl_1", tally.TokensIO, tally.Day, noon)
	r := reservation("req_1", noon, tally.Charge{Counter: day, Max: 1000})
	if _, _, lacking, err := try(l, r); err != nil || !reflect.DeepEqual(lacking, []tally.Counter{day}) {
		t.Fatalf("lacking %+v, %v; want %+v", lacking, err, day)
	}
	if l.Holds() != 0 {
		t.Error("it holds without the counter")
	}
	if _, g := reserve(t, l, r, 870); g.Output != 100 || g.Tokens.Left != 20 {
		t.Errorf("granted %+v", g)
	}
	l.Meet(Use{Subject: "client/cl_1", At: noon.Add(-48 * time.Hour)})
	tomorrow := noon.Add(24 * time.Hour)
	next := counterOf("client/cl_1", tally.TokensIO, tally.Day, tomorrow)
	if h, _, lacking, err := try(l, reservation("req_2", tomorrow, tally.Charge{Counter: next, Max: 1000})); h == nil || lacking != nil || err != nil {
		t.Errorf("a new day: lacking %+v, %v", lacking, err)
	}
	// A counter that is asked for late counts the holds that are open.
	cost := counterOf("gateway/gw_1", tally.Cost, tally.Total, noon)
	l.Adopt(cost, 7)
	if got, want := usage(t, l, cost), (tally.Usage{Used: 7, Held: 2 * 305}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Amounts as large as they get are held and given back exactly.
func TestHugeHolds(t *testing.T) {
	l := New()
	cost := counterOf("client/cl_1", tally.Cost, tally.Total, noon)
	l.Adopt(cost, 0)
	var held []*Hold
	for i := range 3 {
		r := reservation(tally.ID(fmt.Sprint("req_", i)), noon)
		r.Bounds[2] = tally.Bound{Base: math.MaxInt64 - 5, PerMillion: math.MaxInt64}
		h, _ := reserve(t, l, r, 0)
		held = append(held, h)
	}
	small, _ := reserve(t, l, reservation("req_small", noon), 0)
	if got := usage(t, l, cost); got.Held != math.MaxInt64 {
		t.Errorf("held %d", got.Held)
	}
	_, _, _, err := try(l, reservation("req_x", noon, tally.Charge{Counter: cost, Max: 1_000_000}))
	var limit *tally.LimitError
	if !errors.As(err, &limit) || limit.Held != math.MaxInt64 || !limit.ByHoldsOnly() {
		t.Errorf("%v, want a limit reached by holds only", err)
	}
	for _, h := range held {
		l.Drop(h)
	}
	if got := usage(t, l, cost); got.Held != small.Held[2] {
		t.Errorf("held %d, want %d", got.Held, small.Held[2])
	}
}

// What could not be written leaves nothing behind: holds are dropped and
// settlements taken back, the latest first.
func TestTakingBack(t *testing.T) {
	l := New()
	day := counterOf("client/cl_1", tally.Requests, tally.Day, noon)
	charge := tally.Charge{Counter: day, Max: 10}
	kept, _ := reserve(t, l, reservation("req_1", noon, charge), 3)
	state := func() (u tally.Usage, at time.Time, holds int) {
		at, _ = l.LastUsed("client/cl_1")
		return usage(t, l, day), at, l.Holds()
	}
	u1, at1, n1 := state()

	r := kept.Draft
	r.Outcome = tally.OK
	change, err := l.Settle("req_1", &r)
	if err != nil || r.Charges[0].Used != 4 {
		t.Fatalf("%+v, %v", r.Charges, err)
	}
	second := reservation("req_2", noon.Add(time.Second), charge)
	second.Session = &tally.SessionUse{Client: "cl_1", Member: "m", Until: noon.Add(time.Hour)}
	dropped, _ := reserve(t, l, second, 0)
	third := reservation("req_3", noon.Add(2*time.Second), charge)
	third.Session = second.Session
	last, g := reserve(t, l, third, 0)
	if g.NewSession {
		t.Error("the session begins twice")
	}
	l.Drop(last)
	l.Drop(dropped)
	l.Unsettle(change)
	if u, at, n := state(); u != u1 || !at.Equal(at1) || n != n1 {
		t.Errorf("%+v %v %d, want %+v %v %d", u, at, n, u1, at1, n1)
	}
	if _, g := reserve(t, l, third, 0); !g.NewSession {
		t.Error("the session of a hold that was dropped goes on")
	}
}

// Whatever becomes of the holds of a session, in whatever order: it is paid for once
// as long as one of them is open or settled, and not at all if all were dropped.
func TestSessionsArePaidOnce(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 2))
		l := New()
		sessions := counterOf("client/cl_1", tally.Sessions, tally.Day, noon)
		l.Adopt(sessions, 0)
		var fresh, kept []*Hold
		var pending []Settled
		settled := map[string]bool{}
		take := func(list *[]*Hold) *Hold {
			i := random.IntN(len(*list))
			h := (*list)[i]
			*list = slices.Delete(*list, i, i+1)
			return h
		}
		for n := range 60 {
			switch x := random.IntN(10); {
			case x < 4:
				at := noon.Add(time.Duration(n) * time.Second)
				r := reservation(tally.ID(fmt.Sprint("req_", n)), at, tally.Charge{Counter: sessions, Max: 100})
				r.Bounds[sessionsIndex].Base = 1
				r.Session = &tally.SessionUse{Client: "cl_1", Member: fmt.Sprint(random.IntN(3)), Until: at.Add(time.Hour), Fixed: seed%2 == 0}
				h, _, _, err := try(l, r)
				if err != nil {
					t.Fatal(err)
				}
				fresh = append(fresh, h)
			case x < 6 && len(fresh) > 0: // its caller has left, or it could not be written
				l.Drop(take(&fresh))
			case x < 7 && len(fresh) > 0:
				h := take(&fresh)
				l.Commit([]*Hold{h}, nil)
				kept = append(kept, h)
			case x < 9 && len(kept) > 0:
				h := take(&kept)
				rec := h.Draft
				s, err := l.Settle(h.ID, &rec)
				if err != nil {
					t.Fatal(err)
				}
				pending = append(pending, s)
			case len(pending) > 0 && random.IntN(3) > 0:
				l.Commit(nil, pending)
				for i := range pending {
					settled[pending[i].Hold.Session.Member] = true
				}
				pending = nil
			default:
				for _, s := range slices.Backward(pending) {
					l.Unsettle(s)
					kept = append(kept, s.Hold)
				}
				pending = nil
			}
			want := maps.Clone(settled)
			for _, h := range slices.Concat(fresh, kept) {
				want[h.Session.Member] = true
			}
			for i := range pending {
				want[pending[i].Hold.Session.Member] = true
			}
			if u := usage(t, l, sessions); u.Used+u.Held != int64(len(want)) {
				t.Fatalf("seed %d, step %d: %+v, with sessions %v", seed, n, u, want)
			}
		}
	}
}

// A hold of an earlier process that began a session pays for it, whichever of the
// session is settled first: it is written down, and never dropped.
func TestOrphansPayAsWritten(t *testing.T) {
	l := New()
	orphan := func(id tally.ID, begins bool) {
		h := &Hold{Reservation: *reservation(id, noon), NewSession: begins, SessionEnds: noon.Add(time.Hour)}
		h.Draft.ID, h.Draft.At = id, noon
		h.Session = &tally.SessionUse{Client: "cl_1", Member: "m", Until: h.SessionEnds}
		if begins {
			h.Held[sessionsIndex] = 1
		}
		l.Orphaned(h)
	}
	orphan("req_1", true)
	orphan("req_2", false)
	for _, id := range []tally.ID{"req_2", "req_1"} {
		var r tally.Record
		if _, err := l.Lost(id, noon, &r); err != nil || r.NewSession != (id == "req_1") {
			t.Errorf("%s: new session %v, %v", id, r.NewSession, err)
		}
	}
}

// A hold can be settled only once it is kept: before that there is nothing on
// the disk to replace.
func TestOnlyKeptHoldsSettle(t *testing.T) {
	l := New()
	h, _, _, err := try(l, reservation("req_1", noon))
	if err != nil {
		t.Fatal(err)
	}
	r := h.Draft
	if _, err := l.Settle("req_1", &r); tally.CodeOf(err) != tally.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
	if due := l.Overdue(noon.Add(time.Hour), 10); len(due) != 0 {
		t.Errorf("%v is due", due)
	}
	l.Commit([]*Hold{h}, nil)
	if due := l.Overdue(noon.Add(time.Hour), 10); len(due) != 1 {
		t.Errorf("%d are due, want 1", len(due))
	}
}

// Memory stays flat: neither minutes that are over nor sessions that have ended
// nor subjects out of use stay.
func TestFlat(t *testing.T) {
	after := func(most int) *Ledger {
		l := New()
		for i := range 5000 {
			at := noon.Add(time.Duration(i) * time.Minute)
			r := reservation("req_1", at, tally.Charge{Counter: counterOf("client/cl_1", tally.Requests, tally.Minute, at), Max: 10})
			r.Draft.Token = fmt.Sprint("to_", i)
			r.Session = &tally.SessionUse{Client: "cl_1", Member: fmt.Sprint(i), Until: at.Add(time.Hour)}
			h, _ := reserve(t, l, r, 0)
			rec := h.Draft
			s, err := l.Settle("req_1", &rec)
			if err != nil {
				t.Fatal(err)
			}
			l.Commit(nil, []Settled{s})
			if i%100 == 99 {
				l.Changed()
				l.Sweep(at, most)
			}
		}
		return l
	}
	if l := after(50); len(l.accounts) > 50 || len(l.sessions.of) > 200 {
		t.Errorf("%d accounts and %d sessions stay", len(l.accounts), len(l.sessions.of))
	}
	if n := len(after(1_000_000).accounts["client/cl_1"].counters); n > 3 {
		t.Errorf("%d counters of one minute limit", n)
	}
}

// BenchmarkReserveSettle is what the ledger takes of one request with six limits.
func BenchmarkReserveSettle(b *testing.B) { benchmarkReserveSettle(b, New()) }

// BenchmarkReserveSettleLent is the same where all limits are lent, and enough is.
func BenchmarkReserveSettleLent(b *testing.B) {
	l := New()
	l.LentBy(&bank{Ledger: l, left: math.MaxInt64})
	benchmarkReserveSettle(b, l)
}

func benchmarkReserveSettle(b *testing.B, l *Ledger) {
	var charges []tally.Charge
	for _, s := range []tally.Subject{"key/ke_1", "client/cl_1", "gateway/gw_1"} {
		for _, m := range []tally.Metric{tally.Requests, tally.Cost} {
			c := counterOf(s, m, tally.Day, noon)
			l.Adopt(c, 0)
			if l.lender != nil {
				l.Lend(&c, Terms{UpTo: tally.MaxCount})
			}
			charges = append(charges, tally.Charge{Counter: c, Max: tally.MaxCount})
		}
	}
	r := reservation("req_1", noon, charges...)
	r.Draft.Key = "ke_1"
	rec := r.Draft
	rec.Outcome = tally.OK
	b.ReportAllocs()
	for b.Loop() {
		h, _, _, _, err := l.admit(r, nil, time.Time{}, l.lender != nil, false)
		if err != nil {
			b.Fatal(err)
		}
		l.Commit([]*Hold{h}, nil)
		x := rec
		s, err := l.Settle("req_1", &x)
		if err != nil {
			b.Fatal(err)
		}
		l.Commit(nil, []Settled{s})
	}
}

// BenchmarkRefuse is what a limit that is used up takes.
func BenchmarkRefuse(b *testing.B) {
	l := New()
	c := counterOf("client/cl_1", tally.Requests, tally.Day, noon)
	l.Adopt(c, 10)
	r := reservation("req_1", noon, tally.Charge{Counter: c, Max: 10})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := try(l, r); err == nil {
			b.Fatal("there is room")
		}
	}
}
