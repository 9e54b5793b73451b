package engine

import (
	"context"
	"fmt"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	expiresSoon = 7 * 24 * time.Hour
	maxWarned   = 5       // names in one warning, and warnings of a day of one kind
	littleDisk  = 1 << 30 // bytes that are free, four times what requests are refused at
)

// weight orders warnings: those with the least come first.
var weight = map[control.Tone]int{control.Bad: 0, control.Warn: 1, control.Faint: 2}

// warnings are what keeps the engine, or a part of it, from serving.
func (e *Engine) warnings(c *tally.Catalog, s *control.Status, store storage.Status, now time.Time) (out []control.Warning) {
	add := func(kind control.WarningKind, gravity control.Tone, sentence, detail, next string) {
		out = append(out, control.Warning{Kind: kind, Gravity: gravity, Sentence: sentence, Detail: detail, Next: next})
	}
	switch {
	case store.Fault != "":
		add(control.WarnDisk, control.Bad, "The disk does not keep what it is given, so requests are refused until it does", "it says: "+store.Fault, "")
	case !store.Admitting:
		add(control.WarnDisk, control.Bad, "The disk is nearly full", "new requests are refused until there is space", "")
	case store.DiskBytes > 0 && store.FreeBytes < littleDisk:
		add(control.WarnDisk, control.Warn, "The disk has little room left", control.SizeOf(store.FreeBytes).Long(time.UTC)+" free; requests are refused once there is hardly any", "")
	}
	if s.Checked != nil && s.Checked.Faults > 0 {
		add(control.WarnStore, control.Bad, fmt.Sprintf("The check of last night found faults in the store (%d)", s.Checked.Faults),
			"keep a copy of the folder", "tallygate verify")
	}
	out = append(out, e.lateBackup(s.Backups)...)
	if s.ClockLag > 0 {
		add(control.WarnClock, control.Warn, fmt.Sprintf("The clock is %s behind the last request", s.ClockLag.Round(time.Second)),
			"if it was ahead and is right now, accept it", "tallygate settings accept-clock")
	}
	switch {
	case len(c.Gateways) == 0:
		return append(out, control.NothingSetUp)
	case len(c.Providers) == 0:
		add(control.WarnSetUp, control.Bad, "There is no provider", "nobody could answer", "tallygate providers create --name NAME --kind KIND")
	case s.Models == 0:
		add(control.WarnSetUp, control.Bad, "No model can be used", "each needs a price and a provider that is on", "tallygate models list")
	}
	for _, p := range c.Providers {
		if !p.Enabled {
			continue
		}
		name := tally.ShellWord(p.Name)
		if _, err := e.router.Provider(p.ID); err != nil {
			out = append(out, control.Warning{
				Kind: control.WarnUnusable, Gravity: control.Bad, Thing: providerThing(c, p.ID),
				Sentence: "Provider " + p.Name + " cannot be used", Detail: "it is not asked", Next: "tallygate providers test " + name,
			})
		}
		if e.silent(p.ID) {
			w := control.Warning{
				Kind: control.WarnSilent, Gravity: control.Bad, Thing: providerThing(c, p.ID),
				Sentence: "Provider " + p.Name + " does not answer", Detail: "it is asked last until it does",
				Next: "tallygate providers test " + name,
			}
			if f := e.lastFailure(p, now); f != nil {
				w.Detail = "the latest: " + f.Why()
			}
			out = append(out, w)
		}
		if risk := tally.BaseURLRisk(p.BaseURL); risk != "" {
			out = append(out, control.Warning{
				Kind: control.WarnInsecure, Gravity: control.Warn, Thing: providerThing(c, p.ID),
				Sentence: "Provider " + p.Name + ": " + risk, Next: "tallygate providers update " + name + " --base-url URL",
			})
		}
	}
	if w, ok := unpriced(c, now); ok {
		out = append(out, w)
	}
	return out
}

// unpriced tells of models without a price.
func unpriced(c *tally.Catalog, now time.Time) (control.Warning, bool) {
	var names []string
	for _, m := range c.Models {
		if m.Enabled && !priced(m, now) {
			names = append(names, m.Name)
		}
	}
	w := control.Warning{Kind: control.WarnUnpriced, Gravity: control.Warn, Detail: someOf(names, maxWarned),
		Sentence: "Models without a price are refused", Next: "tallygate models update MODEL --price input=USD --price output=USD"}
	if c.Settings.Unpriced == tally.AllowAtZero {
		w.Sentence = "Models without a price count as free"
	}
	if len(names) == 1 {
		w.Thing = control.Thing{Kind: "model", Name: names[0]}
	}
	return w, len(names) > 0
}

// stopped tells of what its owner has stopped: those who use it are refused.
func stopped(c *tally.Catalog) (out []control.Warning) {
	for _, gw := range c.Gateways {
		if !gw.Enabled {
			out = append(out, control.Warning{
				Kind: control.WarnOff, Gravity: control.Warn, Thing: gatewayThing(gw), Since: gw.UpdatedAt,
				Sentence: "Gateway " + gw.Name + " is switched off", Detail: "its clients are refused",
				Next: control.CommandLine(control.GatewaysUpdate.Name, control.UpdateGateway{Gateway: gw.Slug, GatewayFields: control.GatewayFields{Enabled: new(true)}}),
			})
		}
	}
	for _, cl := range c.Clients {
		if cl.Status == tally.Suspended {
			out = append(out, control.Warning{
				Kind: control.WarnOff, Gravity: control.Warn, Thing: clientThing(c, cl.ID), Since: cl.UpdatedAt,
				Sentence: cl.Name + " is suspended", Detail: "refused since " + cl.UpdatedAt.In(c.Zone(cl.Gateway)).Format("Mon 2 Jan 15:04"),
				Next: control.CommandLine(control.ClientsActivate.Name, control.Named{Name: cl.Slug}),
			})
		}
	}
	return out
}

