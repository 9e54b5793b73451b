package meter

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
)

// Ticket is an admitted request. It is used by one goroutine, apart from the
// meter's heartbeat.
type Ticket struct {
	meter    *Meter
	request  *Request
	charges  []tally.Charge
	grant    tally.Grant
	held     []held // for each attempt that has a hold of its own
	heldRoom [1]held
	joined   []tally.ID // models whose caps it is charged on
	network  string     // of a visitor, and the visitor, as records keep them
	visitor  []byte
	inFlight *atomic.Int64 // of the client; nil without one
	expires  time.Time     // guarded by meter.openMu
	settled  bool
}

// draft is the record as far as it was known at admission. It is made when it is needed, since
// an answer may take long.
func (t *Ticket) draft() tally.Record {
	r := t.request
	rec := tally.Record{
		ID: r.ID, At: r.At, Endpoint: r.Endpoint, Model: r.Model, Asked: r.Intended, Stream: r.Stream, Trace: r.Trace, Tags: r.Tags, Count: 1,
		VisitorNet: t.network, Visitor: t.visitor,
	}
	attribute(&rec, r.Principal)
	return rec
}

// held is what is held for an attempt.
type held struct {
	bounds tally.Bounds
	output int64
}

// Output is the output granted per choice to the latest attempt, in tokens.
func (t *Ticket) Output() int64 { return t.held[len(t.held)-1].output / t.request.Choices }

// Waited is how long the request waited for room.
func (t *Ticket) Waited() time.Duration { return t.request.Waited + t.grant.Waited }

// Held is what is held for the latest attempt: the most that it can have used.
func (t *Ticket) Held() (tally.Tokens, tally.NanoUSD) {
	h := &t.held[len(t.held)-1]
	return tally.Tokens{Input: h.bounds[tally.TokensIO.Index()].Base, Output: h.output}, tally.NanoUSD(h.bounds[tally.Cost.Index()].At(h.output))
}

// Raise holds what another attempt may use, beside what is held for those before
// it, which may have been charged. It never waits: requests that hold and wait
// would block each other. The error is a *tally.LimitError if there is no room.
func (t *Ticket) Raise(ctx context.Context) error {
	r := t.request
	bounds := boundsOf(r)
	bounds[tally.Requests.Index()], bounds[tally.Sessions.Index()] = tally.Bound{}, tally.Bound{}
	least, want := r.outputs()
	grant, err := t.meter.store.Raise(ctx, r.ID, least, want, bounds)
	if err != nil {
		return err
	}
	t.held = append(t.held, held{bounds, grant.Output})
	return nil
}

// Room returns what the tightest limit on requests and on tokens has left, and
// its charge; ok is false where no limit counts the metric.
func (t *Ticket) Room(m tally.Metric) (c tally.Charge, left int64, ok bool) {
	room := t.grant.Requests
	if m == tally.TokensIO {
		room = t.grant.Tokens
	}
	if room.Charge == 0 {
		return tally.Charge{}, 0, false
	}
	return t.charges[room.Charge-1], room.Left, true
}

// Result is what became of an admitted request.
type Result struct {
	// Attempts are the calls that were made, in their order, each with what it has
	// used and cost.
	Attempts []tally.Attempt
	Status   int
	Outcome  tally.Outcome
	Code     string
	// Billed is what the upstream says it has charged, nil if it says nothing;
	// Listed what our prices come to then.
	Billed   *tally.NanoUSD
	Listed   tally.NanoUSD
	Tier     tally.Tier
	Answered string // the model that answered, if the upstream names another one
	Cut      bool   // it ended at a length that a limit allowed
	// Uncounted is whether it failed for no fault of the caller's and at no cost.
	Uncounted bool
	// FirstByte and Total count from admission.
	FirstByte, Total time.Duration
}

// Settle replaces the hold by what was used. It returns once the record is
// durable, so whoever has been told the end of an answer finds it in the
// records. ctx must outlive the client's connection. A ticket can be settled
// once; the hold of one that the store fails to settle stays, and expires at
// its held amount.
func (t *Ticket) Settle(ctx context.Context, r *Result) (err error) {
	if t.settled {
		return tally.Errorf(tally.Conflict, "request %s is settled already", t.request.ID)
	}
	rec := t.draft()
	rec.Status, rec.Outcome, rec.Code, rec.Attempts = r.Status, r.Outcome, r.Code, len(r.Attempts)
	rec.FirstByte, rec.Total, rec.Waited = r.FirstByte, r.Total, t.Waited()
	rec.Billed, rec.Listed, rec.Tier, rec.Answered, rec.Cut, rec.Uncounted = r.Billed, r.Listed, r.Tier, r.Answered, r.Cut, r.Uncounted
	failed := false
	for i := range r.Attempts {
		a := &r.Attempts[i]
		rec.Provider, rec.Upstream, rec.Price, rec.Request = a.Provider, a.Upstream, a.Price, a.Request
		rec.Tokens = rec.Tokens.Add(a.Tokens)
		if a.Pieces > 0 {
			rec.Piece, rec.Pieces = a.Piece, rec.Pieces+a.Pieces
		}
		rec.Saved = tally.NanoUSD(tally.AddSat(int64(rec.Saved), int64(a.Saved)))
		rec.Cost = tally.NanoUSD(tally.AddSat(int64(rec.Cost), int64(a.Cost)))
		rec.Basis = lessSure(rec.Basis, a.Basis)
		failed = failed || a.Cause != ""
	}
	if failed {
		rec.Tries = slices.Clone(r.Attempts)
	}
	rec.Credits = t.Credits(r.Attempts)
	if r.Outcome == tally.OK && !r.Cut && len(r.Attempts) > 0 && t.request.Output > 0 {
		if last := &r.Attempts[len(r.Attempts)-1]; last.Basis != tally.Held { // what was held tells no length
			t.meter.lengths.learn(lengthOf(t.request.Principal), t.request.Model, last.Tokens.Completion()/t.request.Choices)
		}
	}
	return t.finish(ctx, rec)
}

