package control

import (
	"strings"

	"tallygate/engine/tally"
)

// The tables of what the owner has: what a list of each shows.

// ClientTable shows clients.
var ClientTable = &Table[ClientView]{
	Thing: "client", Make: `tallygate clients create --name "Hotel Aurora" --limit cost=50/month`,
	ID:    func(v *ClientView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *ClientView) Tone {
		switch v.Status {
		case tally.Active:
			return Good
		case tally.Suspended:
			return Warn
		}
		return Faint
	},
	Text: func(v *ClientView) string {
		return joinLines(v.Name, v.Slug, v.Email, v.Company, v.Phone, digitsOf(v.Phone))
	},
	Orders: []string{"cost", "used", "last", "client"},
	Columns: []Column[ClientView]{
		{Name: "id", Spare: 12, Get: func(v *ClientView) Value { return WordOf(v.ID) }},
		{Name: "client", Field: "slug", Get: func(v *ClientView) Value { return WordOf(v.Slug) }},
		{Name: "name", Spare: 4, Get: func(v *ClientView) Value { return WordOf(v.Name) }},
		{Name: "company", Spare: 10, Get: func(v *ClientView) Value { return WordOf(v.Company) }},
		{Name: "email", Hidden: true, Get: func(v *ClientView) Value { return WordOf(v.Email) }},
		{Name: "gateway", Field: "gateway_slug", Hidden: true, Get: func(v *ClientView) Value { return WordOf(v.GatewaySlug) }},
		{Name: "status", Spare: 1, Words: tally.Status("").Words(), Get: func(v *ClientView) Value { return WordOf(v.Status) }},
		{Name: "keys", Spare: 9, Sum: true, Get: func(v *ClientView) Value { return CountOf(v.Keys) }},
		{Name: "requests", Title: "30d requests", Field: "last_30d.requests", Spare: 3, Sum: true, Get: func(v *ClientView) Value { return CountOf(v.Last30Days.Requests) }},
		{Name: "cost", Title: "30d cost", Field: "last_30d.cost", Sum: true, Get: func(v *ClientView) Value { return MoneyOf(v.Last30Days.CostNanoUSD) }},
		{Name: "used", Derived: true, Get: func(v *ClientView) Value { return usedOf(v.LimitStates) }},
		{Name: "limits", Derived: true, Spare: 8, Get: func(v *ClientView) Value { return WordOf(joined(v.Limits, tally.Limit.String)) }},
		{Name: "last", Title: "last used", Short: "last", Field: "last_used_at", Spare: 2, Get: func(v *ClientView) Value { return MomentOf(v.LastUsedAt) }},
	},
}

// KeyTable shows keys of clients.
var KeyTable = &Table[KeyView]{
	Thing: "key", Make: "tallygate keys create --client CLIENT --label LABEL",
	ID:     func(v *KeyView) string { return string(v.ID) },
	Signs:  true,
	Tone:   func(v *KeyView) Tone { return stateTone(v.State) },
	Text:   func(v *KeyView) string { return joinLines(v.Label, v.ClientSlug, v.Masked, string(v.ID)) },
	Orders: []string{"client", "last", "cost", "expires"},
	Columns: []Column[KeyView]{
		{Name: "id", Spare: 12, Get: func(v *KeyView) Value { return WordOf(v.ID) }},
		{Name: "label", Get: func(v *KeyView) Value { return WordOf(v.Label) }},
		{Name: "client", Field: "client_slug", Get: func(v *KeyView) Value { return WordOf(v.ClientSlug) }},
		{Name: "key", Field: "masked", Spare: 6, Get: func(v *KeyView) Value { return WordOf(v.Masked) }},
		{Name: "state", Words: []string{"active", "expired", "revoked"}, Get: func(v *KeyView) Value { return WordOf(v.State) }},
		{Name: "grace", Title: "old works until", Field: "old_works_until", Spare: 5, Get: func(v *KeyView) Value { return MomentOf(v.OldUntil) }},
		{Name: "expires", Field: "expires_at", Spare: 3, Get: func(v *KeyView) Value { return MomentOf(v.ExpiresAt) }},
		{Name: "requests", Title: "30d requests", Field: "last_30d.requests", Spare: 4, Sum: true, Get: func(v *KeyView) Value { return CountOf(v.Last30Days.Requests) }},
		{Name: "cost", Title: "30d cost", Field: "last_30d.cost", Sum: true, Get: func(v *KeyView) Value { return MoneyOf(v.Last30Days.CostNanoUSD) }},
		{Name: "used", Derived: true, Spare: 2, Get: func(v *KeyView) Value { return usedOf(v.LimitStates) }},
		{Name: "limits", Derived: true, Spare: 8, Get: func(v *KeyView) Value { return WordOf(joined(v.Limits, tally.Limit.String)) }},
		{Name: "last", Title: "last used", Short: "last", Field: "last_used_at", Spare: 1, Get: func(v *KeyView) Value { return MomentOf(v.LastUsedAt) }},
	},
}

