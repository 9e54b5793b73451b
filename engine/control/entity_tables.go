package control

import (
	"cmp"
	"strings"

	"tallygate/engine/tally"
)

// The tables of what the owner has: what a list of each shows.

// ClientTable shows clients.
var ClientTable = NewTable(Table[*ClientView]{
	Thing: "client", Make: `tallygate clients create --name "Hotel Aurora" --limit cost=50/month`,
	ID:    func(v *ClientView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *ClientView) Tone {
		switch v.Status {
		case tally.Active:
			return refusedTone(v.Refused, Good)
		case tally.Suspended:
			return Warn
		}
		return Faint
	},
	Text: func(v *ClientView) string {
		return joinLines(v.Name, v.Slug, v.Email, v.Company, v.Phone, digitsOf(v.Phone))
	},
	Orders:  []string{"cost", "used", "last", "name"},
	Refused: func(v *ClientView) (string, *RefusedNow) { return v.Refused.who("client", v.Name) },
	Columns: []Column[*ClientView]{
		{Name: "id", Spare: 12},
		{Name: "name", Title: "client"},
		{Name: "client", Field: "slug", Title: "name in commands", Short: "slug", Spare: 7},
		{Name: "company", Spare: 10},
		{Name: "email", Hidden: true},
		{Name: "gateway", Field: "gateway_slug", Hidden: true},
		{Name: "status", Spare: 9, Words: tally.Status("").Words()},
		{Name: "keys", Sum: true, Spare: 9},
		{Name: "requests", Sum: true, Title: "month requests", Short: "requests", Field: "month.requests", Spare: 4},
		{Name: "cost", Sum: true, Title: "month cost", Short: "cost", Field: "month.cost_nano_usd"},
		{Name: "used", Derived: true, Get: func(v *ClientView) Value { return usedOf(v.LimitStates) }},
		{Name: "of", Derived: true, Spare: 3, Get: func(v *ClientView) Value { return ofLimit(v.LimitStates) }},
		{Name: "credits", Sum: true, Title: "month credits", Short: "credits", Field: "month.credits_nano_usd", Spare: 6},
		{Name: "margin", Sum: true, Title: "month margin", Short: "margin", Derived: true, Spare: 6,
			Get: func(v *ClientView) Value { return v.Month.margin() }},
		{Name: "balance", Derived: true, Spare: 8, Get: func(v *ClientView) Value {
			if v.Balance == nil {
				return orNone(MoneyOf(0))
			}
			return MoneyOf(v.Balance.Left)
		}},
		{Name: "now", Derived: true, Spare: 1, Get: func(v *ClientView) Value { return v.Refused.Value() }},
		{Name: "requests_30d", Title: "30d requests", Field: "last_30d.requests", Hidden: true},
		{Name: "cost_30d", Title: "30d cost", Field: "last_30d.cost_nano_usd", Hidden: true},
		{Name: "limits", Derived: true, Spare: 11, Get: func(v *ClientView) Value { return limitsText(v.Limits) }},
		{Name: "last", Field: "last_used_at", Title: "last used", Short: "last", Spare: 2},
	},
})

