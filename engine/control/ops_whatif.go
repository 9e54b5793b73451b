package control

import (
	"time"

	"tallygate/engine/tally"
)

// WhatIf asks what a span of the past would have cost on other models, or would have been
// billed by another tariff. Nothing is changed.
type WhatIf struct {
	Month  Month             `json:"month,omitempty" help:"=month"`
	Since  Since             `json:"since,omitempty" help:"7d, 30d, or a date; default 30d"`
	Until  Since             `json:"until,omitempty" help:"a date; default now"`
	Client string            `json:"client,omitempty" of:"client" help:"only requests of this client"`
	Models map[string]string `json:"models,omitempty" flag:"model" help:"ASKED=MODEL, like gpt-4o=gpt-5-mini: what was asked for, and the model that answers in its place, by name or id; repeat"`
	// Tariff are the rows of another tariff, for all clients that are asked about; none: each
	// pays as it does.
	Tariff []TariffRow `json:"tariff,omitempty" help:"another tariff, like percent=30 or \"percent=20;minimum=50;gpt-4o:input=3,output=12\", with from=2026-11-15T00:00:00Z for one that begins then; repeat"`
}

// WhatIfRow is what the requests for a model have cost and brought, and would have.
type WhatIfRow struct {
	Model    string        `json:"model"` // as clients asked for it
	To       string        `json:"to,omitempty"`
	Provider string        `json:"provider,omitempty"` // of To
	Requests int64         `json:"requests"`
	CostWas  tally.NanoUSD `json:"cost_was_nano_usd"` // as booked, with re-costs
	CostIs   tally.NanoUSD `json:"cost_is_nano_usd"`
	// CreditsWas is what clients were charged; requests that no client sent are charged at
	// cost.
	CreditsWas tally.NanoUSD `json:"credits_was_nano_usd"`
	CreditsIs  tally.NanoUSD `json:"credits_is_nano_usd"`
	// From is what the answer is made of: "sums" of tokens by class, where the price does not
	// depend on the single request; "records" where it does; "as booked" where nothing
	// differs. Sums come to less than records by less than a nano-USD for each request.
	From string `json:"from"`
	// Estimated are requests of which the answer is no exact one, and Why is why.
	Estimated int64  `json:"estimated,omitempty"`
	Why       string `json:"why,omitempty"`
}

// WhatIfDone is the answer.
type WhatIfDone struct {
	Since time.Time   `json:"since"`
	Until time.Time   `json:"until"`
	Zone  string      `json:"zone"`
	Rows  []WhatIfRow `json:"rows"` // the dearest first
	// The sums of the rows, and what minimums of the month add to the credits.
	CostWas    tally.NanoUSD `json:"cost_was_nano_usd"`
	CostIs     tally.NanoUSD `json:"cost_is_nano_usd"`
	CreditsWas tally.NanoUSD `json:"credits_was_nano_usd"`
	CreditsIs  tally.NanoUSD `json:"credits_is_nano_usd"`
	MinimumWas tally.NanoUSD `json:"minimum_was_nano_usd,omitempty"`
	MinimumIs  tally.NanoUSD `json:"minimum_is_nano_usd,omitempty"`
	Notes      []string      `json:"notes,omitempty"` // what to keep in mind
}

// PricesWhatIf answers it.
var PricesWhatIf = Op[WhatIf, WhatIfDone]{"prices.what-if", Read, "show what a span would have cost on other models, or been billed by another tariff"}

// WhatIfTable shows the answer by model.
var WhatIfTable = NewTable(Table[*WhatIfRow]{
	Thing: "model",
	Tone: func(v *WhatIfRow) Tone {
		if v.From == "as booked" {
			return Faint
		}
		return Plain
	},
	Columns: []Column[*WhatIfRow]{
		{Name: "model"},
		{Name: "to", Title: "instead"},
		{Name: "provider", Spare: 4},
		{Name: "requests", Sum: true, Spare: 2},
		{Name: "cost_was", Title: "cost", Field: "cost_was_nano_usd", Sum: true},
		{Name: "cost_is", Title: "would be", Field: "cost_is_nano_usd", Sum: true},
		{Name: "credits_was", Title: "credits", Field: "credits_was_nano_usd", Sum: true},
		{Name: "credits_is", Title: "would be", Field: "credits_is_nano_usd", Sum: true},
		{Name: "from", Spare: 3},
		{Name: "estimated", NoZero: true, Sum: true, Spare: 1},
		{Name: "why", Hidden: true},
	},
})