// GatewayTable shows gateways.
var GatewayTable = &Table[GatewayView]{
	Thing: "gateway", Make: "tallygate gateways create --name main",
	ID:     func(v *GatewayView) string { return string(v.ID) },
	Signs:  true,
	Tone:   func(v *GatewayView) Tone { return onTone(v.Enabled) },
	Text:   func(v *GatewayView) string { return joinLines(v.Name, v.Slug, v.PublicID, v.PublicURL) },
	Orders: []string{"gateway", "cost", "used", "clients"},
	Columns: []Column[GatewayView]{
		{Name: "gateway", Field: "slug", Get: func(v *GatewayView) Value { return WordOf(v.Slug) }},
		{Name: "name", Spare: 4, Get: func(v *GatewayView) Value { return WordOf(v.Name) }},
		{Name: "gateway_id", Title: "public id", Spare: 8, Get: func(v *GatewayView) Value { return WordOf(v.PublicID) }},
		{Name: "zone", Field: "time_zone", Spare: 6, Get: func(v *GatewayView) Value { return WordOf(v.TimeZone) }},
		{Name: "access", Spare: 5, Get: func(v *GatewayView) Value { return WordOf(v.Access) }},
		{Name: "on", Field: "enabled", Spare: 2, Words: onOffWords, Get: func(v *GatewayView) Value { return WordOf(onOff(v.Enabled)) }},
		{Name: "clients", Spare: 1, Sum: true, Get: func(v *GatewayView) Value { return CountOf(v.Clients) }},
		{Name: "requests", Title: "30d requests", Field: "last_30d.requests", Spare: 3, Sum: true, Get: func(v *GatewayView) Value { return CountOf(v.Last30Days.Requests) }},
		{Name: "cost", Title: "30d cost", Field: "last_30d.cost", Sum: true, Get: func(v *GatewayView) Value { return MoneyOf(v.Last30Days.CostNanoUSD) }},
		{Name: "used", Derived: true, Get: func(v *GatewayView) Value { return usedOf(v.LimitStates) }},
		{Name: "limits", Derived: true, Spare: 7, Get: func(v *GatewayView) Value { return WordOf(joined(v.Limits, tally.Limit.String)) }},
	},
}

// ProviderTable shows providers.
var ProviderTable = &Table[ProviderView]{
	Thing: "provider", Make: "tallygate providers create --name openai --kind openai --api-key-env OPENAI_API_KEY",
	ID:    func(v *ProviderView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *ProviderView) Tone {
		return map[string]Tone{"off": Faint, "silent": Bad, "resting": Warn, "on": Good}[v.State()]
	},
	Text: func(v *ProviderView) string { return joinLines(v.Name, string(v.ProviderKind), v.BaseURL) },
	Columns: []Column[ProviderView]{
		{Name: "provider", Field: "name", Get: func(v *ProviderView) Value { return WordOf(v.Name) }},
		{Name: "kind", Spare: 6, Get: func(v *ProviderView) Value { return WordOf(v.ProviderKind) }},
		{Name: "state", Derived: true, Words: []string{"on", "off", "silent", "resting"}, Get: func(v *ProviderView) Value { return WordOf(v.State()) }},
		{Name: "day", Title: "24h", Field: "last_24h.requests", Spare: 1, Get: func(v *ProviderView) Value { return CountOf(v.Last24Hours.Requests) }},
		{Name: "median", Title: "24h median", Short: "median", Field: "last_24h.p50_ms", Spare: 3, Get: func(v *ProviderView) Value { return LatencyOf(v.Last24Hours.P50MS) }},
		{Name: "models", Spare: 4, Get: func(v *ProviderView) Value { return CountOf(v.Models) }},
		{Name: "requests", Title: "30d requests", Field: "last_30d.requests", Spare: 5, Sum: true, Get: func(v *ProviderView) Value { return CountOf(v.Last30Days.Requests) }},
		{Name: "cost", Title: "30d cost", Field: "last_30d.cost", Sum: true, Get: func(v *ProviderView) Value { return MoneyOf(v.Last30Days.CostNanoUSD) }},
		{Name: "failed", Title: "24h failed", Short: "failed", Derived: true, Spare: 2, Sum: true, Get: func(v *ProviderView) Value { return orNone(CountOf(v.Failures.Total())) }},
		{Name: "keys", Field: "key_hints", Spare: 8, Get: func(v *ProviderView) Value { return WordOf(strings.Join(v.KeyHints, " ")) }},
		{Name: "address", Field: "base_url", Spare: 7, Get: func(v *ProviderView) Value { return WordOf(v.BaseURL) }},
	},
}

