package control

import (
	"slices"
	"time"

	"tallygate/engine/tally"
)

// What an owner may set on a thing, as it is set now. Forms begin with it, and a
// thing is shown by it.

// CurrentClient is the client as its fields.
func CurrentClient(c *tally.Client, now time.Time) ClientFields {
	return ClientFields{
		Name: &c.Name, Email: &c.Email, Company: &c.Company, Phone: &c.Phone, Note: &c.Note, Origins: &c.Origins, Models: &c.Models, Limits: edits(c.Limits),
		MaxInFlight: &c.MaxInFlight, MaxBodyBytes: &c.MaxBodyBytes, Markup: new(Percent(c.TariffAt(now).Added)), Tariffs: new(TariffRows(c.Tariffs)),
		LandingBelow: &c.Landing.Below, LandingModel: &c.Landing.Model, AlertAt: &c.AlertAt, SessionLength: &c.Session.Length,
		SessionMode: &c.Session.Mode, SessionMissing: &c.Session.Missing,
	}
}

// CurrentGateway is the gateway as its fields.
func CurrentGateway(g *tally.Gateway) GatewayFields {
	return GatewayFields{
		Name: &g.Name, TimeZone: new(Zone(g.TimeZone)), CycleDay: &g.CycleDay, PublicURL: &g.PublicURL, Access: &g.Access, Origins: &g.Origins, Models: &g.Models,
		DefaultModel: &g.DefaultModel, Aliases: &g.Aliases, Limits: edits(g.Limits), VisitorLimits: edits(g.VisitorLimits),
		AllowedCountries: &g.AllowedCountries, BlockedCountries: &g.BlockedCountries, NotBefore: new(dateOf(g)), MaxBody: &g.MaxBodyBytes,
		LandingBelow: &g.Landing.Below, LandingModel: &g.Landing.Model, TryLonger: &g.TryLonger,
		VisitorMaxBody: &g.VisitorMaxBodyBytes, Enabled: &g.Enabled,
	}
}

// dateOf is from when on access tokens of a gateway count.
func dateOf(g *tally.Gateway) Date {
	if g.NotBefore.IsZero() {
		return ""
	}
	return Date(g.NotBefore.UTC().Format("2006-01-02T15:04:05Z07:00"))
}

// CurrentProvider is the provider as its fields, without its keys.
func CurrentProvider(p *tally.Provider) ProviderFields {
	return ProviderFields{
		BaseURL: &p.BaseURL, ConnectTimeout: &p.ConnectTimeout, FirstByteTimeout: &p.FirstByteTimeout, ChunkTimeout: &p.ChunkTimeout, Timeout: &p.Timeout,
		MaxInFlight: &p.MaxInFlight, Weight: &p.Weight, CostBy: &p.CostBy, Enabled: &p.Enabled,
	}
}

// CurrentModel is the model as its fields, without its prices, which are rows.
func CurrentModel(m *tally.Model) ModelFields {
	return ModelFields{
		Upstream: &m.Upstream, ContextTokens: &m.ContextTokens, MaxOutputTokens: &m.MaxOutputTokens, ImageTokens: &m.ImageTokens,
		Caps: edits(m.Caps), MaxInFlight: &m.MaxInFlight, AllowExtras: &m.AllowExtras, Enabled: &m.Enabled,
	}
}

// CurrentKey is the key as what may be changed of it.
func CurrentKey(k *tally.Key) UpdateKey {
	expires := Expiry("never")
	if !k.ExpiresAt.IsZero() {
		expires = Expiry(k.ExpiresAt.UTC().Format("2006-01-02T15:04:05Z07:00"))
	}
	out := UpdateKey{Label: &k.Label, Expires: &expires, Limits: edits(k.Limits)}
	if k.Tags != "" {
		out.Tags = new(slices.Collect(k.Tags.All()))
	}
	return out
}

// CurrentSettings is the settings as their fields.
func CurrentSettings(s *tally.Settings) SettingsFields {
	return SettingsFields{
		Unpriced: &s.Unpriced, DefaultMaxOutput: &s.DefaultMaxOutput, OnLeave: &s.OnLeave, HoldWait: s.HoldWait,
		VisitorWait: s.VisitorWait, RetryFor: s.RetryFor,
		VisitorMaxOutput: &s.VisitorMaxOutput, VisitorInFlight: &s.VisitorInFlight, RetentionDays: &s.RetentionDays, RefusedDays: &s.RefusedDays, VisitorDays: &s.VisitorDays, DropWords: &s.DropWords,
		TrustedProxies: &s.TrustedProxies, TrustedHeader: &s.TrustedHeader, CountryFile: &s.CountryFile,
		StatementHead: &s.Head, Currency: &s.Currency, TaxPercent: new(Percent(s.TaxBasisPoints)),
	}
}

// edits are limits as the edits that make them.
func edits(limits []tally.Limit) []tally.LimitEdit {
	out := make([]tally.LimitEdit, len(limits))
	for i, l := range limits {
		out[i].Limit = l
	}
	return out
}
