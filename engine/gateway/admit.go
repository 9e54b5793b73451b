package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
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
	e := &x.envelope
	if x.principal.Visitor && e.Unknown != "" {
		return tally.BadRequest(e.Unknown, fmt.Sprintf("The field %q is not one that visitors of a page may send.", e.Unknown))
	}
	if x.targets, refusal = x.server.Router.Plan(x.cat, x.principal, x.model, x.at); refusal != nil {
		return refusal
	}
	money, tokens := x.server.Meter.Limited(x.cat, x.principal)
	if field := e.OtherMaximum; field != "" && (money || tokens || x.principal.Visitor) {
		return tally.BadRequest(field, fmt.Sprintf("The field %q bounds the answer under a name that not every provider knows, so a limit on money or tokens could not be kept. Write max_tokens, and n for more than one answer.", field))
	}
	if refusal = x.priceable(money); refusal != nil {
		return refusal
	}
	input, choices := x.inputBound(), e.Written(x.endpoint)
	output, least, refusal := x.outputWanted(money || tokens || x.principal.Visitor, input, choices)
	if refusal != nil {
		return refusal
	}
	searches, searchesBounded := e.Searches()
	x.capExtras = money && searchesBounded && searches > 0
	prompt, answer := x.classes()
	rates, search := x.dearest(input)
	x.asked = meter.Request{
		ID: x.id, At: x.at, Catalog: x.cat, Principal: x.principal,
		Endpoint: x.endpointName(), Model: cmp.Or(x.model, x.targets[0].Model.Name), Stream: x.stream, Session: x.session(),
		InputTokens: input, Prompt: prompt, Unbounded: e.Content.Unbounded,
		AudioTokens: known(e.Content.AudioBytes, e.Content.Unbounded == ""), ImageTokens: known(x.pictures(), e.Content.Unbounded == ""),
		Predicted: e.Predicted, Searches: known(searches, searchesBounded), Search: search,
		Choices: choices, Output: output, Least: least, Answer: answer,
		Rates: rates, Tier: e.Tier,
		Since: x.since, Deadline: x.deadline, Waited: x.waited, Waiting: x.waiting,
	}
	x.ticket, refusal = x.server.Meter.Admit(x.ctx, &x.asked)
	x.deadline = x.asked.Deadline
	return refusal
}

// known is a bound where there is one, else 0.
func known(bound int64, bounded bool) int64 {
	if !bounded {
		return 0
	}
	return bound
}

// dearest are the dearest rates of the upstreams that may answer, and the dearest
// price of a search. A model without a price is among them only by the owner's policy:
// it counts as free.
func (x *exchange) dearest(input int64) (rates tally.Rates, search tally.NanoUSD) {
	for _, t := range x.targets {
		q := tally.DearestAt(t.Model.Prices, x.at, x.envelope.Tier, input)
		each, _ := q.Each(tally.Search)
		rates, search = rates.Max(q.Rates), max(search, each)
	}
	return rates, search
}

// again takes the clock and the catalog of this moment, for a request that has
// waited: its key may have been revoked, its limit raised, its window be over.
func (x *exchange) again() *tally.Refusal {
	x.waited += x.elapsed()
	x.cat, x.at, x.begin = x.server.Catalog(), x.server.Clock(), time.Now()
	return x.authenticate()
}

// classes are the classes of tokens that the request can cause beside those that
// any can.
func (x *exchange) classes() (prompt, answer tally.Classes) {
	e := &x.envelope
	if e.Content.Audio {
		prompt |= tally.SetOf(tally.ClassAudioInput)
	}
	if e.Content.Images > 0 || e.Content.Unbounded != "" {
		prompt |= tally.SetOf(tally.ClassImageInput)
	}
	if e.Content.Unbounded != "" {
		prompt |= tally.SetOf(tally.ClassAudioInput)
	}
	for i := range e.Extras {
		if extra := &e.Extras[i]; extra.Classed {
			if extra.Class.Prompt() {
				prompt |= tally.SetOf(extra.Class)
			} else {
				answer |= tally.SetOf(extra.Class)
			}
		}
	}
	return prompt, answer
}

