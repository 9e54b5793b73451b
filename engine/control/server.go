package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
)

// Prefix is the path that everything of the control plane lies below.
const Prefix = "/control/v1/"

const (
	maxBody      = 8 << 20          // a config file of some thousand models
	bodyPatience = 30 * time.Second // for a body to arrive
)

// EventSource yields kept and then live events after a sequence number.
type EventSource func(ctx context.Context, after uint64) iter.Seq[Event]

// Server answers operations over HTTP. It keeps no state of its own: all
// operations are given to it with [Handle] before it serves, and never change.
type Server struct {
	// Logger hears of panics; nil means slog.Default().
	Logger *slog.Logger

	ops       map[string]*operation
	events    EventSource
	heartbeat time.Duration
	following atomic.Int64 // streams of events
}

type operation struct {
	info   OpInfo
	in     reflect.Type
	out    reflect.Type // nil of a stream
	run    func(ctx context.Context, body []byte) (any, error)
	stream func(ctx context.Context, body []byte, w io.Writer) error // instead of run
}

// NewServer makes a server that streams events from a source.
func NewServer(events EventSource) *Server {
	return &Server{ops: map[string]*operation{}, events: events, heartbeat: heartbeatEvery}
}

// Handle implements an operation on a server. It panics if the operation has
// an implementation already: that is a defect of the program.
func Handle[In, Out any](s *Server, op Op[In, Out], h func(context.Context, In) (Out, error)) {
	s.handle(Op[any, any](op), h)
}

// handle is Handle whatever the types are, so that it is compiled once.
func (s *Server) handle(op Op[any, any], implementation any) {
	if s.ops[op.Name] != nil {
		panic("control: operation " + op.Name + " is implemented twice")
	}
	h := reflect.ValueOf(implementation)
	in, out := h.Type().In(1), h.Type().Out(0)
	s.ops[op.Name] = &operation{
		info: describe(op.Name, op.Need, op.Help, in, out), in: in, out: out,
		run: func(ctx context.Context, body []byte) (any, error) {
			v := reflect.New(in)
			if err := decodeInput(body, v.Interface()); err != nil {
				return nil, err
			}
			if op.Need == Write {
				ctx = withCommand(ctx, CommandLine(op.Name, v.Interface()))
			}
			answer := h.Call([]reflect.Value{reflect.ValueOf(ctx), v.Elem()})
			if err, failed := answer[1].Interface().(error); failed {
				return nil, err
			}
			result := reflect.New(out)
			result.Elem().Set(answer[0])
			fillEmpty(result.Elem())
			return result.Interface(), nil
		},
	}
}

// Sessions is how many callers follow events.
func (s *Server) Sessions() int { return int(s.following.Load()) }

// Operations describes what the server implements, by name.
func (s *Server) Operations() []OpInfo {
	out := make([]OpInfo, 0, len(s.ops))
	for _, op := range s.ops {
		out = append(out, op.info)
	}
	tally.Order(out, func(a, b OpInfo) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ServeHTTP answers a caller that has every right: the owner.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.For(Write).ServeHTTP(w, r) }

// For returns the handler for callers that have a right. Which right a caller
// has is decided by the connection it came in on, never by what it sends.
func (s *Server) For(have Need) http.Handler { return plane{Server: s, have: have} }

// plane is the server as one kind of caller sees it.
type plane struct {
	*Server
	have    Need
	without []string        // operations that the right does not include here
	stop    <-chan struct{} // ends streams of events; nil never does
	// anywhere is whether the server may be called by any name: the caller has shown a token.
	anywhere bool
}

func (p plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := guard(r, p.anywhere); err != nil {
		writeError(w, err)
		return
	}
	if !p.have.Covers(Read) {
		writeError(w, tally.Errorf(tally.Denied, "this connection may not use the control plane"))
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, Prefix)
	switch {
	case !ok:
		writeError(w, tally.Errorf(tally.NotFound, "there is nothing at %.200s", r.URL.Path).WithHint("the control plane is below %s", Prefix))
	case name == "":
		if allow(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, Operations{p.have, p.Operations()})
		}
	case name == "events":
		if allow(w, r, http.MethodGet) {
			p.serveEvents(w, r)
		}
	default:
		if allow(w, r, http.MethodPost) {
			p.serveOp(w, r, name)
		}
	}
}

