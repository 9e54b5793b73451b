package meter

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// HoldFor is how long a hold lasts without a sign of life; see
// [Meter.Heartbeat].
const HoldFor = 10 * time.Minute

// LeastOutput is the smallest answer worth paying for, in tokens per choice: a
// budget that buys less refuses the request instead of clamping it.
const LeastOutput = 16

// UnknownContext bounds the input of a request whose size the gateway cannot
// see, for a model whose context it does not know: the longest on the market
// in 2026, in tokens.
const UnknownContext = 1_050_000

// Options is what a Meter needs.
type Options struct {
	Store storage.Meter
	// Hash makes the keyed hash of an end user of a client, or of a visitor of a
	// gateway: 128 bits in base64url.
	Hash func(of tally.ID, user string) string
	// Tags lists the tags that a client's requests of the last days had.
	Tags func(ctx context.Context, client tally.ID, now time.Time) []string
	// Sessions lists the sessions that a client's requests of a UTC day had.
	Sessions func(ctx context.Context, client tally.ID, day time.Time) []string
	Logger   *slog.Logger
}

// Meter admits requests. Its methods may be called concurrently.
type Meter struct {
	store      storage.Meter
	hash       func(tally.ID, string) string
	tagsOf     func(context.Context, tally.ID, time.Time) []string
	sessionsOf func(context.Context, tally.ID, time.Time) []string
	seen       sync.Map // tally.ID of a client → *seenTags
	sessions   sync.Map // tally.ID of a client → *seenSessions
	log        *slog.Logger
	plans      atomic.Pointer[plans]
	inFlight   sync.Map // tally.ID of a client → *atomic.Int64; one per client ever seen
	refusals   refusals
	usedUp     usedUp
	periods    periods
	lengths    lengths
	sleepers   sleepers

	openMu sync.Mutex           // guards the field that follows, and expires of the tickets in it
	open   map[tally.ID]*Ticket // admitted and not settled
}

// New makes a Meter.
func New(o Options) *Meter {
	none := func(context.Context, tally.ID, time.Time) []string { return nil }
	if o.Tags == nil {
		o.Tags = none
	}
	if o.Sessions == nil {
		o.Sessions = none
	}
	return &Meter{store: o.Store, hash: o.Hash, tagsOf: o.Tags, sessionsOf: o.Sessions, log: o.Logger, refusals: refusals{of: map[refusalKey]*tally.Record{}}, usedUp: usedUp{of: map[tally.Subject]map[string]*Refusals{}}, lengths: lengths{of: map[lengthKey]*length{}}, open: map[tally.ID]*Ticket{}}
}

// Request is what admission must know of a request. It must not change until
// its ticket is settled.
type Request struct {
	ID        tally.ID
	At        time.Time
	Catalog   *tally.Catalog
	Principal *tally.Principal
	Endpoint  string
	Model     string // as the client asked, or as the owner's rule has it
	Trace     string
	Intended  string // as the client asked, where a rule has put Model in its place
	Stream    bool
	// InputTokens is the most the input can come to, Prompt the classes of tokens it
	// can be made of beside those of any prompt.
	// Unbounded names a part of the input that only the context bounds, "" if there
	// is none.
	InputTokens int64
	Prompt      tally.Classes
	Unbounded   string
	// AudioTokens and ImageTokens are the most that the sound and the pictures of the
	// input can come to; 0 is no bound but InputTokens.
	AudioTokens, ImageTokens int64
	// Predicted is output that the request brings along and may be billed for beside
	// what is granted.
	Predicted int64
	// Units is the most that is billed by the piece, and UnitsCost what that costs at most.
	Units     tally.Units
	UnitsCost tally.NanoUSD
	// Choices is how many answers share the input, at least 1.
	Choices int64
	// Output is the output wanted per choice; 0 on endpoints without output. Least is
	// what it needs at least, if that is more than any answer does.
	Output, Least int64
	Answer        tally.Classes // beside those of any answer
	// Rates are the dearest of the providers that may answer, Tier the way of being
	// served that they are of.
	Rates tally.Rates
	Tier  tally.Tier
	// Session names the end user, "" if the request does not.
	Session string
	// Tags mark a client's request; see [Meter.Tags].
	Tags tally.Tags

	// Since is when the request first asked; it decides its place among those that
	// wait. Deadline is when its waiting ends, zero before it has begun to wait.
	Since    time.Time
	Deadline time.Time
	Waited   time.Duration // before it asked again
	// Waiting makes the context of a wait. It ends when the caller leaves, when the
	// gateway stops ([ErrStopping]) and when the catalog changes ([ErrChanged]).
	Waiting func() (context.Context, context.CancelFunc)

	ticket Ticket // of the latest admission
}

// ErrChanged is the cause of a context that ends because the catalog has changed,
// ErrStopping of one that ends because the gateway does.
var (
	ErrChanged  = errors.New("the catalog has changed")
	ErrStopping = errors.New("the gateway is shutting down")
)

