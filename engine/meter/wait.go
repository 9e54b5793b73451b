package meter

import (
	"context"
	"errors"
	"net/http"
	"slices"
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

// reserve asks the store for the hold, and waits for room where that is all that is
// lacking. again says that the request must ask anew.
func (m *Meter) reserve(res *tally.Reservation, pl *plan, periods *charges, r *Request) (grant tally.Grant, refusal *tally.Refusal, again bool) {
	most := patience(r)
	if !r.Deadline.IsZero() {
		most = time.Until(r.Deadline)
	}
	if most > 0 {
		res.Wait = tally.WouldWait // the context of a wait is made only for those that need it
	}
	grant, err := m.store.Reserve(context.Background(), *res)
	if !r.Deadline.IsZero() {
		m.sleepers.again(r.ID)
	}
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
		sleeper := m.sleepers.enter(limit.Counter, r)
		if sleeper == nil {
			return grant, limitReached(r, pl, limit), false
		}
		ctx, cancel := r.Waiting()
		defer cancel()
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
			m.sleepers.wake(sleeper)
			return grant, nil, true
		case <-ctx.Done():
			m.sleepers.leave(sleeper)
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

// turnPatience is how long a sleeper waits for the one before it to ask again, which may
// never do so, as when its key was revoked meanwhile.
const turnPatience = 50 * time.Millisecond

// sleepers are the requests that wait for a minute to be over. They then ask again one
// after the other, in the order in which they first asked, because there may not be room
// for all.
type sleepers struct {
	mu sync.Mutex // guards the fields that follow
	of map[tally.Counter][]*sleeper
	by map[tally.ID]*sleeper // all of them
}

type sleeper struct {
	id      tally.ID
	since   time.Time
	counter tally.Counter
	asked   chan struct{} // closed once it has asked again, or never will
}

// enter puts a request to sleep; nil if there are too many.
func (s *sleepers) enter(c tally.Counter, r *Request) *sleeper {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.of[c]
	if len(line) >= maxSleepers {
		return nil
	}
	if s.of == nil {
		s.of, s.by = map[tally.Counter][]*sleeper{}, map[tally.ID]*sleeper{}
	}
	i := len(line)
	for i > 0 && r.Since.Before(line[i-1].since) {
		i--
	}
	x := &sleeper{id: r.ID, since: r.Since, counter: c, asked: make(chan struct{})}
	s.of[c], s.by[r.ID] = slices.Insert(line, i, x), x
	return x
}

// wake waits until all that come before x have asked again.
func (s *sleepers) wake(x *sleeper) {
	for {
		s.mu.Lock()
		line := s.of[x.counter]
		before := slices.Index(line, x) - 1
		s.mu.Unlock()
		if before < 0 {
			break
		}
		<-line[before].asked
	}
	time.AfterFunc(turnPatience, func() { s.leave(x) })
}

// again notes that a request asks again.
func (s *sleepers) again(id tally.ID) {
	s.mu.Lock()
	x := s.by[id]
	s.mu.Unlock()
	s.leave(x)
}

// leave lets go of a sleeper that has asked again, or never will.
func (s *sleepers) leave(x *sleeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x == nil || s.by[x.id] != x {
		return
	}
	delete(s.by, x.id)
	close(x.asked)
	line := s.of[x.counter]
	if i := slices.Index(line, x); len(line) > 1 {
		s.of[x.counter] = slices.Delete(slices.Clone(line), i, i+1)
	} else {
		delete(s.of, x.counter)
	}
}
