package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Fill makes the store of the agency: an engine with these options, whose clock is put
// where it is to be, makes the entities as an owner would over the season, and the
// history follows. Nobody needs to follow along meanwhile, so that the first second of
// an interface is not a season. The kinds must include that of providers/sim.
func (a *Agency) Fill(ctx context.Context, o engine.Options) error {
	began := time.Now()
	history := a.history()
	if err := a.setUp(ctx, o, a.budgets(history)); err != nil {
		return err
	}
	if err := a.write(ctx, o.Store, history); err != nil {
		return err
	}
	a.Logger.Info("the demo is filled", "requests", len(history), "took", time.Since(began))
	return nil
}

// setUp makes gateways, providers, models, clients, keys and tokens.
func (a *Agency) setUp(ctx context.Context, o engine.Options, budgets []tally.NanoUSD) error {
	made := &making{Agency: a, ctx: ctx}
	made.now.Store(a.began.UnixNano())
	o.Clock = func() time.Time { return time.Unix(0, made.now.Load()) }
	e, err := engine.New(ctx, o)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ln, dial := control.Memory()
	owner := control.NewClient(dial)
	var running sync.WaitGroup
	running.Go(func() { e.Control().Serve(serving, ln, control.Write) })
	made.owner = owner
	made.upstreams()
	made.clients(budgets)
	for _, step := range made.season() {
		made.now.Store(max(a.Now.Add(-step.ago).UnixNano(), made.now.Load()))
		step.do()
	}
	owner.Close()
	stop()
	running.Wait()
	return errors.Join(made.err, e.Close())
}

// making calls operations until one fails, a second after each other.
type making struct {
	*Agency
	ctx   context.Context
	owner control.Caller
	now   atomic.Int64 // nanoseconds since 1970
	err   error
}

func do[In, Out any](m *making, op control.Op[In, Out], in In) (out Out) {
	if m.err != nil {
		return out
	}
	m.now.Add(int64(time.Second))
	if out, m.err = op.Do(m.ctx, m.owner, in); m.err != nil {
		m.err = fmt.Errorf("%s: %w", op.Name, m.err)
	}
	return out
}

// limits reads limits as the owner writes them.
func (m *making) limits(texts ...string) (out []tally.LimitEdit) {
	for _, text := range texts {
		edit, err := tally.ParseLimit(text)
		m.err = errors.Join(m.err, err)
		out = append(out, edit)
	}
	return out
}

func (m *making) upstreams() {
	m.providers, m.gateways = map[string]tally.ID{}, map[string]*tally.Gateway{}
	for i := range m.models {
		x := &m.models[i]
		if m.providers[x.provider] == "" {
			m.providers[x.provider] = do(m, control.ProvidersCreate, control.CreateProvider{Name: x.provider, ProviderKind: "sim", NoImport: true}).ID
		}
		var in control.CreateModel
		in.Provider, in.Name = x.provider, x.name
		in.Prices = []control.PriceField{{Class: "input", Amount: *x.prices[0].Input}, {Class: "output", Amount: *x.prices[0].Output}}
		do(m, control.ModelsCreate, in)
	}
	do(m, control.ModelsDisable, control.PickModel{Model: "gpt-4.1-nano"})

	zone := control.Zone(m.Zone.String())
	fields := func(name string) control.GatewayFields {
		f := control.GatewayFields{Name: &name, DefaultModel: &m.models[0].name}
		if zone != "Local" {
			f.TimeZone = &zone
		}
		return f
	}
	agency := fields("Agency")
	agency.Access, agency.Aliases, agency.Limits = new(tally.AccessByKey), &map[string]string{"fast": m.models[0].name}, m.limits("cost=1000/month")
	site := fields("Website")
	site.Access, site.PublicURL, site.Origins = new(tally.AccessByToken), new("https://chat.agency.example"), &[]string{"https://www.agency.example", "https://beta.agency.example"}
	site.VisitorLimits, site.BlockedCountries, site.Limits = m.limits("requests=40/day"), &[]string{"RU"}, m.limits("cost=500/month")
	for _, in := range []control.CreateGateway{{Slug: agencyGateway, GatewayFields: agency}, {Slug: siteGateway, GatewayFields: site}} {
		g := do(m, control.GatewaysCreate, in)
		m.gateways[in.Slug] = &g.Gateway
	}
	guide := control.SetTemplate{Name: siteTemplate, Gateway: siteGateway}
	guide.System = new("You answer for an agency that builds chat bots for small hotels, shops and clinics. Be brief and kind. Give no prices: offer a call instead.")
	guide.MaxOutput, guide.Temperature = new(int64(400)), new("0.3")
	do(m, control.TemplatesSet, guide)
	// The demo itself stands for the proxy in front of the site, so that visitors may come
	// from anywhere.
	do(m, control.SettingsSet, control.SettingsFields{TrustedProxies: &[]string{"127.0.0.1", "::1"}})
}

func (m *making) clients(budgets []tally.NanoUSD) {
	for i := range m.Agency.clients {
		c := &m.Agency.clients[i]
		limits := []tally.LimitEdit{{Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: int64(budgets[i])}}}
		in := control.CreateClient{Slug: c.slug, Gateway: c.gateway, ClientFields: control.ClientFields{Name: &c.name, Company: &c.company, Email: &c.email, Limits: append(limits, m.limits(c.limits...)...)}}
		in.Markup = new(c.markup)
		c.made = do(m, control.ClientsCreate, in)
		for _, label := range c.keys {
			k := do(m, control.KeysCreate, control.CreateKey{Client: c.slug, Label: label})
			c.live = append(c.live, key{k.ID, k.Key})
		}
	}
}

// step is what the owner did a while ago.
type step struct {
	ago time.Duration
	do  func()
}

const (
	days      = 24 * time.Hour
	suspended = 3 * days // how long the client that does not pay has been so
)

// season are the owner's days since then, in order: keys in every state that a key can
// have, the tokens of the site, and a client that does not pay.
func (m *making) season() []step {
	aurora, clinic, gym := "hotel-aurora", "dr-silva-clinic", "gym-pulse"
	steps := []step{
		{62 * days, func() { do(m, control.KeysCreate, control.CreateKey{Client: aurora, Label: "n8n-prod"}) }},
		{32 * days, func() { do(m, control.KeysCreate, control.CreateKey{Client: gym, Label: "trial", Expires: "30d"}) }},
		{30 * days, func() {
			for i := range m.tokens {
				m.mint(&m.tokens[i])
			}
		}},
		{24 * days, func() {
			do(m, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Client: aurora, Key: "whatsapp-bot"}, Expires: new(control.Expiry("30d")), Limits: m.limits("requests=30/minute")})
		}},
		{9 * days, func() {
			do(m, control.KeysRevoke, control.PickKey{Client: aurora, Key: "n8n-prod"})
		}},
	}
	for i := range m.Agency.clients {
		if c := &m.Agency.clients[i]; c.suspended {
			steps = append(steps, step{suspended, func() { do(m, control.ClientsSuspend, control.Named{Name: c.slug}) }})
		}
	}
	return append(steps,
		step{tokenRevoked, func() {
			for i := range m.tokens {
				if t := &m.tokens[i]; t.revoked {
					do(m, control.TokensRevoke, control.RevokeToken{Gateway: siteGateway, Token: t.id})
				}
			}
		}},
		step{19 * time.Hour, func() {
			k := do(m, control.KeysRotate, control.RotateKey{PickKey: control.PickKey{Client: clinic, Key: "triage"}, Grace: 24 * time.Hour})
			m.Agency.clients[m.client(clinic)].live[0].secret = k.Key
		}})
}