// Admit holds what the request may use, or refuses it. The ticket must be settled or
// closed. It lies in the request, which must not change until then. If there is neither a
// ticket nor a refusal, what the request waited for has changed, or the rules have: it
// must ask again, with the clock and the catalog of that moment.
//
// If only requests in flight stand in its way, the request waits for room until its
// Deadline. Nothing else interrupts an admission under way, because nobody could then
// tell whether there is a hold.
func (m *Meter) Admit(ctx context.Context, r *Request) (*Ticket, *tally.Refusal) {
	if err := ctx.Err(); err != nil {
		return nil, m.unrecorded(r, err)
	}
	p := r.Principal
	pl := m.planOf(r.Catalog, p)
	session, refusal := m.session(pl, r)
	if refusal != nil {
		return nil, refusal
	}
	if session != nil && m.otherSession(ctx, session.Client, session.Member, r.At) {
		r.Tags = r.Tags.WithOtherSession()
	}
	t := &r.ticket
	*t = Ticket{meter: m, request: r, expires: r.At.Add(HoldFor)}
	periods := m.chargesAt(pl, r.At)
	t.charges = periods.list
	if pl.parts {
		t.charges = pl.forParts(t.charges, r, session)
	}
	places := placesOf(r)
	if p.Visitor {
		who := m.visitorOf(p)
		t.network, t.visitor = who.record()
		t.charges = pl.forVisitor(t.charges, who)
		most := int64(r.Catalog.Settings.VisitorInFlight)
		places = []tally.Place{{Subject: visitorsOf(p.Gateway.ID) + tally.Subject(who.address), Max: most}}
		if who.network != "" {
			places = append(places, tally.Place{Subject: visitorsOf(p.Gateway.ID) + tally.Subject(who.network), Max: most * networkShare})
		}
	}
	least, want := r.outputs()
	reservation := tally.Reservation{
		ID: r.ID, At: r.At, ExpiresAt: t.expires, MinOutput: least, WantOutput: want,
		Bounds: boundsOf(r), Charges: t.charges, Places: places, Session: session, Draft: t.draft(),
		Since: r.Since, Floor: max(least, saturatingMul(m.lengths.floor(lengthOf(p), r.Model), r.Choices)),
	}
	grant, refusal, again := m.reserve(&reservation, pl, periods, r)
	if refusal != nil || again {
		return nil, refusal
	}
	t.grant, t.held = grant, append(t.heldRoom[:0], held{reservation.Bounds, grant.Output})
	t.enter()
	m.openMu.Lock()
	m.open[r.ID] = t
	m.openMu.Unlock()
	return t, nil
}

// placesOf are the places in flight that a request of a client takes.
func placesOf(r *Request) []tally.Place {
	if c := r.Principal.Client; c != nil && c.MaxInFlight > 0 {
		return []tally.Place{{Subject: tally.SubjectOf("client", c.ID), Max: int64(c.MaxInFlight)}}
	}
	return nil
}

// boundsOf is the most the request can use of each metric.
func boundsOf(r *Request) tally.Bounds {
	out := r.Rates.Dearest(tally.AnswerClasses | r.Answer)
	base := int64(r.Rates.PromptBound(r.InputTokens, tally.PromptClasses|r.Prompt))
	for _, more := range [...]int64{
		tally.Bound{PerMillion: int64(out)}.At(r.Predicted),
		int64(r.UnitsCost),
	} {
		base = tally.AddSat(base, more)
	}
	cost := tally.Bound{Base: base, PerMillion: int64(out)}
	terms := r.terms()
	credits := terms.Bound(cost, r.InputTokens, r.Predicted, tally.PromptClasses|r.Prompt, tally.AnswerClasses|r.Answer, &r.Units, r.UnitsCost)
	return tally.Bounds{{Base: 1}, {Base: tally.AddSat(r.InputTokens, r.Predicted), PerMillion: 1_000_000}, cost, credits, {Base: 1}}
}

// terms are what the request's client pays for it.
func (r *Request) terms() tally.Terms {
	if c := r.Principal.Client; c != nil {
		return c.Terms(r.At, r.Model)
	}
	return tally.Terms{}
}

// Fit shortens the answer that is wanted until the request can cost no more than most; false,
// with the least that it can cost, if it never fits.
func (r *Request) Fit(most tally.NanoUSD) (fits bool, least tally.NanoUSD) {
	cost := boundsOf(r)[tally.Cost.Index()]
	low, _ := r.outputs()
	room := cost.Output(int64(most))
	if room < low {
		return false, tally.NanoUSD(cost.At(low))
	}
	r.Output = min(r.Output, room/max(r.Choices, 1))
	return true, 0
}

// outputs are the least and the most output to hold, of all choices together.
func (r *Request) outputs() (least, want int64) {
	want = saturatingMul(r.Output, r.Choices)
	return min(want, saturatingMul(max(LeastOutput, r.Least), r.Choices)), want
}

func saturatingMul(a, b int64) int64 {
	if b != 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// session finds out which session the request belongs to, nil if none. Requests
// that name no end user make one only where sessions are limited: elsewhere it
// would tell nobody anything. Sessions are counted, and remembered for that, where a
// limit counts them or the owner has given the client a rule for them; elsewhere the
// record names the end user, and that is all.
func (m *Meter) session(pl *plan, r *Request) (*tally.SessionUse, *tally.Refusal) {
	c := r.Principal.Client
	if c == nil {
		return nil, nil
	}
	if r.Session == "" {
		switch {
		case c.Session.Missing == tally.MissingRefuse:
			return nil, sessionMissing(c)
		case c.Session.Missing == tally.MissingIgnore || !pl.sessions:
			return nil, nil
		}
	}
	use := &tally.SessionUse{Client: c.ID, Member: m.hash(c.ID, r.Session), Fixed: c.Session.Mode == tally.Fixed}
	if pl.watched || c.Session != (tally.SessionRule{}) {
		use.Until = r.At.Add(cmp.Or(c.Session.Length, tally.DefaultSessionLength))
	}
	return use, nil
}

// InFlight is how many requests of a client are being answered.
func (m *Meter) InFlight(client tally.ID) int { return int(m.inFlightOf(client).Load()) }

func (m *Meter) inFlightOf(client tally.ID) *atomic.Int64 {
	if n, ok := m.inFlight.Load(client); ok {
		return n.(*atomic.Int64)
	}
	n, _ := m.inFlight.LoadOrStore(client, new(atomic.Int64))
	return n.(*atomic.Int64)
}
