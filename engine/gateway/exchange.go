package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/coding"
)

const (
	// MaxBody is the largest request body that is taken, in bytes.
	MaxBody = 64 << 20
	// keptBody is the largest buffer that is kept for the next request.
	keptBody = 256 << 10
	// firstRead bounds what is set aside before a byte of the body has come: a
	// Content-Length alone must not cost memory.
	firstRead = 64 << 10
	// maxName bounds texts of the caller's that are kept in records.
	maxName = 256
)

// exchange is one request on its way through the gateway. It belongs to one
// goroutine, and is used again for another request once that has left.
type exchange struct {
	*Server
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context // ends when the caller goes away
	as  tally.ID        // of the key that the owner tries; "" for callers

	id    tally.ID
	at    time.Time // admission, by the gateway's clock: decides windows and prices
	begin time.Time // the same instant, for measuring
	cat   *tally.Catalog

	endpoint  providers.Endpoint
	principal *tally.Principal
	body      []byte
	upload    upload
	envelope  providers.Envelope
	model     string // as asked; "" until the body has been read
	stream    bool
	dialect   *dialect  // nil: OpenAI's
	hops      int       // gateways that the request has passed
	since     time.Time // when it first asked to be admitted
	deadline  time.Time // of waiting; zero before it has waited
	waited    time.Duration
	targets   []route.Target
	asked     meter.Request
	bounded   bool            // the output that was granted is sent as its maximum
	capExtras bool            // the bounds of extras are sent
	most      int64           // the output per choice that was asked for, or that a model can give
	ticket    *meter.Ticket   // nil before admission
	turn      int             // of the targets, the one that is asked
	target    route.Target    // that one
	upstream  *route.Upstream // whose place in flight is taken; nil if none
	call      *call           // to it; nil if there is none under way
	asking    time.Time       // since when
	result    meter.Result
	started   bool     // the head of an answer has gone to the caller
	lines     *lineOut // to the caller of a stream; nil before an upstream has begun one
	out       []byte
	values    []string // of the answer's head
}

// start begins an exchange: everything about it is of one instant and one
// picture of the catalog.
func (x *exchange) start(w http.ResponseWriter, r *http.Request, as tally.ID) {
	x.w, x.r, x.ctx, x.as = w, r, r.Context(), as
	x.begin = time.Now()
	x.at = x.Clock()
	x.id = tally.NewID("req", x.at)
	x.cat = x.Catalog()
	x.set("X-Request-Id", string(x.id))
}

// recycle makes the exchange fit for another request.
func (x *exchange) recycle() {
	body, out, envelope, attempts := x.body, x.out, x.envelope, x.result.Attempts
	if cap(body) > keptBody {
		body = nil
	}
	if cap(out) > keptBody {
		out = nil
	}
	envelope.Raw = nil
	clear(attempts)
	*x = exchange{Server: x.Server, body: body[:0], out: out[:0], envelope: envelope}
	x.result.Attempts = attempts[:0]
	x.exchanges.Put(x)
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
	if x.draining.Load() {
		return stopping()
	}
	page := pageOf(x.r)
	var refusal *tally.Refusal
	if x.as != "" {
		if x.principal, refusal = x.principalOf(x.as); refusal != nil {
			return refusal
		}
	} else {
		x.principal, refusal = x.Verifier.Verify(x.cat, auth.Credential(x.r.Header), page.Origin, x.at)
	}
	long := len(page.Origin) > maxName
	if page.Origin != "" && !long {
		x.allowOrigin(page.Origin)
	}
	p := x.principal
	if p == nil {
		x.unknown.Add(1)
		return refusal
	}
	p.IP = addressOf(x.r, x.cat.TrustedProxies)
	if long {
		return tally.BadRequest("", "The Origin header is too long.")
	}
	p.Origin = page.Origin
	if p.Visitor {
		p.Country = x.Country(p.IP)
	}
	if refusal != nil {
		return refusal
	}
	if refusal = auth.CheckPage(p, page); refusal != nil {
		return refusal
	}
	return auth.CheckCountry(p)
}

func (x *exchange) principalOf(id tally.ID) (*tally.Principal, *tally.Refusal) {
	key := x.cat.Key(id)
	if key == nil {
		return nil, &tally.Refusal{Status: http.StatusUnauthorized, Type: tally.TypeInvalid, Code: tally.CodeInvalidKey, Message: "That key was deleted."}
	}
	return auth.PrincipalOf(x.cat, key, x.at)
}

// read takes the body, whole, and looks at it once.
func (x *exchange) read() *tally.Refusal {
	if x.r.ContentLength > MaxBody {
		return x.tooLarge()
	}
	x.upload = upload{Reader: x.r.Body, rc: http.NewResponseController(x.w), began: x.begin}
	from := io.Reader(&x.upload)
	if name := x.r.Header["Content-Encoding"]; len(name) > 0 && !coding.IsNone(name[0]) {
		r, err := coding.NewReader(strings.Join(name, ","), io.LimitReader(from, MaxBody))
		if err != nil {
			return unknownCoding(name[0])
		}
		defer r.Close()
		from = r
	}
	x.body = slices.Grow(x.body[:0], int(min(max(x.r.ContentLength, 511), firstRead))+1)
	for {
		n, err := from.Read(x.body[len(x.body):cap(x.body)])
		x.body = x.body[:len(x.body)+n]
		if len(x.body) > MaxBody {
			return x.tooLarge()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return brokenBody(x.r, err)
		}
		if len(x.body) == cap(x.body) {
			x.body = slices.Grow(x.body, len(x.body))
		}
	}
	// The deadline was for the request; its answer may take longer.
	x.upload.rc.SetReadDeadline(time.Time{}) // best effort: a recorder has none
	if x.dialect != nil {
		if refusal := x.translate(); refusal != nil {
			return refusal
		}
	}
	if err := x.envelope.Peek(x.body); err != nil {
		return tally.BadRequest("", "The request cannot be read: "+tally.AsError(err).Message+".")
	}
	if len(x.envelope.Model) > maxName {
		return tally.BadRequest("model", "The model's name is too long.")
	}
	x.model = x.envelope.Model
	x.stream = x.envelope.Stream && x.endpoint != providers.Embeddings
	return nil
}

// tooLarge refuses a body. Some more of it is read: a caller that is still
// sending would see a broken connection instead of the refusal.
func (x *exchange) tooLarge() *tally.Refusal {
	http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(spillPatience))
	io.CopyN(io.Discard, x.r.Body, MaxBody) // whatever comes of it, the answer is the same
	return bodyTooLarge()
}

func brokenBody(r *http.Request, err error) *tally.Refusal {
	var late net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &late) && late.Timeout() {
		return &tally.Refusal{Status: http.StatusRequestTimeout, Type: tally.TypeInvalid, Code: tally.CodeBadRequest,
			Message: fmt.Sprintf("The body of the request did not arrive: nothing came for a minute, or less than %d bytes a second in all. Send it again over a better line.", slowestUpload)}
	}
	if name := r.Header.Get("Content-Encoding"); !coding.IsNone(name) {
		return tally.BadRequest("", fmt.Sprintf("The body of the request broke off, or is not compressed with %.40q, as its Content-Encoding says.", name))
	}
	return tally.BadRequest("", "The body of the request broke off.")
}
