package tally

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// ProviderKind is the preset of a provider; package providers says which exist.
type ProviderKind string

// Provider is an upstream account.
type Provider struct {
	Meta
	Name             string        `json:"name"`
	ProviderKind     ProviderKind  `json:"kind"`
	BaseURL          string        `json:"base_url,omitempty"`
	KeyHints         []string      `json:"key_hints,omitempty"` // "sk-p…f3a9", for people
	ConnectTimeout   time.Duration `json:"connect_timeout_ns,omitempty"`
	FirstByteTimeout time.Duration `json:"first_byte_timeout_ns,omitempty"` // of a stream
	ChunkTimeout     time.Duration `json:"chunk_timeout_ns,omitempty"`      // between two events of a stream
	Timeout          time.Duration `json:"timeout_ns,omitempty"`            // of a whole answer, and until a stream begins
	MaxInFlight      int           `json:"max_in_flight,omitempty"`
	// Weight is its part of the callers where its neighbours in the order have one, too; 0:
	// it has its place in the order for itself.
	Weight  int    `json:"weight,omitempty"`
	CostBy  CostBy `json:"cost_by,omitempty"` // "": as its kind has it
	Enabled bool   `json:"enabled"`
}

// CostBy says whose figure is the cost where an upstream tells what it has
// charged.
type CostBy string

// The choices.
const (
	CostOurs   CostBy = "ours"   // by the price book
	CostTheirs CostBy = "theirs" // the upstream's
	CostMax    CostBy = "max"    // the larger
)

// Model is one model of one provider. The same name at several providers is
// one model to clients, and the providers are each other's fallback.
type Model struct {
	Meta
	Provider        ID     `json:"provider"`
	Name            string `json:"name"`               // what clients ask for
	Upstream        string `json:"upstream,omitempty"` // what the provider calls it; empty means the same
	Mode            string `json:"mode,omitempty"`     // chat, completion, embedding…; from the price book, for people
	ContextTokens   int64  `json:"context_tokens,omitempty"`
	MaxOutputTokens int64  `json:"max_output_tokens,omitempty"`
	ImageTokens     int64  `json:"image_tokens,omitempty"` // the most that one picture can come to; 0: not known
	Prices          Prices `json:"prices,omitempty"`       // empty: unpriced
	// Caps are what the provider lets this account have of the model, as free tiers do:
	// limits on requests and tokens, whoever asks, in UTC. MaxInFlight is how many requests
	// at the same time; 0: no cap. A model that is at a cap is passed over.
	Caps        []Limit `json:"caps,omitempty"`
	MaxInFlight int     `json:"max_in_flight,omitempty"`
	// AllowExtras lets requests use what the upstream bills beside tokens and
	// nothing bounds: the model can then pass a limit on money.
	AllowExtras bool      `json:"allow_extras,omitempty"`
	ShutdownAt  time.Time `json:"shutdown_at,omitzero"`  // from when on the publisher no longer serves it
	ReplacedBy  string    `json:"replaced_by,omitempty"` // by the publisher's word
	MissingAt   time.Time `json:"missing_at,omitzero"`   // since when the provider no longer lists it
	Enabled     bool      `json:"enabled"`
}

// UpstreamName is what the provider calls the model.
func (m *Model) UpstreamName() string {
	if m.Upstream != "" {
		return m.Upstream
	}
	return m.Name
}

// Kind implements Entity.
func (*Provider) Kind() EntityKind { return KindProvider }

// Kind implements Entity.
func (*Model) Kind() EntityKind { return KindModel }

// CheckBaseURL says what is wrong with an upstream's address.
func CheckBaseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return Errorf(Invalid, "%q is not a base URL", s).WithHint("like https://api.openai.com/v1, without a query")
	}
	if u.User != nil {
		return Errorf(Invalid, "the base URL contains a password").WithHint("give the key with --api-key-env or --api-key-stdin")
	}
	return nil
}

// BaseURLRisk says what an owner should know of an upstream's address that can be
// used, "" if there is nothing.
func BaseURLRisk(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	ip, _ := netip.ParseAddr(u.Hostname()) // the zero address for a name
	ip = ip.Unmap()
	switch host := strings.ToLower(u.Hostname()); {
	case ip.IsLinkLocalUnicast():
		return "the base URL " + s + " is a link-local address, where clouds keep the secrets of a machine: make sure that it is a model's"
	case u.Scheme == "http" && !ip.IsLoopback() && host != "localhost" && !strings.HasSuffix(host, ".localhost"):
		return "the base URL " + s + " is not encrypted: its API key and all prompts can be read on the way to that machine; use https:// if it has it"
	}
	return ""
}
