package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

// bank lends a ledger what is asked for, as long as it has any.
type bank struct {
	*Ledger
	left  int64
	asked int
	err   error

	claims []Claim
	begun  tally.ID // the answer to a claim
	ends   time.Time
}

func (b *bank) Borrow(_ context.Context, short []Short) (bool, error) {
	b.asked++
	lent := b.err == nil
	for i := range short {
		s := &short[i]
		if x, _ := b.Loan(&s.Counter, false); !s.Has {
			x.UpTo = max(x.UpTo, 0) // one that was lent nothing yet has used nothing before
			more := min(b.left, x.Taken()+s.Want-x.UpTo)
			b.left -= more
			b.Lend(&s.Counter, Terms{UpTo: x.UpTo + more, Others: s.Max - x.UpTo - more - b.left})
			lent = lent && x.UpTo+more >= x.Taken()+s.Want
		}
	}
	return lent, b.err
}

func (b *bank) Claim(_ context.Context, c Claim) {
	if b.claims = append(b.claims, c); b.err == nil {
		b.Claimed(&c, b.begun, b.ends)
	}
}

func lentBy(left int64) *bank {
	b := &bank{Ledger: New(), left: left}
	b.LentBy(b)
	return b
}

func (b *bank) admit(r *tally.Reservation) (*Hold, tally.Grant, error) {
	return b.Admit(context.Background(), r, func(list []tally.Counter) error {
		for _, c := range list {
			b.Adopt(c, 0)
		}
		return nil
	})
}

func tokensOf(most int64) tally.Charge {
	return tally.Charge{Counter: counterOf("client/cl_1", tally.TokensIO, tally.Day, noon), Max: most}
}

// An answer is cut only where there is no more to be had, and a request is refused for the
// moment where others were lent the rest.
func TestLent(t *testing.T) {
	b := lentBy(150) // of 1000
	_, g, err := b.admit(reservation("req_1", noon, tokensOf(1000)))
	if err != nil || g.Output != 100 || b.left != 40 {
		t.Errorf("granted %d, %d left, %v; want the whole output", g.Output, b.left, err)
	}
	if _, g, err = b.admit(reservation("req_2", noon, tokensOf(1000))); err != nil || g.Output != 30 {
		t.Errorf("granted %d, %v; want what there is", g.Output, err)
	}
	var limit *tally.LimitError
	_, _, err = b.admit(reservation("req_3", noon, tokensOf(1000)))
	if !errors.As(err, &limit) || !limit.ByHoldsOnly() || limit.Used+limit.Held != 1000 {
		t.Errorf("%v, want a refusal of the moment, with all held", err)
	}
	c := tokensOf(1000).Counter
	b.Lend(&c, Terms{UpTo: 150, Elsewhere: 995})
	asked := b.asked
	_, _, err = b.admit(reservation("req_4", noon, tokensOf(1000)))
	if !errors.As(err, &limit) || limit.ByHoldsOnly() || limit.Used != 995 || b.asked != asked {
		t.Errorf("%v, asked %d times; want a refusal for good, without asking", err, b.asked-asked)
	}
}

// A bank that is out of reach refuses nobody who is lent enough, and others with its error.
func TestLentWithoutBank(t *testing.T) {
	b := lentBy(110)
	b.err = tally.Errorf(tally.Unavailable, "out of reach")
	c := tokensOf(1000).Counter
	b.Adopt(c, 0)
	b.Lend(&c, Terms{UpTo: 110})
	if _, g, err := b.admit(reservation("req_1", noon, tokensOf(1000))); err != nil || g.Output != 100 {
		t.Errorf("granted %d, %v", g.Output, err)
	}
	if _, _, err := b.admit(reservation("req_2", noon, tokensOf(1000))); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("%v, want Unavailable", err)
	}
}

// Who waits is served when more is lent, and refused for good when others have used the
// rest. The lender is told of both the wait and what would help.
func TestLentWhileWaiting(t *testing.T) {
	for _, x := range []struct{ upTo, elsewhere int64 }{{110, 0}, {0, 995}} {
		synctest.Test(t, func(t *testing.T) {
			b := lentBy(0)
			r := reservation("req_1", noon, tokensOf(1000))
			r.Wait, r.Floor = time.Minute, 100
			done := make(chan error)
			go func() {
				_, _, err := b.admit(r)
				done <- err
			}()
			synctest.Wait()
			noted := b.Noted()
			if len(noted) != 1 {
				t.Fatalf("told of %v", noted)
			}
			if loan, _ := b.Loan(&noted[0], false); loan.Want != 110 || loan.Least != 110 {
				t.Errorf("%+v, want 110", loan)
			}
			b.Lend(&noted[0], Terms{UpTo: x.upTo, Elsewhere: x.elsewhere})
			err := <-done
			if got, want := err == nil, x.upTo > 0; got != want {
				t.Errorf("%+v: %v", x, err)
			}
		})
	}
}

