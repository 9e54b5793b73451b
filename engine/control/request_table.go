package control

import (
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// RequestTable shows requests, the latest first. In its CSV, whose new columns go
// to the end, the charges, a list, are left out, and of the attempts there is
// what each came to.
var RequestTable = &Table[RequestView]{
	Thing: "request", Make: "tallygate try",
	ID:   func(v *RequestView) string { return string(v.ID) },
	Tone: func(v *RequestView) Tone { return outcomeTone(v.Outcome) },
	Columns: []Column[RequestView]{
		{Name: "id", Spare: 10, Get: func(v *RequestView) Value { return WordOf(v.ID) }},
		{Name: "at", Get: func(v *RequestView) Value { return MomentOf(v.At) }},
		{Name: "gateway", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Gateway) }},
		{Name: "client", Get: func(v *RequestView) Value { return WordOf(v.Client) }},
		{Name: "key", Spare: 7, Get: func(v *RequestView) Value { return WordOf(v.Key) }},
		{Name: "key_id", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.KeyID) }},
		{Name: "model", Get: func(v *RequestView) Value { return WordOf(v.Model) }},
		{Name: "upstream_model", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Upstream) }},
		{Name: "provider", Spare: 6, Get: func(v *RequestView) Value { return WordOf(v.Provider) }},
		{Name: "endpoint", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Endpoint) }},
		{Name: "origin", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Origin) }},
		{Name: "country", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Country) }},
		{Name: "session", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Session) }},
		{Name: "new_session", Hidden: true, Get: func(v *RequestView) Value { return boolOf(v.NewSession) }},
		{Name: "status", Spare: 1, Get: func(v *RequestView) Value { return orNone(CountOf(v.Status)) }},
		{Name: "outcome", Words: tally.Outcome("").Words(), Get: func(v *RequestView) Value { return WordOf(v.Outcome) }},
		{Name: "stream", Hidden: true, Get: func(v *RequestView) Value { return boolOf(v.Stream) }},
		{Name: "basis", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Basis) }},
		{Name: "input", Field: "input_tokens", Spare: 4, Sum: true, Get: func(v *RequestView) Value { return orNone(CountOf(v.InputTokens)) }},
		{Name: "cached_input_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.CachedInput) }},
		{Name: "cache_write_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.CacheWrite) }},
		{Name: "output", Field: "output_tokens", Spare: 3, Sum: true, Get: func(v *RequestView) Value { return orNone(CountOf(v.OutputTokens)) }},
		{Name: "reasoning_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.Reasoning) }},
		{Name: "tokens", Hidden: true, Spare: 3, Derived: true, Get: func(v *RequestView) Value { return CountOf(v.InputTokens + v.OutputTokens) }},
		{Name: "cost", Sum: true, Get: func(v *RequestView) Value { return MoneyOf(v.CostNanoUSD) }},
		{Name: "credits", Hidden: true, Get: func(v *RequestView) Value { return MoneyOf(v.CreditsNano) }},
		{Name: "first_byte", Title: "first", Spare: 8, Get: func(v *RequestView) Value { return LatencyOf(v.FirstByteMS) }},
		{Name: "latency", Field: "total_ms", Spare: 2, Get: func(v *RequestView) Value { return LatencyOf(v.TotalMS) }},
		{Name: "attempts", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Attempts) }},
		{Name: "code", Spare: 5, Get: func(v *RequestView) Value { return WordOf(v.Code) }},
		{Name: "count", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Count) }},
		{Name: "token", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Token) }},
		{Name: "visitor_net", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.VisitorNet) }},
		{Name: "visitor", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Visitor) }},
		{Name: "cache_write_long_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.CacheWriteLong) }},
		{Name: "audio_input_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.AudioInput) }},
		{Name: "image_input_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.ImageInput) }},
		{Name: "audio_output_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.AudioOutput) }},
		{Name: "image_output_tokens", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Tokens.ImageOutput) }},
		{Name: "searches", Hidden: true, Get: func(v *RequestView) Value { return CountOf(v.Searches) }},
		{Name: "billed", Hidden: true, Get: func(v *RequestView) Value { return moneyIf(v.BilledNano) }},
		{Name: "listed", Hidden: true, Get: func(v *RequestView) Value { return moneyIf(v.ListedNano) }},
		{Name: "price", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Price) }},
		{Name: "tier", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Tier) }},
		{Name: "answered", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Answered) }},
		{Name: "waited", Hidden: true, Get: func(v *RequestView) Value { return LatencyOf(v.WaitedMS) }},
		{Name: "cut", Hidden: true, Get: func(v *RequestView) Value { return boolOf(v.Cut) }},
		{Name: "uncounted", Hidden: true, Get: func(v *RequestView) Value { return boolOf(v.Uncounted) }},
		{Name: "tries", Hidden: true, Get: func(v *RequestView) Value { return WordOf(triesText(v.Tries)) }},
		{Name: "reason", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.Reason) }},
		{Name: "upstream_request", Hidden: true, Get: func(v *RequestView) Value { return WordOf(v.RequestOf) }},
	},
}