// KeyTable shows keys of clients.
var KeyTable = NewTable(Table[*KeyView]{
	Thing: "key", Make: "tallygate keys create --client CLIENT --label LABEL",
	ID:    func(v *KeyView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *KeyView) Tone {
		tone := refusedTone(v.Refused, stateTone(v.State))
		if tone == Good && !v.CapturedUntil.IsZero() { // nobody should forget it
			return Warn
		}
		return tone
	},
	Text:   func(v *KeyView) string { return joinLines(v.Label, v.ClientSlug, v.ClientName, v.Masked, string(v.ID)) },
	Orders: []string{"client", "last", "cost", "expires"},
	Refused: func(v *KeyView) (string, *RefusedNow) {
		return v.Refused.who("key", "Key "+v.Label+" of "+v.ClientName)
	},
	Columns: []Column[*KeyView]{
		{Name: "id", Spare: 12},
		{Name: "label"},
		{Name: "client", Field: "client_slug", Shown: "client_name"},
		{Name: "key", Field: "masked", Spare: 6},
		{Name: "state", Words: []string{"active", "expired", "revoked"}, Get: func(v *KeyView) Value { return WordOf(v.State) }},
		{Name: "now", Derived: true, Spare: 1, Get: func(v *KeyView) Value { return v.Refused.Value() }},
		{Name: "grace", Title: "old works until", Field: "old_works_until", Spare: 5},
		{Name: "captured", Title: "captured until", Field: "captured_until", Spare: 7},
		{Name: "expires", Field: "expires_at", Spare: 3},
		{Name: "requests", Sum: true, Title: "month requests", Short: "requests", Field: "month.requests", Spare: 4},
		{Name: "cost", Sum: true, Title: "month cost", Short: "cost", Field: "month.cost_nano_usd"},
		{Name: "credits", Sum: true, Title: "month credits", Short: "credits", Field: "month.credits_nano_usd", Spare: 9},
		{Name: "margin", Sum: true, Title: "month margin", Short: "margin", Derived: true, Spare: 9, Get: func(v *KeyView) Value { return v.Month.margin() }},
		{Name: "requests_30d", Title: "30d requests", Field: "last_30d.requests", Hidden: true},
		{Name: "cost_30d", Title: "30d cost", Field: "last_30d.cost_nano_usd", Hidden: true},
		{Name: "used", Derived: true, Spare: 2, Get: func(v *KeyView) Value { return usedOf(v.LimitStates) }},
		{Name: "limits", Derived: true, Spare: 8, Get: func(v *KeyView) Value { return limitsText(v.Limits) }},
		{Name: "tags", Spare: 10},
		{Name: "last", Field: "last_used_at", Title: "last used", Short: "last", Spare: 1},
	},
})

// GatewayTable shows gateways.
var GatewayTable = NewTable(Table[*GatewayView]{
	Thing: "gateway", Make: "tallygate gateways create --name main",
	ID:      func(v *GatewayView) string { return string(v.ID) },
	Signs:   true,
	Tone:    func(v *GatewayView) Tone { return refusedTone(v.Refused, onTone(v.Enabled)) },
	Text:    func(v *GatewayView) string { return joinLines(v.Name, v.Slug, v.PublicID, v.PublicURL) },
	Orders:  []string{"name", "cost", "used", "clients"},
	Refused: func(v *GatewayView) (string, *RefusedNow) { return v.Refused.who("gateway", "Gateway "+v.Name) },
	Columns: []Column[*GatewayView]{
		{Name: "name", Title: "gateway"},
		{Name: "gateway", Field: "slug", Title: "name in commands", Short: "slug", Spare: 4},
		{Name: "gateway_id", Title: "public id", Spare: 8},
		{Name: "zone", Field: "time_zone", Spare: 6},
		{Name: "access", Spare: 5},
		{Name: "on", Field: "enabled", Spare: 2, Words: onOffWords, Get: func(v *GatewayView) Value { return WordOf(onOff(v.Enabled)) }},
		{Name: "now", Derived: true, Spare: 1, Get: func(v *GatewayView) Value { return v.Refused.Value() }},
		{Name: "clients", Sum: true, Spare: 1},
		{Name: "requests", Sum: true, Title: "month requests", Short: "requests", Field: "month.requests", Spare: 3},
		{Name: "cost", Sum: true, Title: "month cost", Short: "cost", Field: "month.cost_nano_usd"},
		{Name: "credits", Sum: true, Title: "month credits", Short: "credits", Field: "month.credits_nano_usd", Spare: 7},
		{Name: "margin", Sum: true, Title: "month margin", Short: "margin", Derived: true, Spare: 7, Get: func(v *GatewayView) Value { return v.Month.margin() }},
		{Name: "requests_30d", Title: "30d requests", Field: "last_30d.requests", Hidden: true},
		{Name: "cost_30d", Title: "30d cost", Field: "last_30d.cost_nano_usd", Hidden: true},
		{Name: "used", Derived: true, Get: func(v *GatewayView) Value { return usedOf(v.LimitStates) }},
		{Name: "limits", Derived: true, Spare: 7, Get: func(v *GatewayView) Value { return limitsText(v.Limits) }},
		{Name: "templates", Spare: 9, Get: func(v *GatewayView) Value { return WordOf(v.TemplateNames()) }},
	},
})

// manyFailed attempts in a row are no accident any more.
const manyFailed = 3

