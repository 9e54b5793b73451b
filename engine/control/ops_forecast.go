package control

import (
	"time"

	"tallygate/engine/tally"
)

// ForecastQuery asks what is likely to be used.
type ForecastQuery struct {
	Client    string `json:"client,omitempty" arg:"1?" of:"client" help:"slug or id; left out: of everybody"`
	MonthOnly bool   `json:"month_only,omitempty" help:"only what the month comes to, and no limits"`
}

// Forecast is what is likely to be used, made from the days of the last four weeks. In four
// of five cases it comes out between Low and High.
type Forecast struct {
	Since time.Time `json:"since"` // of the month under way
	Until time.Time `json:"until"`
	Zone  string    `json:"zone"` // IANA name: whose days and month are meant
	// Month is what the month comes to: its cost, its credits and its margin.
	Month  []MoneyForecast `json:"month"`
	Limits []LimitForecast `json:"limits"` // what is used up first comes first
}

// Expected is what there will be at the end of a span, with what there is already, in the
// unit of what is counted: nano-USD of money. Without a forecast it is all 0, and Why says
// why.
type Expected struct {
	Low    int64 `json:"low"`
	Likely int64 `json:"likely"`
	High   int64 `json:"high"`
	// Days are how many days it is made from, and Weekly is whether it tells the
	// days of the week apart.
	Days   int    `json:"days"`
	Weekly bool   `json:"weekly,omitempty"`
	Why    string `json:"why,omitempty"`
}

// MoneyForecast is what an amount of money comes to by the end of the month.
type MoneyForecast struct {
	Figure string        `json:"figure"` // cost, credits or margin
	SoFar  tally.NanoUSD `json:"so_far_nano_usd"`
	Low    tally.NanoUSD `json:"low_nano_usd"`
	Likely tally.NanoUSD `json:"likely_nano_usd"`
	High   tally.NanoUSD `json:"high_nano_usd"`
	// Ahead is what is likely in the rest of today, and on each day of the month after it.
	Ahead  []tally.NanoUSD `json:"ahead_nano_usd,omitempty"`
	Days   int             `json:"days"` // from which it is made
	Weekly bool            `json:"weekly,omitempty"`
	Why    string          `json:"why,omitempty"` // there is no forecast
}

// LimitForecast is what a limit's period comes to.
type LimitForecast struct {
	LimitState
	Whose string `json:"whose"` // as people call it
	Expected
	// Earliest and Reached are when it is used up, at the earliest and likely; zero if not
	// before it resets.
	Earliest time.Time `json:"earliest_at,omitzero"`
	Reached  time.Time `json:"reached_at,omitzero"`
}

// State says in a word how it stands.
func (f *LimitForecast) State() string {
	switch {
	case f.Left <= 0:
		return "used up"
	case f.Why != "":
		return "unknown"
	case !f.Reached.IsZero():
		return "runs out"
	case !f.Earliest.IsZero():
		return "may run out"
	}
	return "lasts"
}

// ForecastShow tells what is likely to be used.
var ForecastShow = Op[ForecastQuery, Forecast]{"forecast.show", Read, "show what limits and the month are likely to come to, with a range"}

// ForecastTable shows what limits come to.
var ForecastTable = NewTable(Table[*LimitForecast]{
	Thing: "limit", Signs: true,
	ID: func(v *LimitForecast) string { return v.Of + v.Name + v.Text },
	Tone: func(v *LimitForecast) Tone {
		switch v.State() {
		case "used up":
			return Bad
		case "runs out", "may run out":
			return Warn
		case "unknown":
			return Faint
		}
		return Good
	},
	Columns: []Column[*LimitForecast]{
		{Name: "whose"},
		{Name: "limit", Field: "text"},
		{Name: "state", Derived: true, Words: []string{"used up", "runs out", "may run out", "lasts", "unknown"}, Get: func(v *LimitForecast) Value { return WordOf(v.State()) }},
		{Name: "used", Get: func(v *LimitForecast) Value { return v.amount(v.Used) }},
		{Name: "held", Spare: 6, Get: func(v *LimitForecast) Value { return orNone(v.amount(v.Held)) }},
		{Name: "likely", Get: func(v *LimitForecast) Value { return v.expected(v.Likely) }},
		{Name: "low", Title: "from", Spare: 2, Get: func(v *LimitForecast) Value { return v.expected(v.Low) }},
		{Name: "high", Title: "to", Spare: 2, Get: func(v *LimitForecast) Value { return v.expected(v.High) }},
		{Name: "reached", Title: "used up", Field: "reached_at", Spare: 1},
		{Name: "earliest", Field: "earliest_at", Spare: 3},
		{Name: "resets", Field: "resets_at", Spare: 4},
		{Name: "why", Title: "no forecast", Spare: 5},
	},
})

func (f *LimitForecast) expected(n int64) Value {
	v := f.amount(n)
	v.Void = f.Why != ""
	return v
}

// MoneyForecastTable shows what the month comes to.
var MoneyForecastTable = NewTable(Table[*MoneyForecast]{
	Thing: "figure",
	Columns: []Column[*MoneyForecast]{
		{Name: "figure", Title: "month"},
		{Name: "so_far", Title: "so far", Field: "so_far_nano_usd"},
		{Name: "likely", Field: "likely_nano_usd", Get: func(v *MoneyForecast) Value { return v.expected(v.Likely) }},
		{Name: "low", Title: "from", Field: "low_nano_usd", Get: func(v *MoneyForecast) Value { return v.expected(v.Low) }},
		{Name: "high", Title: "to", Field: "high_nano_usd", Get: func(v *MoneyForecast) Value { return v.expected(v.High) }},
		{Name: "why", Title: "no forecast"},
	},
})

func (f *MoneyForecast) expected(n tally.NanoUSD) Value {
	v := MoneyOf(n)
	v.Void = f.Why != ""
	return v
}
