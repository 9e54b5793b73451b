package control

import "tallygate/engine/tally"

// Reconcile compares what a provider says it has charged with the ledger, by days of UTC and
// the models as the provider calls them.
type Reconcile struct {
	Provider string `json:"provider" arg:"1" of:"provider" help:"name or id"`
	// File is what the command line calls the export: the name of its file, - for none.
	File  string `json:"file,omitempty" arg:"1?" help:"the provider's export of costs, CSV or JSON; - is standard input; left out: what its answers said of their cost"`
	Month Month  `json:"month,omitempty" help:"=month"`
	Since Since  `json:"since,omitempty" help:"the first day, in UTC; default: the first of the export, or 30 days ago"`
	Until Since  `json:"until,omitempty" help:"the day before which it ends, in UTC; default: after the last of the export, or with today"`
	Book  bool   `json:"book,omitempty" help:"book what differs, as cost of the gateway: an entry for each day and model, which can be reversed"`
	// Bill is what the export says; nil: compare what answers said.
	Bill *Bill `json:"bill,omitempty" flag:"-"`
}

// Bill is what an export says that a provider has charged, added up.
type Bill struct {
	Format string `json:"format"` // what people call it: "OpenAI costs"
	First  string `json:"first"`  // the first and the last day of UTC that it has a row of,
	Last   string `json:"last"`   // as 2026-11-21, be it that nothing was charged
	Rows   int64  `json:"rows"`
	// Unit is what its amounts are rounded to, 0 if they are not.
	Unit tally.NanoUSD `json:"unit_nano_usd,omitempty"`
	// Twice rows stand there once more and count once. Finer amounts have digits below a
	// nano-dollar: they were added up with three more, and then rounded.
	Twice int64      `json:"twice,omitempty"`
	Finer int64      `json:"finer,omitempty"`
	Lines []BillLine `json:"lines"`
}

// BillLine is what was charged on a day of UTC for a model, or for something else.
type BillLine struct {
	Day   string `json:"day"`
	Model string `json:"model,omitempty"` // as the provider calls it; "" where none is named
	// Item is what else it is for: "web search tool calls"; "" where nothing is named either,
	// as in exports by day alone.
	Item string        `json:"item,omitempty"`
	Cost tally.NanoUSD `json:"cost_nano_usd"` // below 0 for a credit
	// List is what it is at the provider's list price, where the export says so.
	List *tally.NanoUSD `json:"list_nano_usd,omitempty"`
	Rows int64          `json:"rows"`
}

// BillCause is what a difference is likely to come from.
type BillCause string

// The causes, those that are shown by more of the figures first.
const (
	CauseOpen      BillCause = "open"      // the day is not over
	CauseUncovered BillCause = "uncovered" // of a day before or after those of the export; never booked
	CauseBooked    BillCause = "booked"    // an earlier bill, of which this one has nothing
	CauseMissing   BillCause = "missing"   // requests that they have not
	CauseElsewhere BillCause = "elsewhere" // requests that are none of ours: the key is used elsewhere
	CauseBeside    BillCause = "beside"    // charged beside models, and here as a part of them
	CauseCredit    BillCause = "credit"    // they have given something back
	CauseFree      BillCause = "free"      // a price of nothing on one of both sides
	CauseRounding  BillCause = "rounding"
	CauseShift     BillCause = "shift"    // of one day here, of the next one there
	CauseDiscount  BillCause = "discount" // their list price is ours
	CauseRate      BillCause = "rate"     // the same share on all days: the price differs
	CauseHeld      BillCause = "held"     // booked at what was held, since nobody could tell
	CauseCache     BillCause = "cache"    // the discount of cached prompts
	CauseEstimated BillCause = "estimated"
	CauseTier      BillCause = "tier" // flex, priority, batch
	CauseUnknown   BillCause = "unknown"
)

// Words lists the causes.
func (BillCause) Words() []string {
	var out []string
	for _, c := range []BillCause{CauseOpen, CauseUncovered, CauseBooked, CauseMissing, CauseElsewhere, CauseBeside, CauseCredit, CauseFree,
		CauseRounding, CauseShift, CauseDiscount, CauseRate, CauseHeld, CauseCache, CauseEstimated, CauseTier, CauseUnknown} {
		out = append(out, string(c))
	}
	return out
}

// ReconcileRow is what both sides have of a model on a day.
type ReconcileRow struct {
	Day      string        `json:"day"`             // in UTC, as 2026-11-21
	Model    string        `json:"model"`           // as the provider calls it; "" in an export by day alone
	Requests int64         `json:"requests"`        // ours
	Ours     tally.NanoUSD `json:"ours_nano_usd"`   // with re-costs, and what was booked of earlier bills
	Theirs   tally.NanoUSD `json:"theirs_nano_usd"` // 0 also where they have nothing
	// Difference is what they have more.
	Difference tally.NanoUSD `json:"difference_nano_usd"`
	Cause      BillCause     `json:"cause,omitempty"` // likely; "" where nothing differs
	Why        string        `json:"why,omitempty"`   // its figures
	Next       string        `json:"next,omitempty"`  // the command that deals with it
	Entry      tally.ID      `json:"entry,omitempty"` // that booked the difference
}

// Reconciled is a bill beside the ledger.
type Reconciled struct {
	Provider string `json:"provider"`
	Format   string `json:"format,omitempty"` // "" where answers were compared
	First    string `json:"first"`            // days of UTC
	Last     string `json:"last"`
	// Rows are all that one of both sides has something of, by day and model.
	Rows       []ReconcileRow `json:"rows"`
	Ours       tally.NanoUSD  `json:"ours_nano_usd"`
	Theirs     tally.NanoUSD  `json:"theirs_nano_usd"`
	Difference tally.NanoUSD  `json:"difference_nano_usd"`
	Booked     tally.NanoUSD  `json:"booked_nano_usd,omitempty"` // now
	// Off is whether they are further apart than 2 % over the span or on more than one of its
	// days, DaysOff on how many; rounding, days that are not over and days that the export
	// does not have aside. What was booked now is off no more.
	Off     bool `json:"off"`
	DaysOff int  `json:"days_off"`
	// Outside are lines of the export of days that were not asked for, Thinned the days of
	// which records were deleted: only our own names of models are known there.
	Outside int64 `json:"outside,omitempty"`
	Thinned int64 `json:"thinned,omitempty"`
}

// ProvidersReconcile compares a bill, and books what differs.
var ProvidersReconcile = Op[Reconcile, Reconciled]{"providers.reconcile", Write,
	"compare a provider's own export of costs with the ledger, by day and model"}

// ReconcileTable shows a bill beside the ledger.
var ReconcileTable = NewTable(Table[*ReconcileRow]{
	Thing: "difference", Orders: []string{"day"},
	Tone: func(r *ReconcileRow) Tone {
		if r.Difference == 0 || r.Cause == CauseRounding || r.Cause == CauseOpen {
			return Faint
		}
		return Warn
	},
	Columns: []Column[*ReconcileRow]{
		{Name: "day"},
		{Name: "model"},
		{Name: "requests", Sum: true, Spare: 2},
		{Name: "ours", Field: "ours_nano_usd", Sum: true},
		{Name: "theirs", Field: "theirs_nano_usd", Sum: true},
		{Name: "difference", Field: "difference_nano_usd", Sum: true},
		{Name: "cause", Title: "likely"},
		{Name: "why", Spare: 1},
		{Name: "entry", Spare: 3},
		{Name: "next", Hidden: true},
	},
})
