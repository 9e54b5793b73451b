package gateway

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// relayWhole passes on an answer that came in one piece. It is settled before
// its first byte leaves, so the cost can stand in its head.
func (x *exchange) relayWhole(reply *providers.Reply, body []byte) {
	defer x.done(reply)
	x.result.Tokens, x.result.Basis = x.used(reply.Body, true)
	x.result.Outcome, x.result.Status = tally.OK, reply.Status
	cost, err := x.settle()
	if from, to := reply.Body.UsageAt(); to > 0 && err == nil {
		x.out = append(x.out[:0], body[:from]...)
		x.out = providers.AppendCost(x.out, body[from:to], cost)
		x.out = append(x.out, body[to:]...)
		body = x.out
	}
	if x.dialect != nil {
		body = x.dialect.answer(x, body)
	}
	x.head(reply)
	if err == nil {
		x.set("X-Tallygate-Cost-Usd", cost.String())
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
	h["Trailer"] = costTrailer
	x.started = true
	x.w.WriteHeader(reply.Status)
	lines := lineOut{w: x.w, rc: http.NewResponseController(x.w)}
	defer lines.end()
	body := reply.Body
	for {
		mark := body.Final()
		if from, to := body.UsageAt(); to > 0 {
			chunk, mark = x.withCost(body, chunk, mark, from, to)
		}
		last := chunk[len(chunk):]
		if mark >= 0 {
			chunk, last = chunk[:mark], chunk[mark:]
		}
		gone := lines.send(chunk) != nil && x.cat.Settings.OnLeave != tally.LeaveDrain
		if mark >= 0 && !gone {
			x.complete(body, last, &lines)
			return
		}
		var err error
		if !gone {
			if chunk, err = body.Next(); err == nil {
				continue
			}
		}
		x.broken(body, err, gone, &lines)
		return
	}
}

// complete ends a stream that has come to its end marker.
func (x *exchange) complete(body providers.Body, marker []byte, lines *lineOut) {
	x.result.Tokens, x.result.Basis = x.used(body, true)
	x.result.Outcome, x.result.Status = tally.OK, http.StatusOK
	x.out = append(x.out[:0], marker...) // Next may take its bytes away
	switch _, err := body.Next(); {      // nothing comes any more; what it says is how the stream ended
	case lines.err != nil: // read to its end though nobody listened
		x.result.Outcome, x.result.Code = tally.Canceled, tally.CodeClientClosed
	case err != io.EOF: // an error event stood before the marker
		x.result.Outcome, x.result.Code = tally.OutcomeFailed, upstreamRefusal(x, err).Code
	}
	cost, err := x.settle()
	lines.send(x.out)
	if err == nil {
		x.set("X-Tallygate-Cost-Usd", cost.String())
	}
}

// broken ends a stream before its end marker: the caller has left, or the
// upstream failed. What was delivered is billed.
func (x *exchange) broken(body providers.Body, err error, gone bool, lines *lineOut) {
	x.result.Tokens, x.result.Basis = x.used(body, false)
	x.result.Status = http.StatusOK
	if gone || x.gone(err) || lines.err != nil {
		x.result.Outcome, x.result.Code = tally.Canceled, tally.CodeClientClosed
		x.settle()
		return
	}
	if err == io.EOF {
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Err: io.ErrUnexpectedEOF}
	}
	refusal := upstreamRefusal(x, err)
	x.result.Outcome, x.result.Code = tally.OutcomeFailed, refusal.Code
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
	if said.Known == providers.KnownNothing {
		return chunk, mark
	}
	cost := x.ticket.Price(x.result.Prices, said.Tokens) + x.result.FailedCost
	x.out = append(x.out[:0], chunk[:from]...)
	x.out = providers.AppendCost(x.out, chunk[from:to], cost)
	x.out = append(x.out, chunk[to:]...)
	if mark >= to {
		mark += len(x.out) - len(chunk)
	}
	return x.out, mark
}

// used is what an answer has used so far: as the upstream reports it, or
// counted from the bytes. An answer that broke off has reported at most a part.
func (x *exchange) used(body providers.Body, whole bool) (tally.Tokens, tally.Basis) {
	said := body.Report()
	reported := said.Tokens
	if said.Exact() && whole {
		return reported, tally.Exact
	}
	input, output := said.Missing()
	if input {
		reported.Input = x.inputEstimate()
	}
	if output || !whole {
		delivered := min(body.Delivered(), x.ticket.Output()*x.asked.Choices)
		reported.Output = max(reported.Output, delivered-reported.Reasoning)
	}
	return reported, tally.Estimated
}

// inputEstimate is what the prompt comes to where no upstream says it: four
// bytes a token is the rule of thumb for English, and the JSON around the
// prompt makes up for denser languages.
func (x *exchange) inputEstimate() int64 {
	return min((int64(len(x.body))+3)/4, x.asked.InputTokens)
}

// done lets go of an answer and of its upstream's place in flight.
func (x *exchange) done(reply *providers.Reply) {
	reply.Body.Close() // canceled upstream if it is not at its end; nobody is left to tell of a failure
	x.leaveUpstream()
}

func (x *exchange) elapsed() time.Duration { return time.Since(x.begin) }

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