func outcomeTone(o tally.Outcome) Tone {
	switch {
	case o.Failed():
		return Bad
	case o.Refused():
		return Warn
	case o == tally.Canceled:
		return Faint
	}
	return Plain
}

func boolOf(b bool) Value { return WordOf(strconv.FormatBool(b)) }

// moneyIf is an amount that may not be there.
func moneyIf(n *tally.NanoUSD) Value {
	if n == nil {
		return Value{Unit: UnitMoney, Void: true}
	}
	return MoneyOf(*n)
}

// triesText writes attempts as "spare timeout 0.0012; openai ok 0.0004": provider,
// cause and cost in US dollars.
func triesText(tries []AttemptView) string {
	var out []string
	for i := range tries {
		a := &tries[i]
		cause := a.Cause
		if cause == "" {
			cause = "ok"
		}
		out = append(out, a.Provider+" "+cause+" "+a.CostUSD)
	}
	return strings.Join(out, "; ")
}

// AttemptTable shows the attempts of a request, the first first.
var AttemptTable = &Table[AttemptView]{
	Thing: "attempt",
	Tone: func(v *AttemptView) Tone {
		if v.Cause == "" {
			return Plain
		}
		return Bad
	},
	Columns: []Column[AttemptView]{
		{Name: "provider", Get: func(v *AttemptView) Value { return WordOf(v.Provider) }},
		{Name: "model", Field: "upstream_model", Spare: 4, Get: func(v *AttemptView) Value { return WordOf(v.Upstream) }},
		{Name: "cause", Get: func(v *AttemptView) Value {
			if v.Cause == "" {
				return WordOf("answered")
			}
			return WordOf(strings.ReplaceAll(v.Cause, "_", " "))
		}},
		{Name: "status", Get: func(v *AttemptView) Value { return orNone(CountOf(v.Status)) }},
		{Name: "basis", Spare: 2, Get: func(v *AttemptView) Value {
			if v.Basis == "" {
				return WordOf("free")
			}
			return WordOf(v.Basis)
		}},
		{Name: "input", Field: "input_tokens", Spare: 3, Get: func(v *AttemptView) Value { return CountOf(v.InputTokens) }},
		{Name: "output", Field: "output_tokens", Spare: 3, Get: func(v *AttemptView) Value { return CountOf(v.OutputTokens) }},
		{Name: "cost", Get: func(v *AttemptView) Value { return MoneyOf(v.CostNanoUSD) }},
		{Name: "took", Spare: 1, Get: func(v *AttemptView) Value { return LatencyOf(v.TookMS) }},
		{Name: "price", Title: "price row", Spare: 5, Get: func(v *AttemptView) Value { return WordOf(v.Price) }},
	},
}

// ChargeTable shows what a request counted on each limit that it met.
var ChargeTable = &Table[tally.Charged]{
	Thing: "charge",
	Columns: []Column[tally.Charged]{
		{Name: "subject", Title: "limit of", Get: func(v *tally.Charged) Value {
			kind, _ := v.Subject.Split()
			return WordOf(kind)
		}},
		{Name: "metric", Get: func(v *tally.Charged) Value { return WordOf(v.Metric) }},
		{Name: "window", Title: "period", Get: func(v *tally.Charged) Value { return WordOf(v.Window) }},
		{Name: "amount", Get: func(v *tally.Charged) Value { return AmountOf(v.Metric, v.Amount) }},
		{Name: "used", Get: func(v *tally.Charged) Value { return AmountOf(v.Metric, v.Used) }},
		{Name: "max", Get: func(v *tally.Charged) Value { return AmountOf(v.Metric, v.Max) }},
	},
}
