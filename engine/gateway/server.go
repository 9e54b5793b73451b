package gateway

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/capture"
	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// Options are what a Server is made of.
type Options struct {
	Catalog  func() *tally.Catalog // the picture in force; never nil
	Verifier *auth.Verifier
	Router   *route.Router
	Meter    *meter.Meter
	Clock    tally.Clock // never runs back
	// Country tells where an address is, "" if it is not known.
	Country func(netip.Addr) string
	// SDK makes the JavaScript client of the gateway at a URL; see package assets.
	SDK func(publicURL string) (module, types, tarball []byte, err error)
	// Widget is a chat for pages, a script; nil: none is served.
	Widget []byte
	// Page has index.html, which is served at /, share.html, which is served at /share, and
	// what they refer to.
	Page fs.FS
	// Shared is what the page of a link shows, for JSON: all of it, or the statement of a
	// number, NotFound if there is none. nil: there are no links.
	Shared func(ctx context.Context, of *tally.Share, number string) (any, error)
	// Revision is a context that ends, with [meter.ErrChanged], when the catalog in
	// force is replaced; nil if it never is.
	Revision func() context.Context
	// Captures are what is kept of requests for the owner to look at; nil: nothing ever is.
	Captures *capture.Store
	// Bodies is the memory that the bodies of all requests under way may take, in
	// bytes; 0: 256 MiB.
	Bodies int64
	// Ready says why requests cannot be served, nil if they can.
	Ready func() error
	// Health says how the parts are that serving needs, for anybody; nil: nothing is told.
	Health  func(context.Context) []Part
	Logger  *slog.Logger
	Version string
}

// Server is the public plane. Its methods may be called concurrently.
type Server struct {
	Options
	exchanges sync.Pool // *exchange
	unknown   atomic.Int64
	clients   sdkFiles
	door      *Door // nil before Listen
	bodies    budget

	inFlight atomic.Int64
	calls    calls
	failures failures
	minted   mints
	access   atomic.Bool // whether each request is logged
	draining atomic.Bool
	parting  atomic.Bool     // every answer ends its connection
	stopping context.Context // ends when no new requests are taken
	stop     context.CancelCauseFunc
	idle     chan struct{} // gets a token when the last request ends while draining
}

// New makes a Server.
func New(o Options) *Server {
	s := &Server{Options: o, idle: make(chan struct{}, 1),
		failures: failures{told: map[failureKind]*failureLine{}, last: map[tally.ID]tally.Failure{}}}
	s.bodies.most, s.bodies.shares = cmp.Or(o.Bodies, usualBodies), map[any]int64{}
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	s.exchanges.New = func() any { return &exchange{server: s} }
	return s
}

// ServeHTTP answers a client app.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, Trial{}) }

// ServeAs answers a request as if it had come with a key, which the owner need
// not know: for trying things out.
func (s *Server) ServeAs(w http.ResponseWriter, r *http.Request, t Trial) { s.serve(w, r, t) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request, t Trial) {
	if s.parting.Load() {
		w.Header()["Connection"] = closing
	}
	if r.TransferEncoding != nil {
		// net/http ignores a Content-Length beside a Transfer-Encoding, and drops it. A
		// proxy before us that went by the length would take what follows for another
		// request.
		w.Header()["Connection"] = closing
	}
	x := s.exchanges.Get().(*exchange)
	s.inFlight.Add(1) // before it looks at the clock, which goes back only while nothing is in flight
	x.start(w, r, t.Key)
	x.trial = t
	defer s.leave(x)
	s.dispatch(x)
}

// SetAccessLog says whether the log has a line for each request.
func (s *Server) SetAccessLog(on bool) { s.access.Store(on) }

