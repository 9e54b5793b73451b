package control

import (
	"strings"

	"tallygate/engine/tally"
)

// Share is how much of the limit is used, holds included.
func (s *LimitState) Share() Value { return ShareOf(s.Used+s.Held, s.Max) }

// Fullest is the limit that refuses and of which the largest share is used; those
// of a minute and of parts are left out, which say nothing of a budget. It is nil if there is
// none.
func Fullest(states []LimitState) *LimitState {
	var out *LimitState
	for i := range states {
		s := &states[i]
		if !s.Warn && s.Window.Unit != tally.Minute && s.Window.Per == "" && (out == nil || s.Share().Compare(out.Share()) > 0) {
			out = s
		}
	}
	return out
}

// usedOf is the share that is used of the fullest limit.
func usedOf(states []LimitState) Value {
	if s := Fullest(states); s != nil {
		return s.Share()
	}
	return Value{Unit: UnitShare, Void: true}
}

// ofLimit is the limit of which that share is used.
func ofLimit(states []LimitState) Value {
	if s := Fullest(states); s != nil {
		return WordOf(s.Display())
	}
	return WordOf("")
}

// leftText writes what is left of each limit: "$3.20 of $10, 412 of 500 requests".
func leftText(states []LimitState) string {
	var out []string
	for i := range states {
		s := &states[i]
		text := s.Metric.Format(max(s.Left, 0)) + " of " + s.Metric.Format(s.Max)
		if !s.Metric.Money() {
			text += " " + string(s.Metric)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// LimitTable shows where limits stand.
var LimitTable = NewTable(Table[*LimitState]{
	Thing: "limit",
	ID:    func(v *LimitState) string { return v.Of + v.Text },
	Tone: func(v *LimitState) Tone {
		switch {
		case v.Left <= 0 && v.Max > 0:
			return Bad
		case v.Left < v.Max/5:
			return Warn
		}
		return Plain
	},
	Columns: []Column[*LimitState]{
		{Name: "limit", Field: "text"},
		{Name: "part", Title: "fullest refused", Field: "part", Spare: 4},
		{Name: "used", Get: func(v *LimitState) Value { return v.known(v.amount(v.Used)) }},
		{Name: "held", Spare: 3, Get: func(v *LimitState) Value { return orNone(v.amount(v.Held)) }},
		{Name: "left", Get: func(v *LimitState) Value { return v.known(v.amount(v.Left)) }},
		{Name: "share", Derived: true, Spare: 2, Get: func(v *LimitState) Value { return v.known(v.Share()) }},
		{Name: "resets", Field: "resets_at", Spare: 1},
	},
})

// known leaves out what is told of nobody: each value has the limit, and none was refused.
func (s *LimitState) known(v Value) Value {
	v.Void = v.Void || s.Window.Each() && s.Part == ""
	return v
}

func (s *LimitState) amount(n int64) Value { return AmountOf(s.Metric, n) }

// AmountOf is an amount of a metric.
func AmountOf(m tally.Metric, n int64) Value {
	if m.Money() {
		return MoneyOf(tally.NanoUSD(n))
	}
	return CountOf(n)
}
