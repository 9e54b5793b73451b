package gateway

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// What was sent is paid for until it is proven to have cost nothing. A call ends in
// one of these ways:
//
//	the upstream says what was used     booked as it says, basis exact; a side it
//	                                    leaves out is estimated
//	it is proven to be free             nothing is booked
//	a stream ended early                what came, and no less than the model can
//	                                    have written by then, basis held
//	anything else                       what was held for it, basis held

// speed is how many tokens a second a model may write, where its kind does not
// say.
const speed = 300

// bookAnswer books a call whose answer came to its end.
func (x *exchange) bookAnswer(body providers.Body) {
	said := body.Report()
	a := x.latest()
	a.Status, a.Took = http.StatusOK, time.Since(x.asking)
	switch {
	case x.media != nil:
		x.bookMedia(a, &said)
	case said.Known == providers.KnownNothing:
		x.bookHeld(a, &said, true)
	default:
		x.bookSaid(a, body, &said)
	}
	if said.Failed != nil {
		x.failed(a, said.Failed)
		a.Status = http.StatusOK
	}
	x.note(&said)
}

// bookSaid books what the upstream says, and estimates a side that it leaves out.
func (x *exchange) bookSaid(a *tally.Attempt, body providers.Body, said *providers.Report) {
	a.Basis = tally.Exact
	used := said.Tokens
	if !said.Exact() {
		a.Basis = tally.Estimated
		input, output := said.Missing()
		if input {
			used.Input = max(used.Input, x.inputEstimate())
		}
		if output {
			used.Output = max(used.Output, min(body.Delivered(), x.granted()))
		}
	}
	x.price(a, said, used)
}

// bill lets the upstream's own bill count for the cost of an attempt that told no tokens,
// by the same setting as beside tokens. A bill that is not the last can only raise the
// cost.
func (x *exchange) bill(a *tally.Attempt, said *providers.Report, last bool) {
	if !said.IsBilled {
		return
	}
	billed := said.Billed
	x.result.Billed, x.result.Listed = &billed, a.Cost
	switch by := x.target.Upstream.CostBy(); {
	case by == tally.CostTheirs && last:
		a.Cost = billed
	case by != tally.CostOurs:
		a.Cost = max(a.Cost, billed)
	}
}

// bookBroken books a stream that ended before its end: closed by us because the
// caller had left, or broken by the upstream.
func (x *exchange) bookBroken(body providers.Body, err error) {
	a := x.latest()
	said := body.Report()
	up, _ := errors.AsType[*providers.UpstreamError](err)
	switch {
	case said.Known == providers.KnownWhole && said.Finish != providers.Unfinished:
		x.bookAnswer(body) // only the end of the stream is missing
	case up != nil && up.Free:
	case x.stops(err):
		x.bookSoFar(a, body, &said)
	default:
		x.bookHeld(a, &said, false)
	}
	x.failed(a, err)
	x.note(&said)
}

// bookFailure books a call that has failed before the caller was told anything;
// body is nil if there was no answer.
func (x *exchange) bookFailure(body providers.Body, err error) {
	a := x.latest()
	x.failed(a, err)
	var said providers.Report
	if body != nil {
		said = body.Report()
	}
	up, _ := errors.AsType[*providers.UpstreamError](err)
	last := said.Finish != providers.Unfinished || up != nil && up.Ended
	switch {
	case up != nil && up.Said != nil:
		said = *up.Said
		if x.bookSaid(a, body, &said); said.Known == providers.KnownZero {
			a.Cost = max(a.Cost, said.Billed) // there is no other figure
		}
	case said.Known > providers.KnownZero && last:
		x.bookSaid(a, body, &said) // usage in the middle of a stream is not its last word
	case up != nil && up.Free:
	case x.stream && x.stops(err) && up != nil && (up.Told || up.Status == 0 && (up.Fault == providers.Gone || up.Fault == providers.TimedOut)):
		// We have closed it, or it has told its end; a time-out behind the upstream and
		// an answer that is no stream tell nothing of what was written.
		x.bookSoFar(a, body, &said)
	default:
		x.bookHeld(a, &said, last)
	}
}

// stops reports whether the upstream has written no more since the stream ended: it
// ended the stream itself with an error, or is of a kind that stops, and bills no
// further, when its connection is closed. It makes no difference there who has
// closed it: we, because the caller left, the time was over or an event was too long
// or none; or whatever broke it in between, which ends it on the upstream's side as
// well. An upstream that cuts its own stream has stopped by itself.
func (x *exchange) stops(err error) bool {
	return told(err) || x.target.Upstream.Kind.StopsBilling
}