// landless tells of soft landings on a model that cannot be used: they do nothing.
func (e *Engine) landless(c *tally.Catalog, now time.Time) (out []control.Warning) {
	tell := func(of control.Thing, gw *tally.Gateway, rule tally.Landing, next string) {
		if rule.Model != "" && len(e.router.Landing(c, gw, rule.Model, now)) == 0 {
			out = append(out, control.Warning{Kind: control.WarnOff, Gravity: control.Warn, Thing: of,
				Sentence: of.Name + " would land on " + rule.Model, Detail: "it is not there, or off: nothing lands",
				Next: next + " --landing-model MODEL"})
		}
	}
	for _, gw := range c.Gateways {
		tell(gatewayThing(gw), gw, gw.Landing, "tallygate gateways update "+tally.ShellWord(gw.Slug))
	}
	for _, cl := range c.Clients {
		tell(clientThing(c, cl.ID), c.Gateway(cl.Gateway), cl.Landing, "tallygate clients update "+tally.ShellWord(cl.Slug))
	}
	return out[:min(len(out), maxWarned)]
}

// expiring tells of keys that work for a week at most.
func (e *Engine) expiring(ctx context.Context, c *tally.Catalog, now time.Time) (out []control.Warning, err error) {
	var list []*tally.Key
	for _, k := range c.Keys {
		if keyState(k, now) == "active" && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < expiresSoon {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	used, err := lastUsed(ctx, e, "key", list)
	if err != nil {
		return nil, err
	}
	var told []toldOf
	for i, k := range list {
		detail := "it was never used"
		if !used[i].IsZero() {
			detail = "last used " + control.MomentOf(used[i]).Short(now) + " ago"
		}
		told = append(told, toldOf{-k.ExpiresAt.Sub(now).Seconds(), control.Warning{
			Kind: control.WarnExpires, Gravity: control.Warn, Thing: keyThing(c, k), Until: k.ExpiresAt, Detail: detail,
			Sentence: keyCalled(c, k) + " expires " + inDays(k.ExpiresAt.Sub(now)),
			Next:     control.CommandLine(control.KeysRotate.Name, control.RotateKey{PickKey: control.PickKey{Key: string(k.ID)}, Grace: 24 * time.Hour}),
		}})
	}
	return mostOf(told, control.WarnExpires, control.Warn, "keys expire within a week", "tallygate keys list --sort expires"), nil
}

// asides are what is worth knowing, and no trouble yet.
func asides(s *control.Status, rulesCountries bool) (out []control.Warning) {
	add := func(kind control.WarningKind, gravity control.Tone, sentence, detail, next string) {
		out = append(out, control.Warning{Kind: kind, Gravity: gravity, Sentence: sentence, Detail: detail, Next: next})
	}
	if s.LeftBehind > 0 {
		add(control.WarnLeftBehind, control.Faint, leftBehind(s.LeftBehind), "what they cost is known only then", "")
	}
	if s.Unknown > 0 {
		add(control.WarnUnknown, control.Faint, requestsOf(s.Unknown)+" with a key or token that nobody has",
			"refused since the start", "")
	}
	if s.Prices.Old {
		add(control.WarnOldPrices, control.Warn, "The built-in prices are from "+s.Prices.AsOf, "models may cost something else by now: update tallygate, or give prices yourself",
			"tallygate models update MODEL --price input=USD --price output=USD")
	}
	const newer = "tallygate settings set --country-file PATH"
	if s.Countries.Problem != "" {
		add(control.WarnCountries, control.Warn, s.Countries.Problem, "", newer)
	}
	if s.Countries.Old && rulesCountries {
		add(control.WarnCountries, control.Warn, "The country database is from "+s.Countries.Built.Format(time.DateOnly), "countries may be wrong: update tallygate, or set a newer one", newer)
	}
	return out
}

func gatewayThing(gw *tally.Gateway) control.Thing {
	return control.Thing{Kind: "gateway", ID: gw.ID, Name: gw.Slug}
}

func clientThing(c *tally.Catalog, id tally.ID) control.Thing {
	return control.Thing{Kind: "client", ID: id, Name: clientSlug(c, id)}
}

func keyThing(c *tally.Catalog, k *tally.Key) control.Thing {
	return control.Thing{Kind: "key", ID: k.ID, Name: keyName(c, k)}
}

func providerThing(c *tally.Catalog, id tally.ID) control.Thing {
	return control.Thing{Kind: "provider", ID: id, Name: providerName(c, id)}
}

func modelThing(name string) control.Thing { return control.Thing{Kind: "model", Name: name} }

// keyCalled is a key as people call it.
func keyCalled(c *tally.Catalog, k *tally.Key) string {
	return "Key " + k.Label + " of " + clientName(c, k.Client)
}
