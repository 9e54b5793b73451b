package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// formatTokens is added to the bytes of a body to bound its tokens: chat
// formats put a few tokens around each message, always fewer than the JSON of
// the message has bytes, and some once per request.
const formatTokens = 64

// forward walks a request from its start to its end.
func (s *Server) forward(x *exchange) {
	if refusal := x.authenticate(); refusal != nil {
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
	targets, refusal := s.Router.Plan(x.cat, x.principal, x.model, x.at)
	if refusal != nil {
		x.refuse(refusal)
		return
	}
	if refusal := x.admit(targets); refusal != nil {
		x.refuse(refusal)
		return
	}
	defer x.close()
	reply, first, err := x.ask(targets)
	switch {
	case err != nil:
		x.fail(err)
	case reply.Stream:
		x.relayStream(reply, first)
	default:
		x.relayWhole(reply, first)
	}
}

// admit holds the most that the request can use with any of the targets.
func (x *exchange) admit(targets []route.Target) (refusal *tally.Refusal) {
	e := &x.envelope
	x.asked = meter.Request{
		ID: x.id, At: x.at, Catalog: x.cat, Principal: x.principal,
		Endpoint: x.endpointName(), Model: x.model, Stream: x.stream,
		Choices: max(e.Choices, e.BestOf), Session: x.session(),
	}
	if x.asked.Model == "" {
		x.asked.Model = targets[0].Model.Name
	}
	if x.endpoint == providers.Completions {
		x.asked.Choices *= e.Prompts
	}
	x.asked.InputTokens = x.inputBound(targets)
	if x.endpoint != providers.Embeddings {
		x.asked.Output = x.outputWanted(targets)
	}
	for _, t := range targets {
		// A model without a price is here only by the owner's policy: it counts as free.
		x.asked.Rates = x.asked.Rates.Max(tally.DearestAt(t.Model.Prices, x.at, "", x.asked.InputTokens).Rates)
	}
	x.ticket, refusal = x.Meter.Admit(x.ctx, &x.asked)
	return refusal
}

// inputBound is the most tokens the input can come to: a token is at least a
// byte, and no upstream takes more than its context. What the body only refers
// to is bounded by the context alone.
func (x *exchange) inputBound(targets []route.Target) int64 {
	context := int64(0)
	for _, t := range targets {
		if t.Model.ContextTokens == 0 {
			context = meter.UnknownContext
			break
		}
		context = max(context, t.Model.ContextTokens)
	}
	if x.envelope.Content.Unbounded != "" {
		return context
	}
	bytes := int64(len(x.body)) + formatTokens
	if x.envelope.Prompts > 1 {
		return bytes // each of them has a context of its own
	}
	return min(bytes, context)
}

// outputWanted is the output to ask for per choice: what the caller says, or
// the owner's default, and never more than a model can give.
func (x *exchange) outputWanted(targets []route.Target) int64 {
	largest, context := int64(0), int64(0)
	for i, t := range targets {
		if t.Model.MaxOutputTokens == 0 {
			largest = tally.MaxTokens
		}
		largest = max(largest, t.Model.MaxOutputTokens)
		if c := t.Model.ContextTokens; i == 0 || c != 0 && c < context || context == 0 {
			context = c
		}
	}
	if x.envelope.MaxTokens >= 0 {
		return min(x.envelope.MaxTokens, largest)
	}
	want := min(cmp.Or(x.cat.Settings.DefaultMaxOutput, tally.LargestDefaultOutput), largest)
	if context > 0 {
		// Some upstreams refuse a maximum that does not fit beside the prompt.
		want = min(want, max(context-x.asked.InputTokens, context/4))
	}
	return want
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

// ask asks the targets in order until one has given the first bytes of an
// answer; of an answer that is not streamed these are all.
func (x *exchange) ask(targets []route.Target) (reply *providers.Reply, first []byte, err error) {
	ctx := x.ctx
	if x.cat.Settings.OnLeave == tally.LeaveDrain {
		ctx = context.WithoutCancel(ctx)
	}
	for _, t := range targets {
		x.target = t
		if !x.enter(t.Upstream) {
			err = cmp.Or(err, errAtCapacity)
			continue
		}
		reply, first, err = x.attempt(ctx, t)
		if err == nil {
			return reply, first, nil
		}
		x.leaveUpstream()
		if up, ok := errors.AsType[*providers.UpstreamError](err); !ok || !up.Retryable() || ctx.Err() != nil {
			break
		}
	}
	return nil, nil, err
}

// attempt asks one target. If it fails, what it had reported by then is kept:
// the upstream will send a bill for it.
func (x *exchange) attempt(ctx context.Context, t route.Target) (*providers.Reply, []byte, error) {
	x.result.Attempts++
	x.result.Provider, x.result.Upstream, x.result.Prices = t.Upstream.Config.ID, t.Model.UpstreamName(), t.Model.Prices
	output := x.ticket.Output()
	if most := t.Model.MaxOutputTokens; most > 0 {
		output = min(output, most)
	}
	x.sent = true
	reply, err := t.Upstream.Do(ctx, providers.Call{
		Endpoint: x.endpoint, Envelope: &x.envelope, Model: x.result.Upstream, MaxOutput: output,
		Stream: x.stream, KeepUsage: x.envelope.IncludeUsage, RequestID: string(x.id), Hops: x.hops,
	})
	if err != nil {
		return nil, nil, err
	}
	first, err := reply.Body.Next()
	if err == nil {
		x.result.FirstByte = x.elapsed()
		return reply, first, nil
	}
	if err == io.EOF {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Status: reply.Status, Err: io.ErrUnexpectedEOF}
	}
	if said := reply.Body.Report(); said.Tokens.Total() > 0 {
		x.result.FailedTokens = x.result.FailedTokens.Add(said.Tokens)
		x.result.FailedCost += x.ticket.Price(t.Model.Prices, said.Tokens)
	}
	reply.Body.Close() // it failed already
	return nil, nil, err
}

// fail settles a request that no upstream has answered, and says why.
func (x *exchange) fail(err error) {
	refusal := upstreamRefusal(x, err)
	x.result.Outcome, x.result.Status, x.result.Code = tally.OutcomeFailed, refusal.Status, refusal.Code
	if x.gone(err) {
		// The upstream may have read the prompt, and bills for that.
		x.result.Outcome, x.result.Status, x.result.Code = tally.Canceled, tally.StatusClientClosed, tally.CodeClientClosed
		if x.sent {
			x.result.Tokens, x.result.Basis = tally.Tokens{Input: x.inputEstimate()}, tally.Estimated
		}
	}
	x.settle()
	x.tell(refusal)
}

// gone reports whether it was the caller who ended the request.
func (x *exchange) gone(err error) bool {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	return x.ctx.Err() != nil && (!ok || up.Fault == providers.Gone)
}

// settle replaces the hold by the truth. A failure is logged by the meter, and
// leaves the hold to expire at what it holds.
func (x *exchange) settle() (cost tally.NanoUSD, err error) {
	x.result.Total = x.elapsed()
	return x.ticket.Settle(context.WithoutCancel(x.ctx), x.result)
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
	if x.upstream != nil {
		x.upstream.Leave()
		x.upstream = nil
	}
}

// close settles a request that a defect stopped before its end.
func (x *exchange) close() {
	x.leaveUpstream()
	if x.ticket != nil {
		x.ticket.Close(context.WithoutCancel(x.ctx), x.Clock())
	}
}

// refuse counts a refusal and tells the caller. An unknown credential has
// nobody to be counted on, and a gateway that cannot write does not try to.
func (x *exchange) refuse(refusal *tally.Refusal) {
	if p := x.principal; p != nil && refusal.Status < http.StatusInternalServerError {
		rec := tally.Record{
			ID: x.id, At: x.at, Endpoint: x.endpointName(), Model: x.model, Stream: x.stream,
			Status: refusal.Status, Code: refusal.Code, Outcome: tally.OutcomeDenied, Total: x.elapsed(),
		}
		if refusal.Status == http.StatusTooManyRequests {
			rec.Outcome = tally.OutcomeLimited
		}
		x.Meter.Refuse(context.WithoutCancel(x.ctx), p, rec)
	}
	x.tell(refusal)
}
