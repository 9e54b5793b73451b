package control

import (
	"cmp"

	"tallygate/engine/tally"
)

// StepTable shows the checks on the road of a request.
var StepTable = NewTable(Table[*TryStep]{
	Thing: "check",
	Tone: func(v *TryStep) Tone {
		if v.OK {
			return Plain
		}
		return Bad
	},
	Columns: []Column[*TryStep]{
		{Name: "name", Title: "check"},
		{Name: "ok", Title: " ", Get: func(v *TryStep) Value {
			if v.OK {
				return WordOf("ok")
			}
			return WordOf("failed")
		}},
		{Name: "detail"},
	},
})

// FaultTable shows what a proof of the books has found wrong.
var FaultTable = NewTable(Table[*tally.Fault]{
	Thing: "fault",
	Tone:  func(*tally.Fault) Tone { return Bad },
	Columns: []Column[*tally.Fault]{
		{Name: "kind", Title: "fault in"},
		{Name: "subject", Title: "of"},
		{Name: "message", Title: "what"},
	},
})

// UsageTable shows usage: a row for each thing, for each step of time, or for
// both.
var UsageTable = NewTable(Table[*UsageRow]{
	Thing: "row",
	ID:    func(v *UsageRow) string { return v.ID },
	Columns: []Column[*UsageRow]{
		{Name: "part", Hidden: true},
		{Name: "at"},
		{Name: "by", Hidden: true},
		{Name: "name", Title: "what", Shown: "called", Get: func(v *UsageRow) Value { return WordOf(cmp.Or(v.Name, v.ID)) }},
		{Name: "id", Hidden: true},
		{Name: "requests"},
		{Name: "refused", Spare: 4, NoZero: true},
		{Name: "errors", Spare: 3, NoZero: true},
		{Name: "sessions", Spare: 5, NoZero: true},
		{Name: "input", Field: "input_tokens"},
		{Name: "cached_input_tokens", Hidden: true},
		{Name: "cache_write_tokens", Hidden: true},
		{Name: "output", Field: "output_tokens"},
		{Name: "reasoning_tokens", Hidden: true},
		{Name: "cost", Field: "cost_nano_usd"},
		{Name: "credits", Field: "credits_nano_usd", Spare: 6},
		{Name: "margin", Derived: true, Spare: 8, Get: func(v *UsageRow) Value { return v.margin() }},
		{Name: "cache_hits", Title: "from cache", Short: "cached", Derived: true, Spare: 9,
			Get: func(v *UsageRow) Value { return v.cacheHits() }},
		{Name: "saved", Title: "cache saved", Short: "saved", Field: "saved_nano_usd", Spare: 10, NoZero: true},
		{Name: "mean", Field: "total_ms", Hidden: true},
		{Name: "median", Field: "p50_ms", Spare: 2},
		{Name: "p99", Field: "p99_ms", Spare: 1},
		{Name: "failures", Title: "attempts failed", Derived: true, Spare: 7, Get: func(v *UsageRow) Value { return WordOf(v.Failures.String()) }},
	},
})