// bookHeld books a call at what is held for it, or at what the upstream has said by
// now if that is more; last is whether it will say no more.
func (x *exchange) bookHeld(a *tally.Attempt, said *providers.Report, last bool) {
	held := *a
	held.Tokens, held.Cost = x.ticket.Held()
	if u := &x.asked.Units; u.Count > 0 {
		held.Piece, held.Pieces = u.Piece, u.Count
	}
	if said.Known > providers.KnownZero {
		x.price(a, said, said.Tokens)
	}
	if a.Cost <= held.Cost {
		*a = held
		x.bill(a, said, last)
	}
	a.Basis = tally.Held
}

// bookSoFar books what a stream may have used by now: the prompt by estimate, all
// that is no text at its bound, and of output what came, or what the fastest model
// writes in that time, up to the grant.
func (x *exchange) bookSoFar(a *tally.Attempt, body providers.Body, said *providers.Report) {
	rate := x.target.Upstream.Kind.TokensPerSecond
	if rate == 0 {
		rate = speed
	}
	written := int64(time.Since(x.asking).Seconds()*float64(rate)) * x.asked.Choices
	if body != nil {
		written = max(written, body.Delivered())
	}
	used := said.Tokens
	if missing := x.inputEstimate() - used.Prompt(); missing > 0 {
		used.Input += missing
	}
	if missing := min(written, x.granted()) - used.Completion(); missing > 0 {
		used.Output += missing
	}
	x.price(a, said, used)
	a.Basis = tally.Held
}

// granted is the output of all choices together that the latest attempt may use.
func (x *exchange) granted() int64 {
	tokens, _ := x.ticket.Held()
	return tokens.Output
}

// price puts what an attempt has used and cost into the result.
func (x *exchange) price(a *tally.Attempt, said *providers.Report, used tally.Tokens) {
	t := x.target
	of := meter.Answer{
		Model: t.Model, By: x.answeredBy(said.Model), Tier: tally.Tier(said.Tier), Tokens: used, Split: said.Split,
		Units: x.units(said), Cost: t.Upstream.CostBy(),
	}
	if said.IsBilled {
		of.Billed = &said.Billed
	}
	listed := x.ticket.Price(a, &of)
	if said.IsBilled {
		billed := said.Billed
		x.result.Billed, x.result.Listed = &billed, listed
	}
}

// units is what an attempt may be billed for by the piece: as many as the upstream says,
// in its count or in its bill, and as held where it is silent about them. Images are as it
// says where the request has left that to it, if there is a price of such.
func (x *exchange) units(said *providers.Report) tally.Units {
	u := x.asked.Units
	if said.Counted || said.IsBilled || said.Known == providers.KnownZero {
		u.Count = said.Pieces
	}
	told := u
	told.Quality, told.Size = cmp.Or(u.Quality, said.Quality), cmp.Or(u.Size, said.Size)
	if told != u {
		q := tally.QuoteAt(x.target.Model.Prices, x.at, "", 0)
		if _, _, ok := q.EachOf(&told); ok {
			return told
		}
	}
	return u
}

// note keeps what the answer says beside its usage.
func (x *exchange) note(said *providers.Report) {
	if said.Model != "" && said.Model != x.latest().Upstream {
		x.result.Answered = tally.Printable(said.Model)
	}
	if x.bounded && said.Finish == providers.FinishedLength && x.endpoint != providers.Embeddings {
		x.result.Cut = x.ticket.Output() < x.most
	}
}

// answeredBy finds the model that an upstream says has answered, if it is another
// one that has a price with the same provider: a name that has been retired may
// lead to a dearer model.
func (x *exchange) answeredBy(name string) *tally.Model {
	asked := x.target.Model
	if name == "" || name == asked.UpstreamName() {
		return nil
	}
	for _, m := range x.cat.ModelsOf(asked.Provider, name) {
		if m.ID != asked.ID {
			return m
		}
	}
	return nil
}

// inputEstimate is what the prompt comes to where no upstream says it: four
// bytes a token is the rule of thumb for English, and the JSON around the
// prompt makes up for denser languages. What is no text counts at its bound.
func (x *exchange) inputEstimate() int64 {
	if x.form.unbounded() {
		return x.asked.InputTokens
	}
	return min((x.form.textBytes()+3)/4+x.form.pictures(x.target.Model), x.asked.InputTokens)
}
