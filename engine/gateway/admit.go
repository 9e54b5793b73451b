package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

const (
	// formatTokens is added to the bytes of a body to bound its tokens: chat
	// formats put a few tokens around each message, always fewer than the JSON of
	// the message has bytes, and some once per request.
	formatTokens = 64
	// preambleTokens is what upstreams add of their own for tools and schemas.
	preambleTokens = 1024
	// unknownImage bounds the tokens of a picture for a model that says nothing of
	// it: more than any known one makes of a picture.
	unknownImage = 50_000
)

// admit holds the most that the request can use with any of the upstreams that may answer
// it. If there is neither a ticket nor a refusal afterwards, it is to be called again.
func (x *exchange) admit() (refusal *tally.Refusal) {
	if x.media != nil {
		return x.admitMedia()
	}
	e := &x.envelope
	if x.principal.Visitor && e.Unknown != "" {
		return tally.BadRequest(e.Unknown, fmt.Sprintf("The field %q is not one that visitors of a page may send.", e.Unknown))
	}
	if x.intended != "" {
		x.targets = x.server.Router.Landing(x.cat, x.principal.Gateway, x.model, x.at)
	}
	if x.intended == "" || len(x.targets) == 0 {
		if x.targets, refusal = x.server.Router.Plan(x.cat, x.principal, x.model, x.at); refusal != nil {
			return refusal
		}
	}
	if refusal = x.pinned(); refusal != nil {
		return refusal
	}
	if refusal = x.pricedInTokens(); refusal != nil {
		return refusal
	}
	money, tokens := x.server.Meter.Limited(x.cat, x.principal)
	money = money || x.trial.Most > 0
	x.money, x.tokens = money, tokens
	if field := e.OtherMaximum; field != "" && (money || tokens || x.principal.Visitor) {
		return tally.BadRequest(field, fmt.Sprintf("The field %q bounds the answer under a name that not every provider knows, so a limit on money or tokens could not be kept. Write %s.", field, maximumOf(e)))
	}
	for _, step := range [...]func() *tally.Refusal{x.sayable, func() *tally.Refusal { return x.priceable(money) }} {
		if refusal = step(); refusal != nil {
			return refusal
		}
	}
	most := x.weigh()
	output, least, refusal := x.outputWanted(money || tokens || x.principal.Visitor, &most)
	if refusal != nil {
		return refusal
	}
	x.capExtras = money && most.bounded && most.searches > 0 || (money || tokens) && most.rounds > 0
	units := tally.Units{Piece: tally.Search, Count: most.searches}
	rates, unitsCost := x.dearest(most.input, &units)
	x.asked = meter.Request{
		ID: x.id, At: x.at, Catalog: x.cat, Principal: x.principal,
		Endpoint: x.endpointName(), Model: cmp.Or(x.model, x.targets[0].Model.Name), Intended: x.intended, Stream: x.stream,
		Trace: x.trace(), Session: x.session(), Tags: x.tags(),
		InputTokens: most.input, Prompt: most.prompt, Unbounded: most.unbounded, AudioTokens: most.audio,
		ImageTokens: most.pictures,
		Predicted:   most.predicted, Units: units, UnitsCost: unitsCost,
		Choices: most.choices, Output: output, Least: least, Answer: most.answer,
		Rates: rates, Tier: e.Tier,
		Since: x.since, Deadline: x.deadline, Waited: x.waited, Waiting: x.waiting,
	}
	if refusal = x.affordable(); refusal != nil {
		return refusal
	}
	x.ticket, refusal = x.server.Meter.Admit(x.ctx, &x.asked)
	x.deadline = x.asked.Deadline
	return refusal
}

// maximumOf is how the longest answer is asked for in the dialect of a request.
func maximumOf(e *providers.Envelope) string {
	switch e.Dialect {
	case dialect.Responses:
		return providers.FieldMaxOutput
	case dialect.Messages:
		return providers.FieldMaxTokens
	}
	return providers.FieldMaxTokens + ", and n for more than one answer"
}

// dearest are the dearest rates of the upstreams that may answer, and the most that
// units can cost. A model without a price is among them only by the owner's policy: it
// counts as free.
func (x *exchange) dearest(input int64, units *tally.Units) (rates tally.Rates, by tally.NanoUSD) {
	for _, t := range x.targets {
		q := tally.DearestAt(t.Model.Prices, x.at, x.envelope.Tier, input)
		each, _ := q.CostOf(units)
		rates, by = rates.Max(q.Rates), max(by, each)
	}
	return rates, by
}

// again takes the clock and the catalog of this moment, for a request that has
// waited: its key may have been revoked, its limit raised, its window be over.
func (x *exchange) again() *tally.Refusal {
	x.waited += x.elapsed()
	x.cat, x.at, x.begin = x.server.Catalog(), x.server.Clock(), time.Now()
	if refusal := x.authenticate(); refusal != nil {
		return refusal
	}
	return x.sameTemplate()
}

// priceable leaves out the upstreams whose price for what is asked is not known. Under a
// limit on money that includes every upstream that bills something without a price or
// without a bound, unless the owner lets the model pass the limits.
func (x *exchange) priceable(money bool) *tally.Refusal {
	var refusal *tally.Refusal
	kept := x.targets[:0]
	for _, t := range x.targets {
		switch why := x.unpriced(&t, x.formFor(&t), money); {
		case why == nil:
			kept = append(kept, t)
		case refusal == nil:
			refusal = why
		}
	}
	if x.targets = kept; len(kept) > 0 {
		return nil
	}
	return refusal
}

