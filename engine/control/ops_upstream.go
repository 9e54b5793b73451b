package control

import (
	"time"

	"tallygate/engine/tally"
)

// ProviderFields are what the owner may set on a provider. A nil field is left
// as it is.
type ProviderFields struct {
	BaseURL          *string        `json:"base_url,omitempty" help:"address of its API, like https://api.openai.com/v1"`
	APIKeys          []Secret       `json:"api_keys,omitempty" flag:"-"` // replace those it has
	ConnectTimeout   *time.Duration `json:"connect_timeout_ns,omitempty" flag:"connect-timeout" help:"to connect; default 10s"`
	FirstByteTimeout *time.Duration `json:"first_byte_timeout_ns,omitempty" flag:"first-byte-timeout" help:"to the first byte of an answer; default 2m"`
	ChunkTimeout     *time.Duration `json:"chunk_timeout_ns,omitempty" flag:"chunk-timeout" help:"between two chunks of a stream; default 1m"`
	Timeout          *time.Duration `json:"timeout_ns,omitempty" flag:"timeout" help:"for a whole answer that is not streamed; default 10m"`
	MaxInFlight      *int           `json:"max_in_flight,omitempty" help:"requests at the same time; 0 for no cap"`
	Enabled          *bool          `json:"enabled,omitempty" help:"use it"`
}

// CreateProvider adds an upstream account and imports its models.
type CreateProvider struct {
	Name         string             `json:"name" help:"short name, unique"`
	ProviderKind tally.ProviderKind `json:"kind" help:"what it speaks; see providers kinds"`
	NoImport     bool               `json:"no_import,omitempty" help:"do not import its models"`
	ProviderFields
}

// UpdateProvider changes a provider.
type UpdateProvider struct {
	Provider string `json:"provider" arg:"1" help:"name or id"`
	NewName  string `json:"name,omitempty" flag:"name" help:"new short name"`
	ProviderFields
}

// OrderProviders sets a fallback order.
type OrderProviders struct {
	Gateway   string   `json:"gateway,omitempty" help:"gateway; may be left out if there is one"`
	Providers []string `json:"providers" arg:"*" help:"names, the first is asked first"`
}

// ProviderView is a provider as it stands.
type ProviderView struct {
	tally.Provider
	Models  int  `json:"models"`
	Enabled bool `json:"models_enabled"` // at least one of them is offered
	Local   bool `json:"local"`
	Month   Sums `json:"last_30d"`
}

// ProviderCreated is a new provider and what its import did.
type ProviderCreated struct {
	tally.Provider
	Import Imported `json:"import"`
}

// Imported says what an import of models did.
type Imported struct {
	Offered  int      `json:"offered"`  // the upstream lists
	Added    int      `json:"added"`    // new here
	Priced   int      `json:"priced"`   // of those added
	Unpriced []string `json:"unpriced"` // added, and not usable until priced (at most 50 are named)
	Warning  string   `json:"warning,omitempty"`
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

// PriceField is one rate given by the owner: input=0.15, in USD per million
// tokens, or request=0.01 per call.
type PriceField struct {
	Class  string        `json:"class"` // input cached_input cache_write output reasoning request
	Amount tally.NanoUSD `json:"nano_usd"`
}

// ModelFields are what the owner may set on a model. A nil field is left as it
// is.
type ModelFields struct {
	Upstream        *string      `json:"upstream,omitempty" help:"what the provider calls it, if not the same"`
	ContextTokens   *int64       `json:"context_tokens,omitempty" help:"longest prompt and answer together"`
	MaxOutputTokens *int64       `json:"max_output_tokens,omitempty" help:"longest answer"`
	Prices          []PriceField `json:"prices,omitempty" flag:"price" help:"CLASS=USD per million tokens, like input=0.15; classes input, cached_input, cache_write, output, reasoning; request=USD per call; repeat"`
	PriceFrom       string       `json:"price_from,omitempty" help:"date from which the price counts, like 2026-12-01; default: always"`
	Enabled         *bool        `json:"enabled,omitempty" help:"offer it"`
}

// CreateModel adds a model.
type CreateModel struct {
	Provider string `json:"provider" help:"its provider"`
	Name     string `json:"name" help:"what clients ask for"`
	ModelFields
}

// PickModel picks a model: by id, or by name and, where several providers have
// it, provider.
type PickModel struct {
	Model    string `json:"model" arg:"1" help:"name or id"`
	Provider string `json:"provider,omitempty" help:"its provider, where several have it"`
}

// UpdateModel changes a model.
type UpdateModel struct {
	PickModel
	ModelFields
}

// ListModels selects models.
type ListModels struct {
	Filter   string `json:"filter,omitempty" help:"words to search for in names"`
	Provider string `json:"provider,omitempty" help:"only of this provider"`
	Usable   bool   `json:"usable,omitempty" help:"only enabled and priced ones"`
}

// ModelView is a model as it stands.
type ModelView struct {
	tally.Model
	ProviderName string `json:"provider_name"`
	Priced       bool   `json:"priced"`
	// Rates in force for a short prompt, in USD per million tokens.
	InputUSD  string `json:"input_usd,omitempty"`
	OutputUSD string `json:"output_usd,omitempty"`
	Month     Sums   `json:"last_30d"` // of requests for its name, whichever provider answered
}

// The operations on models.
var (
	ModelsList    = Op[ListModels, []ModelView]{"models.list", Read, "list models with their prices"}
	ModelsShow    = Op[PickModel, ModelView]{"models.show", Read, "show a model"}
	ModelsCreate  = Op[CreateModel, tally.Model]{"models.create", Write, "add a model"}
	ModelsUpdate  = Op[UpdateModel, tally.Model]{"models.update", Write, "change a model or its price"}
	ModelsDelete  = Op[PickModel, None]{"models.delete", Write, "delete a model"}
	ModelsEnable  = Op[PickModel, tally.Model]{"models.enable", Write, "offer a model"}
	ModelsDisable = Op[PickModel, tally.Model]{"models.disable", Write, "stop offering a model"}
	ModelsImport  = Op[Named, Imported]{"models.import", Write, "import what a provider offers, with prices from the price book"}
)
