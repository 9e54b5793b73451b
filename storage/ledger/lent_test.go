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
			more := min(b.left, x.Taken()+s.Want-x.UpTo)
			b.left -= more
			b.Lend(&s.Counter, x.UpTo+more, 0, 0)
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
	b.Lend(&c, 150, 995, 0)
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
	b.Lend(&c, 110, 0, 0)
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
			b.Lend(&noted[0], x.upTo, x.elsewhere, 0)
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
	if _, err := b.Join(t.Context(), "req_1", []tally.Charge{more}, nil, nil); !errors.As(err, &limit) || !limit.ByHoldsOnly() {
		t.Errorf("joined: %v", err)
	}
}