func (p plane) serveOp(w http.ResponseWriter, r *http.Request, name string) {
	op := p.ops[name]
	if op == nil {
		err := tally.Errorf(tally.NotFound, "there is no operation %.100q", name)
		if near := Nearest(name, p.names()); near != "" {
			writeError(w, err.WithHint("did you mean %s?", near))
			return
		}
		writeError(w, err.WithHint("GET %s lists them; the running engine may be of another version", Prefix))
		return
	}
	if !p.have.Covers(op.info.Need) {
		writeError(w, tally.Errorf(tally.Denied, "%s changes things, and this connection may only look", name).WithHint("ask the owner"))
		return
	}
	if slices.Contains(p.without, name) {
		writeError(w, tally.Errorf(tally.Denied, "%s acts on the server itself, which this connection may not", name).
			WithHint("log in to the server's own ssh for it"))
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	if op.stream != nil {
		p.serveStream(w, r, op, body)
		return
	}
	var out any
	quiet := p.beat(w)
	ctx, aside := withAside(withOp(r, name), r)
	err = p.guarded(name, func() (err error) {
		out, err = op.run(ctx, body)
		return err
	})
	quiet()
	if err != nil {
		writeError(w, err)
		return
	}
	if *aside != "" {
		w.Header().Set(asideHeader, *aside)
	}
	writeJSON(w, http.StatusOK, out)
}

// guarded runs an operation; a panic in it is its own failure, not the engine's.
func (p plane) guarded(name string, run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log := p.Logger
			if log == nil {
				log = slog.Default()
			}
			log.Error("operation panicked", "op", name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = tally.Errorf(tally.Internal, "%s failed inside: %v", name, r).WithHint("this is a defect of tallygate; the engine's log has the details")
		}
	}()
	return run()
}

func (s *Server) names() []string {
	names := make([]string, 0, len(s.ops))
	for name := range s.ops {
		names = append(names, name)
	}
	return names
}

// allow refuses other methods than one.
func allow(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	body := tally.Errorf(tally.Invalid, "%s is asked for with %s", r.URL.Path, method)
	writeJSON(w, http.StatusMethodNotAllowed, body)
	return false
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(bodyPatience)) // best effort: a recorder has none
	defer rc.SetReadDeadline(time.Time{})
	body, err := readAll(http.MaxBytesReader(w, r.Body, maxBody))
	var beyond *http.MaxBytesError
	switch {
	case errors.As(err, &beyond):
		return nil, tooLarge()
	case err != nil:
		return nil, tally.Errorf(tally.Invalid, "read the input: %w", err)
	}
	return body, nil
}

func tooLarge() error { return tally.Errorf(tally.Invalid, "the input is larger than 8 MiB") }

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n')) // an error here is the reader's; there is nobody left to tell
}

func writeError(w http.ResponseWriter, err error) {
	e := *tally.AsError(err)
	e.Message, e.Hint = clipped(e.Message), clipped(e.Hint)
	writeJSON(w, statusOf(e.Code), &e)
}

// clipped bounds a text: an error repeats what it was given, and that may be
// longer than anyone reads.
func clipped(s string) string {
	const longest = 1000
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

// statusOf is the HTTP status of an error. Clients of ours read the code.
func statusOf(c tally.Code) int {
	switch c {
	case tally.Invalid:
		return http.StatusBadRequest
	case tally.NotFound:
		return http.StatusNotFound
	case tally.Conflict:
		return http.StatusConflict
	case tally.InUse:
		return http.StatusLocked
	case tally.Denied:
		return http.StatusForbidden
	case tally.Unavailable:
		return http.StatusServiceUnavailable
	case tally.Upstream:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}
