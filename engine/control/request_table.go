package control

import (
	"strings"

	"tallygate/engine/tally"
)

// RequestTable shows requests, the latest first. In its CSV, whose new columns go
// to the end, the charges, a list, are left out, and of the attempts there is
// what each came to.
var RequestTable = NewTable(Table[*RequestView]{
	Thing: "request", Make: "tallygate try",
	ID:     func(v *RequestView) string { return string(v.ID) },
	Tone:   func(v *RequestView) Tone { return outcomeTone(v.Outcome) },
	Orders: []string{"latency", "cost", "tokens"},
	Columns: []Column[*RequestView]{
		{Name: "id", Spare: 10},
		{Name: "at"},
		{Name: "gateway", Hidden: true},
		{Name: "client", Shown: "client_name"},
		{Name: "key", Spare: 7},
		{Name: "key_id", Hidden: true},
		{Name: "model"},
		{Name: "upstream_model", Hidden: true},
		{Name: "provider", Spare: 6},
		{Name: "endpoint", Hidden: true},
		{Name: "origin", Hidden: true},
		{Name: "country", Hidden: true},
		{Name: "session", Hidden: true},
		{Name: "new_session", Hidden: true},
		{Name: "status", Spare: 1, NoZero: true},
		{Name: "outcome", Words: tally.Outcome("").Words()},
		{Name: "stream", Hidden: true},
		{Name: "basis", Hidden: true},
		{Name: "input", Sum: true, Field: "input_tokens", Spare: 4, NoZero: true},
		{Name: "cached_input_tokens", Field: "tokens.cached_input", Hidden: true},
		{Name: "cache_write_tokens", Field: "tokens.cache_write", Hidden: true},
		{Name: "output", Sum: true, Field: "output_tokens", Spare: 3, NoZero: true},
		{Name: "reasoning_tokens", Field: "tokens.reasoning", Hidden: true},
		{Name: "tokens", Hidden: true, Spare: 3, Derived: true, Get: func(v *RequestView) Value { return CountOf(v.InputTokens + v.OutputTokens) }},
		{Name: "cost", Sum: true, Field: "cost_nano_usd"},
		{Name: "credits", Field: "credits_nano_usd", Hidden: true},
		{Name: "first_byte", Field: "first_byte_ms", Title: "first", Spare: 8},
		{Name: "latency", Field: "total_ms", Spare: 2},
		{Name: "attempts", Hidden: true},
		{Name: "code", Spare: 5},
		{Name: "count", Title: "times", Spare: 4, Get: func(v *RequestView) Value { // refusals that were folded into one record
			x := CountOf(v.Count)
			x.Void = v.Count < 2
			return x
		}},
		{Name: "token", Hidden: true},
		{Name: "visitor_net", Hidden: true},
		{Name: "visitor", Hidden: true},
		{Name: "cache_write_long_tokens", Field: "tokens.cache_write_long", Hidden: true},
		{Name: "audio_input_tokens", Field: "tokens.audio_in", Hidden: true},
		{Name: "image_input_tokens", Field: "tokens.image_in", Hidden: true},
		{Name: "audio_output_tokens", Field: "tokens.audio_out", Hidden: true},
		{Name: "image_output_tokens", Field: "tokens.image_out", Hidden: true},
		{Name: "piece", Hidden: true},
		{Name: "pieces", Hidden: true},
		{Name: "billed", Field: "billed_nano_usd", Hidden: true},
		{Name: "listed", Field: "listed_nano_usd", Hidden: true},
		{Name: "price", Hidden: true},
		{Name: "tier", Hidden: true},
		{Name: "answered", Hidden: true},
		{Name: "waited", Field: "waited_ms", Hidden: true},
		{Name: "cut", Hidden: true},
		{Name: "uncounted", Hidden: true},
		{Name: "tries", Hidden: true, Get: func(v *RequestView) Value { return WordOf(triesText(v.Tries)) }},
		{Name: "reason", Hidden: true},
		{Name: "upstream_request", Hidden: true},
		{Name: "asked", Field: "asked_model", Hidden: true},
		{Name: "saved", Field: "saved_nano_usd", Hidden: true},
		{Name: "trace", Hidden: true},
		{Name: "tags", Hidden: true},
	},
})

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
var AttemptTable = NewTable(Table[*AttemptView]{
	Thing: "attempt",
	Tone: func(v *AttemptView) Tone {
		if v.Cause == "" {
			return Plain
		}
		return Bad
	},
	Columns: []Column[*AttemptView]{
		{Name: "provider"},
		{Name: "model", Field: "upstream_model", Spare: 4},
		{Name: "key", Spare: 3, NoZero: true},
		{Name: "cause", Get: func(v *AttemptView) Value {
			if v.Cause == "" {
				return WordOf("answered")
			}
			return WordOf(strings.ReplaceAll(v.Cause, "_", " "))
		}},
		{Name: "status", NoZero: true},
		{Name: "basis", Spare: 2, Get: func(v *AttemptView) Value {
			if v.Basis == "" {
				return WordOf("free")
			}
			return WordOf(v.Basis)
		}},
		{Name: "input", Field: "input_tokens", Spare: 3},
		{Name: "output", Field: "output_tokens", Spare: 3},
		{Name: "cost", Field: "cost_nano_usd"},
		{Name: "took", Field: "took_ms", Spare: 1},
		{Name: "price", Title: "price row", Spare: 5},
	},
})

// ChargeTable shows what a request counted on each limit that it met.
var ChargeTable = NewTable(Table[*tally.Charged]{
	Thing: "charge",
	Columns: []Column[*tally.Charged]{
		{Name: "subject", Title: "limit of", Get: func(v *tally.Charged) Value {
			if of, label, part := v.Subject.Part(); part {
				kind, _ := of.Split()
				return WordOf(kind + " per " + label)
			}
			kind, _ := v.Subject.Split()
			return WordOf(kind)
		}},
		{Name: "metric"},
		{Name: "window", Title: "period"},
		{Name: "amount", Get: func(v *tally.Charged) Value { return AmountOf(v.Metric, v.Amount) }},
		{Name: "used", Get: func(v *tally.Charged) Value {
			if v.Metric == tally.Balance { // what was paid in advance is not known here, but what is left of it
				return WordOf(v.Metric.Format(-v.Used) + " left")
			}
			return AmountOf(v.Metric, v.Used)
		}},
		{Name: "max", Get: func(v *tally.Charged) Value {
			if v.Metric == tally.Balance {
				return orNone(MoneyOf(0))
			}
			return AmountOf(v.Metric, v.Max)
		}},
	},
})
