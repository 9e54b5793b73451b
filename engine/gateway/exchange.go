package gateway

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/capture"
	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// maxName bounds texts of the caller's that are kept in records.
const maxName = 256

// exchange is one request on its way through the gateway. It belongs to one
// goroutine, and is used again for another request once that has left.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context // ends when the caller goes away
	as     tally.ID        // of the key that the owner tries; "" for callers

	visit *visit // the connection; nil without a door
	line  *visit // the same, if no other request can be under way on it; nil else
	guest *guest // who has a place at the door for the request; nil without one

	id    tally.ID
	at    time.Time // admission, by the gateway's clock: decides windows and prices
	begin time.Time // the same instant, for measuring
	cat   *tally.Catalog

	endpoint   providers.Endpoint
	principal  *tally.Principal
	said       tally.Tags // what the caller marks the request with
	body       []byte     // nil once it is not sent any more
	upload     upload
	held       int64 // bytes of the budget for bodies
	shared     int64 // those that count for a part of it
	came       bool  // the body, whole or broken
	envelope   providers.Envelope
	model      string // as asked; "" until the body has been read
	stream     bool
	own        form             // the request as the caller wrote it
	forms      []*form          // as it is written for those who speak another dialect
	money      bool             // a limit on money counts it
	tokens     bool             // a limit on tokens does
	bare       bool             // it is sent without tools that the provider runs
	speech     speech           // nil: chat completions, and what is like them
	parsed     *dialect.Request // nil until it has to be translated
	translator *dialect.Stream  // of a stream that is told in another dialect
	told       []byte           // what it has written last
	deployment string           // the model that the path names; "" if it names none
	media      *providers.Media // of a request that is no conversation; nil for others
	template   *tally.Template  // that the request was written anew around; nil if it was not
	hops       int              // gateways that the request has passed
	since      time.Time        // when it first asked to be admitted
	deadline   time.Time        // of waiting; zero before it has waited
	waited     time.Duration
	targets    []route.Target
	asked      meter.Request
	bounded    bool            // the output that was granted is sent as its maximum
	capExtras  bool            // the bounds of extras are sent
	most       int64           // the output per choice that was asked for, or that a model can give
	ticket     *meter.Ticket   // nil before admission
	course     route.Course    // over the targets
	lane       route.Lane      // that is asked
	target     route.Target    // its upstream and model
	form       *form           // of the request that it is sent
	full       []route.Target  // whose places in flight were all taken
	capped     *capped         // the model at a cap that has room first
	intended   string          // the model that was asked for, where a rule has put another in its place
	upstream   *route.Upstream // whose place in flight is taken; nil if none
	call       *call           // to it; nil if there is none under way
	asking     time.Time       // since when
	result     meter.Result
	started    bool     // the head of an answer has gone to the caller
	status     int      // that it said
	lines      *lineOut // to the caller of a stream; nil before an upstream has begun one
	out        []byte
	values     []string      // of the answer's head
	tape       *capture.Tape // nil: it is not captured
	trial      Trial         // what the owner sends it for
}

// start begins an exchange: everything about it is of one instant and one
// picture of the catalog.
func (x *exchange) start(w http.ResponseWriter, r *http.Request, as tally.ID) {
	x.w, x.r, x.ctx, x.as = w, r, r.Context(), as
	x.visit = busy(x.ctx)
	if r.ProtoMajor < 2 {
		x.line = x.visit
	}
	x.begin = time.Now()
	x.at = x.server.Clock()
	x.id = tally.NewID("req", x.at)
	x.cat = x.server.Catalog()
	x.set("X-Request-Id", string(x.id))
}

