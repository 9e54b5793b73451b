package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
)

var errChanged = meter.ErrChanged

// forward walks a request from its start to its end.
func (s *Server) forward(x *exchange) {
	if refusal := x.authenticate(); refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.comeIn(); refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.read(); refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.countHops(); refusal != nil {
		x.refuse(refusal)
		return
	}
	x.since = x.at
	for {
		refusal := x.admit()
		if refusal == nil && x.ticket != nil {
			break
		}
		if refusal == nil {
			refusal = x.again()
		}
		if refusal != nil {
			x.refuse(refusal)
			return
		}
	}
	defer x.close()
	reply, first, err := x.ask()
	switch {
	case err != nil:
		x.fail(err)
	case reply.Stream:
		x.relayStream(reply, first)
	default:
		x.relayWhole(reply, first)
	}
}

// maxGateways is how many a request may have passed before this one.
const maxGateways = 4

// countHops refuses a request that goes round in a circle of gateways.
func (x *exchange) countHops() *tally.Refusal {
	said := x.r.Header[providers.HopsHeader]
	if len(said) == 0 {
		return nil
	}
	hops, err := strconv.ParseUint(said[0], 10, 16)
	if err != nil {
		return tally.BadRequest("", "The header "+providers.HopsHeader+" is not a number.")
	}
	if x.hops = int(hops); x.hops > maxGateways {
		return &tally.Refusal{Status: http.StatusLoopDetected, Type: tally.TypeInvalid, Code: tally.CodeLoop, Final: true,
			Message: fmt.Sprintf("The request has passed %d gateways already: they seem to lead to each other. A provider of one of them must be changed.", hops)}
	}
	return nil
}

// endpointName is how records call the endpoint.
func (x *exchange) endpointName() string {
	if x.dialect != nil {
		return x.dialect.name
	}
	return string(x.endpoint)
}

// session names the end user, in the order of headers and then fields.
func (x *exchange) session() string {
	for _, name := range [...]string{"X-Session-Id", "X-Whatsapp-Session"} {
		if v := x.r.Header[name]; len(v) > 0 && v[0] != "" {
			return v[0]
		}
	}
	return x.envelope.Session
}

// ask asks the upstreams in order until one has given the first bytes of an
// answer; of an answer that is not streamed these are all.
func (x *exchange) ask() (reply *providers.Reply, first []byte, err error) {
	route.Order(x.targets, time.Now())
	if err := x.enterAny(); err != nil {
		return nil, nil, err
	}
	for {
		reply, first, err = x.attempt()
		up, ok := errors.AsType[*providers.UpstreamError](err)
		if ok || err == nil {
			x.target.Upstream.Report(up, time.Now())
		}
		if err == nil {
			return reply, first, nil
		}
		cut := x.call.wasCut()
		x.leaveUpstream()
		if cut != nil {
			return nil, nil, refusedError{cut}
		}
		if !ok || !up.Retryable() || x.started || x.ctx.Err() != nil {
			return nil, nil, err
		}
		paid, asked := x.latest().Basis != "", x.target
		if !x.enterNext() {
			return nil, nil, err
		}
		if paid && x.ticket.Raise(context.Background()) != nil {
			x.target = asked // there is no room for another attempt beside one that may be charged
			return nil, nil, err
		}
	}
}

// latest is the attempt that was made last.
func (x *exchange) latest() *tally.Attempt { return &x.result.Attempts[len(x.result.Attempts)-1] }

// enterAny takes a place in flight with the first upstream that has one, and waits
// for one if none has. A change of the catalog does not end that wait: the request
// is admitted.
func (x *exchange) enterAny() error {
	x.turn = -1
	if x.enterNext() {
		return nil
	}
	x.turn, x.target = 0, x.targets[0]
	most := *x.cat.Settings.HoldWait
	if x.principal.Visitor {
		most = *x.cat.Settings.VisitorWait
	}
	if !x.deadline.IsZero() {
		most = time.Until(x.deadline)
	}
	if most <= 0 {
		return errAtCapacity
	}
	ctx, cancel := context.WithTimeout(x.ctx, most)
	defer cancel()
	defer context.AfterFunc(x.server.stopping, cancel)()
	if i := route.WaitAny(ctx, x.targets); i >= 0 {
		won := x.targets[i] // the others may have places when it fails
		copy(x.targets[1:], x.targets[:i])
		x.targets[0], x.target, x.upstream = won, won, won.Upstream
		return nil
	}
	if x.server.stopping.Err() != nil {
		return meter.ErrStopping
	}
	return errAtCapacity
}

// enterNext takes a place with the next upstream behind the current one that has
// one.
func (x *exchange) enterNext() bool {
	for i := x.turn + 1; i < len(x.targets); i++ {
		if x.enter(x.targets[i].Upstream) {
			x.turn, x.target = i, x.targets[i]
			return true
		}
	}
	return false
}

