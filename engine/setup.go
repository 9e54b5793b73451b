package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// What a first set-up makes unless the owner says otherwise. The limits let
// somebody try things out, and keep a mistake cheap.
const (
	firstGateway = "main"
	firstClient  = "default"
	firstKind    = tally.ProviderKind("sim")
)

var firstLimits = []tally.LimitEdit{
	{Limit: tally.Limit{Metric: tally.Requests, Window: tally.Window{Unit: tally.Month}, Max: 1000}},
	{Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: int64(5 * tally.Dollar)}},
	{Limit: tally.Limit{Metric: tally.Requests, Window: tally.Window{Unit: tally.Minute}, Max: 60}},
}

// found is a provider of a set-up, with what its upstream offers.
type found struct {
	control.CreateProvider
	offered []providers.ModelInfo
	failed  *tally.Error
}

// setup makes a first gateway, its providers, a client and its key, all at
// once. Providers that are there already are used; where there is more it
// changes nothing.
func (e *Engine) setup(ctx context.Context, in control.Setup) (control.SetupDone, error) {
	if err := untouched(e.catalog.Load()); err != nil {
		return control.SetupDone{}, err
	}
	list, err := e.askAll(ctx, in.Providers)
	if err != nil {
		return control.SetupDone{}, err
	}
	var done control.SetupDone
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		if err := untouched(c); err != nil {
			return nil, err
		}
		return e.planSetup(c, &in, list, &done, now)
	})
	if err != nil {
		return control.SetupDone{}, err
	}
	url, serves := e.publicURL()
	if !serves {
		url = cmp.Or(in.BaseURL, url)
	}
	done.BaseURL = url
	done.Curl = curlFor(done.BaseURL, done.Key, done.Model)
	return done, nil
}

// untouched is an error if there is more already than providers.
func untouched(c *tally.Catalog) error {
	switch {
	case len(c.Clients) > 0:
		return tally.Errorf(tally.Conflict, "it is set up already, with client %q", c.Clients[0].Slug).
			WithHint("another key: tallygate keys create --client %s", c.Clients[0].Slug)
	case len(c.Gateways) > 0:
		return tally.Errorf(tally.Conflict, "it is set up already, with gateway %q", c.Gateways[0].Slug).
			WithHint("a first client: tallygate clients create --name NAME")
	}
	return nil
}

// askAll asks the upstreams of a set-up for their models, all at the same time.
func (e *Engine) askAll(ctx context.Context, given []control.SetupProvider) ([]found, error) {
	list := make([]found, len(given))
	names := map[string]bool{}
	for _, p := range e.catalog.Load().Providers {
		names[strings.ToLower(p.Name)] = true
	}
	nothingYet := tally.NewCatalog(0, nil)
	var asking sync.WaitGroup
	defer asking.Wait()
	for i, g := range given {
		f := &list[i]
		f.Name = freeSlug("provider", string(g.ProviderKind), func(s string) bool { return names[s] })
		names[f.Name] = true
		f.ProviderKind = g.ProviderKind
		if g.BaseURL != "" {
			f.BaseURL = &g.BaseURL
		}
		if g.APIKey != "" {
			f.APIKeys = []control.Secret{g.APIKey}
		}
		p, keys, err := e.newProvider(nothingYet, &f.CreateProvider, e.clock())
		if err != nil {
			return nil, err
		}
		asking.Go(func() { f.offered, f.failed = e.askModels(ctx, p, keys) })
	}
	return list, nil
}

// planSetup makes everything, and says in done what there is to know.
func (e *Engine) planSetup(c *tally.Catalog, in *control.Setup, list []found, done *control.SetupDone, now time.Time) ([]tally.Change, error) {
	*done = control.SetupDone{}
	models, changes, err := e.planProviders(c, list, done, now)
	if err != nil {
		return nil, err
	}
	name := firstGateway
	fields := control.GatewayFields{Name: &name}
	if in.TimeZone != "" {
		fields.TimeZone = &in.TimeZone
	}
	gw, secret, _, err := e.newGateway(c, "", &fields, now)
	if err != nil {
		return nil, err
	}
	if m := route.Cheapest(models, now); m != nil {
		gw.DefaultModel, done.Model = m.Name, m.Name
	}
	clientName := cmp.Or(strings.TrimSpace(in.Name), firstClient)
	limits := in.Limits
	if limits == nil {
		limits = firstLimits
	}
	cl, err := newClient(c, gw, "", &control.ClientFields{Name: &clientName, Limits: limits}, now)
	if err != nil {
		return nil, err
	}
	k, digest, key := newKey(cl.ID, firstLabel, now)
	done.Gateway, done.Client, done.Key = gw.Slug, cl.Slug, key
	for _, l := range cl.Limits {
		done.Limits = append(done.Limits, l.String())
	}
	for _, entity := range []tally.Entity{gw, secret, cl, k, digest} {
		changes = append(changes, tally.Put(entity, now))
	}
	return changes, nil
}

// planProviders makes the providers with their models. If none of them offers
// anything that can be used, the pretend one joins them: the first request must
// work.
func (e *Engine) planProviders(c *tally.Catalog, list []found, done *control.SetupDone, now time.Time) (models []*tally.Model, changes []tally.Change, err error) {
	add := func(f *found) error {
		p, keys, err := e.newProvider(c, &f.CreateProvider, now)
		if err != nil {
			return err
		}
		put, err := e.putProvider(c, p, keys, now)
		if err != nil {
			return err
		}
		imported, report := e.importModels(c, p, f.offered, &control.ImportModels{}, now)
		for _, ch := range imported {
			models = append(models, ch.Entity.(*tally.Model))
		}
		changes = append(append(changes, put...), imported...)
		done.Providers = append(done.Providers, p.Name)
		if f.failed != nil {
			done.Warnings = append(done.Warnings, warningOf(f.failed))
		}
		if report.Warning != "" {
			done.Warnings = append(done.Warnings, report.Warning)
		}
		return nil
	}
	for _, m := range c.Models {
		if p := c.Provider(m.Provider); p != nil && p.Enabled {
			models = append(models, m)
		}
	}
	for i := range list {
		if err := add(&list[i]); err != nil {
			return nil, nil, err
		}
	}
	if _, built := e.kinds[firstKind]; !built || route.Cheapest(models, now) != nil {
		return models, changes, nil
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(c.Providers, func(p *tally.Provider) bool { return strings.EqualFold(p.Name, name) })
	}
	pretend := found{CreateProvider: control.CreateProvider{Name: freeSlug("provider", string(firstKind), taken), ProviderKind: firstKind}}
	draft, _, err := e.newProvider(c, &pretend.CreateProvider, now)
	if err != nil {
		return nil, nil, err
	}
	pretend.offered, pretend.failed = e.askModels(context.Background(), draft, nil) // answers from memory
	if len(list)+len(c.Providers) > 0 {
		done.Warnings = append(done.Warnings, "no model of those providers can be used yet, so the pretend upstream answers for now")
	}
	err = add(&pretend)
	return models, changes, err
}

// curlFor is a first request, to be copied into a shell.
func curlFor(baseURL, key, model string) string {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body, _ := json.Marshal(struct {
		Model    string    `json:"model,omitempty"`
		Messages []message `json:"messages"`
	}{model, []message{{"user", "Hello!"}}}) // strings cannot fail
	return fmt.Sprintf("curl %s \\\n  -H \"Authorization: Bearer %s\" -H 'Content-Type: application/json' \\\n  -d %s",
		tally.ShellWord(baseURL+"/chat/completions"), key, tally.ShellQuote(string(body)))
}
