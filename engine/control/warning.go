package control

import (
	"time"

	"tallygate/engine/tally"
)

// WarningKind is what a warning is about.
type WarningKind string

// The kinds of warnings.
const (
	WarnDisk       WarningKind = "disk"        // it keeps nothing, or is nearly full
	WarnStore      WarningKind = "store"       // the check of the night has found faults
	WarnClock      WarningKind = "clock"       // it is behind the last request
	WarnSetUp      WarningKind = "set_up"      // nothing can be answered yet
	WarnRefused    WarningKind = "refused"     // a limit refuses all requests of a thing
	WarnNear       WarningKind = "near"        // a limit is near, or will be reached
	WarnOff        WarningKind = "off"         // its owner has stopped a thing
	WarnExpires    WarningKind = "expires"     // a key does soon
	WarnUnusable   WarningKind = "unusable"    // a provider cannot be asked
	WarnInsecure   WarningKind = "insecure"    // a provider's address
	WarnSilent     WarningKind = "silent"      // a provider does not answer
	WarnFailing    WarningKind = "failing"     // a provider's attempts, or requests that it was asked for
	WarnTurnedDown WarningKind = "turned_down" // requests failed because providers refuse their owner
	WarnUnpriced   WarningKind = "unpriced"    // models without a price
	WarnBackup     WarningKind = "backup"      // the next one is late, or failed
	WarnEnds       WarningKind = "ends"        // a model is shut down, or listed no more
	WarnWaits      WarningKind = "waits"       // a client for what its own requests hold
	WarnCut        WarningKind = "cut"         // answers end where a limit allows no more
	WarnBill       WarningKind = "bill"        // a provider's differs from our prices
	WarnReconcile  WarningKind = "reconcile"   // a provider's bill is not what is booked
	WarnAnswered   WarningKind = "answered"    // a model in the place of another one, and dearer
	WarnLeftBehind WarningKind = "left_behind" // answers that nobody waits for
	WarnAsked      WarningKind = "asked"       // for models that do not exist or have no price
	WarnUnknown    WarningKind = "unknown"     // requests came with a key or token that nobody has
	WarnOldPrices  WarningKind = "old_prices"
	WarnCountries  WarningKind = "countries" // their database is old, or not in use
	WarnAlerts     WarningKind = "alerts"    // they do not arrive where they are sent
	WarnCapture    WarningKind = "capture"   // what clients send is kept for a while
	WarnNodes      WarningKind = "nodes"     // one is not heard, or is not well
	WarnReach      WarningKind = "reach"     // the nodes' database is out of it
)

// Thing is what a warning is about, or what else is named by its kind: "gateway",
// "client", "key", "token", "provider", "model" or "node". The zero Thing is the engine itself.
type Thing struct {
	Kind string   `json:"kind"`
	ID   tally.ID `json:"id,omitempty"` // "" for what has none: models of one name
	// Name is what commands call it: the slug, the name, "client/label" of a key.
	Name string `json:"name,omitempty"`
}

// Warning is what the owner should know without having asked.
type Warning struct {
	Kind    WarningKind `json:"kind"`
	Gravity Tone        `json:"gravity"`        // Bad: requests are refused now, or the books are in doubt; Warn; Faint
	Thing   Thing       `json:"thing,omitzero"` // the zero Thing for several, or for the engine itself
	// Sentence says it by itself, without a full stop. Detail has figures, or what follows
	// from it, and not what [Warning.When] says.
	Sentence string    `json:"sentence"`
	Detail   string    `json:"detail,omitempty"`
	Next     string    `json:"next,omitempty"` // the command line that deals with it
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`  // when it is over by itself, or what it warns of happens
	Alert    tally.ID  `json:"alert,omitempty"` // the open alert that has told of it
}

// When is until when what refuses does so, "" for all other warnings.
func (w *Warning) When(zone *time.Location) string {
	switch {
	case w.Kind != WarnRefused || w.Thing == Thing{}:
		return ""
	case w.Until.IsZero():
		return "for good"
	}
	return "until " + w.Until.In(zone).Format("Mon 2 Jan 15:04")
}

// NothingSetUp is the warning of an empty store.
var NothingSetUp = Warning{Kind: WarnSetUp, Gravity: Bad, Sentence: "Nothing is set up yet", Next: "tallygate init --yes"}
