package control

import (
	"time"

	"tallygate/engine/tally"
)

// ListPrices selects rows of prices.
type ListPrices struct {
	Rows
	Model    string        `json:"model,omitempty" arg:"1?" of:"model" help:"name or id; default: of all"`
	Provider string        `json:"provider,omitempty" of:"provider" help:"=of provider"`
	At       Date          `json:"at,omitempty" help:"only what counts at a date, in the zone of the oldest gateway: 2026-12-01, today or now"`
	Stale    time.Duration `json:"stale_ns,omitempty" flag:"stale" help:"only what its source said longer ago than this, like 60d"`
}

// PriceView is a row of the price of a model.
type PriceView struct {
	Model    string   `json:"model"`
	ModelID  tally.ID `json:"model_id"`
	Provider string   `json:"provider"`
	State    RowState `json:"state"`
	tally.Price
	AgeDays int64  `json:"age_days,omitempty"` // since its source said so
	Zone    string `json:"zone"`               // in which days are that the owner names
}

// RowState says whether a row counts.
type RowState string

// The states of rows.
const (
	RowNow    RowState = "now"
	RowComing RowState = "coming" // later, or once another one has ended
	RowPast   RowState = "past"   // it has ended, or a later one has taken its place
)

// Words lists the states.
func (RowState) Words() []string { return []string{string(RowNow), string(RowComing), string(RowPast)} }

// SetPrice gives a model another price. It adds rows, and changes none.
type SetPrice struct {
	PickModel
	Prices []PriceField `json:"prices" flag:"price" help:"=price"`
	From   Date         `json:"from,omitempty" help:"date from which the price counts, like 2026-12-01, in the zone of the oldest gateway; one of the past corrects what was charged once tallygate recost has booked it; default: now"`
	Until  Date         `json:"until,omitempty" help:"first day on which it counts no more: what it takes the place of counts again; default: for good"`
	Above  int64        `json:"above_tokens,omitempty" flag:"above" help:"only for prompts with more tokens than this, as a whole"`
	Hours  string       `json:"hours,omitempty" help:"only at these hours, in UTC, like \"Mon-Fri 01:00-04:00, Sat 00:00-24:00\""`
	Tier   tally.Tier   `json:"tier,omitempty" help:"only for requests that ask to be served so: flex, priority, fast or batch"`
}

// PriceSet is a model with another price.
type PriceSet struct {
	tally.Model
	Zone  string      `json:"zone"`
	Added []PriceView `json:"added"`
	// Until is when a row that was there before takes its place; zero if none does.
	Next time.Time `json:"next,omitzero"`
}

// PriceSource is where prices are imported from.
type PriceSource string

// The sources.
const (
	FromFile     PriceSource = "file"
	FromBook     PriceSource = "book"
	FromProvider PriceSource = "provider"
)

// Words lists the sources.
func (PriceSource) Words() []string {
	return []string{string(FromFile), string(FromBook), string(FromProvider)}
}

// ImportPrices asks for other prices of models that are here. They count from now on; one
// that is not plausible is refused unless it is accepted.
type ImportPrices struct {
	From PriceSource `json:"from" flag:"-"`
	// Name is what the command line calls the list: the file's name, - for none, book or
	// provider.
	Name     string `json:"name,omitempty" arg:"1?" help:"what people call the list: the name of its file, book or provider"`
	Provider string `json:"provider,omitempty" of:"provider" help:"only of models of this provider"`
	Text     string `json:"text,omitempty" flag:"-"` // what stands in the file
	ChoosePrices
}

// CheckPrices asks what is wrong with prices.
type CheckPrices struct {
	Provider string        `json:"provider,omitempty" of:"provider" help:"=of provider"`
	Stale    time.Duration `json:"stale_ns,omitempty" flag:"stale" help:"how long ago a source may have said so; default 60d"`
}

// PriceFinding is something about prices that the owner should know.
type PriceFinding struct {
	// Gravity is Bad where requests are refused or money is counted wrong, Warn where that
	// may be or will be, Faint where nothing must be done.
	Gravity  Tone         `json:"gravity"`
	Kind     PriceProblem `json:"kind"`
	Model    string       `json:"model,omitempty"`
	Provider string       `json:"provider,omitempty"`
	Sentence string       `json:"sentence"`
	Next     string       `json:"next,omitempty"` // what to do: a command
}

// Must is whether something must be done.
func (f *PriceFinding) Must() bool { return f.Gravity == Bad || f.Gravity == Warn }

// PriceProblem is a kind of finding.
type PriceProblem string

// The kinds.
const (
	PriceMissing PriceProblem = "unpriced"
	PriceGap     PriceProblem = "gap"
	PriceOverlap PriceProblem = "overlap"
	PriceOdd     PriceProblem = "odd"
	PriceStale   PriceProblem = "stale"
	PriceEnds    PriceProblem = "shutdown"
)

// Words lists the kinds.
func (PriceProblem) Words() []string {
	return []string{string(PriceMissing), string(PriceGap), string(PriceOverlap), string(PriceOdd), string(PriceStale), string(PriceEnds)}
}

// The operations on prices.
var (
	PricesList   = Op[ListPrices, []PriceView]{"prices.list", Read, "list rows of prices, with bands, hours, dates and where they come from"}
	PricesSet    = Op[SetPrice, PriceSet]{"prices.set", Write, "give a model another price, from a date on, at hours, for a tier or for long prompts"}
	PricesImport = Op[ImportPrices, Imported]{"prices.import", Write, "import prices of models that are here, and show which change"}
	PricesCheck  = Op[CheckPrices, []PriceFinding]{"prices.check", Read, "look for prices that are missing, old, odd or at their end, and say what to do"}
)

// FindingTable shows what is wrong with prices.
var FindingTable = NewTable(Table[*PriceFinding]{
	Thing: "finding", Signs: true,
	Tone: func(f *PriceFinding) Tone { return f.Gravity },
	Columns: []Column[*PriceFinding]{
		{Name: "kind"},
		{Name: "model"},
		{Name: "provider", Spare: 1},
		{Name: "sentence", Title: "what"},
		{Name: "next", Title: "what to do"},
	},
})
