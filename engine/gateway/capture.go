package gateway

import (
	"net/http"

	"tallygate/engine/capture"
	"tallygate/engine/tally"
)

// tapped is what an answer is written to that is captured. What wants to flush, or to set
// deadlines, finds the connection's own writer behind it.
type tapped struct {
	http.ResponseWriter
	tape *capture.Tape
}

// Unwrap is for http.ResponseController.
func (t *tapped) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tapped) Write(b []byte) (int, error) {
	n, err := t.ResponseWriter.Write(b)
	t.tape.Answered(b[:n])
	return n, err
}

// tap begins to capture a request, if its owner wants that. Those of visitors never are:
// they are people who have not been asked.
func (x *exchange) tap() {
	p := x.principal
	if x.server.Captures.Off() || p == nil || p.Key == nil || p.Visitor {
		return
	}
	tape := x.server.Captures.Begin(p.Key.ID, p.Key.Client, x.at)
	if tape == nil {
		return
	}
	tape.ID, tape.Method, tape.Path = x.id, x.r.Method, clipped(x.r.URL.Path, maxName)
	tape.RequestHeader = x.r.Header
	x.tape, x.w = tape, &tapped{x.w, tape}
}

// untap ends that. The answer has been given; what has become of its end is told by the
// outcome of the request.
func (x *exchange) untap() {
	t := x.tape
	if x.tape = nil; t == nil {
		return
	}
	if id := tally.ID(x.w.Header().Get("X-Request-Id")); id != x.id {
		t.Record = id
	}
	t.AnswerHeader = x.w.Header().Clone()
	t.Endpoint, t.Model, t.Stream, t.Status = x.endpointName(), clipped(x.model, maxName), x.stream, x.status
	t.Took = x.waited + x.elapsed()
	x.server.Captures.Keep(t)
}
