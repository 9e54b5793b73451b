package control

import (
	"strings"
	"time"

	"tallygate/engine/tally"
)

// GatewayFields are what the owner may set on a gateway. A nil field is left
// as it is.
type GatewayFields struct {
	Name             *string            `json:"name,omitempty" help:"name, for people"`
	TimeZone         *Zone              `json:"time_zone,omitempty" help:"IANA zone of its windows, like Europe/Lisbon"`
	CycleDay         *int               `json:"cycle_day,omitempty" help:"first day of its months, 1 to 31"`
	PublicURL        *string            `json:"public_url,omitempty" help:"address that pages and clients use"`
	Access           *tally.Access      `json:"access,omitempty" help:"token, public or key"`
	Origins          *[]string          `json:"origins,omitempty" flag:"origin" help:"web origin whose pages may call it as visitors; repeat; none clears: all"`
	Models           *[]string          `json:"models,omitempty" flag:"model" of:"model" unset:"all" help:"=models"`
	DefaultModel     *string            `json:"default_model,omitempty" of:"model" help:"model of a request that names none"`
	Aliases          *map[string]string `json:"aliases,omitempty" flag:"alias" help:"ASKED=MODEL; repeat"`
	Limits           []tally.LimitEdit  `json:"limits,omitempty" flag:"limit" help:"=limits"`
	VisitorLimits    []tally.LimitEdit  `json:"visitor_limits,omitempty" flag:"visitor-limit" label:"Each visitor" help:"the same for each visitor's address, like requests=20/day; repeat; MAX none removes"`
	AllowedCountries *[]string          `json:"allowed_countries,omitempty" flag:"allow-country" label:"Countries" help:"country of visitors, like US; repeat; none clears: all"`
	BlockedCountries *[]string          `json:"blocked_countries,omitempty" flag:"block-country" label:"Not from" help:"country whose visitors are refused; repeat; none clears"`
	NotBefore        *Date              `json:"not_before,omitempty" help:"access tokens that were issued earlier are revoked: a date, now, or none"`
	MaxBody          *int64             `json:"max_body_bytes,omitempty" flag:"max-body" label:"Largest body" help:"largest request, in bytes; 0: 67108864"`
	VisitorMaxBody   *int64             `json:"visitor_max_body_bytes,omitempty" flag:"visitor-max-body" label:"Of visitors" help:"largest request of a website's visitor, in bytes; 0: 1048576"`
	LandingBelow     *int               `json:"landing_below,omitempty" label:"Soft landing below %" help:"=landing"`
	LandingModel     *string            `json:"landing_model,omitempty" of:"model" help:"=lands on"`
	TryLonger        *bool              `json:"try_longer,omitempty" label:"Try longer models" help:"ask the next provider where one refuses a prompt as too long for its model"`
	Enabled          *bool              `json:"enabled,omitempty" help:"serve it"`
}

// CreateGateway makes a gateway; Name is required.
type CreateGateway struct {
	Slug string `json:"slug,omitempty" help:"=slug"`
	GatewayFields
}

// UpdateGateway changes a gateway.
type UpdateGateway struct {
	Gateway string `json:"gateway" arg:"1" of:"gateway" help:"slug or id"`
	NewSlug string `json:"slug,omitempty" flag:"slug" help:"new short name"`
	GatewayFields
}

// RotateGateway replaces a private key.
type RotateGateway struct {
	Gateway string        `json:"gateway" arg:"1" of:"gateway" help:"slug or id"`
	Grace   time.Duration `json:"grace_ns,omitempty" flag:"grace" label:"Old key works" help:"how long the old private key still works, like 24h"`
}

// GatewayCreated is a new gateway, or a gateway with a new private key, which
// is shown here and never again.
type GatewayCreated struct {
	tally.Gateway
	PrivateKey string `json:"private_key"`
}

// RaiseGateway raises a limit of a gateway for a while.
type RaiseGateway struct {
	Gateway string `json:"gateway" arg:"1" help:"slug or id"`
	RaiseFields
}

// GatewayView is a gateway as it stands.
type GatewayView struct {
	tally.Gateway
	ProviderNames []string     `json:"provider_names"` // in fallback order
	Default       bool         `json:"default"`        // it is meant where a gateway is needed and none named
	LimitStates   []LimitState `json:"limit_states"`
	Clients       int          `json:"clients"`
	// DefaultModelUsed is the model of a visitor's request that names none: DefaultModel,
	// or the cheapest that chats. "" if none can be used.
	DefaultModelUsed string      `json:"default_model_used,omitempty"`
	Countries        []Part      `json:"visitors_24h"`          // by country, the busiest first
	Refusals         []Part      `json:"refusals_24h"`          // by code, the most first
	Refused          *RefusedNow `json:"refused_now,omitempty"` // nil while it is served
	MonthSince       time.Time   `json:"month_since"`           // when the month under way began, by its calendar
	Month            Sums        `json:"month"`
	Last30Days       Sums        `json:"last_30d"`
}

// TemplateNames are the names of the gateway's templates, with blanks between.
func (v *GatewayView) TemplateNames() string {
	names := make([]string, len(v.Templates))
	for i := range v.Templates {
		names[i] = v.Templates[i].Name
	}
	return strings.Join(names, " ")
}

// Part is a part of a gateway's requests.
type Part struct {
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	Refused  int64  `json:"refused"`
}

// PartTable shows parts of a gateway's requests, by what they are told apart.
func PartTable(by string) *Table[*Part] {
	return NewTable(Table[*Part]{Thing: by, Columns: []Column[*Part]{
		{Name: "name", Title: by},
		{Name: "requests"},
		{Name: "refused"},
	}})
}

// The operations on gateways.
var (
	GatewaysList   = Op[Listing, []GatewayView]{"gateways.list", Read, "list gateways"}
	GatewaysShow   = Op[Named, GatewayView]{"gateways.show", Read, "show a gateway with its limits and usage"}
	GatewaysCreate = Op[CreateGateway, GatewayCreated]{"gateways.create", Write, "create a gateway; prints its private key once"}
	GatewaysRaise  = Op[RaiseGateway, LimitState]{"gateways.raise", Write, "raise a limit of a gateway until a date; it ends by itself"}
	GatewaysUpdate = Op[UpdateGateway, tally.Gateway]{"gateways.update", Write, "change a gateway"}
	GatewaysDelete = Op[Named, None]{"gateways.delete", Write, "delete a gateway that has no clients"}
	GatewaysRotate = Op[RotateGateway, GatewayCreated]{"gateways.rotate", Write, "replace a gateway's private key; prints the new one once"}
)
