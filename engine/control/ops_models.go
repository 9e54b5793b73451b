package control

import (
	"encoding/json"
	"time"

	"tallygate/engine/tally"
)

// PriceField is one figure given by the owner: input=0.15, in USD per million
// tokens of a class, request=0.01 per call, search=0.01 or image_high=0.19 each.
type PriceField struct {
	Class  string        `json:"class"` // a class of tokens, request, or a piece that is metered
	Amount tally.NanoUSD `json:"nano_usd"`
}

// ModelFields are what the owner may set on a model. A nil field is left as it
// is.
type ModelFields struct {
	Upstream        *string           `json:"upstream,omitempty" help:"what the provider calls it, if not the same"`
	ContextTokens   *int64            `json:"context_tokens,omitempty" help:"longest prompt and answer together"`
	MaxOutputTokens *int64            `json:"max_output_tokens,omitempty" help:"longest answer"`
	ImageTokens     *int64            `json:"image_tokens,omitempty" help:"the most tokens that one picture can come to; 0: not known"`
	Prices          []PriceField      `json:"prices,omitempty" flag:"price" help:"=price"`
	PriceFrom       Date              `json:"price_from,omitempty" help:"date from which the price counts, like 2026-12-01, in the zone of the oldest gateway; default: now"`
	Caps            []tally.LimitEdit `json:"caps,omitempty" flag:"cap" label:"Caps of the provider" help:"what the provider lets you have of it, whoever asks, as free tiers do: requests=30/minute or tokens=500k/day, in UTC; a model at a cap is passed over; repeat; MAX none removes"`
	MaxInFlight     *int              `json:"max_in_flight,omitempty" label:"In flight, at most" help:"=in flight"`
	AllowExtras     *bool             `json:"allow_extras,omitempty" help:"let requests use what the provider bills beside tokens and nothing bounds: this model can then pass a limit on money"`
	Enabled         *bool             `json:"enabled,omitempty" help:"offer it"`
}

// CreateModel adds a model.
type CreateModel struct {
	Provider string `json:"provider" of:"provider" help:"its provider"`
	Name     string `json:"name" help:"what clients ask for"`
	ModelFields
}

// PickModel picks a model: by id, or by name and, where several providers have
// it, provider.
type PickModel struct {
	Model    string `json:"model" arg:"1" of:"model" help:"name or id"`
	Provider string `json:"provider,omitempty" of:"provider" help:"its provider, where several have it"`
}

// UpdateModel changes a model.
type UpdateModel struct {
	PickModel
	ModelFields
}

// ModelChanged is a model after a change of it.
type ModelChanged struct {
	tally.Model
	Zone string `json:"zone"` // in which days are that the owner names
}

// ImportModels asks for what a provider offers now. A price that differs is a new
// one from now on; one that is not plausible is refused unless it is accepted.
type ImportModels struct {
	Provider string `json:"name" arg:"1" of:"provider" help:"name or id"`
	ChoosePrices
}

// ChoosePrices says which prices of an import are taken. Those that look wrong are not unless
// they are accepted.
type ChoosePrices struct {
	Accept    []string `json:"accept,omitempty" of:"model" help:"take the price of this model, by name or id, though it was refused; repeat"`
	AcceptAll bool     `json:"accept_all,omitempty" help:"take all prices that were refused"`
	Leave     []string `json:"leave,omitempty" of:"model" help:"leave the price of this model, by name or id, as it is; repeat"`
	DryRun    bool     `json:"dry_run,omitempty" help:"show what would change, and change nothing"`
}

// Imported says what an import of models or of prices did.
type Imported struct {
	Provider  string        `json:"provider"`          // its name; "" for a list that is of no provider
	Format    string        `json:"format,omitempty"`  // of a list that was read from a file
	Matched   int           `json:"matched,omitempty"` // of those offered are here, where only prices are imported
	Left      []string      `json:"left,omitempty"`    // names of prices in a file that nobody here knows
	Offered   int           `json:"offered"`           // the upstream lists
	Added     int           `json:"added"`             // new here
	Priced    int           `json:"priced"`            // of those added
	Unpriced  []string      `json:"unpriced"`          // added, and not usable until priced (at most 50 are named)
	Changes   []PriceChange `json:"changes"`           // of prices of known models
	Refused   []string      `json:"refused"`           // models of which a price was refused
	Missing   []MissingInfo `json:"missing"`           // known models that the upstream lists no more
	Shutdowns []Shutdown    `json:"shutdowns"`         // offered models whose publisher has named their end, the first first
	DryRun    bool          `json:"dry_run,omitempty"` // nothing of it was stored
	Warning   string        `json:"warning,omitempty"`
}

