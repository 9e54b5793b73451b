package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// relayWhole passes on an answer that came in one piece. It is settled before
// its first byte leaves, so the cost can stand in its head.
func (x *exchange) relayWhole(reply *providers.Reply, body []byte) {
	defer reply.Body.Close() // it has the bytes
	x.bookAnswer(reply.Body)
	x.result.Outcome, x.result.Status = tally.OK, reply.Status
	failed := reply.Body.Report().Failed
	switch {
	case x.call.gone():
		x.result.Outcome, x.result.Status, x.result.Code = tally.Canceled, tally.StatusClientClosed, tally.CodeClientClosed
	case failed != nil: // it is passed on for what it holds
		x.result.Outcome, x.result.Code = tally.OutcomeFailed, upstreamRefusal(x, failed).Code
	}
	x.leaveUpstream() // it is done, however long the caller takes
	if x.settle() != nil {
		x.tell(unwritten())
		return
	}
	from, to := reply.Body.UsageAt()
	switch {
	case !x.passesOn(): // of the answer only what is known is told
	case x.hides():
		view := providers.View{
			Dialect: x.form.envelope.Dialect, From: from, To: to, Amount: x.credits(), Known: x.principal.Visitor,
		}
		if x.principal.Visitor {
			view.To = 0
		}
		x.out = providers.HideCosts(x.out[:0], body, view)
		body = x.out
	case to > 0:
		body = x.spliceCost(body, from, to, x.cost())
	}
	if x.result.Outcome == tally.Canceled {
		return
	}
	if failed != nil && x.passesOn() {
		body = x.retold(body, failed)
	}
	if !x.passesOn() {
		told, err := x.toldAnew(body)
		switch {
		case failed != nil:
			x.tell(x.inItsWords(upstreamRefusal(x, failed), failed, true))
			return
		case err != nil:
			x.tell(upstreamRefusal(x, &providers.UpstreamError{Fault: providers.BadAnswer, Status: reply.Status, Err: err}))
			return
		}
		body = told
	}
	x.head(reply)
	x.tellCost()
	x.set("Content-Length", strconv.Itoa(len(body)))
	x.writeHead(reply.Status)
	x.w.Write(body) // a caller that has left has used it all the same
}

// relayStream passes on events as they come. The end marker is withheld until
// the request is settled; the cost follows it in a trailer.
func (x *exchange) relayStream(reply *providers.Reply, chunk []byte) {
	defer x.done(reply)
	x.forgetBody()
	lines, body := x.lines, reply.Body
	lines.begin(reply)
	finished := false
	for {
		if !finished && body.Report().Finish != providers.Unfinished {
			finished = true
			x.call.finish()
		}
		x.sayCut(lines)
		mark := body.Final()
		last := chunk[len(chunk):]
		if mark >= 0 {
			chunk, last = chunk[:mark], chunk[mark:]
		}
		said, err := x.toCaller(x.withCost(body, chunk))
		if lines.send(said) != nil {
			x.call.leave() // one that takes nothing any more is as good as gone
		}
		switch {
		case err != nil:
			x.broken(body, err)
			return
		case mark >= 0:
			x.complete(reply, last, mark)
			return
		}
		if chunk, err = lines.next(reply, x.call); err != nil {
			x.broken(body, err)
			return
		}
	}
}

// complete ends a stream that has come to its end marker, which is at mark in what the
// body has returned last.
func (x *exchange) complete(reply *providers.Reply, marker []byte, mark int) {
	x.out = append(x.out[:0], marker...) // closing the body takes its bytes away
	from, to := reply.Body.UsageAt()
	if err := x.translateEnd(); err != nil {
		x.broken(reply.Body, err)
		return
	}
	x.bookAnswer(reply.Body)
	x.result.Outcome, x.result.Status = tally.OK, http.StatusOK
	if x.call.gone() { // read to its end though nobody listened
		x.result.Outcome, x.result.Code = tally.Canceled, x.leftCode()
	}
	x.result.Uncounted = x.free()
	x.done(reply)
	if x.settle() != nil {
		x.sendError(unwritten())
		return
	}
	switch {
	case x.translator != nil:
		x.out = x.translator.Finish(x.told, x.billTold())
	case to > 0 && from >= mark: // the marker holds the usage
		x.told = append(x.told[:0], x.out...)
		x.out = x.priced(x.told, from-mark, to-mark, nil)
	}
	x.lines.send(x.out)
	x.tellCost()
}

// translateEnd takes the end marker for the end of the answer in the caller's speech,
// whose ending waits for what is charged.
func (x *exchange) translateEnd() error {
	if x.translator == nil {
		return nil
	}
	said, err := x.toCaller(x.out)
	if err != nil {
		return err
	}
	if x.told, err = x.translator.End(said); err != nil {
		return &providers.UpstreamError{Fault: providers.BadAnswer, Status: http.StatusOK, Err: err}
	}
	return nil
}