// lessSure is the basis of two amounts together.
func lessSure(a, b tally.Basis) tally.Basis {
	for _, basis := range [...]tally.Basis{tally.Held, tally.Estimated, tally.Exact} {
		if a == basis || b == basis {
			return basis
		}
	}
	return ""
}

// Credits is what the caller pays for attempts.
func (t *Ticket) Credits(attempts []tally.Attempt) tally.NanoUSD {
	terms := t.request.terms()
	var of tally.Spent
	for i := range attempts {
		a := &attempts[i]
		of.Cost = tally.NanoUSD(tally.AddSat(int64(of.Cost), int64(a.Cost)))
		if terms.Fixed == nil {
			continue
		}
		of.Tokens = of.Tokens.Add(a.Tokens)
		if a.Pieces > 0 {
			of.Piece, of.Pieces = a.Piece, of.Pieces+a.Pieces
			of.PiecesCost = tally.NanoUSD(tally.AddSat(int64(of.PiecesCost), int64(piecesCost(t.request.Catalog, a))))
		}
	}
	return terms.Credits(&of)
}

// piecesCost is what the pieces of an attempt cost the owner, by the row that it was priced
// by.
func piecesCost(c *tally.Catalog, a *tally.Attempt) tally.NanoUSD {
	for _, m := range c.Models {
		if m.Provider != a.Provider {
			continue
		}
		for i := range m.Prices {
			if m.Prices[i].ID == a.Price {
				q := tally.Quote{Row: &m.Prices[i]}
				return q.CostOfPieces(a.Piece, a.Pieces)
			}
		}
	}
	return 0
}

func (t *Ticket) finish(ctx context.Context, rec tally.Record) error {
	t.settled = true
	t.leave()
	err := t.meter.store.Settle(ctx, tally.Settlement{ID: t.request.ID, Record: rec})
	t.meter.openMu.Lock()
	delete(t.meter.open, t.request.ID)
	t.meter.openMu.Unlock()
	if err != nil {
		t.meter.log.Error("settle", "request", t.request.ID, "err", err)
	}
	return err
}

// Close settles a ticket that was not: a defect stopped the request before its
// end. What it held counts as used.
func (t *Ticket) Close(ctx context.Context, now time.Time) {
	if t.settled {
		return
	}
	rec := t.draft()
	rec.Outcome, rec.Basis, rec.Status, rec.Code = tally.Lost, tally.Held, 500, tally.CodeInternal
	for i := range t.held {
		h := &t.held[i]
		rec.Tokens = rec.Tokens.Add(tally.Tokens{Input: h.bounds[tally.TokensIO.Index()].Base, Output: h.output})
		rec.Cost = tally.NanoUSD(tally.AddSat(int64(rec.Cost), h.bounds[tally.Cost.Index()].At(h.output)))
		rec.Credits = tally.NanoUSD(tally.AddSat(int64(rec.Credits), h.bounds[tally.Credits.Index()].At(h.output)))
	}
	rec.Total = now.Sub(rec.At)
	t.finish(ctx, rec) // its error is logged there
}

// Heartbeat extends the holds of tickets that are still at work. The engine calls it a
// few times within HoldFor, so that no request, however slow its upstream, outlives its
// hold. A hold that could not be extended is tried again the next time.
func (m *Meter) Heartbeat(ctx context.Context, now time.Time) {
	until := now.Add(HoldFor)
	var due []tally.ID
	m.openMu.Lock()
	for id, t := range m.open {
		if t.expires.Sub(now) <= HoldFor/2 {
			due = append(due, id)
		}
	}
	m.openMu.Unlock()
	for _, id := range due {
		// A request that was settled meanwhile has no hold any more, and its ticket may
		// be another request's.
		if err := m.store.Extend(ctx, id, until); err != nil && tally.CodeOf(err) != tally.NotFound {
			m.log.Error("extend hold", "request", id, "err", err)
			continue
		}
		m.openMu.Lock()
		if t := m.open[id]; t != nil {
			t.expires = until
		}
		m.openMu.Unlock()
	}
}

// enter counts the request among its client's in flight.
func (t *Ticket) enter() {
	if c := t.request.Principal.Client; c != nil {
		t.inFlight = t.meter.inFlightOf(c.ID)
		t.inFlight.Add(1)
	}
}

func (t *Ticket) leave() {
	if t.inFlight != nil {
		t.inFlight.Add(-1)
	}
}
