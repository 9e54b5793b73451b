package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
)

const (
	// maxAttempts bounds the calls of one request: a provider may have many API keys.
	maxAttempts = 16
	// maxRetries is how often a request goes round again that everybody has turned away.
	maxRetries = 3
	// firstPause is the longest pause before the first of them; each is twice as long.
	firstPause = 500 * time.Millisecond
)

// ask asks the lanes of the request's course in order until one has given the first bytes
// of an answer; of an answer that is not streamed these are all. Where all have turned the
// request away for what may pass in a moment, those that did so at no cost are asked again.
func (x *exchange) ask() (reply *providers.Reply, first []byte, err error) {
	began := time.Now()
	affinity := x.affinity()
	x.target = x.targets[0]
	x.plot(x.targets, affinity)
	if !x.enterNext() {
		if err := x.enterFull(affinity); err != nil {
			return nil, nil, err
		}
	}
	var passing []route.Target // those that may be asked again
	var hope error             // of the first of them
	pause := time.Duration(0)  // the shortest that one of them has asked for
	for round := 0; ; {
		reply, first, err = x.attempt()
		up, ok := errors.AsType[*providers.UpstreamError](err)
		cut := x.call.wasCut()
		if cut == nil && (ok || err == nil) {
			x.lane.Report(x.lesson(up), time.Now())
		} else {
			x.lane.Release(time.Now())
		}
		if err == nil {
			return reply, first, nil
		}
		x.leaveUpstream()
		if cut != nil {
			return nil, nil, refusedError{cut}
		}
		if !ok || !x.mayAskAnother(up) {
			return nil, nil, err
		}
		if up.Passing() && x.latest().Basis == "" {
			if len(passing) == 0 || up.RetryAfter < pause {
				pause = up.RetryAfter
			}
			if len(passing) == 0 {
				hope = err
			}
			if !slices.Contains(passing, x.target) {
				passing = append(passing, x.target)
			}
		}
		paid, asked := x.latest().Basis != "", x.target
		x.course.Failed(up)
		for !x.enterNext() && (len(x.full) == 0 || x.enterFull(affinity) != nil) { // others are well, and only full
			if len(passing) == 0 {
				return nil, nil, err
			}
			if round++; round > maxRetries || !x.rest(began, pause, round) {
				x.target = passing[0] // the one that may answer later
				return nil, nil, hope
			}
			x.plot(append(passing, x.full...), affinity)
			passing, pause = nil, 0
		}
		if paid && x.ticket.Raise(context.Background()) != nil {
			x.target = asked // there is no room for another attempt beside one that may be charged
			return nil, nil, err
		}
	}
}

// patienceOfCallers is how long an upstream may say nothing to a caller of a stream, who then
// leaves, before that counts against it: its own time-out is minutes later, and until then
// each new caller would wait for it, too.
const patienceOfCallers = 20 * time.Second

// lesson is what an attempt tells of its upstream; nil if it was answered.
func (x *exchange) lesson(up *providers.UpstreamError) *providers.UpstreamError {
	if up != nil && up.Fault == providers.Gone && x.stream && time.Since(x.asking) >= patienceOfCallers {
		return &providers.UpstreamError{Fault: providers.TimedOut}
	}
	return up
}

// mayAskAnother reports whether an attempt that failed may be followed by another one.
func (x *exchange) mayAskAnother(up *providers.UpstreamError) bool {
	if x.started || x.ctx.Err() != nil || len(x.result.Attempts) == maxAttempts {
		return false
	}
	if x.trial.Most > 0 && x.latest().Basis != "" { // which may have cost all of it
		return false
	}
	return up.Retryable() || x.principal.Gateway.TryLonger && up.TooLong()
}

// rest waits before a round, as long as the upstreams have asked for, at least, and no
// longer than the owner allows for all rounds. Pauses are of random length, so that callers
// that were turned away together do not come back together.
func (x *exchange) rest(began time.Time, asked time.Duration, round int) bool {
	most := *x.cat.Settings.RetryFor
	if x.principal.Visitor {
		most = min(most, *x.cat.Settings.VisitorWait)
	}
	longest := firstPause << (round - 1)
	pause := asked + longest/8 + rand.N(longest)
	if time.Since(began)+pause > most {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.ctx.Done():
	case <-x.server.stopping.Done():
	}
	return false
}

// affinity is what keeps requests of one conversation with one upstream and one of its API
// keys: what the caller says of its cache, or its session, or else what the conversation
// begins with. It is 0 where there is nothing to choose from.
func (x *exchange) affinity() uint64 {
	if len(x.targets) == 1 && x.targets[0].Upstream.Keys() == 1 {
		return 0
	}
	if key := cmp.Or(x.envelope.CacheKey(), x.asked.Session); key != "" {
		return route.Affinity(x.principal, key)
	}
	return route.Affinity(x.principal, x.envelope.Beginning())
}

// latest is the attempt that was made last.
func (x *exchange) latest() *tally.Attempt { return &x.result.Attempts[len(x.result.Attempts)-1] }

// plot begins a course over targets.
func (x *exchange) plot(targets []route.Target, affinity uint64) {
	x.course.Plot(targets, affinity, time.Now())
	x.full = x.full[:0]
}

