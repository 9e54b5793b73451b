package engine

import (
	"fmt"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// Where a price came from, in [tally.Price.Source]. A price that the owner set
// by hand is never replaced by an import.
const (
	sourceOwner    = "owner"
	sourceLocal    = "local: runs on your machine"
	sourceUpstream = "told by the upstream on "
	sourceBook     = "price book "
)

// Bounds on what one import adds: an upstream that lists thousands of models
// that cannot be used would bury those that can.
const (
	maxImported = 2000 // models with a price
	maxUnpriced = 100  // models without
	maxNamed    = 50   // names in the answer
)

// importModels decides what an upstream's list changes: models that are new,
// prices of models that are known. It stores nothing.
func (e *Engine) importModels(c *tally.Catalog, p *tally.Provider, offered []providers.ModelInfo, now time.Time) ([]tally.Change, control.Imported) {
	kind := e.kinds[p.ProviderKind]
	known := map[string]*tally.Model{}
	for _, m := range c.Models {
		if m.Provider == p.ID {
			known[m.UpstreamName()] = m
		}
	}
	report := control.Imported{Offered: len(offered), Unpriced: []string{}}
	var changes []tally.Change
	var left int
	seen := map[string]bool{}
	for _, info := range offered {
		if seen[info.Name] || checkModelName(info.Name) != nil {
			continue
		}
		seen[info.Name] = true
		fresh := e.offeredModel(kind, p.ID, info, now)
		if old := known[info.Name]; old != nil {
			if m := refreshed(old, fresh); m != nil {
				changes = append(changes, tally.Put(m, now))
			}
			continue
		}
		priced := len(fresh.Prices) > 0
		if priced && report.Priced == maxImported || !priced && report.Added-report.Priced == maxUnpriced {
			left++
			continue
		}
		report.Added++
		if priced {
			report.Priced++
		} else if len(report.Unpriced) < maxNamed {
			report.Unpriced = append(report.Unpriced, fresh.Name)
		}
		changes = append(changes, tally.Put(fresh, now))
	}
	if left > 0 {
		report.Warning = fmt.Sprintf("%d more models were left out; add those you want: tallygate models create --provider %s --name NAME --price input=USD --price output=USD", left, p.Name)
	}
	return changes, report
}

// offeredModel makes a model of what an upstream lists and the price book
// knows. It is disabled once its publisher has retired it.
func (e *Engine) offeredModel(kind providers.Kind, provider tally.ID, info providers.ModelInfo, now time.Time) *tally.Model {
	name := strings.TrimPrefix(info.Name, "models/") // Google's way of listing
	m := &tally.Model{
		Meta: tally.Meta{ID: tally.NewID("mo", now)}, Provider: provider, Name: name, Mode: info.Mode,
		ContextTokens: max(info.ContextTokens, 0), MaxOutputTokens: max(info.MaxOutputTokens, 0), Enabled: true,
	}
	if name != info.Name {
		m.Upstream = info.Name
	}
	entry := e.book.find(kind.Publisher, info.Name)
	if entry != nil {
		m.Mode = entry.mode
		m.ContextTokens = firstOf(m.ContextTokens, entry.contextTokens)
		m.MaxOutputTokens = firstOf(m.MaxOutputTokens, entry.maxOutputTokens)
		m.Enabled = entry.deprecated.IsZero() || now.Before(entry.deprecated)
	}
	switch {
	case kind.Local:
		m.Prices = []tally.Price{{Input: new(tally.NanoUSD), Output: new(tally.NanoUSD), Source: sourceLocal}}
	case len(info.Prices) > 0:
		for _, price := range info.Prices {
			price.Source = sourceUpstream + now.Format(time.DateOnly)
			m.Prices = append(m.Prices, price)
		}
	case entry != nil:
		m.Prices = append(m.Prices, entry.prices...)
	}
	return m
}

// refreshed returns the known model with what the import knows better, nil if
// nothing. What the owner chose stays: prices set by hand, and whether the
// model is enabled.
func refreshed(old, fresh *tally.Model) *tally.Model {
	m := *old
	changed := false
	for _, field := range [...]struct {
		to   *int64
		from int64
	}{{&m.ContextTokens, fresh.ContextTokens}, {&m.MaxOutputTokens, fresh.MaxOutputTokens}} {
		if *field.to == 0 && field.from != 0 {
			*field.to, changed = field.from, true
		}
	}
	if m.Mode == "" && fresh.Mode != "" {
		m.Mode, changed = fresh.Mode, true
	}
	if len(fresh.Prices) > 0 && !pricedByOwner(old) && !samePrices(old.Prices, fresh.Prices) {
		m.Prices, changed = fresh.Prices, true
	}
	if !changed {
		return nil
	}
	return &m
}

func pricedByOwner(m *tally.Model) bool {
	for i := range m.Prices {
		if m.Prices[i].Source == sourceOwner {
			return true
		}
	}
	return false
}

// samePrices compares figures, not where they came from.
func samePrices(a, b []tally.Price) bool {
	if len(a) != len(b) {
		return false
	}
	same := func(x, y *tally.NanoUSD) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	for i := range a {
		x, y := &a[i], &b[i]
		if !x.From.Equal(y.From) || x.AboveTokens != y.AboveTokens || x.Request != y.Request || !same(x.Input, y.Input) ||
			!same(x.CachedInput, y.CachedInput) || !same(x.CacheWrite, y.CacheWrite) || !same(x.Output, y.Output) || !same(x.Reasoning, y.Reasoning) {
			return false
		}
	}
	return true
}

func firstOf(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}