// ProviderTable shows providers.
var ProviderTable = NewTable(Table[*ProviderView]{
	Thing: "provider", Make: "tallygate providers create --name openai --kind openai --api-key-env OPENAI_API_KEY",
	ID:    func(v *ProviderView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *ProviderView) Tone {
		if v.Provider.Enabled && v.Failing() >= manyFailed {
			return Bad
		}
		return map[string]Tone{"off": Faint, "silent": Bad, "cooling": Warn, "failing": Warn, "on": Good}[v.State()]
	},
	Text:   func(v *ProviderView) string { return joinLines(v.Name, string(v.ProviderKind), v.BaseURL) },
	Orders: []string{"cost", "day", "failed", "median"},
	Columns: []Column[*ProviderView]{
		{Name: "provider", Field: "name"},
		{Name: "kind", Spare: 6},
		{Name: "state", Derived: true, Words: []string{"on", "off", "silent", "cooling", "failing"},
			Get: func(v *ProviderView) Value { return WordOf(v.State()) }},
		{Name: "day", Title: "24h", Field: "last_24h.requests", Spare: 1},
		{Name: "median", Title: "24h median", Short: "median", Field: "last_24h.p50_ms", Spare: 3},
		{Name: "models", Spare: 4},
		{Name: "requests", Sum: true, Title: "month requests", Short: "requests", Field: "month.requests", Spare: 5},
		{Name: "cost", Sum: true, Title: "month cost", Short: "cost", Field: "month.cost_nano_usd"},
		{Name: "requests_30d", Title: "30d requests", Field: "last_30d.requests", Hidden: true},
		{Name: "cost_30d", Title: "30d cost", Field: "last_30d.cost_nano_usd", Hidden: true},
		{Name: "failed", Sum: true, Title: "24h attempts failed", Short: "failed", Derived: true, Spare: 2,
			Get: func(v *ProviderView) Value { return orNone(CountOf(v.Failures.Total())) }},
		{Name: "weight", Spare: 9, NoZero: true},
		{Name: "keys", Field: "key_hints", Spare: 8, Get: func(v *ProviderView) Value { return WordOf(strings.Join(v.KeyHints, " ")) }},
		{Name: "address", Field: "base_url", Spare: 7},
	},
})

// KindTable shows kinds of providers.
var KindTable = NewTable(Table[*ProviderKindView]{
	Thing: "kind",
	ID:    func(v *ProviderKindView) string { return string(v.Kind) },
	Columns: []Column[*ProviderKindView]{
		{Name: "kind"},
		{Name: "title", Title: "what"},
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
		{Name: "dialects", Title: "speaks", Spare: 2},
		{Name: "free", Field: "free_tier", Title: "free tier", Short: "free", Spare: 4, Get: func(v *ProviderKindView) Value {
			if !v.Free {
				return WordOf("")
			}
			return WordOf("yes")
		}},
		{Name: "key_url", Title: "keys at", Spare: 3},
	},
})

// ModelTable shows models with the price in force for a short prompt, and what each was
// used for at its provider.
var ModelTable = NewTable(Table[*ModelView]{
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
	Columns: []Column[*ModelView]{
		{Name: "id", Spare: 12},
		{Name: "model", Field: "name"},
		{Name: "provider", Field: "provider_name", Spare: 2},
		{Name: "mode", Spare: 7},
		{Name: "on", Field: "enabled", Spare: 8, Words: onOffWords, Get: func(v *ModelView) Value { return WordOf(onOff(v.Model.Enabled)) }},
		{Name: "priced", Hidden: true},
		{Name: "context", Field: "context_tokens", Spare: 5, NoZero: true},
		{Name: "longest", Field: "max_output_tokens", Title: "max output", Spare: 6, NoZero: true},
		{Name: "input", Title: "in $/M", Field: "input_usd", Get: func(v *ModelView) Value { return v.rate(v.InputUSD) }},
		{Name: "output", Title: "out $/M", Field: "output_usd", Get: func(v *ModelView) Value { return v.rate(v.OutputUSD) }},
		{Name: "requests", Title: "month requests", Short: "requests", Field: "month.requests", Spare: 4, NoZero: true},
		{Name: "cost", Title: "month cost", Short: "cost", Field: "month.cost_nano_usd", Spare: 3, Get: func(v *ModelView) Value {
			m := MoneyOf(v.Month.CostNanoUSD)
			m.Void = v.Month.Requests == 0
			return m
		}},
		{Name: "requests_30d", Title: "30d requests", Field: "last_30d.requests", Hidden: true, NoZero: true},
		{Name: "cost_30d", Title: "30d cost", Field: "last_30d.cost_nano_usd", Hidden: true},
	},
})

