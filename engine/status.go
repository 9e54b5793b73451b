package engine

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	expiresSoon = 7 * 24 * time.Hour
	lagWorthy   = time.Second // of telling the owner
	maxWarned   = 5           // names in one warning
)

func (e *Engine) status(ctx context.Context, _ control.None) (control.Status, error) {
	c, now := e.catalog.Load(), e.clock()
	store, err := e.store.Status(ctx)
	if err != nil {
		return control.Status{}, err
	}
	holds, err := e.store.Holds(ctx)
	if err != nil {
		return control.Status{}, err
	}
	today, err := e.sumsBy(ctx, tally.ByTotal, "", 24*time.Hour, now)
	if err != nil {
		return control.Status{}, err
	}
	out := control.Status{
		PID: os.Getpid(), Version: e.opts.Version, Data: e.opts.Data, StartedAt: e.started.UTC(), Rev: c.Rev,
		Records: store.Records, Holds: holds, InFlight: e.gateway.InFlight(), Waiting: store.Waiting, LeftBehind: e.gateway.LeftBehind(), Unknown: e.gateway.Unknown(),
		Gateways: len(c.Gateways), Clients: len(c.Clients), Providers: len(c.Providers),
		Fault: store.Fault, Checked: e.checked.Load(),
		DiskBytes: store.DiskBytes, FreeBytes: store.FreeBytes, Last24Hours: today(""),
	}
	if url, serving := e.publicURL(); serving {
		out.Serving, out.BaseURL = true, url
	}
	for _, k := range c.Keys {
		if keyState(k, now) == "active" {
			out.Keys++
		}
	}
	for _, m := range c.Models {
		if usable(c, m, now) {
			out.Models++
		}
	}
	if lag := now.Sub(e.opts.Clock()); lag > lagWorthy {
		out.ClockLag = lag
	}
	out.Countries = e.countryStatus(now)
	out.Prices = e.bookAge(now)
	endings, err := e.endings(ctx, c, now)
	if err != nil {
		return control.Status{}, err
	}
	daily, err := e.daily(ctx, c, now)
	if err != nil {
		return control.Status{}, err
	}
	var refused []string
	if out.Refused, refused, err = e.countRefused(ctx, c, now); err != nil {
		return control.Status{}, err
	}
	out.Warnings = e.warnings(c, &out, store, slices.Concat(refused, endings, daily), now)
	return out, nil
}

// warnings are what the owner should know without having asked, the gravest
// first. What of it had to be looked up was told already.
func (e *Engine) warnings(c *tally.Catalog, s *control.Status, store storage.Status, told []string, now time.Time) (out []string) {
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case store.Fault != "":
		warn("the disk does not keep what it is given, so requests are refused until it does; it says: %s", store.Fault)
	case !store.Admitting:
		warn("the disk is nearly full: new requests are refused until there is space")
	}
	if s.Checked != nil && s.Checked.Faults > 0 {
		warn("the check of last night found faults in the store (%d): run tallygate verify, and keep a copy of the folder", s.Checked.Faults)
	}
	if s.ClockLag > 0 {
		warn("the clock is %s behind the last request; if it was ahead and is right now: tallygate settings accept-clock", s.ClockLag.Round(time.Second))
	}
	switch {
	case len(c.Gateways) == 0:
		warn("nothing is set up yet: tallygate init --yes")
		return out
	case len(c.Providers) == 0:
		warn("there is no provider: tallygate providers create --name NAME --kind KIND")
	case s.Models == 0:
		warn("no model can be used: tallygate models list says why")
	}
	for _, p := range c.Providers {
		if _, err := e.router.Provider(p.ID); p.Enabled && err != nil {
			warn("provider %s cannot be used: tallygate providers test %s", p.Name, tally.ShellWord(p.Name))
		}
	}
	for _, p := range c.Providers {
		if risk := tally.BaseURLRisk(p.BaseURL); p.Enabled && risk != "" {
			warn("provider %s: %s", p.Name, risk)
		}
	}
	for _, gw := range c.Gateways {
		if !gw.Enabled {
			warn("gateway %s is switched off: its clients are refused", gw.Slug)
		}
	}
	var unpriced, expiring []string
	for _, m := range c.Models {
		if m.Enabled && !priced(m, now) {
			unpriced = append(unpriced, m.Name)
		}
	}
	for _, k := range c.Keys {
		if keyState(k, now) == "active" && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < expiresSoon {
			expiring = append(expiring, clientSlug(c, k.Client)+"/"+k.Label)
		}
	}
	switch {
	case len(unpriced) == 0:
	case c.Settings.Unpriced == tally.AllowAtZero:
		warn("models without a price count as free: %s", someOf(unpriced, maxWarned))
	default:
		warn("models without a price are refused: %s; price one with: tallygate models update MODEL --price input=USD --price output=USD", someOf(unpriced, maxWarned))
	}
	out = append(out, told...)
	if s.LeftBehind > 0 {
		warn("%s", leftBehind(s.LeftBehind))
	}
	if s.Prices.Old {
		warn("the built-in prices are from %s, so models may cost something else by now: update tallygate, or give prices with tallygate models update", s.Prices.AsOf)
	}
	if s.Countries.Problem != "" {
		warn("%s", s.Countries.Problem)
	}
	if s.Countries.Old && e.rulesCountries(c) {
		warn("the country database is from %s, so countries may be wrong: update tallygate, or set a newer one: tallygate settings set --country-file PATH", s.Countries.Built.Format(time.DateOnly))
	}
	if len(expiring) > 0 {
		warn("keys expire within a week: %s", someOf(expiring, maxWarned))
	}
	return out
}
