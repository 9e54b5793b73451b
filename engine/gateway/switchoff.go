package gateway

import (
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// cutPatience is how long a stream that is ended may take to say why: it says it
// with its next event.
const cutPatience = 2 * time.Second

// holder is whose a stream is, so that it can be asked again whether it may run.
type holder struct {
	credential, origin string
	as                 tally.ID // of the key that the owner tries
	visit              *visit   // its connection; nil without a door
}

// holder says whose the request is.
func (x *exchange) holder() holder {
	return holder{auth.Credential(x.r.Header), pageOf(x.r).Origin, x.as, x.line}
}

// refusedNow is why a holder may not send requests any more, nil if it may.
func (s *Server) refusedNow(cat *tally.Catalog, h *holder) (refusal *tally.Refusal) {
	if h.as != "" {
		_, refusal = principalOf(cat, h.as, s.Clock())
	} else {
		_, refusal = s.Verifier.Verify(cat, h.credential, h.origin, s.Clock())
	}
	return refusal
}

// Changed ends the streams of whoever may not send requests any more, now that the
// catalog has changed: of a client, a key, a token or a gateway that was switched off
// or deleted. They are booked as if their callers had left; answers in one piece,
// which are paid for, come to their end.
func (s *Server) Changed() {
	cat := s.Catalog()
	s.calls.mu.Lock()
	open := s.calls.open()
	s.calls.mu.Unlock()
	for _, c := range open {
		if !c.stream {
			continue
		}
		if refusal := s.refusedNow(cat, &c.holder); refusal != nil {
			c.cutOff(refusal)
		}
	}
}

// cutOff ends a stream for its caller.
func (c *call) cutOff(refusal *tally.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut != nil || c.err != nil {
		return
	}
	c.cut = refusal
	if v := c.visit; v != nil {
		c.cutter = time.AfterFunc(cutPatience, func() { v.Conn.Close() })
	}
	c.depart()
}

// wasCut is why the call was cut off, nil if it was not.
func (c *call) wasCut() *tally.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// sayCut tells the caller of a stream that was cut off why, once, and nothing more.
func (x *exchange) sayCut(lines *lineOut) {
	refusal := x.call.wasCut()
	if refusal == nil || !lines.last(x.errorEvent(refusal), refusedError{refusal}) {
		return
	}
	if x.line != nil && x.call.Err() == nil {
		x.line.Conn.Close() // what is still read of it nobody waits for
	}
}

// leftCode is the code of a record whose caller has left, or was made to.
func (x *exchange) leftCode() string {
	if refusal := x.call.wasCut(); refusal != nil {
		return refusal.Code
	}
	return tally.CodeClientClosed
}

// refusedError is a refusal on its way out of a call.
type refusedError struct{ *tally.Refusal }

func (e refusedError) Error() string { return e.Message }
