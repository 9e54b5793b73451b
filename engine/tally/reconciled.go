package tally

// Reconciled is what the last comparison of a provider's bill with the ledger came to. Its ID
// is the provider's.
type Reconciled struct {
	Meta
	First  string  `json:"first"` // days of UTC, as 2026-11-21
	Last   string  `json:"last"`
	Ours   NanoUSD `json:"ours_nano_usd"`
	Theirs NanoUSD `json:"theirs_nano_usd"`
	// Off is whether they are further apart than rounding explains, and on how many Days.
	Off  bool `json:"off,omitempty"`
	Days int  `json:"days_off,omitempty"`
	// Why is the likely cause of most of it, and Next the command that deals with it.
	Why  string `json:"why,omitempty"`
	Next string `json:"next,omitempty"`
}

// Kind implements Entity.
func (*Reconciled) Kind() EntityKind { return KindReconciled }

// Aside reports whether the engine keeps entities of the kind beside the catalog: they change
// by themselves, and no picture of the catalog ends with that.
func (k EntityKind) Aside() bool {
	return k == KindAlert || k == KindAlertMark || k == KindReconciled
}