// enterFull waits for a place in flight with those of the course that had none, and goes on
// with them alone. A change of the catalog does not end that wait: the request is admitted.
func (x *exchange) enterFull(affinity uint64) error {
	most := *x.cat.Settings.HoldWait
	if x.principal.Visitor {
		most = *x.cat.Settings.VisitorWait
	}
	if !x.deadline.IsZero() {
		most = time.Until(x.deadline)
	}
	ctx, cancel := context.WithTimeout(x.ctx, most)
	defer cancel()
	defer context.AfterFunc(x.server.stopping, cancel)()
	for len(x.full) > 0 {
		if most <= 0 {
			return errAtCapacity
		}
		i := route.WaitAny(ctx, x.full)
		if i < 0 {
			if x.server.stopping.Err() != nil {
				return meter.ErrStopping
			}
			return errAtCapacity
		}
		x.upstream = x.full[i].Upstream
		now := time.Now()
		x.course.Plot(x.full, affinity, now)
		x.course.Begin(x.full[i], now)
		lane, _ := x.course.Next()
		x.full = slices.Delete(x.full, i, i+1)
		if x.join(lane) {
			return nil
		}
	}
	return cappedError{x.capped}
}

// enterNext takes a place with the next lane that has one and whose model is at none of its
// caps.
func (x *exchange) enterNext() bool {
	for {
		lane, ok := x.course.Next()
		if !ok {
			return false
		}
		i := slices.Index(x.full, lane.Target)
		if !lane.Upstream.Enter() {
			if lane.Release(time.Now()); i < 0 {
				x.full = append(x.full, lane.Target)
			}
			continue
		}
		if i >= 0 {
			x.full = slices.Delete(x.full, i, i+1)
		}
		x.upstream = lane.Upstream
		if x.join(lane) {
			return true
		}
	}
}

// join charges the caps of the lane's model, whose upstream has given a place. If there is no
// room, the place is given back and the first of the caps to have room again is kept.
func (x *exchange) join(lane *route.Lane) bool {
	err := x.ticket.Join(context.Background(), lane.Model)
	if err == nil {
		x.lane, x.target = *lane, lane.Target
		return true
	}
	x.leaveUpstream()
	lane.Release(time.Now())
	limit, ok := errors.AsType[*tally.LimitError](err)
	if !ok {
		x.server.Logger.Error("count caps of a model", "request", x.id, "model", lane.Model.Name, "err", err)
		return false
	}
	if now := (capped{*lane, limit}); x.capped == nil || now.until().Before(x.capped.until()) {
		x.capped = &now
	}
	return false
}

// capped is a lane whose model is at a cap.
type capped struct {
	route.Lane
	*tally.LimitError
}

// until is when the cap has room again, as far as can be told.
func (c *capped) until() time.Time {
	switch {
	case c.ByPlace() || c.ByHoldsOnly() && c.Need <= c.Max:
		return time.Time{}
	case c.Need > c.Max:
		return tally.Never
	}
	return c.Period.End
}

// cappedError is why a request was sent nowhere; its cause is nil where the store has failed.
type cappedError struct{ *capped }

func (e cappedError) Error() string { return "every provider is at a cap" }

// refusal tells the caller which cap, and until when.
func (e cappedError) refusal(x *exchange) *tally.Refusal {
	r := &tally.Refusal{
		Status: http.StatusTooManyRequests, Type: tally.TypeRate, Code: tally.CodeProviderCap, RetryAfter: 2 * time.Second,
	}
	if e.capped == nil {
		return uncounted()
	}
	switch until := e.until(); {
	case until.Equal(tally.Never):
		r.Final, r.RetryAfter = true, 0
	case !until.IsZero():
		r.RetryAfter = max(until.Sub(x.at), time.Second)
	}
	if x.principal.Visitor {
		r.Message = "The model has been asked as often as its provider allows. Try again later."
		return r
	}
	var all []string
	for _, t := range x.targets {
		all = append(all, t.Upstream.Config.Name)
	}
	r.Message = fmt.Sprintf("Model %q is at a cap that the owner of this gateway has set for what its provider allows (%s): ", e.Model.Name, strings.Join(all, ", "))
	switch c := e.capped; {
	case c.ByPlace():
		r.Message += fmt.Sprintf("%d requests at the same time. Try again in a moment.", c.Place.Max)
	case c.Need > c.Max:
		r.Message += fmt.Sprintf("%s %s, and this request may need %s. Ask for less output.", c.Metric.Format(c.Max),
			c.Metric, c.Metric.Format(c.Need))
	default:
		r.Message += fmt.Sprintf("%s of %s %s are used, and requests in flight hold %s", c.Metric.Format(c.Used),
			c.Metric.Format(c.Max), c.Metric, c.Metric.Format(c.Held))
		if c.Period.Ends() {
			r.Message += "; it resets on " + tally.Civil(c.Period.End, time.UTC)
		}
		r.Message += "."
	}
	return r
}

// leaveUpstream gives back the place in flight, and ends the call if there is one.
func (x *exchange) leaveUpstream() {
	if x.call != nil {
		x.call.end()
		x.call = nil
	}
	if x.upstream != nil {
		x.upstream.Leave()
		x.upstream = nil
	}
}