// leave ends an exchange, whatever happened in it.
func (s *Server) leave(x *exchange) {
	if p := recover(); p != nil {
		x.close()
		if p == http.ErrAbortHandler {
			defer panic(p)
		} else {
			s.Logger.Error("request panicked", "request", x.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if x.started {
				defer panic(http.ErrAbortHandler) // cuts the answer: it must not look whole
			} else {
				x.tell(internalError())
			}
		}
	}
	if s.access.Load() {
		x.log()
	}
	x.untap()
	x.recycle()
	if s.inFlight.Add(-1) == 0 && s.draining.Load() {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// dispatch finds what a path stands for.
func (s *Server) dispatch(x *exchange) {
	path := meant(x.r.URL.Path)
	switch path {
	case "/v1/chat/completions":
		s.post(x, providers.Chat)
	case "/v1/completions":
		s.post(x, providers.Completions)
	case "/v1/embeddings":
		s.post(x, providers.Embeddings)
	case "/v1/responses":
		s.speaks(x, inResponses)
		s.respond(x)
	case "/v1/responses/input_tokens":
		s.speaks(x, inResponses)
		s.count(x)
	case "/v1/messages":
		s.speaks(x, inMessages)
		s.post(x, providers.Chat)
	case "/v1/messages/count_tokens":
		s.speaks(x, inMessages)
		s.count(x)
	case "/api":
		s.speaks(x, daemon{})
		s.post(x, providers.Chat)
	case "/api/chat":
		s.speaks(x, inOllama)
		s.post(x, providers.Chat)
	case "/api/tags":
		s.get(x, (*exchange).listTags)
	case "/api/version":
		s.open(x, (*exchange).daemonVersion)
	case "/api/hello": // Claude Code asks whether anybody is there
		s.probe(x, (*exchange).alive)
	case "/v1/models":
		s.speaks(x, speechOf(x.r))
		s.get(x, (*exchange).listModels)
	case "/v1/tokens":
		s.mint(x)
	case "/v1/usage":
		s.get(x, (*exchange).usage)
	case "/health":
		s.open(x, (*exchange).health)
	case "/healthz":
		s.probe(x, (*exchange).alive)
	case "/readyz":
		s.probe(x, (*exchange).ready)
	default:
		if id, ok := strings.CutPrefix(path, "/v1/models/"); ok && id != "" {
			s.speaks(x, speechOf(x.r))
			s.get(x, func(x *exchange) { x.showModel(id) })
			return
		}
		if e := mediaAt(path); e != "" {
			s.post(x, e)
			return
		}
		if s.deployed(x, path) {
			return
		}
		if x.share(path) {
			return
		}
		file := path == "/" || !strings.HasSuffix(x.r.URL.Path, "/")
		if !file || !x.site(path) {
			x.nowhere()
		}
	}
}

// post answers a path that takes requests for upstreams.
func (s *Server) post(x *exchange, e providers.Endpoint) {
	if x.method(http.MethodPost) {
		x.endpoint = e
		s.forward(x)
	}
}

// get answers a path that tells a credential something.
func (s *Server) get(x *exchange, answer func(*exchange)) {
	if !x.method(http.MethodGet) {
		return
	}
	if refusal := x.authenticate(); refusal != nil {
		x.refuse(refusal)
		return
	}
	answer(x)
}

// probe answers a path that needs no credential.
func (s *Server) probe(x *exchange, answer func(*exchange)) {
	if x.method(http.MethodGet) {
		answer(x)
	}
}

// nowhere answers a path that stands for nothing. Pages of any origin may read that,
// or their authors would see nothing but "failed to fetch".
func (x *exchange) nowhere() {
	if x.r.Method == http.MethodOptions {
		asked := x.r.Header.Get("Access-Control-Request-Method")
		if len(asked) > maxName {
			asked = ""
		}
		x.letOn("*", asked)
		x.writeHead(http.StatusNoContent)
		return
	}
	x.w.Header()["Access-Control-Allow-Origin"] = anyOrigin
	x.tell(unknownPath(x.r))
}

// meant is the path that a caller meant. A base URL and a client's own path make one
// together, which may have a slash too many, and /v1 twice or not at all.
func meant(path string) string {
	switch path {
	case "/v1/chat/completions", "/v1/embeddings", "/v1/completions": // as a rule
		return path
	}
	out := make([]byte, 0, len(path)+len("/v1"))
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			out = append(out, path[i])
		}
	}
	path = string(out)
	for strings.HasPrefix(path, "/v1/v1/") {
		path = path[len("/v1"):]
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	switch path {
	case "/chat/completions", "/completions", "/embeddings", "/models", "/usage", "/tokens", "/responses", "/responses/input_tokens", "/messages", "/messages/count_tokens":
		return "/v1" + path
	}
	if strings.HasPrefix(path, "/models/") || mediaAt("/v1"+path) != "" {
		return "/v1" + path
	}
	if rest, ok := strings.CutPrefix(path, "/openai/v1/"); ok { // as Azure has it
		return "/v1/" + rest
	}
	return path
}

// settlePatience is how long requests that were given up may take to be booked.
const settlePatience = 5 * time.Second

// partPatience is how long a connection may take to ask, once something has come of that.
const partPatience = 4 * lull

// Part ends connections that are silent, but none on which a request has come, and returns how
// many are left when all have ended, or it is late. If the heir takes none, every answer says
// that it is the last one. Nobody must come in any more.
func (s *Server) Part(late time.Time, heir Heir) (left int) {
	d := s.door
	d.heir = heir
	s.parting.Store(heir.Take == nil)
	for {
		d.end()
		if left = d.Open(); left == 0 || time.Now().After(late) {
			return left
		}
		time.Sleep(partEvery)
	}
}

const partEvery = 5 * time.Millisecond

// Drain refuses new requests and waits for those under way, at most until ctx
// ends. Those that are not answered by then are given up, and booked at what they
// may have used. There is no way back.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	s.stop(meter.ErrStopping)
	if s.wait(ctx) {
		return nil
	}
	n := s.inFlight.Load()
	s.calls.giveUp()
	settled, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	s.wait(settled)
	return tally.Errorf(tally.Unavailable, "%d requests were still under way: %w", n, ctx.Err())
}

// wait waits until no request is under way; false if ctx ends before.
func (s *Server) wait(ctx context.Context) bool {
	for s.inFlight.Load() > 0 {
		select {
		case <-s.idle:
		case <-ctx.Done():
			return s.inFlight.Load() == 0
		}
	}
	return true
}

// InFlight is how many requests are being answered.
func (s *Server) InFlight() int { return int(s.inFlight.Load()) }

// Connections is how many connections of client apps there are.
func (s *Server) Connections() int {
	if s.door == nil {
		return 0
	}
	return s.door.Open()
}

// LeftBehind is how many requests are answered whose caller has left: what was
// sent is read to its end.
func (s *Server) LeftBehind() int { return int(s.calls.left.Load()) }

// Unknown is how many requests with unknown credentials were refused since the
// start. They are counted in memory only.
func (s *Server) Unknown() int64 { return s.unknown.Load() }
