package tally

import (
	"encoding/json"
	"time"
)

// UnpricedPolicy says what to do with a model that has no price.
type UnpricedPolicy string

// The policies.
const (
	RefuseUnpriced UnpricedPolicy = "refuse"
	AllowAtZero    UnpricedPolicy = "allow"
)

// Settings is what the owner changes while the engine runs and that belongs to
// no other entity. There is one; its zero fields mean the defaults.
type Settings struct {
	Meta
	Unpriced UnpricedPolicy `json:"unpriced"` // default refuse
	// DefaultMaxOutput is the output of a request that names no maximum and meets a
	// limit on money or tokens; 0: the model's, at most [LargestDefaultOutput].
	DefaultMaxOutput int64   `json:"default_max_output,omitempty"`
	OnLeave          OnLeave `json:"on_leave"` // default auto
	// HoldWait and VisitorWait are how long a request waits for room that others
	// hold; nil means the defaults, 0 not at all.
	HoldWait    *time.Duration `json:"hold_wait_ns,omitempty"`
	VisitorWait *time.Duration `json:"visitor_wait_ns,omitempty"`
	// VisitorMaxOutput bounds the output of a visitor whose token does not say
	// more; VisitorInFlight the requests of one address at the same time. 0 means
	// the defaults.
	VisitorMaxOutput int64 `json:"visitor_max_output,omitempty"`
	VisitorInFlight  int   `json:"visitor_in_flight,omitempty"`
	// RetryFor is how long a request that every provider has turned away for a moment is
	// tried again; nil means the default, 0 not at all.
	RetryFor      *time.Duration `json:"retry_for_ns,omitempty"`
	RetentionDays int            `json:"retention_days"` // of request records; 0 keeps them
	// RefusedDays and VisitorDays are for records of refusals, and of requests of visitors;
	// 0 keeps them as long as the others.
	RefusedDays int `json:"refused_days,omitempty"`
	VisitorDays int `json:"visitor_days,omitempty"`
	// DropWords is whether nothing is kept of what upstreams say of failures; else
	// the first words are, for [KeptDetails].
	DropWords      bool     `json:"drop_words,omitempty"`
	TrustedProxies []string `json:"trusted_proxies,omitempty"` // CIDR; whom they forward for is believed
	TrustedHeader  string   `json:"trusted_header,omitempty"`  // where they say so, in canonical form; "": any, as long as they agree
	CountryFile    string   `json:"country_file,omitempty"`    // the owner's country database; "" for the built-in one
	// Head is what stands above statements: the owner's name, address, tax number, in lines.
	// Currency and TaxBasisPoints are of statements that name none.
	Head           string `json:"statement_head,omitempty"`
	Currency       string `json:"currency,omitempty"`
	TaxBasisPoints int    `json:"tax_basis_points,omitempty"`
	// Alerts are what the owner is told of, and where.
	Alerts AlertSettings `json:"alerts,omitzero"`
}

// SettingsID is the ID of the one Settings entity.
const SettingsID ID = "settings"

// What applies where Settings names nothing.
const (
	LargestDefaultOutput    = 16_384 // output tokens
	DefaultHoldWait         = 10 * time.Second
	DefaultVisitorWait      = 2 * time.Second
	DefaultRetryFor         = 8 * time.Second
	DefaultVisitorMaxOutput = 2_048 // output tokens
	DefaultVisitorInFlight  = 8
)

// OnLeave says what becomes of a stream whose caller has left.
type OnLeave string

// The choices.
const (
	LeaveAuto   OnLeave = "auto"   // cancel where that is known to stop the upstream's bill, else drain
	LeaveCancel OnLeave = "cancel" // close it; what it may have used by then is booked
	LeaveDrain  OnLeave = "drain"  // read it to its end, for exact usage
)

// UnmarshalJSON implements json.Unmarshaler. Settings of before OnLeave had a
// switch in its place.
func (s *Settings) UnmarshalJSON(b []byte) error {
	type plain Settings
	old := struct {
		*plain
		DrainOnCancel bool `json:"drain_on_cancel"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if old.DrainOnCancel && s.OnLeave == "" {
		s.OnLeave = LeaveDrain
	}
	return nil
}

// Kind implements Entity.
func (*Settings) Kind() EntityKind { return KindSettings }

// FineDays is how long sums are told by the quarter of an hour, whatever the retention of
// records: longer than any period with an end that a limit counts. Later they are told by
// UTC days, and by the civil days of gateways.
const FineDays = 100