// attempt asks the current target, and books what it has used if it fails.
func (x *exchange) attempt() (*providers.Reply, []byte, error) {
	t := x.target
	x.result.Attempts = append(x.result.Attempts, tally.Attempt{Provider: t.Upstream.Config.ID, Upstream: t.Model.UpstreamName()})
	x.asking = time.Now()
	x.call = x.newCall(&t.Upstream.Kind)
	output := int64(0)
	if x.bounded {
		output = x.ticket.Output()
		if most := t.Model.MaxOutputTokens; most > 0 {
			output = min(output, most)
		}
	}
	reply, err := t.Upstream.Do(x.call, providers.Call{
		Endpoint: x.endpoint, Envelope: &x.envelope, Model: x.latest().Upstream, MaxOutput: output, BoundExtras: x.capExtras,
		Stream: x.stream, KeepUsage: x.envelope.IncludeUsage, OnlyJSON: x.principal.Visitor, RequestID: string(x.id), Hops: x.hops,
	})
	if err != nil {
		x.bookFailure(nil, err)
		return nil, nil, err
	}
	x.latest().Request = reply.RequestID
	first, err := x.first(reply)
	if err == nil {
		x.result.FirstByte = x.elapsed()
		return reply, first, nil
	}
	if err == io.EOF {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Status: reply.Status, Err: io.ErrUnexpectedEOF}
	}
	x.bookFailure(reply.Body, err)
	reply.Body.Close() // it failed already
	return nil, nil, err
}

// first waits for the first bytes of an answer.
func (x *exchange) first(reply *providers.Reply) ([]byte, error) {
	if !reply.Stream {
		return reply.Body.Next()
	}
	if x.lines == nil {
		x.lines = &lineOut{x: x, rc: http.NewResponseController(x.w)}
	}
	return x.lines.next(reply, x.call)
}

// fail settles a request that no upstream has answered, and says why.
func (x *exchange) fail(err error) {
	refusal := upstreamRefusal(x, err)
	x.result.Outcome, x.result.Status, x.result.Code = tally.OutcomeFailed, refusal.Status, refusal.Code
	_, cut := err.(refusedError)
	switch {
	case cut:
		x.result.Outcome = tally.Canceled
	case x.ctx.Err() != nil:
		x.result.Outcome, x.result.Status, x.result.Code = tally.Canceled, tally.StatusClientClosed, tally.CodeClientClosed
	}
	x.result.Uncounted = x.free() && refusal.Type != tally.TypeInvalid // which is the caller's own
	if !x.started {
		x.settle()
		x.tell(x.inItsWords(refusal, err, false))
		return
	}
	if x.result.Outcome == tally.OutcomeFailed {
		x.result.Status = http.StatusOK // it was told while the model thought
	}
	x.settle()
	x.tellInStream(refusal, err)
}

// free reports whether every attempt is proven to have cost nothing.
func (x *exchange) free() bool {
	for i := range x.result.Attempts {
		if x.result.Attempts[i].Basis != "" {
			return false
		}
	}
	return true
}

// settle replaces the hold by the truth. A failure is logged by the meter, and
// leaves the hold to expire at what it holds.
func (x *exchange) settle() error {
	x.result.Total = x.elapsed()
	x.result.Tier = x.envelope.Tier
	return x.ticket.Settle(context.Background(), &x.result)
}

// cost is what all attempts have cost the owner.
func (x *exchange) cost() (sum tally.NanoUSD) {
	for i := range x.result.Attempts {
		sum = tally.NanoUSD(tally.AddSat(int64(sum), int64(x.result.Attempts[i].Cost)))
	}
	return sum
}

// enter takes one of an upstream's places in flight, leaveUpstream gives it
// back.
func (x *exchange) enter(u *route.Upstream) bool {
	if !u.Enter() {
		return false
	}
	x.upstream = u
	return true
}

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

// close settles a request that a defect stopped before its end.
func (x *exchange) close() {
	if x.lines != nil {
		x.lines.end()
	}
	x.leaveUpstream()
	if x.ticket != nil {
		x.ticket.Close(context.Background(), x.server.Clock())
	}
}

// refuse counts a refusal and tells the caller. An unknown credential has
// nobody to be counted on, and a gateway that cannot write does not try to.
func (x *exchange) refuse(refusal *tally.Refusal) {
	if p := x.principal; p != nil && refusal.Status < http.StatusInternalServerError {
		rec := tally.Record{
			ID: x.id, At: x.at, Endpoint: x.endpointName(), Model: x.model, Stream: x.stream,
			Status: refusal.Status, Code: refusal.Code, Outcome: tally.OutcomeDenied, Total: x.elapsed(),
			Reason: clipped(refusal.Message, maxReason), Reached: refusal.Reached,
		}
		if !x.deadline.IsZero() { // all of its time so far
			rec.Waited = x.waited + rec.Total
		}
		if refusal.Status == http.StatusTooManyRequests {
			rec.Outcome = tally.OutcomeLimited
		}
		if id := x.server.Meter.Refuse(context.Background(), p, rec); id != x.id {
			x.set("X-Request-Id", string(id))
		}
	}
	x.tell(refusal)
}