// unpriced refuses a form of the request that an upstream's price for is not known.
func (x *exchange) unpriced(t *route.Target, f *form, money bool) *tally.Refusal {
	e := f.envelope
	if e.Tier == "" && (len(e.Extras) == 0 || !money && !x.tokens) ||
		t.Model.AllowExtras && x.trial.Most == 0 {
		return nil
	}
	if e.Tier != "" && !tally.HasTier(t.Model.Prices, x.at, e.Tier) && e.Tier != tally.TierFlex {
		return extraRefused("service_tier", fmt.Sprintf("The service tier %q is not taken: the price book has no price of it for model %q. Leave it out.", e.Tier, t.Model.Name))
	}
	if !money {
		return x.unboundedRounds(t, e)
	}
	q := tally.QuoteAt(t.Model.Prices, x.at, "", 0)
	for i := range e.Extras {
		extra := &e.Extras[i]
		switch {
		case extra.Classed && q.Has(extra.Class):
		case extra.Classed:
			return extraRefused(extra.Field, fmt.Sprintf("%q is billed at a rate that model %q has no price for, so a limit on money could not be kept. Leave it out. The owner can give it one: tallygate models update %s --price %s=USD",
				extra.Field, t.Model.Name, tally.ShellWord(t.Model.Name), extra.Class))
		case extra.Piece == "" || extra.Count < 0:
			return extraRefused(extra.Field, fmt.Sprintf("%q is billed by the provider beside the tokens, and nothing bounds how much, so a limit on money could not be kept. Leave it out. The owner can let model %q pass its limits: tallygate models update %s --allow-extras",
				extra.Field, t.Model.Name, tally.ShellWord(t.Model.Name)))
		default:
			if _, _, ok := q.EachOf(&tally.Units{Piece: extra.Piece}); !ok {
				return extraRefused(extra.Field, fmt.Sprintf("%q is billed by the %s, and model %q has no price for one, so a limit on money could not be kept. Leave it out. The owner can give it one: tallygate models update %s --price %s=USD",
					extra.Field, extra.Piece, t.Model.Name, tally.ShellWord(t.Model.Name), extra.Piece))
			}
		}
	}
	return nil
}

// unboundedRounds refuses, under a limit on tokens, what may have the model read the prompt
// again and again.
func (x *exchange) unboundedRounds(t *route.Target, e *providers.Envelope) *tally.Refusal {
	for i := range e.Extras {
		if extra := &e.Extras[i]; x.tokens && extra.Rounds < 0 {
			return extraRefused(extra.Field, fmt.Sprintf("With %q the provider may have the model read the prompt again, and nothing bounds how often, so a limit on tokens could not be kept. Leave it out. The owner can let model %q pass its limits: tallygate models update %s --allow-extras",
				extra.Field, t.Model.Name, tally.ShellWord(t.Model.Name)))
		}
	}
	return nil
}

func extraRefused(field, message string) *tally.Refusal {
	return &tally.Refusal{
		Status: http.StatusBadRequest, Type: tally.TypeInvalid, Code: tally.CodeExtraUnpriced, Param: field, Final: true,
		Message: message,
	}
}

// outputWanted finds the output to ask for per choice: what the caller says, or the
// default, and never more than a model can give. Where nothing limits money or tokens,
// nothing is sent that the caller has not asked for. least is what this answer needs at
// least, if that is more than every answer needs. Both are 0 on endpoints without output.
func (x *exchange) outputWanted(limited bool, of *load) (want, least int64, refusal *tally.Refusal) {
	if x.endpoint == providers.Embeddings {
		return 0, 0, nil
	}
	e := &x.envelope
	largest, context := int64(0), int64(0)
	for i, t := range x.targets {
		if t.Model.MaxOutputTokens == 0 {
			largest = tally.MaxTokens
		}
		largest = max(largest, t.Model.MaxOutputTokens)
		if c := t.Model.ContextTokens; i == 0 || c != 0 && c < context || context == 0 {
			context = c
		}
	}
	x.bounded = limited || e.MaxTokens >= 0
	want = e.MaxTokens
	if want < 0 {
		if want = x.cat.Settings.DefaultMaxOutput; want == 0 {
			want = tally.LargestDefaultOutput
		}
		if context > 0 {
			// Some upstreams refuse a maximum that does not fit beside the prompt.
			want = min(want, max(context-of.input, context/4))
		}
		want = max(want, of.thinking+meter.LeastOutput)
	}
	want = max(min(want, largest), 1) // an upstream that is to write nothing may count one
	x.most = want
	if e.MaxTokens < 0 {
		x.most = largest
	}
	if x.principal.Visitor {
		most := x.visitorMost()
		// The bound is of the whole request: choices share it, and no budget for thinking
		// raises it.
		if of.thinking > 0 && of.thinking+meter.LeastOutput > most/of.choices {
			return 0, 0, tally.BadRequest("thinking", fmt.Sprintf("A visitor's request may have %s tokens of output, thinking and all choices together. Ask for less thinking.", tally.TokensIO.Format(most)))
		}
		want = min(want, max(most/of.choices, 1))
	}
	// An upstream refuses an output that its budget for thinking uses up. A caller that
	// has set both itself gets the upstream's refusal.
	if of.thinking > 0 && (e.MaxTokens < 0 || e.MaxTokens > of.thinking) {
		least = min(of.thinking+meter.LeastOutput, want)
		if want <= of.thinking {
			least, want = of.thinking+meter.LeastOutput, of.thinking+meter.LeastOutput
		}
	}
	return want, least, nil
}

// visitorMost is the output that a visitor's request may have in all.
func (x *exchange) visitorMost() int64 {
	most := x.cat.Settings.VisitorMaxOutput
	if t := x.principal.Token; t != nil && t.MaxOutput > 0 {
		most = t.MaxOutput
	}
	if x.template != nil && x.template.MaxOutput > 0 {
		most = min(most, x.template.MaxOutput)
	}
	return most
}
