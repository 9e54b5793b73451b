package gateway

import (
	"io"
	"net/http"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// relayPassing passes on an answer as it comes. Its end is withheld until the request is
// settled; the cost follows in a trailer.
func (x *exchange) relayPassing(reply *providers.Reply, chunk []byte) {
	defer x.done(reply)
	x.forgetBody()
	x.media.Raw = nil
	body := reply.Body
	events := strings.HasPrefix(reply.Header.Get("Content-Type"), "text/event-stream")
	if h := x.head(reply); !x.principal.Visitor {
		h["Trailer"] = costTrailer
	}
	if events {
		x.w.Header()["X-Accel-Buffering"] = noBuffering
	}
	x.writeHead(reply.Status)
	rc := http.NewResponseController(x.w)
	var end []byte
	var err error
	for ; err == nil; chunk, err = body.Next() {
		last := chunk[len(chunk):]
		if mark := body.Final(); mark >= 0 {
			chunk, last = chunk[:mark], chunk[mark:]
		}
		if events && x.hides() {
			view := providers.View{Known: x.principal.Visitor}
			chunk, last = providers.HideCostsInEvents(nil, chunk, view), providers.HideCostsInEvents(nil, last, view)
		}
		end = append(end, last...)
		if len(chunk) == 0 {
			continue
		}
		_, failed := x.w.Write(chunk)
		if failed == nil {
			failed = rc.Flush()
		}
		if failed != nil {
			x.call.leave() // what it has used is paid for all the same
		}
	}
	x.endPassing(reply, end, events, err)
}

// endPassing settles an answer that has ended, and passes on its end.
func (x *exchange) endPassing(reply *providers.Reply, end []byte, events bool, err error) {
	x.result.Outcome, x.result.Status = tally.OK, http.StatusOK
	broken := err != io.EOF
	if broken {
		said := reply.Body.Report()
		x.bookHeld(x.latest(), &said, false)
		x.failed(x.latest(), err)
		x.result.Outcome, x.result.Code = tally.OutcomeFailed, upstreamRefusal(x, err).Code
	} else {
		x.bookAnswer(reply.Body)
	}
	if x.call.gone() {
		x.result.Outcome, x.result.Code = tally.Canceled, x.leftCode()
	}
	x.result.Uncounted = x.free()
	written := x.settle() == nil
	switch {
	case written && !broken:
		x.w.Write(end) // a caller that has left has used it all the same
		x.tellCost()
	case events && broken:
		x.w.Write(x.errorEvent(x.inItsWords(upstreamRefusal(x, err), err, true)))
	case events:
		x.w.Write(x.errorEvent(unwritten()))
	default:
		panic(http.ErrAbortHandler) // sound has no words: the answer must not look whole
	}
}