// rate is a price that is told in US dollars; of a model without one there is
// none.
func (v *ModelView) rate(usd string) Value {
	n, err := tally.ParseUSD(usd)
	return RateOf(n, v.Priced && err == nil)
}

// TokenTable shows access tokens.
var TokenTable = NewTable(Table[*TokenView]{
	Thing: "access token", Make: "tallygate tokens mint",
	ID:     func(v *TokenView) string { return v.ID },
	Signs:  true,
	Tone:   func(v *TokenView) Tone { return refusedTone(v.Refused, stateTone(v.State)) },
	Orders: []string{"last", "cost", "used", "expires"},
	Refused: func(v *TokenView) (string, *RefusedNow) {
		return v.Refused.who("token", "Site token "+cmp.Or(v.Label, v.ID))
	},
	Columns: []Column[*TokenView]{
		{Name: "token", Field: "tid", Spare: 7},
		{Name: "label"},
		{Name: "gateway", Shown: "gateway_name", Spare: 8},
		{Name: "state", Words: []string{"active", "used up", "expired", "revoked", "unknown"}, Get: func(v *TokenView) Value { return WordOf(v.State) }},
		{Name: "now", Derived: true, Spare: 1, Get: func(v *TokenView) Value { return v.Refused.Value() }},
		{Name: "expires", Field: "expires_at", Spare: 4},
		{Name: "requests", Sum: true, Field: "month.requests", Title: "month requests", Short: "requests"},
		{Name: "refused", Sum: true, Field: "month.refused", Title: "month refused", Short: "refused", Spare: 5, NoZero: true},
		{Name: "cost", Sum: true, Field: "month.cost_nano_usd", Title: "month cost", Short: "cost"},
		{Name: "spent", Field: "used.cost_nano_usd", Hidden: true},
		{Name: "domains", Spare: 9, Get: func(v *TokenView) Value { return WordOf(strings.Join(v.Domains, " ")) }},
		{Name: "templates", Spare: 9, Get: func(v *TokenView) Value { return WordOf(strings.Join(v.Templates, " ")) }},
		{Name: "mints", Hidden: true, Words: []string{"yes"}, Get: func(v *TokenView) Value {
			if v.Mints {
				return WordOf("yes")
			}
			return WordOf("")
		}},
		{Name: "minted", Field: "minted_at", Spare: 9},
		{Name: "by", Field: "minted_by", Hidden: true},
		{Name: "used", Derived: true, Spare: 2, Get: func(v *TokenView) Value { return usedOf(v.Limits) }},
		{Name: "left", Derived: true, Spare: 6, Get: func(v *TokenView) Value { return WordOf(leftText(v.Limits)) }},
		{Name: "last", Field: "last_used_at", Title: "last used", Short: "last", Spare: 1},
	},
})

// VisitorTable shows visitors, by network and keyed hash.
var VisitorTable = NewTable(Table[*Visitor]{
	Thing: "visitor",
	ID:    func(v *Visitor) string { return v.Visitor },
	Columns: []Column[*Visitor]{
		{Name: "network"},
		{Name: "visitor", Spare: 3},
		{Name: "country"},
		{Name: "requests", Sum: true},
		{Name: "refused", Sum: true, NoZero: true},
		{Name: "cost", Sum: true, Field: "cost_nano_usd"},
		{Name: "first", Field: "first_seen_at", Title: "first seen", Short: "first", Spare: 2},
		{Name: "last", Field: "last_seen_at", Title: "last seen", Short: "last", Spare: 1},
	},
})

// refusedTone is bad for what a limit refuses, whose own tone is the other one.
func refusedTone(r *RefusedNow, own Tone) Tone {
	if r != nil && r.Limit != "" {
		return Bad
	}
	return own
}

// limitsText writes limits as they are set.
func limitsText(limits []tally.Limit) Value { return WordOf(joined(limits, tally.Limit.String)) }

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
