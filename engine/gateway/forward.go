package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// forward walks a request from its start to its end.
func (s *Server) forward(x *exchange) {
	refusal := x.authenticate()
	x.tap()
	if refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.comeIn(); refusal != nil {
		x.refuse(refusal)
		return
	}
	refusal = x.read()
	if x.tape != nil {
		x.tape.Asked(x.body)
	}
	if refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.countHops(); refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.readTags(); refusal != nil {
		x.refuse(refusal)
		return
	}
	x.since = x.at
	x.land()
	for {
		refusal := x.admit()
		if refusal == nil && x.ticket != nil {
			break
		}
		if refusal == nil {
			refusal = x.again()
		}
		if refusal != nil && !x.doesWithout(refusal) {
			x.refuse(refusal)
			return
		}
	}
	defer x.close()
	reply, first, err := x.ask()
	switch {
	case err != nil:
		x.fail(err)
	case reply.Passing:
		x.relayPassing(reply, first)
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
	if x.speech != nil {
		return x.speech.name()
	}
	return string(x.endpoint)
}

// session names the end user, in the order of headers and then fields.
func (x *exchange) session() string {
	for _, name := range [...]string{"X-Session-Id", "X-Whatsapp-Session", "X-Claude-Code-Session-Id", "Session-Id"} {
		if v := x.r.Header[name]; len(v) > 0 && v[0] != "" {
			return v[0]
		}
	}
	return x.envelope.Session
}

// attempt asks the current target, and books what it has used if it fails.
func (x *exchange) attempt() (*providers.Reply, []byte, error) {
	t := x.target
	a := tally.Attempt{Provider: t.Upstream.Config.ID, Upstream: t.Model.UpstreamName()}
	if t.Upstream.Keys() > 1 {
		a.Key = x.lane.Key + 1
	}
	x.result.Attempts = append(x.result.Attempts, a)
	x.asking = time.Now()
	x.call = x.newCall(&t.Upstream.Kind)
	output := int64(0)
	if x.bounded {
		output = x.ticket.Output()
		if most := t.Model.MaxOutputTokens; most > 0 {
			output = min(output, most)
		}
	}
	x.form = x.formFor(&t)
	x.refit(x.form, output)
	reply, err := t.Upstream.Do(x.call, providers.Call{
		Endpoint: x.endpoint, Envelope: x.form.envelope, Model: x.latest().Upstream, Key: x.lane.Key, MaxOutput: output,
		BoundExtras: x.capExtras,
		Stream:      x.stream, KeepUsage: x.form.envelope.IncludeUsage, OnlyJSON: x.principal.Visitor,
		RequestID: string(x.id), Hops: x.hops, Media: x.media,
		Fields: x.fieldsThrough(&t),
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
	x.translator = x.newTranslator()
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
	case cut && refusal.Code != tally.CodeStopping: // which is ours
		x.result.Outcome = tally.Canceled
	case x.ctx.Err() != nil:
		x.result.Outcome, x.result.Status, x.result.Code = tally.Canceled, tally.StatusClientClosed, tally.CodeClientClosed
	}
	x.result.Uncounted = x.free() && refusal.Type != tally.TypeInvalid // which is the caller's own
	if !x.started {
		x.settle()
		x.tellFailed(refusal, err)
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

// credits are what the caller pays for all attempts.
func (x *exchange) credits() tally.NanoUSD { return x.ticket.Credits(x.result.Attempts) }

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
// nobody to be counted on, a gateway that cannot write does not try to, and what the
// owner tries is no caller's refusal.
func (x *exchange) refuse(refusal *tally.Refusal) {
	if p := x.principal; p != nil && x.as == "" && refusal.Status < http.StatusInternalServerError {
		rec := tally.Record{
			ID: x.id, At: x.at, Endpoint: x.endpointName(), Model: auth.Redact(x.model), Stream: x.stream, Trace: x.trace(), Tags: x.asked.Tags,
			Status: refusal.Status, Code: refusal.Code, Outcome: tally.OutcomeDenied, Total: x.elapsed(),
			Reason: clipped(auth.Redact(refusal.Message), maxReason), Reached: refusal.Reached,
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