// Nothing is raised or joined beyond what was lent.
func TestRaiseLent(t *testing.T) {
	b := lentBy(110)
	h, _, err := b.admit(reservation("req_1", noon, tokensOf(1000)))
	if err != nil {
		t.Fatal(err)
	}
	b.Commit([]*Hold{h}, nil)
	var limit *tally.LimitError
	if _, _, err := b.Raise(t.Context(), "req_1", 1, 10, h.Bounds); !errors.As(err, &limit) || !limit.ByHoldsOnly() {
		t.Errorf("raised: %v", err)
	}
	more := tally.Charge{Counter: counterOf("client/cl_1", tally.Requests, tally.Day, noon), Max: 10}
	b.Adopt(more.Counter, 0)
	_, err = b.Join(t.Context(), "req_1", []tally.Charge{more}, nil, nil)
	if !errors.As(err, &limit) || !limit.ByHoldsOnly() {
		t.Errorf("joined: %v", err)
	}
	b.left = 100
	raised, g, err := b.Raise(t.Context(), "req_1", 1, 10, h.Bounds)
	if err != nil || g.Output != 10 || b.left != 80 {
		t.Fatalf("raised by %d, %d left, %v", g.Output, b.left, err)
	}
	b.Commit([]*Hold{raised}, nil)
	if _, err := b.Join(t.Context(), "req_1", []tally.Charge{more}, nil, nil); err != nil || b.left == 80 {
		t.Errorf("joined: %v, %d left", err, b.left)
	}
}

func inFlight(id tally.ID, subject tally.Subject, wait time.Duration) *tally.Reservation {
	r := reservation(id, noon)
	r.Places, r.Wait = []tally.Place{{Subject: subject, Max: 3}}, wait
	return r
}

// The places of a client are lent, those of others are not.
func TestPlacesLent(t *testing.T) {
	b := lentBy(2)
	var held []*Hold
	for i := range 2 {
		h, _, err := b.admit(inFlight(tally.ID(rune('a'+i)), "client/cl_1", 0))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, h)
	}
	_, _, err := b.admit(inFlight("c", "client/cl_1", 0))
	if limit, ok := errors.AsType[*tally.LimitError](err); !ok || !limit.ByPlace() || limit.Held != 3 {
		t.Errorf("%v, want all 3 places taken", err)
	}
	for i := range 3 {
		if _, _, err := b.admit(inFlight(tally.ID(rune('d'+i)), "model/mo_1", 0)); err != nil {
			t.Error(err)
		}
	}
	b.Commit(held, nil)
	asked := b.asked
	for _, id := range []tally.ID{"a", "b", "g", "h"} { // a place that was given back is still lent
		if h := b.holds[id]; h != nil {
			rec := h.Draft
			s, err := b.Settle(id, &rec)
			if err != nil {
				t.Fatal(err)
			}
			b.Commit(nil, []Settled{s})
			b.Sweep(noon, 0)
		} else if _, _, err := b.admit(inFlight(id, "client/cl_1", 0)); err != nil {
			t.Error(err)
		}
	}
	if b.asked != asked {
		t.Error("the lender was asked for what had been lent")
	}
}

