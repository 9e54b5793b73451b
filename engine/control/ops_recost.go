package control

import (
	"time"

	"tallygate/engine/tally"
)

// Recost asks what requests of the past cost by the prices in force at their time as they
// are known now. Days are those of UTC and whole.
type Recost struct {
	Model  string `json:"model,omitempty" of:"model" help:"only requests for this model"`
	Client string `json:"client,omitempty" of:"client" help:"only requests of this client; default: of all, and those that no client sent"`
	Since  Since  `json:"since" help:"the first day, in UTC: a date, or how long ago, like 30d"`
	Until  Since  `json:"until,omitempty" help:"the day before which it ends, in UTC; default: with today"`
	Billed bool   `json:"billed,omitempty" help:"also requests whose cost is the provider's own figure: by the prices here from now on"`
	DryRun bool   `json:"dry_run,omitempty" help:"show what would be booked, and book nothing"`
}

// RecostRow is what re-costing makes of a client's requests for a model on a day.
type RecostRow struct {
	Day        string        `json:"day"` // in UTC, as 2026-11-21
	Client     tally.ID      `json:"client,omitempty"`
	ClientSlug string        `json:"client_slug,omitempty"` // "" where no client sent them
	Gateway    string        `json:"gateway,omitempty"`     // its slug
	Model      string        `json:"model"`
	Requests   int64         `json:"requests"`
	Changed    int64         `json:"changed"`           // of them cost something else
	CostWas    tally.NanoUSD `json:"cost_was_nano_usd"` // as booked, with earlier re-costs
	CostIs     tally.NanoUSD `json:"cost_is_nano_usd"`  // by the prices now
	Cost       tally.NanoUSD `json:"cost_nano_usd"`     // the difference: what is booked
	Credits    tally.NanoUSD `json:"credits_nano_usd"`  // that the client is charged more
	Entry      tally.ID      `json:"entry,omitempty"`   // "" where nothing was booked
}

// Recosted says what a re-cost has booked, or would.
type Recosted struct {
	Since   time.Time     `json:"since"` // days in UTC
	Until   time.Time     `json:"until"`
	DryRun  bool          `json:"dry_run,omitempty"`
	Rows    []RecostRow   `json:"rows"` // those that differ
	Looked  int64         `json:"looked_at"`
	Changed int64         `json:"changed"` // requests
	Cost    tally.NanoUSD `json:"cost_nano_usd"`
	Credits tally.NanoUSD `json:"credits_nano_usd"`
	// Stayed counts requests that stay as they were booked, by why: "billed", their cost is
	// the provider's own figure; "held", it is what was held; "gone", their model is here no
	// more; "unpriced", no price was in force at their time.
	Stayed map[string]int64 `json:"stayed,omitempty"`
	// Incomplete are days and models of which not all records are kept: they stay.
	Incomplete []RecostGap `json:"incomplete,omitempty"`
}

// RecostGap is what cannot be costed anew because records of it were deleted.
type RecostGap struct {
	Day        string `json:"day"`
	ClientSlug string `json:"client_slug,omitempty"`
	Model      string `json:"model"`
	Kept       int64  `json:"kept"` // records
	Of         int64  `json:"of"`
}

// PricesRecost books what other prices make of requests that were charged.
var PricesRecost = Op[Recost, Recosted]{"prices.recost", Write, "cost requests of the past by the prices known now, and book the differences"}

// RecostTable shows what is booked.
var RecostTable = NewTable(Table[*RecostRow]{
	Thing: "difference", Orders: []string{"day"},
	Columns: []Column[*RecostRow]{
		{Name: "day"},
		{Name: "client", Field: "client_slug"},
		{Name: "model"},
		{Name: "requests", Sum: true},
		{Name: "changed", Spare: 3, Sum: true},
		{Name: "cost_was", Title: "was", Field: "cost_was_nano_usd", Spare: 2},
		{Name: "cost_is", Title: "is", Field: "cost_is_nano_usd", Spare: 1},
		{Name: "cost", Field: "cost_nano_usd", Sum: true},
		{Name: "credits", Field: "credits_nano_usd", Sum: true},
		{Name: "entry", Spare: 4},
		{Name: "gateway", Spare: 5},
	},
})