// priceable leaves out the upstreams whose price for what is asked is not known. Under a
// limit on money that includes every upstream that bills something without a price or
// without a bound, unless the owner lets the model pass the limits.
func (x *exchange) priceable(money bool) *tally.Refusal {
	e := &x.envelope
	if e.Tier == "" && (len(e.Extras) == 0 || !money) {
		return nil
	}
	var refusal *tally.Refusal
	kept := x.targets[:0]
	for _, t := range x.targets {
		switch why := x.unpriced(t, money); {
		case why == nil || t.Model.AllowExtras:
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

func (x *exchange) unpriced(t route.Target, money bool) *tally.Refusal {
	e := &x.envelope
	if e.Tier != "" && !tally.HasTier(t.Model.Prices, x.at, e.Tier) && e.Tier != tally.TierFlex {
		return extraRefused("service_tier", fmt.Sprintf("The service tier %q is not taken: the price book has no price of it for model %q. Leave it out.", e.Tier, t.Model.Name))
	}
	if !money {
		return nil
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
			if _, ok := q.Each(extra.Piece); !ok {
				return extraRefused(extra.Field, fmt.Sprintf("%q is billed by the %s, and model %q has no price for one, so a limit on money could not be kept. Leave it out. The owner can give it one: tallygate models update %s --price %s=USD",
					extra.Field, extra.Piece, t.Model.Name, tally.ShellWord(t.Model.Name), extra.Piece))
			}
		}
	}
	return nil
}

func extraRefused(field, message string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusBadRequest, Type: tally.TypeInvalid, Code: tally.CodeExtraUnpriced, Param: field, Final: true, Message: message}
}

// inputBound is the most tokens the input can come to: a token is at least a
// byte, pictures have a bound of their own, and no upstream takes more than its
// context. What the body only refers to, and what an upstream fetches, is bounded by
// the context alone.
func (x *exchange) inputBound() int64 {
	context := int64(0)
	for _, t := range x.targets {
		if t.Model.ContextTokens == 0 {
			context = meter.UnknownContext
			break
		}
		context = max(context, t.Model.ContextTokens)
	}
	e := &x.envelope
	unbounded := e.Content.Unbounded != "" || x.fetches()
	switch bytes := x.textBytes() + x.added() + x.pictures(); {
	case unbounded:
		return context * e.Prompts
	case e.Prompts > 1:
		return bytes // each of them has a context of its own
	default:
		return min(bytes, context)
	}
}

// fetches reports whether the upstream brings into the prompt what the body does
// not hold.
func (x *exchange) fetches() bool {
	return slices.ContainsFunc(x.envelope.Extras, func(e providers.Extra) bool { return e.Fetches })
}

// added is what the upstream may put around what the body holds.
func (x *exchange) added() int64 {
	if x.envelope.Preamble {
		return formatTokens + preambleTokens
	}
	return formatTokens
}

// textBytes is the length of the body but for the pictures in it.
func (x *exchange) textBytes() int64 {
	return int64(x.length) - x.envelope.Content.ImageBytes
}

// pictures is the most tokens that the pictures in the body can come to.
func (x *exchange) pictures() int64 {
	if x.envelope.Content.Images == 0 {
		return 0
	}
	each := int64(0)
	for _, t := range x.targets {
		each = max(each, cmp.Or(t.Model.ImageTokens, unknownImage))
	}
	return each * x.envelope.Content.Images
}

// outputWanted finds the output to ask for per choice: what the caller says, or the
// default, and never more than a model can give. Where nothing limits money or tokens,
// nothing is sent that the caller has not asked for. least is what this answer needs at
// least, if that is more than every answer needs. Both are 0 on endpoints without output.
func (x *exchange) outputWanted(limited bool, input, choices int64) (want, least int64, refusal *tally.Refusal) {
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
			want = min(want, max(context-input, context/4))
		}
		want = max(want, e.Thinking+meter.LeastOutput)
	}
	want = max(min(want, largest), 1) // an upstream that is to write nothing may count one
	x.most = want
	if e.MaxTokens < 0 {
		x.most = largest
	}
	if p := x.principal; p.Visitor {
		most := x.cat.Settings.VisitorMaxOutput
		if p.Token != nil && p.Token.MaxOutput > 0 {
			most = p.Token.MaxOutput
		}
		// The bound is of the whole request: choices share it, and no budget for thinking
		// raises it.
		if e.Thinking > 0 && e.Thinking+meter.LeastOutput > most/choices {
			return 0, 0, tally.BadRequest("thinking", fmt.Sprintf("A visitor's request may have %s tokens of output, thinking and all choices together. Ask for less thinking.", tally.TokensIO.Format(most)))
		}
		want = min(want, max(most/choices, 1))
	}
	// An upstream refuses an output that its budget for thinking uses up. A caller that
	// has set both itself gets the upstream's refusal.
	if e.Thinking > 0 && (e.MaxTokens < 0 || e.MaxTokens > e.Thinking) {
		least = min(e.Thinking+meter.LeastOutput, want)
		if want <= e.Thinking {
			least, want = e.Thinking+meter.LeastOutput, e.Thinking+meter.LeastOutput
		}
	}
	return want, least, nil
}