// KindTable shows kinds of providers.
var KindTable = &Table[ProviderKindView]{
	Thing: "kind",
	ID:    func(v *ProviderKindView) string { return string(v.Kind) },
	Columns: []Column[ProviderKindView]{
		{Name: "kind", Get: func(v *ProviderKindView) Value { return WordOf(v.Kind) }},
		{Name: "title", Title: "what", Get: func(v *ProviderKindView) Value { return WordOf(v.Title) }},
		{Name: "env_key", Title: "key in", Get: func(v *ProviderKindView) Value {
			if v.Local {
				return WordOf("(none needed)")
			}
			return WordOf(v.EnvKey)
		}},
		{Name: "base_url", Title: "address", Spare: 1, Get: func(v *ProviderKindView) Value {
			if v.BaseURL == "" && !v.Local {
				return WordOf("--base-url")
			}
			return WordOf(v.BaseURL)
		}},
	},
}

// ModelTable shows models with the price in force for a short prompt.
var ModelTable = &Table[ModelView]{
	Thing: "model", Make: "tallygate models import PROVIDER",
	ID:    func(v *ModelView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *ModelView) Tone {
		if !v.Priced && v.Model.Enabled {
			return Warn
		}
		return onTone(v.Model.Enabled)
	},
	Text:   func(v *ModelView) string { return joinLines(v.Name, v.Upstream, v.Mode, v.ProviderName) },
	Orders: []string{"model", "cost", "output", "provider"},
	Columns: []Column[ModelView]{
		{Name: "id", Spare: 12, Get: func(v *ModelView) Value { return WordOf(v.ID) }},
		{Name: "model", Field: "name", Get: func(v *ModelView) Value { return WordOf(v.Name) }},
		{Name: "provider", Field: "provider_name", Spare: 2, Get: func(v *ModelView) Value { return WordOf(v.ProviderName) }},
		{Name: "mode", Spare: 7, Get: func(v *ModelView) Value { return WordOf(v.Mode) }},
		{Name: "on", Field: "enabled", Spare: 8, Words: onOffWords, Get: func(v *ModelView) Value { return WordOf(onOff(v.Model.Enabled)) }},
		{Name: "priced", Hidden: true, Get: func(v *ModelView) Value { return boolOf(v.Priced) }},
		{Name: "context", Field: "context_tokens", Spare: 5, Get: func(v *ModelView) Value { return orNone(CountOf(v.ContextTokens)) }},
		{Name: "longest", Title: "max output", Field: "max_output_tokens", Spare: 6, Get: func(v *ModelView) Value { return orNone(CountOf(v.MaxOutputTokens)) }},
		{Name: "input", Title: "in $/M", Field: "input_usd", Get: func(v *ModelView) Value { return v.rate(v.InputUSD) }},
		{Name: "output", Title: "out $/M", Field: "output_usd", Get: func(v *ModelView) Value { return v.rate(v.OutputUSD) }},
		{Name: "requests", Title: "30d requests", Field: "last_30d.requests", Spare: 4, Sum: true, Get: func(v *ModelView) Value { return orNone(CountOf(v.Last30Days.Requests)) }},
		{Name: "cost", Title: "30d cost", Field: "last_30d.cost", Spare: 3, Sum: true, Get: func(v *ModelView) Value {
			m := MoneyOf(v.Last30Days.CostNanoUSD)
			m.Void = v.Last30Days.Requests == 0
			return m
		}},
	},
}