// sendError ends a stream with an error.
func (x *exchange) sendError(refusal *tally.Refusal) { x.lines.send(x.errorEvent(refusal)) }

func (x *exchange) errorEvent(refusal *tally.Refusal) []byte {
	switch {
	case x.translator != nil:
		return x.translator.Fail(nil, x.failureOf(refusal))
	case x.speech != nil:
		return x.failedStream(refusal)
	}
	x.out = append(append(append(x.out[:0], "data: "...), x.errorBody(refusal)...), "\n\n"...)
	return x.out
}

// broken ends a stream before its end marker: the caller has left, or the
// upstream failed.
func (x *exchange) broken(body providers.Body, err error) {
	if err == io.EOF {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Err: io.ErrUnexpectedEOF}
	}
	x.bookBroken(body, err)
	x.result.Status, x.result.Uncounted = http.StatusOK, x.free()
	if x.call.gone() {
		x.result.Outcome, x.result.Code = tally.Canceled, x.leftCode()
		x.settle()
		x.sayCut(x.lines)
		return
	}
	refusal := upstreamRefusal(x, err)
	x.result.Outcome, x.result.Code = tally.OutcomeFailed, refusal.Code
	x.settle()
	x.tellInStream(refusal, err)
}

// tellInStream tells of a failure in a stream that has begun: the upstream's own event
// was not passed on.
func (x *exchange) tellInStream(refusal *tally.Refusal, err error) {
	x.sendError(x.inItsWords(refusal, err, true))
}

// hides reports whether the caller must not see what the owner pays.
func (x *exchange) hides() bool { return x.principal.Visitor || meter.PaysOtherwise(x.principal) }

// withCost treats the costs in a block of events as the caller may see them: the
// upstream's own, or ours where there is none; what the caller pays, if that is
// something else; or none at all.
func (x *exchange) withCost(body providers.Body, block []byte) []byte {
	if x.translator != nil {
		return block // the writer tells of the cost, and of nothing that it does not know
	}
	from, to := body.UsageAt()
	if to > len(block) {
		to = 0 // it is in the end marker, which waits
	}
	if to == 0 && !x.hides() {
		return block
	}
	if to == 0 || x.principal.Visitor {
		return x.priced(block, from, 0, nil)
	}
	now, known := x.attemptSoFar(body)
	if !known {
		to = 0
	}
	return x.priced(block, from, to, &now)
}

// priced treats the costs in a block of events whose usage object is at [from, to), 0 if
// there is none or what the request costs is not known. More is an attempt whose end has
// not been booked yet.
func (x *exchange) priced(block []byte, from, to int, more *tally.Attempt) []byte {
	known := to > 0 && !x.principal.Visitor
	if known && more != nil {
		booked := *x.latest()
		defer func() { *x.latest() = booked }()
		*x.latest() = *more
	}
	switch {
	case x.hides():
		view := providers.View{
			Dialect: x.form.envelope.Dialect, From: from, Known: x.principal.Visitor,
		}
		if known {
			view.To, view.Amount = to, x.credits()
		}
		x.out = providers.HideCostsInEvents(x.out[:0], block, view)
		return x.out
	case known:
		return x.spliceCost(block, from, to, x.cost())
	}
	return block
}

// attemptSoFar is the attempt with what the upstream has reported, as it will be booked
// unless more comes; known is whether it has reported anything.
func (x *exchange) attemptSoFar(body providers.Body) (now tally.Attempt, known bool) {
	said := body.Report()
	if said.Known == providers.KnownNothing {
		return now, false
	}
	kept := x.result
	now = *x.latest()
	x.price(&now, &said, said.Tokens)
	x.result = kept
	return now, true
}

// spliceCost puts our cost into the usage object at [from, to), where the upstream
// tells none.
func (x *exchange) spliceCost(body []byte, from, to int, cost tally.NanoUSD) []byte {
	x.out = append(x.out[:0], body[:from]...)
	x.out = providers.TellCost(x.out, body[from:to], cost)
	x.out = append(x.out, body[to:]...)
	return x.out
}

// tellCost tells the caller what the request costs it.
func (x *exchange) tellCost() {
	if !x.principal.Visitor {
		x.set("X-Tallygate-Cost-Usd", x.credits().String())
	}
}

// done lets go of an answer and of its upstream's place in flight.
func (x *exchange) done(reply *providers.Reply) {
	reply.Body.Close() // canceled upstream if it is not at its end; nobody is left to tell of a failure
	x.leaveUpstream()
}

func (x *exchange) elapsed() time.Duration { return time.Since(x.begin) }

// told reports whether a stream has carried the upstream's own error event.
func told(err error) bool {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	return ok && up.Told
}
