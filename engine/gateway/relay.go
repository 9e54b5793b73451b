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
	defer x.done(reply)
	x.bookAnswer(reply.Body)
	x.result.Outcome, x.result.Status = tally.OK, reply.Status
	if x.call.gone() {
		x.result.Outcome, x.result.Status, x.result.Code = tally.Canceled, tally.StatusClientClosed, tally.CodeClientClosed
	}
	err := x.settle()
	if from, to := reply.Body.UsageAt(); to > 0 && err == nil {
		body = x.spliceCost(body, from, to, x.cost(), true)
	}
	if x.result.Outcome == tally.Canceled {
		return
	}
	if x.dialect != nil {
		body = x.dialect.answer(x, body)
	}
	x.head(reply)
	if err == nil {
		x.tellCost()
	}
	x.set("Content-Length", strconv.Itoa(len(body)))
	x.started = true
	x.w.WriteHeader(reply.Status)
	if len(body) > keptBody { // beyond what the system takes without the caller reading
		rc := http.NewResponseController(x.w)
		rc.SetWriteDeadline(time.Now().Add(writePatience))
		defer rc.SetWriteDeadline(time.Time{})
	}
	x.w.Write(body) // a caller that has left has used it all the same
}

// relayStream passes on events as they come. The end marker is withheld until
// the request is settled; the cost follows it in a trailer.
func (x *exchange) relayStream(reply *providers.Reply, chunk []byte) {
	defer x.done(reply)
	h := x.head(reply)
	h["Cache-Control"] = noCache
	h["X-Accel-Buffering"] = noBuffering
	if !x.principal.Visitor {
		h["Trailer"] = costTrailer
	}
	x.started = true
	x.w.WriteHeader(reply.Status)
	lines := lineOut{w: x.w, rc: http.NewResponseController(x.w)}
	defer lines.end()
	body := reply.Body
	finished := false
	for {
		if !finished && body.Report().Finish != providers.Unfinished {
			finished = true
			x.call.finish()
		}
		mark := body.Final()
		if from, to := body.UsageAt(); to > 0 {
			chunk, mark = x.withCost(body, chunk, mark, from, to)
		}
		last := chunk[len(chunk):]
		if mark >= 0 {
			chunk, last = chunk[:mark], chunk[mark:]
		}
		if lines.send(chunk) != nil {
			x.call.leave() // one that takes nothing any more is as good as gone
		}
		if mark >= 0 {
			x.complete(body, last, &lines)
			return
		}
		var err error
		if chunk, err = body.Next(); err != nil {
			x.broken(body, err, &lines)
			return
		}
	}
}

// complete ends a stream that has come to its end marker.
func (x *exchange) complete(body providers.Body, marker []byte, lines *lineOut) {
	x.out = append(x.out[:0], marker...) // Next may take its bytes away
	_, err := body.Next()                // nothing comes any more; what it says is how the stream ended
	if err == io.EOF {
		x.bookAnswer(body)
	} else {
		x.bookBroken(body, err)
	}
	x.result.Outcome, x.result.Status = tally.OK, http.StatusOK
	switch {
	case x.call.gone(): // read to its end though nobody listened
		x.result.Outcome, x.result.Code = tally.Canceled, tally.CodeClientClosed
	case err != io.EOF: // an error event stood before the marker
		x.result.Outcome, x.result.Code = tally.OutcomeFailed, upstreamRefusal(x, err).Code
	}
	settled := x.settle()
	lines.send(x.out)
	if settled == nil {
		x.tellCost()
	}
}

// broken ends a stream before its end marker: the caller has left, or the
// upstream failed.
func (x *exchange) broken(body providers.Body, err error, lines *lineOut) {
	if err == io.EOF {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Err: io.ErrUnexpectedEOF}
	}
	x.bookBroken(body, err)
	x.result.Status = http.StatusOK
	if x.call.gone() {
		x.result.Outcome, x.result.Code = tally.Canceled, tally.CodeClientClosed
		x.settle()
		return
	}
	refusal := upstreamRefusal(x, err)
	x.result.Outcome, x.result.Code = tally.OutcomeFailed, refusal.Code
	x.result.Uncounted = x.free()
	x.settle()
	if told(err) {
		return
	}
	x.out = append(append(append(x.out[:0], "data: "...), errorBody(refusal)...), "\n\n"...)
	lines.send(x.out)
}

// withCost puts the cost of what the upstream has reported into its usage.
func (x *exchange) withCost(body providers.Body, chunk []byte, mark, from, to int) ([]byte, int) {
	said := body.Report()
	before := len(chunk)
	var sum tally.NanoUSD
	known := said.Known != providers.KnownNothing
	if known { // as it will be booked, unless more comes
		kept := x.result
		now := *x.latest()
		x.price(&now, &said, said.Tokens)
		x.result = kept
		sum = x.cost() + now.Cost
	}
	out := x.spliceCost(chunk, from, to, sum, known)
	if mark >= to {
		mark += len(out) - before
	}
	return out, mark
}

// spliceCost treats the costs in the usage object at [from, to) as the caller may
// see them: the upstream's own, or ours where there is none; what the caller pays,
// if that is something else; or none at all.
func (x *exchange) spliceCost(body []byte, from, to int, cost tally.NanoUSD, known bool) []byte {
	mode := providers.CostTheirs
	switch {
	case x.principal.Visitor || !known && meter.PaysOtherwise(x.principal):
		mode = providers.CostNone
	case meter.PaysOtherwise(x.principal):
		mode, cost = providers.CostOurs, x.ticket.Credits(cost)
	case !known:
		return body
	}
	x.out = append(x.out[:0], body[:from]...)
	x.out = providers.RewriteCost(x.out, body[from:to], cost, mode)
	x.out = append(x.out, body[to:]...)
	return x.out
}

// tellCost tells the caller what the request costs it.
func (x *exchange) tellCost() {
	if !x.principal.Visitor {
		x.set("X-Tallygate-Cost-Usd", x.ticket.Credits(x.cost()).String())
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

// lineOut writes events and flushes them. A caller that takes nothing for a
// while is as good as gone.
type lineOut struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	until time.Time // of the deadline in force
	err   error     // the first failure; later writes are not tried
}

func (l *lineOut) send(b []byte) error {
	if l.err != nil || len(b) == 0 {
		return l.err
	}
	if now := time.Now(); l.until.Sub(now) < writePatience/2 {
		l.until = now.Add(writePatience)
		l.rc.SetWriteDeadline(l.until) // best effort: a recorder has none
	}
	if _, l.err = l.w.Write(b); l.err == nil {
		l.err = l.rc.Flush()
	}
	return l.err
}

// end takes the deadline off the connection, which may serve other requests.
func (l *lineOut) end() { l.rc.SetWriteDeadline(time.Time{}) }
