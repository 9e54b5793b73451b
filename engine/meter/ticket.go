package meter

import (
	"context"
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
	draft    tally.Record
	inFlight *atomic.Int64 // of the client; nil without one
	expires  time.Time     // guarded by meter.openMu
	settled  bool
}

// Output is the output granted per choice, in tokens.
func (t *Ticket) Output() int64 { return t.grant.Output / t.request.Choices }

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
	Provider tally.ID // that answered, or was tried last
	Upstream string   // the model as that provider was asked
	Prices   []tally.Price
	Tokens   tally.Tokens
	Basis    tally.Basis
	// FailedTokens and FailedCost are of attempts that reported usage and then
	// failed: the upstream bills for them, too.
	FailedTokens tally.Tokens
	FailedCost   tally.NanoUSD
	Status       int
	Outcome      tally.Outcome
	Code         string
	Attempts     int
	// FirstByte and Total count from admission.
	FirstByte, Total time.Duration
}

// Price is what tokens cost at the prices of the day of admission.
func (t *Ticket) Price(prices []tally.Price, used tally.Tokens) tally.NanoUSD {
	rates, ok := tally.PriceAt(prices, t.request.At, used.Prompt())
	if !ok {
		return 0 // unpriced, and let through by the owner's policy
	}
	return rates.Cost(used)
}

// Settle replaces the hold by what was used. It returns once the record is
// durable, so whoever has been told the end of an answer finds it in the
// records. ctx must outlive the client's connection. A ticket can be settled
// once; the hold of one that the store fails to settle stays, and expires at
// its held amount.
func (t *Ticket) Settle(ctx context.Context, r Result) (cost tally.NanoUSD, err error) {
	if t.settled {
		return 0, tally.Errorf(tally.Conflict, "request %s is settled already", t.draft.ID)
	}
	rec := t.draft
	rec.Provider, rec.Upstream, rec.Tokens, rec.Basis = r.Provider, r.Upstream, r.Tokens.Add(r.FailedTokens), r.Basis
	rec.Status, rec.Outcome, rec.Code, rec.Attempts = r.Status, r.Outcome, r.Code, r.Attempts
	rec.FirstByte, rec.Total = r.FirstByte, r.Total
	if r.Outcome == tally.OK || r.Tokens != (tally.Tokens{}) { // what was never answered costs nothing, a price per call included
		rec.Cost = t.Price(r.Prices, r.Tokens)
	}
	rec.Cost = tally.NanoUSD(tally.AddSat(int64(rec.Cost), int64(r.FailedCost)))
	rec.Credits = rec.Cost
	if c := t.request.Principal.Client; c != nil {
		rec.Credits = rec.Cost.WithMarkup(c.MarkupBasisPoints)
	}
	return rec.Cost, t.finish(ctx, rec)
}

func (t *Ticket) finish(ctx context.Context, rec tally.Record) error {
	t.settled = true
	t.leave()
	err := t.meter.store.Settle(ctx, tally.Settlement{ID: t.request.ID, Record: rec})
	t.meter.openMu.Lock()
	delete(t.meter.open, t)
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
	bounds := boundsOf(t.request)
	rec := t.draft
	rec.Outcome, rec.Basis, rec.Status, rec.Code = tally.Lost, tally.Held, 500, tally.CodeInternal
	rec.Tokens = tally.Tokens{Input: bounds[1].Base, Output: t.grant.Output}
	rec.Cost, rec.Credits = tally.NanoUSD(bounds[2].At(t.grant.Output)), tally.NanoUSD(bounds[3].At(t.grant.Output))
	rec.Total = now.Sub(rec.At)
	t.finish(ctx, rec) // its error is logged there
}

// Heartbeat extends the holds of tickets that are still at work. The engine
// calls it a few times within HoldFor, so that no request, however slow its
// upstream, outlives its hold. One that could not be extended is tried again
// the next time.
func (m *Meter) Heartbeat(ctx context.Context, now time.Time) {
	until := now.Add(HoldFor)
	var due []*Ticket
	m.openMu.Lock()
	for t := range m.open {
		if t.expires.Sub(now) <= HoldFor/2 {
			due = append(due, t)
		}
	}
	m.openMu.Unlock()
	for _, t := range due {
		// One that was settled meanwhile is not held any more.
		if err := m.store.Extend(ctx, t.draft.ID, until); err != nil && tally.CodeOf(err) != tally.NotFound {
			m.log.Error("extend hold", "request", t.draft.ID, "err", err)
			continue
		}
		m.openMu.Lock()
		t.expires = until
		m.openMu.Unlock()
	}
}

// enter counts the request among its client's in flight, up to the cap.
func (t *Ticket) enter() *tally.Refusal {
	c := t.request.Principal.Client
	if c == nil {
		return nil
	}
	t.inFlight = t.meter.inFlightOf(c.ID)
	for {
		n := t.inFlight.Load()
		if c.MaxInFlight > 0 && n >= int64(c.MaxInFlight) {
			return tooManyInFlight(c)
		}
		// Counting first and looking then would refuse others for the sake of a
		// request that is itself about to be refused.
		if t.inFlight.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

func (t *Ticket) leave() {
	if t.inFlight != nil {
		t.inFlight.Add(-1)
	}
}
