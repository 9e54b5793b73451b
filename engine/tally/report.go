package tally

// Report is what a verification of the store found.
type Report struct {
	OK       bool    `json:"ok"`
	Records  int64   `json:"records"` // replayed
	Pruned   int64   `json:"pruned"`  // deleted by retention, vouched for by opening balances
	Holds    int64   `json:"holds"`
	Counters int64   `json:"counters"`
	Rollups  int64   `json:"rollups"`
	Faults   []Fault `json:"faults"`
}

// Fault is one thing that is not as it must be.
type Fault struct {
	Kind    string `json:"kind"` // record, gap, counter, rollup, hold, entity, presence, checkpoint, audit
	Subject string `json:"subject"`
	Message string `json:"message"`
}
