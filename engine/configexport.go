package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tallygate/engine/config"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

func (e *Engine) exportConfig(context.Context, control.None) (control.ConfigText, error) {
	return e.writeConfig(e.catalog.Load(), ""), nil
}

// exportSecrets writes the file with secrets, which leave the engine encrypted only.
func (e *Engine) exportSecrets(_ context.Context, in control.ExportSecrets) (control.ConfigText, error) {
	c := e.catalog.Load()
	secrets, err := e.secretsOf(c)
	if err != nil {
		return control.ConfigText{}, err
	}
	locked, err := secrets.Lock(in.Recipients, in.Passphrase.Reveal())
	if err != nil {
		return control.ConfigText{}, err
	}
	return e.writeConfig(c, locked), nil
}

func (e *Engine) writeConfig(c *tally.Catalog, locked string) control.ConfigText {
	now := e.clock()
	f := &config.File{
		Settings: &config.Settings{SettingsFields: control.CurrentSettings(&c.Settings)},
		Alerts:   &config.Alerts{AlertFields: control.CurrentAlerts(&c.Settings.Alerts)}, Locked: locked,
	}
	for _, p := range c.Providers {
		of := config.Provider{Name: p.Name, Kind: p.ProviderKind, ProviderFields: control.CurrentProvider(p)}
		for _, m := range c.Models {
			if m.Provider == p.ID {
				of.Models = append(of.Models, config.Model{Name: m.Name, ModelFields: control.CurrentModel(m), Rows: m.Prices})
			}
		}
		f.Providers = append(f.Providers, of)
	}
	for _, gw := range c.Gateways {
		of := config.Gateway{Slug: gw.Slug, ID: gw.PublicID, GatewayFields: control.CurrentGateway(gw)}
		if names := namesOfProviders(c, gw.Providers); len(names) > 0 {
			of.Providers = &names
		}
		for i := range gw.Templates {
			t := &gw.Templates[i]
			of.Templates = append(of.Templates, config.Template{Name: t.Name, TemplateFields: control.CurrentTemplate(t)})
		}
		for _, cl := range c.Clients {
			if cl.Gateway == gw.ID {
				of.Clients = append(of.Clients, clientConfig(c, cl, now))
			}
		}
		f.Gateways = append(f.Gateways, of)
	}
	return control.ConfigText{Text: f.Text(e.configDefaults(now))}
}

func clientConfig(c *tally.Catalog, cl *tally.Client, now time.Time) config.Client {
	out := config.Client{Slug: cl.Slug, Status: &cl.Status, ClientFields: control.CurrentClient(cl, now)}
	if tally.OnlyMarkup(cl.Tariffs) {
		out.Tariffs = nil
	} else {
		out.Markup = nil
	}
	keys := slices.Clone(c.KeysOf(cl.ID))
	tally.Order(keys, func(a, b *tally.Key) int { return cmp.Compare(a.Label, b.Label) })
	for _, k := range keys {
		if keyState(k, now) == "active" {
			is := control.CurrentKey(k)
			out.Keys = append(out.Keys, config.Key{Label: k.Label, Expires: is.Expires, Limits: is.Limits, Tags: is.Tags})
		}
	}
	return out
}

func namesOfProviders(c *tally.Catalog, ids []tally.ID) (names []string) {
	for _, id := range ids {
		if p := c.Provider(id); p != nil {
			names = append(names, p.Name)
		}
	}
	return names
}

// configDefaults are things as they are made where an owner says nothing.
func (e *Engine) configDefaults(now time.Time) config.Defaults {
	settings := tally.NewCatalog(0, nil).Settings
	fields := control.CurrentSettings(&settings)
	return config.Defaults{
		Settings: &fields,
		Alerts:   control.CurrentAlerts(&settings.Alerts),
		Provider: func(kind tally.ProviderKind) control.ProviderFields {
			return control.CurrentProvider(&tally.Provider{BaseURL: e.kinds[kind].BaseURL, Enabled: true})
		},
		Model: func(p *config.Provider, m *config.Model) (control.ModelFields, []tally.Price) {
			is := &tally.Provider{ProviderKind: p.Kind, BaseURL: e.kinds[p.Kind].BaseURL, Enabled: true}
			if p.BaseURL != nil && *p.BaseURL != "" {
				is.BaseURL = *p.BaseURL
			}
			by := e.bareModel(is, m.Name, m.Upstream, now)
			return control.CurrentModel(by), by.Prices
		},
		Gateway: control.CurrentGateway(&tally.Gateway{CycleDay: 1, Access: tally.AccessByToken, Enabled: true}),
		Client:  control.CurrentClient(&tally.Client{}, now),
	}
}

// bareModel is a model of which the owner says no more than its name, and what its provider
// calls it if that is another one.
func (e *Engine) bareModel(p *tally.Provider, name string, upstream *string, now time.Time) *tally.Model {
	called := name
	if upstream != nil && *upstream != "" {
		called = *upstream
	}
	m := e.offeredModel(p, &providers.ModelInfo{Name: called}, now)
	m.Name, m.Upstream, m.Enabled = name, "", true
	return m
}

// secretsOf collects what makes the things of a config work elsewhere as they do here.
func (e *Engine) secretsOf(c *tally.Catalog) (*config.Secrets, error) {
	out := &config.Secrets{Providers: map[string][]string{}, Gateways: map[string]string{}}
	for _, p := range c.Providers {
		keys, err := e.openKeys(c.Secret(p.ID))
		if err != nil {
			return nil, err
		}
		if len(keys) > 0 {
			out.Providers[p.Name] = keys
		}
	}
	for _, gw := range c.Gateways {
		if s := c.Secret(gw.ID); s != nil && len(s.Sealed) > 0 {
			key, err := e.sealer.Open(gw.ID, s.Sealed)
			if err != nil {
				return nil, err
			}
			out.Gateways[gw.Slug] = string(key)
		}
	}
	for _, k := range c.Keys {
		if s := c.Secret(k.ID); s != nil && keyState(k, e.clock()) == "active" {
			out.Keys = append(out.Keys, config.KeySecret{Client: clientSlug(c, k.Client), Label: k.Label, Prefix: k.Prefix, Suffix: k.Suffix,
				Digest: s.Digest, Previous: s.Previous, PreviousUntil: s.PreviousUntil})
		}
	}
	for _, m := range c.Minted {
		out.Tokens = append(out.Tokens, *m)
	}
	for _, r := range c.Revocations {
		out.Revoked = append(out.Revoked, *r)
	}
	return out, nil
}
