package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// Where a price came from, as [tally.Price.Source] begins.
const (
	sourceOwner    = "owner"
	sourceLocal    = "local: runs on your machine"
	sourceUpstream = "told by the upstream"
	sourceBook     = "price book"
)

// Bounds on what one import adds: an upstream that lists thousands of models
// that cannot be used would bury those that can.
const (
	maxImported = 2000 // models with a price
	maxUnpriced = 100  // models without
	maxNamed    = 50   // names in the answer
)

// listedAs is a model's name on an upstream's list without what is the list's own
// way: Google's says models/gemini-….
func listedAs(name string) string { return strings.TrimPrefix(name, "models/") }

// importModels decides what an upstream's list changes: models that are new, that
// have gone or come back, prices of models that are known. It stores nothing.
func (e *Engine) importModels(c *tally.Catalog, p *tally.Provider, offered []providers.ModelInfo, in *control.ImportModels, now time.Time) ([]tally.Change, control.Imported) {
	known := map[string]*tally.Model{}
	for _, m := range c.Models {
		if m.Provider == p.ID {
			known[listedAs(m.UpstreamName())] = m
		}
	}
	report := control.Imported{Provider: p.Name, Offered: len(offered), DryRun: in.DryRun}
	var changes []tally.Change
	var left int
	seen := map[string]bool{}
	for i := range offered {
		info := &offered[i]
		name := listedAs(info.Name)
		if seen[name] || checkModelName(info.Name) != nil {
			continue
		}
		seen[name] = true
		fresh := e.offeredModel(p, info, now)
		if old := known[name]; old != nil {
			m, problem := refreshed(old, fresh), info.PriceProblem
			if problem == "" && !slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.Priced() }) {
				problem = e.unlikely(c, m, fresh.Prices, now)
			}
			if importPrice(&report, m, fresh.Prices, problem, &in.ChoosePrices, now) || !sameFacts(m, old) {
				changes = append(changes, tally.Put(m, now))
			}
			noteShutdown(&report, m)
			continue
		}
		if len(info.Prices) > 0 { // with nothing to compare them with
			if why := outlandish(info.Prices); why != "" {
				info.PriceProblem, fresh.Prices = why, nil
			}
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
		if info.PriceProblem != "" {
			refuse(&report, control.PriceChange{Model: fresh.Name, Reason: info.PriceProblem})
		}
		noteShutdown(&report, fresh)
		changes = append(changes, tally.Put(fresh, now))
	}
	if left > 0 {
		report.Warning = fmt.Sprintf("%d more models were left out; add those you want: tallygate models create --provider %s --name NAME --price input=USD --price output=USD", left, tally.ShellWord(p.Name))
	}
	tally.OrderStable(report.Shutdowns, func(a, b control.Shutdown) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Model, b.Model)) })
	return append(changes, missingModels(&report, c, p, seen, now)...), report
}

// refuse reports a price that cannot be used at all.
func refuse(report *control.Imported, change control.PriceChange) {
	report.Changes = append(report.Changes, change)
	report.Refused = append(report.Refused, change.Model)
}

func noteShutdown(report *control.Imported, m *tally.Model) {
	if m.Enabled && !m.ShutdownAt.IsZero() {
		report.Shutdowns = append(report.Shutdowns, control.Shutdown{Model: m.Name, At: m.ShutdownAt, ReplacedBy: m.ReplacedBy})
	}
}

// missingModels marks the known models that are on the list no more. An empty list
// says nothing.
func missingModels(report *control.Imported, c *tally.Catalog, p *tally.Provider, seen map[string]bool, now time.Time) (changes []tally.Change) {
	for _, old := range c.Models {
		if len(seen) == 0 || old.Provider != p.ID || seen[listedAs(old.UpstreamName())] {
			continue
		}
		m := *old
		if m.MissingAt.IsZero() {
			m.MissingAt = now.UTC().Truncate(time.Second)
			changes = append(changes, tally.Put(&m, now))
		}
		report.Missing = append(report.Missing, control.MissingInfo{Model: m.Name, Since: m.MissingAt})
	}
	return changes
}

// offeredModel makes a model of what an upstream lists and the price book
// knows. It is disabled once its publisher has retired it.
func (e *Engine) offeredModel(p *tally.Provider, info *providers.ModelInfo, now time.Time) *tally.Model {
	kind := e.kinds[p.ProviderKind]
	m := &tally.Model{
		Meta: tally.Meta{ID: tally.NewID("mo", now)}, Provider: p.ID, Name: listedAs(info.Name), Mode: info.Mode,
		ContextTokens: max(info.ContextTokens, 0), MaxOutputTokens: max(info.MaxOutputTokens, 0), Enabled: true,
	}
	if m.Name != info.Name {
		m.Upstream = info.Name
	}
	publisher := publisherOf(&kind, p)
	entry := e.book.find(publisher, info.Name)
	if entry != nil {
		m.Mode = entry.mode
		m.ContextTokens = cmp.Or(m.ContextTokens, entry.contextTokens)
		m.MaxOutputTokens = cmp.Or(m.MaxOutputTokens, entry.maxOutputTokens)
		m.ImageTokens = entry.imageTokens
	}
	if entry != nil && publisher != "" { // who resells has dates of its own
		m.ShutdownAt, m.ReplacedBy = entry.shutdownAt, entry.replacedBy
		m.Enabled = !entry.gone(now)
	}
	switch {
	case kind.Local:
		m.Prices = tally.Prices{{Input: new(tally.NanoUSD), Output: new(tally.NanoUSD), Source: sourceLocal}}
	case len(info.Prices) > 0:
		for _, price := range info.Prices {
			price.Source, price.Seen = sourceUpstream, now.UTC().Truncate(time.Second)
			m.Prices = append(m.Prices, price)
		}
	case entry != nil && info.PriceProblem == "":
		m.Prices = slices.Clone(entry.prices)
	}
	for i := range m.Prices {
		m.Prices[i].NameRow(string(m.ID))
	}
	return m
}

// refreshed returns the known model with what the import knows better beside its
// price. What the owner chose stays, and whether the model is enabled.
func refreshed(old, fresh *tally.Model) *tally.Model {
	m := *old
	m.ContextTokens = cmp.Or(m.ContextTokens, fresh.ContextTokens)
	m.MaxOutputTokens = cmp.Or(m.MaxOutputTokens, fresh.MaxOutputTokens)
	m.ImageTokens = cmp.Or(m.ImageTokens, fresh.ImageTokens)
	m.Mode = cmp.Or(m.Mode, fresh.Mode)
	m.ShutdownAt, m.ReplacedBy, m.MissingAt = fresh.ShutdownAt, fresh.ReplacedBy, time.Time{}
	return &m
}

// sameFacts reports whether an import has left a model as it was but for its
// price.
func sameFacts(a, b *tally.Model) bool {
	return a.ContextTokens == b.ContextTokens && a.MaxOutputTokens == b.MaxOutputTokens && a.ImageTokens == b.ImageTokens && a.Mode == b.Mode &&
		a.ShutdownAt.Equal(b.ShutdownAt) && a.ReplacedBy == b.ReplacedBy && a.MissingAt.Equal(b.MissingAt)
}