// rate is a price that is told in US dollars; of a model without one there is
// none.
func (v *ModelView) rate(usd string) Value {
	n, err := tally.ParseUSD(usd)
	return RateOf(n, v.Priced && err == nil)
}

// TokenTable shows access tokens.
var TokenTable = &Table[TokenView]{
	Thing: "access token", Make: "tallygate tokens mint",
	ID:     func(v *TokenView) string { return v.ID },
	Signs:  true,
	Tone:   func(v *TokenView) Tone { return stateTone(v.State) },
	Orders: []string{"last", "cost", "used", "expires"},
	Columns: []Column[TokenView]{
		{Name: "token", Field: "tid", Get: func(v *TokenView) Value { return WordOf(v.ID) }},
		{Name: "gateway", Spare: 3, Get: func(v *TokenView) Value { return WordOf(v.Gateway) }},
		{Name: "state", Words: []string{"active", "expired", "revoked", "unknown"}, Get: func(v *TokenView) Value { return WordOf(v.State) }},
		{Name: "expires", Field: "expires_at", Spare: 4, Get: func(v *TokenView) Value { return MomentOf(v.ExpiresAt) }},
		{Name: "requests", Field: "used.requests", Sum: true, Get: func(v *TokenView) Value { return CountOf(v.Used.Requests) }},
		{Name: "refused", Field: "used.refused", Spare: 5, Sum: true, Get: func(v *TokenView) Value { return orNone(CountOf(v.Used.Refused)) }},
		{Name: "cost", Field: "used.cost", Sum: true, Get: func(v *TokenView) Value { return MoneyOf(v.Used.CostNanoUSD) }},
		{Name: "used", Derived: true, Spare: 2, Get: func(v *TokenView) Value { return usedOf(v.Limits) }},
		{Name: "left", Derived: true, Spare: 6, Get: func(v *TokenView) Value { return WordOf(leftText(v.Limits)) }},
		{Name: "last", Title: "last used", Short: "last", Field: "last_used_at", Spare: 1, Get: func(v *TokenView) Value { return MomentOf(v.LastUsedAt) }},
	},
}

// VisitorTable shows visitors, by network and keyed hash.
var VisitorTable = &Table[Visitor]{
	Thing: "visitor",
	ID:    func(v *Visitor) string { return v.Visitor },
	Columns: []Column[Visitor]{
		{Name: "network", Get: func(v *Visitor) Value { return WordOf(v.Network) }},
		{Name: "visitor", Spare: 3, Get: func(v *Visitor) Value { return WordOf(v.Visitor) }},
		{Name: "country", Get: func(v *Visitor) Value { return WordOf(v.Country) }},
		{Name: "requests", Sum: true, Get: func(v *Visitor) Value { return CountOf(v.Requests) }},
		{Name: "refused", Sum: true, Get: func(v *Visitor) Value { return orNone(CountOf(v.Refused)) }},
		{Name: "cost", Sum: true, Get: func(v *Visitor) Value { return MoneyOf(tally.NanoUSD(v.CostNano)) }},
		{Name: "first", Title: "first seen", Short: "first", Field: "first_seen_at", Spare: 2, Get: func(v *Visitor) Value { return MomentOf(v.FirstSeen) }},
		{Name: "last", Title: "last seen", Short: "last", Field: "last_seen_at", Spare: 1, Get: func(v *Visitor) Value { return MomentOf(v.LastSeen) }},
	},
}

func onTone(on bool) Tone {
	if on {
		return Good
	}
	return Faint
}

var onOffWords = []string{"on", "off"}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// stateTone is that of a credential.
func stateTone(state string) Tone {
	switch state {
	case "active":
		return Good
	case "expired":
		return Warn
	case "revoked":
		return Faint
	}
	return Plain
}

func joinLines(texts ...string) string { return strings.Join(texts, "\n") }

// digitsOf is a phone number as people type it when they search for one.
func digitsOf(phone string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, phone)
}
