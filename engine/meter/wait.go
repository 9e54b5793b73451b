package meter

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// patience is how long a request may wait.
func patience(r *Request) time.Duration {
	if r.Waiting == nil {
		return 0
	}
	return longestWait(r.Catalog, r.Principal)
}

func longestWait(cat *tally.Catalog, p *tally.Principal) time.Duration {
	if p.Visitor {
		return *cat.Settings.VisitorWait
	}
	return *cat.Settings.HoldWait
}

// reserve asks the store for the hold, and waits for it if that is all that is
// needed. again is whether the request has to ask anew.
func (m *Meter) reserve(res *tally.Reservation, pl *plan, periods *charges, r *Request) (grant tally.Grant, refusal *tally.Refusal, again bool) {
	most := patience(r)
	if !r.Deadline.IsZero() {
		most = time.Until(r.Deadline)
	}
	if most > 0 {
		res.Wait = tally.WouldWait // the context of a wait is made only for those that need it
	}
	grant, err := m.store.Reserve(context.Background(), *res)
	limit, limited := errors.AsType[*tally.LimitError](err)
	switch {
	case err == nil:
		return grant, nil, false
	case !limited:
		return grant, m.unrecorded(r, err), false
	case most <= 0 || limit.Crowded:
		return grant, limitReached(r, pl, limit), false
	}
	now := time.Now()
	if r.Deadline.IsZero() {
		r.Deadline = now.Add(most)
	}
	if !limit.ByHoldsOnly() {
		// A minute is over soon enough to be waited for; all other windows are not.
		left := limit.Period.End.Sub(r.At)
		if pl.limitOf(limit.Counter).Window.Unit != tally.Minute || limit.Need > limit.Max || left > r.Deadline.Sub(now) {
			return grant, limitReached(r, pl, limit), false
		}
		if !m.sleepers.enter(limit.Counter) {
			return grant, limitReached(r, pl, limit), false
		}
		defer m.sleepers.leave(limit.Counter)
		ctx, cancel := r.Waiting()
		defer cancel()
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
			return grant, nil, true
		case <-ctx.Done():
			return m.unwaited(r, ctx)
		}
	}
	// The room that it waits for is of the periods of now.
	res.Wait = r.Deadline.Sub(now)
	ends := false
	if left := periods.until.Sub(r.At); left < res.Wait {
		res.Wait, ends = max(left, time.Millisecond), true
	}
	ctx, cancel := r.Waiting()
	defer cancel()
	grant, err = m.store.Reserve(ctx, *res)
	limit, limited = errors.AsType[*tally.LimitError](err)
	switch {
	case err == nil:
		return grant, nil, false
	case limited && ends && limit.ByHoldsOnly() && !limit.Crowded:
		return grant, nil, true
	case limited && !limit.ByHoldsOnly():
		return grant, nil, true // it is spent; whether to wait for the next minute is asked anew
	case limited:
		return grant, limitReached(r, pl, limit), false
	case ctx.Err() != nil:
		return m.unwaited(r, ctx)
	}
	return grant, m.unrecorded(r, err), false
}

// unwaited is what becomes of a request whose wait was ended.
func (m *Meter) unwaited(r *Request, ctx context.Context) (tally.Grant, *tally.Refusal, bool) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrChanged):
		return tally.Grant{}, nil, true
	case errors.Is(cause, ErrStopping):
		return tally.Grant{}, &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStopping,
			Message: "The gateway is shutting down. Try again in a moment.", RetryAfter: 2 * time.Second}, false
	default:
		return tally.Grant{}, m.unrecorded(r, cause), false
	}
}

// maxSleepers is how many may wait for the next minute of a counter, as many as for
// room in this one.
const maxSleepers = 256

// sleepers counts those that wait for a minute to be over.
type sleepers struct {
	mu sync.Mutex // guards the field that follows
	of map[tally.Counter]int
}

func (s *sleepers) enter(c tally.Counter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[c] >= maxSleepers {
		return false
	}
	if s.of == nil {
		s.of = map[tally.Counter]int{}
	}
	s.of[c]++
	return true
}

func (s *sleepers) leave(c tally.Counter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[c]--; s.of[c] == 0 {
		delete(s.of, c)
	}
}