// Who comes to wait for a place that is lent tells the lender, wherever it waited before.
func TestPlaceLentWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lentBy(0)
		tokens := tokensOf(1000)
		b.Adopt(tokens.Counter, 0)
		b.Lend(&tokens.Counter, Terms{UpTo: 1000})
		first := reservation("req_0", noon, tokens)
		first.MinOutput, first.WantOutput = 900, 900
		h, _, err := b.admit(first)
		if err != nil {
			t.Fatal(err)
		}
		place := counterOf("client/cl_1", InFlight, tally.Total, noon)
		b.Lend(&place, Terms{UpTo: 1})
		done := make(chan error)
		go func() {
			r := reservation("req_1", noon, tokens)
			r.MinOutput, r.WantOutput, r.Wait, r.Places = 100, 100, time.Minute, []tally.Place{{Subject: "client/cl_1", Max: 3}}
			_, _, err := b.admit(r)
			done <- err
		}()
		synctest.Wait()
		b.Noted()
		b.Loan(&place, true) // others want it
		b.Drop(h)
		if noted := b.Noted(); len(noted) != 1 || noted[0].Metric != InFlight {
			t.Errorf("told of %v", noted)
		}
		if loan, _ := b.Loan(&place, false); loan.Want != 1 || loan.Least != 1 || loan.UpTo != 0 {
			t.Errorf("%+v, want a wait for 1", loan)
		}
		b.Lend(&place, Terms{UpTo: 1})
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A hold whose session another ledger has begun does not count it, and its record tells when
// that session ends. Only with the record it gives back what it held, to one that waits for it:
// the store has a hold that pays, and a later process goes by that.
func TestClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lentBy(1)
		c := tally.Charge{Counter: counterOf("client/cl_1", tally.Sessions, tally.Day, noon), Max: 2}
		of := func(id tally.ID, member string, wait time.Duration) *tally.Reservation {
			r := reservation(id, noon, c)
			r.Session, r.Wait = &tally.SessionUse{Client: "cl_1", Member: member, Until: noon.Add(time.Hour), Fixed: true}, wait
			return r
		}
		h, _, err := b.admit(of("req_1", "me", 0))
		if err != nil || b.asked != 1 {
			t.Fatal(b.asked, err)
		}
		if b.Ledger.Claim(context.Background(), h); len(b.claims) != 1 || b.claims[0].Request != "req_1" {
			t.Errorf("claimed %+v", b.claims)
		}
		b.Commit([]*Hold{h}, nil)
		done := make(chan *Hold)
		go func() {
			h, _, err := b.admit(of("req_2", "you", time.Minute))
			if err != nil {
				t.Error(err)
			}
			done <- h
		}()
		synctest.Wait()
		if last := b.claims[len(b.claims)-1]; last.Member != "you" || last.Request != "" {
			t.Errorf("asked %+v, want whether a session of you runs", last)
		}
		b.begun, b.ends = "req_0", noon.Add(time.Minute)
		if b.Ledger.Claim(context.Background(), h) {
			t.Error("it is a new session")
		}
		synctest.Wait()
		if loan, _ := b.Loan(&c.Counter, false); loan.Held != 1 {
			t.Errorf("%+v, want the session held until the hold is settled", loan)
		}
		rec := h.Draft
		s, err := b.Settle("req_1", &rec)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		b.Commit(nil, []Settled{s})
		if other := <-done; !other.NewSession || time.Since(began) > time.Second {
			t.Errorf("the other one has waited for %s, new %v", time.Since(began), other.NewSession)
		}
		if rec.NewSession || !rec.SessionEnds.Equal(b.ends) {
			t.Errorf("recorded as new %v, until %v", rec.NewSession, rec.SessionEnds)
		}
		if loan, _ := b.Loan(&c.Counter, false); loan.Used != 0 || loan.Held != 1 {
			t.Errorf("%+v, want the other session held", loan)
		}
	})
}

// Others are told of a session that goes on when all that it rests on is durable, and again
// when it goes on for well longer.
func TestProlonged(t *testing.T) {
	b := lentBy(10)
	c := tally.Charge{Counter: counterOf("client/cl_1", tally.Sessions, tally.Day, noon), Max: 10}
	enter := func(id tally.ID, after time.Duration) *Hold {
		r := reservation(id, noon.Add(after), c)
		r.Session = &tally.SessionUse{Client: "cl_1", Member: "me", Until: r.At.Add(time.Hour)}
		h, _, err := b.admit(r)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	told := func(want int) {
		t.Helper()
		if got := b.Prolonged(); len(got) != want {
			t.Errorf("told of %+v, want %d", got, want)
		}
	}
	first := enter("req_1", 0)
	b.Commit([]*Hold{enter("req_2", time.Minute)}, nil)
	told(0)
	b.Commit([]*Hold{first}, nil)
	b.Commit([]*Hold{enter("req_2b", 2*time.Minute)}, nil)
	if got := b.Prolonged(); len(got) != 1 || got[0].Request != "req_1" { // which has not claimed it yet
		t.Errorf("told of %+v, want one that req_1 has begun", got)
	}
	b.begun, b.ends = "req_1", noon.Add(time.Hour)
	b.Ledger.Claim(context.Background(), first)
	b.Commit([]*Hold{enter("req_3", 5*time.Minute)}, nil)
	told(0)
	b.Commit([]*Hold{enter("req_4", 10*time.Minute)}, nil)
	b.Commit([]*Hold{enter("req_5", 11*time.Minute)}, nil)
	told(1)
}
