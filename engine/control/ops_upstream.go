package control

import (
	"strings"
	"time"

	"tallygate/engine/tally"
)

// ProviderFields are what the owner may set on a provider. A nil field is left
// as it is.
type ProviderFields struct {
	BaseURL          *string        `json:"base_url,omitempty" help:"address of its API, like https://api.openai.com/v1"`
	APIKeys          []Secret       `json:"api_keys,omitempty" flag:"-"` // replace those it has
	ConnectTimeout   *time.Duration `json:"connect_timeout_ns,omitempty" flag:"connect-timeout" help:"to connect; default 10s"`
	FirstByteTimeout *time.Duration `json:"first_byte_timeout_ns,omitempty" flag:"first-byte-timeout" help:"to the first byte of a stream; default the whole time-out"`
	ChunkTimeout     *time.Duration `json:"chunk_timeout_ns,omitempty" flag:"chunk-timeout" help:"between two events of a stream; default 3m, and the whole time-out before the model begins to write"`
	Timeout          *time.Duration `json:"timeout_ns,omitempty" flag:"timeout" help:"for a whole answer, and for a stream to begin; default 10m"`
	MaxInFlight      *int           `json:"max_in_flight,omitempty" label:"In flight, at most" help:"requests at the same time; 0 for no cap"`
	CostBy           *tally.CostBy  `json:"cost_by,omitempty" help:"whose figure is the cost where it tells what it has charged: ours, theirs or max (the larger); empty: max, of kind openrouter theirs"`
	Enabled          *bool          `json:"enabled,omitempty" help:"use it"`
}

// CreateProvider adds an upstream account and imports its models.
type CreateProvider struct {
	Name         string             `json:"name" help:"short name, unique"`
	ProviderKind tally.ProviderKind `json:"kind" of:"kind" help:"what it speaks; see providers kinds"`
	NoImport     bool               `json:"no_import,omitempty" help:"do not import its models"`
	ProviderFields
}

// UpdateProvider changes a provider.
type UpdateProvider struct {
	Provider string `json:"provider" arg:"1" of:"provider" help:"name or id"`
	NewName  string `json:"name,omitempty" flag:"name" help:"new short name"`
	ProviderFields
}

// OrderProviders sets a fallback order.
type OrderProviders struct {
	Gateway   string   `json:"gateway,omitempty" of:"gateway" unset:"the oldest" help:"gateway; default: TALLYGATE_GATEWAY, or the oldest"`
	Providers []string `json:"providers" arg:"*" of:"provider" help:"names, the first is asked first"`
}

// ProviderView is a provider as it stands.
type ProviderView struct {
	tally.Provider
	Models      int       `json:"models"`
	Enabled     bool      `json:"models_enabled"` // at least one of them is offered
	Local       bool      `json:"local"`
	MonthSince  time.Time `json:"month_since"` // when the month under way began, by the gateways' common calendar
	Month       Sums      `json:"month"`
	Last30Days  Sums      `json:"last_30d"`
	Last24Hours Sums      `json:"last_24h"`
	// Silent is whether its latest attempts have timed out or found no connection; it is
	// asked last then, until one is answered.
	Silent bool `json:"silent,omitempty"`
	// Failing is how many of its latest attempts have failed in a row since the start, for
	// whatever cause but the requests' own.
	Failing int `json:"failed_in_a_row,omitempty"`
	// Quiet is until when it has asked to be left alone; it is asked last by then.
	Quiet time.Time `json:"quiet_until,omitzero"`
	// Failures are its attempts of the last 24 hours that failed, whatever became of
	// their requests, by cause; LastFailure is the latest since the start.
	Failures    Failures     `json:"failures_24h,omitempty"`
	LastFailure *LastFailure `json:"last_failure,omitempty"`
}

// State says in a word how the provider is: off, silent (its latest attempts had
// no answer), resting (it has asked to be left alone), failing (its latest attempt has
// failed, for another cause) or on.
func (v *ProviderView) State() string {
	switch {
	case !v.Provider.Enabled:
		return "off"
	case v.Silent:
		return "silent"
	case !v.Quiet.IsZero():
		return "resting"
	case v.Failing > 0:
		return "failing"
	}
	return "on"
}

// Failures are attempts that failed, by cause, the most frequent first.
type Failures []CauseCount

// CauseCount is how many attempts failed for a cause.
type CauseCount struct {
	Cause string `json:"cause"`
	Count int64  `json:"count"`
}

// Total is how many there are.
func (f Failures) Total() (n int64) {
	for _, c := range f {
		n += c.Count
	}
	return n
}

// String is "30 timeout, 11 busy"; "" for none.
func (f Failures) String() string {
	var causes []string
	for _, c := range f {
		causes = append(causes, tally.Group(c.Count)+" "+strings.ReplaceAll(c.Cause, "_", " "))
	}
	return strings.Join(causes, ", ")
}

// LastFailure is an attempt that failed, and the request it was part of.
type LastFailure struct {
	At      time.Time `json:"at"`
	Request tally.ID  `json:"request"`
	AttemptView
}

// ProviderCreated is a new provider and what its import did.
type ProviderCreated struct {
	tally.Provider
	Import Imported `json:"import"`
}

// ProviderTest is the outcome of a probe.
type ProviderTest struct {
	OK      bool          `json:"ok"`
	Models  int           `json:"models"`
	Latency time.Duration `json:"latency_ns"`
	Message string        `json:"message,omitempty"`
	Hint    string        `json:"hint,omitempty"`
}

// ProviderKindView describes a kind of provider.
type ProviderKindView struct {
	Kind    tally.ProviderKind `json:"kind"`
	Title   string             `json:"title"`
	BaseURL string             `json:"base_url,omitempty"`
	EnvKey  string             `json:"env_key,omitempty"`
	Local   bool               `json:"local"`
}

// The operations on providers.
var (
	ProvidersList   = Op[Listing, []ProviderView]{"providers.list", Read, "list providers"}
	ProvidersShow   = Op[Named, ProviderView]{"providers.show", Read, "show a provider"}
	ProvidersKinds  = Op[None, []ProviderKindView]{"providers.kinds", Read, "list the kinds of providers there are"}
	ProvidersCreate = Op[CreateProvider, ProviderCreated]{"providers.create", Write, "add an upstream account and import its models"}
	ProvidersUpdate = Op[UpdateProvider, tally.Provider]{"providers.update", Write, "change a provider"}
	ProvidersDelete = Op[Named, None]{"providers.delete", Write, "delete a provider and its models"}
	ProvidersTest   = Op[Named, ProviderTest]{"providers.test", Read, "ask a provider for its models, to see that address and key work"}
	ProvidersProbe  = Op[CreateProvider, ProviderTest]{"providers.probe", Write, "ask an upstream for its models before it is added, to see that address and key work"}
	ProvidersOrder  = Op[OrderProviders, []string]{"providers.order", Write, "set the order in which providers are asked"}
)