// log writes the line of the access log. Where a visitor came from is left out: the records
// have what is kept of it.
func (x *exchange) log() {
	path := clipped(auth.Redact(x.r.URL.Path), maxName) // without the query, in which a token may stand
	args := []any{"request", x.id, "method", x.r.Method, "path", path, "status", cmp.Or(x.status, tally.StatusClientClosed), "took", x.elapsed().Round(time.Microsecond)}
	if p := x.principal; p != nil {
		if p.Client != nil {
			args = append(args, "client", p.Client.Slug)
		}
		if p.Key != nil {
			args = append(args, "key", p.Key.Label)
		}
		if !p.Visitor && p.IP.IsValid() {
			args = append(args, "from", p.IP)
		}
	}
	if x.model != "" {
		args = append(args, "model", auth.Redact(x.model))
	}
	if n := len(x.result.Attempts); n > 0 {
		last := &x.result.Attempts[n-1]
		tokens := tally.Tokens{}
		for i := range x.result.Attempts {
			tokens = tokens.Add(x.result.Attempts[i].Tokens)
		}
		if p := x.cat.Provider(last.Provider); p != nil {
			args = append(args, "provider", p.Name)
		}
		args = append(args, "attempts", n, "input_tokens", tokens.Prompt(), "output_tokens", tokens.Completion(), "cost", x.cost())
	}
	x.server.Logger.Info("request", args...)
}

// recycle makes the exchange fit for another request.
func (x *exchange) recycle() {
	body, out, envelope, course, attempts := x.body, x.out, x.envelope, x.course, x.result.Attempts
	if cap(body) > keptBody {
		body = nil
	}
	if cap(out) > keptBody {
		out = nil
	}
	envelope.Raw = nil
	clear(attempts)
	x.release(x.held)
	if x.guest != nil {
		x.server.door.called(x.guest)
	}
	*x = exchange{server: x.server, body: body[:0], out: out[:0], envelope: envelope, course: course}
	x.result.Attempts = attempts[:0]
	x.server.exchanges.Put(x)
}

// writeHead sends the head of an answer.
func (x *exchange) writeHead(status int) {
	x.started, x.status = true, status
	x.w.WriteHeader(status)
}

// method answers preflights, and refuses methods that a path does not have.
// HEAD goes wherever GET goes; net/http leaves out its body.
func (x *exchange) method(want string) bool {
	got := x.r.Method
	if got == want || got == http.MethodHead && want == http.MethodGet {
		return true
	}
	if got == http.MethodOptions {
		x.preflight(want)
		return false
	}
	x.w.Header().Set("Allow", want)
	x.tell(wrongMethod(x.r, want))
	return false
}

// authenticate finds out who asks. The principal of a known credential is kept
// even if it is refused, so that the refusal can be counted.
func (x *exchange) authenticate() *tally.Refusal {
	page := pageOf(x.r)
	if refusal := x.identify(page); refusal != nil {
		return refusal
	}
	if refusal := auth.CheckPage(x.principal, page); refusal != nil {
		return refusal
	}
	return auth.CheckCountry(x.principal)
}

// identify finds out whose credential it is, and whether it works now, wherever it is used.
func (x *exchange) identify(page auth.Page) *tally.Refusal {
	if x.server.draining.Load() {
		return stopping()
	}
	x.w.Header()["Cache-Control"] = noStore
	var refusal *tally.Refusal
	if x.as != "" {
		if x.principal, refusal = principalOf(x.cat, x.as, x.at); refusal != nil {
			return refusal
		}
	} else {
		x.principal, refusal = x.server.Verifier.Verify(x.cat, auth.Credential(x.r.Header), page.Origin, x.at)
	}
	long := len(page.Origin) > maxName
	if page.Origin != "" && !long {
		x.allowOrigin(page.Origin)
	}
	p := x.principal
	if p == nil {
		x.server.unknown.Add(1)
		return refusal
	}
	p.IP = addressOf(x.r, x.cat.TrustedProxies, x.cat.Settings.TrustedHeader)
	if long {
		return tally.BadRequest("", "The Origin header is too long.")
	}
	p.Origin = page.Origin
	if p.Visitor {
		p.Country = x.server.Country(p.IP)
	}
	return refusal
}

func principalOf(cat *tally.Catalog, id tally.ID, now time.Time) (*tally.Principal, *tally.Refusal) {
	key := cat.Key(id)
	if key == nil {
		return nil, &tally.Refusal{Status: http.StatusUnauthorized, Type: tally.TypeInvalid, Code: tally.CodeInvalidKey, Message: "That key was deleted."}
	}
	return auth.PrincipalOf(cat, key, now)
}