// PriceChange is a figure of a model's price that an import has in another way.
type PriceChange struct {
	Model   string   `json:"model"`
	ModelID tally.ID `json:"model_id,omitempty"` // "" if it is not here yet
	Class   string   `json:"class,omitempty"`    // of tokens, request, or a piece; "" if there is no figure
	// The row that it stands in, if that is not the plain one.
	Tier        tally.Tier  `json:"tier,omitempty"`
	Hours       tally.Hours `json:"hours,omitempty"`
	AboveTokens int64       `json:"above_tokens,omitempty"`
	From        time.Time   `json:"from,omitzero"` // of a price that is announced; else it counts from now on

	OldUSD  string      `json:"old_usd,omitempty"` // "": it was not named
	NewUSD  string      `json:"new_usd,omitempty"` // "": it is named no more, and its parent's counts
	Percent json.Number `json:"percent,omitempty"` // with one decimal
	Source  string      `json:"source,omitempty"`
	Seen    time.Time   `json:"seen,omitzero"`
	Applied bool        `json:"applied"`
	Reason  string      `json:"reason,omitempty"` // why it is refused, or was until it was accepted
}

// MissingInfo is a model that its provider lists no more.
type MissingInfo struct {
	Model string    `json:"model"`
	Since time.Time `json:"since"`
}

// Shutdown is the announced end of a model.
type Shutdown struct {
	Model      string    `json:"model"`
	At         time.Time `json:"at"`
	ReplacedBy string    `json:"replaced_by,omitempty"`
}

// ListModels selects models.
type ListModels struct {
	Rows
	Provider string `json:"provider,omitempty" of:"provider" help:"=of provider"`
	Usable   bool   `json:"usable,omitempty" help:"only enabled and priced ones"`
}

// ModelView is a model as it stands.
type ModelView struct {
	tally.Model
	ProviderName string `json:"provider_name"`
	Priced       bool   `json:"priced"`
	// Rates in force for a short prompt, in USD per million tokens.
	InputUSD   string    `json:"input_usd,omitempty"`
	OutputUSD  string    `json:"output_usd,omitempty"`
	Zone       string    `json:"zone"`        // in which days are that the owner names
	MonthSince time.Time `json:"month_since"` // when the month under way began, by the gateways' common calendar
	// What the provider has answered as this model; refusals, which no provider has seen, are
	// in none of it.
	Month      Sums `json:"month"`
	Last30Days Sums `json:"last_30d"`
	// ElsewhereNanoUSD is what requests for its name have cost in the last 30 days of which
	// it is not known which provider answered, and so in no model's sums: of lost ones, and
	// of records that were pruned before sums were kept by provider and model.
	ElsewhereNanoUSD tally.NanoUSD `json:"elsewhere_nano_usd,omitempty"`
}

// The operations on models.
var (
	ModelsList    = Op[ListModels, []ModelView]{"models.list", Read, "list models with their prices"}
	ModelsShow    = Op[PickModel, ModelView]{"models.show", Read, "show a model"}
	ModelsCreate  = Op[CreateModel, ModelChanged]{"models.create", Write, "add a model"}
	ModelsUpdate  = Op[UpdateModel, ModelChanged]{"models.update", Write, "change a model or its price"}
	ModelsDelete  = Op[PickModel, None]{"models.delete", Write, "delete a model"}
	ModelsEnable  = Op[PickModel, tally.Model]{"models.enable", Write, "offer a model"}
	ModelsDisable = Op[PickModel, tally.Model]{"models.disable", Write, "stop offering a model"}
	ModelsRoute   = Op[RouteModel, Routed]{"models.route", Read, "say who would answer a request for a model, in which order, and why"}
	ModelsImport  = Op[ImportModels, Imported]{"models.import", Write, "import what a provider offers, and show which prices change"}
)
