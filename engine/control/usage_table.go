package control

import "tallygate/engine/tally"

// StepTable shows the checks on the road of a request.
var StepTable = &Table[TryStep]{
	Thing: "check",
	Tone: func(v *TryStep) Tone {
		if v.OK {
			return Plain
		}
		return Bad
	},
	Columns: []Column[TryStep]{
		{Name: "name", Title: "check", Get: func(v *TryStep) Value { return WordOf(v.Name) }},
		{Name: "ok", Title: " ", Get: func(v *TryStep) Value {
			if v.OK {
				return WordOf("ok")
			}
			return WordOf("failed")
		}},
		{Name: "detail", Get: func(v *TryStep) Value { return WordOf(v.Detail) }},
	},
}

// FaultTable shows what a proof of the books has found wrong.
var FaultTable = &Table[tally.Fault]{
	Thing: "fault",
	Tone:  func(*tally.Fault) Tone { return Bad },
	Columns: []Column[tally.Fault]{
		{Name: "kind", Title: "fault in", Get: func(v *tally.Fault) Value { return WordOf(v.Kind) }},
		{Name: "subject", Title: "of", Get: func(v *tally.Fault) Value { return WordOf(v.Subject) }},
		{Name: "message", Title: "what", Get: func(v *tally.Fault) Value { return WordOf(v.Message) }},
	},
}

// UsageTable shows usage: a row for each thing, for each step of time, or for
// both.
var UsageTable = &Table[UsageRow]{
	Thing: "row",
	ID:    func(v *UsageRow) string { return v.ID },
	Columns: []Column[UsageRow]{
		{Name: "part", Hidden: true, Get: func(v *UsageRow) Value { return WordOf(v.Part) }},
		{Name: "at", Get: func(v *UsageRow) Value { return MomentOf(v.At) }},
		{Name: "by", Hidden: true, Get: func(v *UsageRow) Value { return WordOf(v.By) }},
		{Name: "name", Title: "what", Get: func(v *UsageRow) Value {
			if v.Name == "" {
				return WordOf(v.ID)
			}
			return WordOf(v.Name)
		}},
		{Name: "id", Hidden: true, Get: func(v *UsageRow) Value { return WordOf(v.ID) }},
		{Name: "requests", Get: func(v *UsageRow) Value { return CountOf(v.Requests) }},
		{Name: "refused", Spare: 4, Get: func(v *UsageRow) Value { return orNone(CountOf(v.Refused)) }},
		{Name: "errors", Spare: 3, Get: func(v *UsageRow) Value { return orNone(CountOf(v.Errors)) }},
		{Name: "sessions", Spare: 5, Get: func(v *UsageRow) Value { return orNone(CountOf(v.Sessions)) }},
		{Name: "input", Field: "input_tokens", Get: func(v *UsageRow) Value { return CountOf(v.InputTokens) }},
		{Name: "cached_input_tokens", Hidden: true, Get: func(v *UsageRow) Value { return CountOf(v.CachedInputTokens) }},
		{Name: "cache_write_tokens", Hidden: true, Get: func(v *UsageRow) Value { return CountOf(v.CacheWriteTokens) }},
		{Name: "output", Field: "output_tokens", Get: func(v *UsageRow) Value { return CountOf(v.OutputTokens) }},
		{Name: "reasoning_tokens", Hidden: true, Get: func(v *UsageRow) Value { return CountOf(v.ReasoningTokens) }},
		{Name: "cost", Get: func(v *UsageRow) Value { return MoneyOf(v.CostNanoUSD) }},
		{Name: "credits", Spare: 6, Get: func(v *UsageRow) Value { return MoneyOf(v.CreditsNanoUSD) }},
		{Name: "margin", Derived: true, Spare: 8, Get: func(v *UsageRow) Value { return v.margin() }},
		{Name: "mean", Field: "total_ms", Hidden: true, Get: func(v *UsageRow) Value { return LatencyOf(v.TotalMS) }},
		{Name: "median", Field: "p50_ms", Spare: 2, Get: func(v *UsageRow) Value { return LatencyOf(v.P50MS) }},
		{Name: "p99", Field: "p99_ms", Spare: 1, Get: func(v *UsageRow) Value { return LatencyOf(v.P99MS) }},
		{Name: "failures", Title: "attempts failed", Derived: true, Spare: 7, Get: func(v *UsageRow) Value { return WordOf(v.Failures.String()) }},
	},
}
