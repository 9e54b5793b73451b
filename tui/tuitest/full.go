package tuitest

import (
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Empty is a store that was just made.
func Empty(clock func() time.Time) *World {
	w := newWorld(clock)
	w.status.DiskBytes = 4 << 20
	return w
}

// Full is an owner's third month: nine clients, some near their caps and one
// over, keys in all states, three providers, models with and without a price,
// and traffic.
func Full(clock func() time.Time) *World {
	w := newWorld(clock)
	w.traffic = []float64{4, 3, 2, 2, 2, 3, 5, 9, 14, 19, 22, 23, 20, 22, 23, 22, 20, 17, 14, 12, 10, 8, 6, 5}
	openai := w.addProvider("openai", "openai", "https://api.openai.com/v1")
	openrouter := w.addProvider("openrouter", "openrouter", "https://openrouter.ai/api/v1")
	ollama := w.addProvider("ollama", "ollama", "http://127.0.0.1:11434/v1")
	openai.KeyHints, openrouter.KeyHints = []string{"sk-p…f3a9"}, []string{"sk-o…77c1", "sk-o…0b2e"}
	w.addModel(openai, "gpt-4o-mini", "0.15", "0.60")
	w.addModel(openai, "gpt-4.1", "2", "8")
	w.addModel(openai, "text-embedding-3-small", "0.02", "0").Mode = "embedding"
	w.addModel(openai, "gpt-5-preview", "", "")
	w.addModel(openrouter, "gpt-4o-mini", "0.15", "0.60")
	w.addModel(openrouter, "anthropic/claude-sonnet-4.5", "3", "15")
	w.addModel(openrouter, "meta-llama/llama-3.3-70b-instruct", "0.12", "0.30").Enabled = false
	w.addModel(ollama, "llama3.2:3b", "0", "0")

	main := w.newGateway("main", "Main")
	w.gateways = append(w.gateways, main)
	main.TimeZone, main.DefaultModel, main.Aliases = "Europe/Lisbon", "gpt-4o-mini", map[string]string{"fast": "gpt-4o-mini"}
	main.Limits = limits("cost=10/day")
	main.LimitStates = w.states("gateway", "main", main.Limits, nil)
	w.use(main.LimitStates, 0.42)
	site := w.newGateway("site", "Website chat")
	w.gateways = append(w.gateways, site)
	site.Access, site.PublicURL, site.Origins = tally.AccessByToken, "https://chat.example.com", []string{"https://www.example.com"}
	site.Limits = limits("cost=20/month")
	site.LimitStates = w.states("gateway", "site", site.Limits, nil)
	w.use(site.LimitStates, 0.07)
	site.VisitorLimits, site.BlockedCountries = limits("requests=20/day"), []string{"RU"}
	site.Countries = []control.Part{{Name: "PT", Requests: 412, Refused: 6}, {Name: "US", Requests: 133, Refused: 21}, {Name: "BR", Requests: 88}, {Name: "RU", Refused: 40}}
	site.Refusals = []control.Part{{Name: tally.CodeCountry, Refused: 40}, {Name: tally.CodeVisitorQuota, Refused: 22}, {Name: tally.CodeOrigin, Refused: 5}}
	w.addToken(site, "tok_4fQ0aBcDeFgHiJkLmNoPqR", "active", 3_120, 0.41)
	w.addToken(site, "tok_Zx81yWvUtSrQpOnMlKjIhG", "active", 244, 0.93)
	w.addToken(site, "tok_00000000000000000000-_", "revoked", 9, 0.01)

	for _, c := range []struct {
		name, limits string
		used         float64
		requests     int64
		status       tally.Status
		ago          time.Duration
	}{
		{"Hotel Aurora", "cost=50/month requests=60/minute sessions=300/month", 0.82, 18_204, tally.Active, 2 * time.Second},
		{"Acme Bakery", "cost=50/month requests=60/minute", 0.36, 9_118, tally.Active, 4 * time.Second},
		{"Dr. Silva Clinic", "cost=40/month tokens=2M/day", 0.73, 7_640, tally.Active, 11 * time.Second},
		{"Gym Pulse", "cost=25/month", 0.38, 5_002, tally.Active, time.Minute},
		{"Lex Partners", "cost=30/month", 1, 3_377, tally.Suspended, 3 * time.Hour},
		{"Petshop Rex", "cost=20/month cost=10/month:15,warn", 0.15, 2_950, tally.Active, 38 * time.Second},
		{"Fleet Ops", "cost=15/month", 0.97, 1_208, tally.Active, 6 * time.Minute},
		{"Demo Site", "", 0, 980, tally.Active, 12 * time.Second},
		{"Northwind", "cost=10/month", 0, 0, tally.Inactive, 0},
	} {
		x := w.addClient(main, c.name, c.limits, 2000*time.Hour)
		x.Status, x.Email, x.Company = c.status, "ops@"+x.Slug+".example", c.name+" Lda"
		w.use(x.LimitStates, c.used)
		x.Last30Days = month(c.requests)
		if c.ago > 0 {
			x.LastUsedAt = w.clock().Add(-c.ago)
		}
		k := w.addKey(x, "default", 1900*time.Hour)
		k.LastUsedAt, k.Last30Days = x.LastUsedAt, x.Last30Days
	}
	aurora := w.clients[0]
	aurora.Phone, aurora.MarkupBasisPoints, aurora.MaxInFlight, aurora.InFlight = "+351 21 000 0000", 2000, 8, 2
	w.clients[7].Gateway, w.clients[7].GatewaySlug = site.ID, site.Slug
	bot := w.addKey(aurora, "whatsapp-bot", 600*time.Hour)
	bot.ExpiresAt, bot.LastUsedAt = w.clock().AddDate(0, 0, 6), w.clock().Add(-40*time.Second)
	bot.Limits = limits("requests=10/minute")
	bot.LimitStates = w.states("key", bot.Label, bot.Limits, nil)
	old := w.addKey(aurora, "n8n-prod", 900*time.Hour)
	old.RevokedAt, old.State = w.clock().AddDate(0, 0, -9), "revoked"
	trial := w.addKey(w.clients[3], "trial", 1000*time.Hour)
	trial.ExpiresAt, trial.State = w.clock().AddDate(0, 0, -2), "expired"
	turned := w.addKey(w.clients[2], "reception", 700*time.Hour)
	turned.OldUntil = w.clock().Add(5 * time.Hour)
	for i, n := range []int64{38_100, 9_950, 210} {
		w.providers[i].Last30Days = month(n)
	}
	for i, m := range w.models {
		m.Last30Days = month(int64(21_000 / (i*i + 1)))
	}
	w.settleTraffic(400)
	return w
}

func limits(words string) []tally.Limit {
	var out []tally.Limit
	for _, word := range strings.Fields(words) {
		e, err := tally.ParseLimit(word)
		if err != nil {
			panic(err)
		}
		out = append(out, e.Limit)
	}
	return out
}

// use fills limits up to a share; those per minute stay nearly empty.
func (w *World) use(states []control.LimitState, share float64) {
	for i := range states {
		s := &states[i]
		s.Used = int64(float64(s.Max) * share)
		if s.Window.Unit == tally.Minute {
			s.Used = s.Max / 20
		}
		if share > 0 && share < 1 {
			s.Held = s.Max / 100
		}
		s.Left = s.Max - s.Used - s.Held
	}
}

func month(requests int64) control.Sums {
	s := tally.Sums{Requests: requests, Refused: requests / 70, Errors: requests / 400, Sessions: requests / 9,
		Tokens: tally.Tokens{Input: requests * 610, CachedInput: requests * 120, Output: requests * 148},
		Cost:   tally.NanoUSD(requests * 2_263_000), Credits: tally.NanoUSD(requests * 2_715_600),
		FirstByte: time.Duration(requests) * 180 * time.Millisecond, Total: time.Duration(requests) * 460 * time.Millisecond}
	s.Latency[tally.LatencyBucket(410*time.Millisecond)] = requests
	return control.NewSums(&s)
}

func (w *World) addProvider(name string, kind tally.ProviderKind, baseURL string) *control.ProviderView {
	p := &control.ProviderView{}
	p.Meta, p.Name, p.ProviderKind, p.BaseURL, p.Provider.Enabled = w.meta("prov", 2100*time.Hour), name, kind, baseURL, true
	p.Local = kind == "ollama" || kind == "sim"
	w.providers = append(w.providers, p)
	return p
}

func (w *World) addClient(g *control.GatewayView, name, words string, age time.Duration) *control.ClientView {
	c := &control.ClientView{GatewaySlug: g.Slug}
	c.Meta, c.Gateway, c.Name, c.Slug, c.Status = w.meta("cl", age), g.ID, name, tally.Slugify(name), tally.Active
	c.Limits = limits(words)
	c.LimitStates = w.states("client", c.Slug, c.Limits, nil)
	w.clients = append(w.clients, c)
	return c
}
