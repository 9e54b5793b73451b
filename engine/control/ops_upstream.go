package control

import (
	"fmt"
	"slices"
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
	MaxInFlight      *int           `json:"max_in_flight,omitempty" label:"In flight, at most" help:"=in flight"`
	Weight           *int           `json:"weight,omitempty" label:"Weight" unset:"its own place" help:"its part of the callers where its neighbours in the order have a weight, too, like 3 beside 1; 0: it has its place in the order for itself"`
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
	// Health is what is not well, the widest first: with the provider, one of its API keys,
	// one of its models. What is cooling is asked last.
	Health []HealthView `json:"health,omitempty"`
	// Failures are its attempts of the last 24 hours that failed, whatever became of
	// their requests, by cause; LastFailure is the latest since the start.
	Failures    Failures     `json:"failures_24h,omitempty"`
	LastFailure *LastFailure `json:"last_failure,omitempty"`
}

// State says in a word how the provider is: off, silent (nothing behind its address
// answers), cooling (a model or an API key of it is left alone for a while), failing (its
// latest attempt has failed) or on.
func (v *ProviderView) State() string {
	switch {
	case !v.Provider.Enabled:
		return "off"
	case v.Silent():
		return "silent"
	case slices.ContainsFunc(v.Health, func(h HealthView) bool { return h.State != HealthClosed }):
		return "cooling"
	case len(v.Health) > 0:
		return "failing"
	}
	return "on"
}

// Silent reports whether nothing behind its address answers.
func (v *ProviderView) Silent() bool {
	return slices.ContainsFunc(v.Health, func(h HealthView) bool { return h.Of == "" && h.State != HealthClosed })
}

// Failing is how many attempts have failed in a row, for whatever cause but the requests'
// own.
func (v *ProviderView) Failing() (n int) {
	for _, h := range v.Health {
		n = max(n, h.Failed)
	}
	return n
}

// The states of a [HealthView].
const (
	HealthClosed   = "closed"    // its latest attempts have failed, not often enough to be left alone
	HealthCooling  = "cooling"   // it is asked only where nothing else is left
	HealthHalfOpen = "half-open" // one attempt at a time tries it
)

// HealthView is something of a provider that is not well.
type HealthView struct {
	Of     string    `json:"of,omitempty"` // "model gpt-4o", "key sk-p…f3a9"; "" for the provider
	State  string    `json:"state"`
	Failed int       `json:"failed_in_a_row"`
	Since  time.Time `json:"since,omitzero"` // when it was first left alone
	Until  time.Time `json:"until,omitzero"` // of cooling
	Cause  string    `json:"cause,omitempty"`
	Status int       `json:"status,omitempty"` // the provider's; 0 without an answer
	Code   string    `json:"code,omitempty"`   // the provider's own word
	Asked  bool      `json:"asked,omitempty"`  // the provider has asked to be left alone
}

// Why is "3 attempts failed in a row: server, status 500, overloaded_error".
func (h *HealthView) Why() string {
	text := "the latest attempt failed: "
	if h.Failed > 1 {
		text = fmt.Sprintf("%d attempts failed in a row: ", h.Failed)
	}
	text += strings.ReplaceAll(h.Cause, "_", " ")
	if h.Status != 0 {
		text += fmt.Sprintf(", status %d", h.Status)
	}
	if h.Code != "" {
		text += ", " + h.Code
	}
	switch {
	case h.Asked:
		text += "; it has asked to be left alone"
	case h.KeyRefused():
		text += "; the key is not accepted: give it another"
	case h.UsedUp():
		text += "; the account is used up: add credit there"
	}
	return text
}

// KeyRefused reports whether the provider does not accept an API key, which does not mend by
// itself.
func (h *HealthView) KeyRefused() bool { return h.Cause == "auth" }

// UsedUp reports whether the account behind an API key is used up, which does not mend by
// itself either.
func (h *HealthView) UsedUp() bool { return h.Cause == "quota" }

// RouteModel asks who would answer requests for a model.
type RouteModel struct {
	Model   string `json:"model,omitempty" arg:"1" of:"model" help:"name, or an alias; default: the one of a request that names none"`
	Client  string `json:"client,omitempty" of:"client" help:"as this client; default: the first that is active"`
	Session string `json:"session,omitempty" help:"as this session of the client"`
}

// Routed is who would answer, in order.
type Routed struct {
	Model  string      `json:"model"`            // that would answer
	Asked  string      `json:"asked"`            // as it was asked for
	Client string      `json:"client,omitempty"` // its slug
	Why    string      `json:"why,omitempty"`    // where the model is not the one that was asked for
	Routes []RouteStep `json:"routes"`
}

// RouteStep is one way to have a request answered.
type RouteStep struct {
	Place    int    `json:"place"` // in the order, from 1 on
	Provider string `json:"provider"`
	Model    string `json:"model"` // as the provider calls it
	Key      string `json:"key,omitempty"`
	Speaks   string `json:"speaks"` // the API it is asked in first; requests of others are translated, unless it has theirs, too
	// Translated is the API that a chat completion is translated to; "" if it passes as it is.
	Translated string   `json:"chat_translated_to,omitempty"`
	State      string   `json:"state"` // well, or as a [HealthView] has it
	Why        string   `json:"why"`
	Price      string   `json:"price,omitempty"` // for people; "" without one
	Caps       []string `json:"caps,omitempty"`
}

// RouteTable shows a route.
var RouteTable = NewTable(Table[*RouteStep]{
	Thing: "route",
	Signs: true,
	Tone: func(v *RouteStep) Tone {
		switch v.State {
		case "well":
			return Good
		case HealthClosed, HealthHalfOpen:
			return Warn
		}
		return Bad
	},
	Columns: []Column[*RouteStep]{
		{Name: "place", Title: "asked"},
		{Name: "provider"},
		{Name: "model", Title: "as"},
		{Name: "key", Spare: 2},
		{Name: "speaks", Spare: 3},
		{Name: "state"},
		{Name: "price", Spare: 1},
		{Name: "why"},
	},
})

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
	KeyURL  string             `json:"key_url,omitempty"` // the page where a key is made
	Free    bool               `json:"free_tier"`         // some models cost nothing within caps
	Local   bool               `json:"local"`
	// Dialects are the APIs of conversations that such a provider has, separated by commas;
	// requests of other APIs are translated to the first.
	Dialects string `json:"dialects"`
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
