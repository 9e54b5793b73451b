package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// listedPrice is what a list says a model costs.
type listedPrice struct {
	prices  []tally.Price
	problem string // why the price cannot be used, "" if it can
}

// importPrices brings what a list says into the prices of models that are here, or tells what
// that would change.
func (e *Engine) importPrices(ctx context.Context, in control.ImportPrices) (control.Imported, error) {
	now := e.clock()
	report := control.Imported{DryRun: in.DryRun}
	var of func(c *tally.Catalog, m *tally.Model) *listedPrice
	switch in.From {
	case control.FromFile:
		list, err := e.readPrices(&in, now)
		if err != nil {
			return report, err
		}
		report.Format, report.Offered, report.Left = list.format, list.offered, list.unknown
		of = list.of
	case control.FromBook:
		report.Offered, of = len(e.book.models), e.bookPrice(e.book)
	case control.FromProvider:
		p, err := findProvider(e.catalog.Load(), in.Provider)
		if err != nil {
			return report, err
		}
		offered, failed := e.askStored(ctx, p)
		if failed != nil {
			return report, failed
		}
		in.Provider, report.Offered, of = p.Name, len(offered), e.offeredPrice(offered, now)
	default:
		return report, tally.Errorf(tally.Invalid, "say where prices come from").WithHint("a file, book, or provider NAME")
	}
	offered := report
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) (changes []tally.Change, err error) {
		models, err := modelsFor(c, "", in.Provider)
		if err != nil {
			return nil, err
		}
		var only *tally.Provider
		if in.Provider != "" {
			if only, err = findProvider(c, in.Provider); err != nil {
				return nil, err
			}
		}
		if err := checkChosen(c, only, &in.ChoosePrices); err != nil {
			return nil, err
		}
		report = offered
		if only != nil {
			report.Provider = only.Name
		}
		for _, old := range models {
			listed := of(c, old)
			if listed == nil || len(listed.prices) == 0 && listed.problem == "" {
				continue
			}
			report.Matched++
			m, prices := *old, slices.Clone(listed.prices)
			for i := range prices {
				prices[i].NameRow(string(m.ID))
			}
			if listed.problem == "" && !slices.ContainsFunc(m.Prices, func(p tally.Price) bool { return p.Priced() }) {
				listed = &listedPrice{prices, e.unlikely(c, &m, prices, now)}
			}
			if importPrice(&report, &m, prices, listed.problem, &in.ChoosePrices, now) {
				changes = append(changes, tally.Put(&m, now))
			}
		}
		if report.Matched == 0 {
			report.Warning = "none of the models that are here is on the list: " +
				"models are matched by their provider and by the name that it knows them by"
		}
		if in.DryRun {
			return nil, nil
		}
		return changes, nil
	})
	return report, err
}

// importPrice brings what a known model costs now into m, and reports whether that changes
// it. A price with a problem is taken only if there is one at all, and it is accepted.
func importPrice(report *control.Imported, m *tally.Model, fresh []tally.Price, problem string,
	choice *control.ChoosePrices, now time.Time) bool {
	named := func(list []string) bool {
		return slices.ContainsFunc(list, func(name string) bool {
			return name == m.Name || name == string(m.ID) || name == listedAs(m.UpstreamName())
		})
	}
	accepted := choice.AcceptAll || named(choice.Accept)
	if problem != "" && (len(fresh) == 0 || !accepted) {
		refuse(report, control.PriceChange{Model: m.Name, ModelID: m.ID, Reason: problem})
		return false
	}
	rows, list := reprice(m, fresh, accepted, now)
	left := named(choice.Leave)
	for _, change := range list {
		if left {
			change.Applied, change.Reason = false, "left as it is"
		}
		if report.Changes = append(report.Changes, change); !left && !change.Applied && !slices.Contains(report.Refused, m.Name) {
			report.Refused = append(report.Refused, m.Name)
		}
	}
	if left || len(rows) == 0 {
		return false
	}
	m.Prices = append(slices.Clip(m.Prices), rows...)
	return true
}

// checkChosen says which name among those to accept or to leave is no model, of a provider or
// of any: a slip would leave a price as it is, or take it.
func checkChosen(c *tally.Catalog, p *tally.Provider, choice *control.ChoosePrices) error {
	var of tally.ID
	if p != nil {
		of = p.ID
	}
	for _, name := range slices.Concat(choice.Accept, choice.Leave) {
		if !slices.ContainsFunc(c.Models, func(m *tally.Model) bool {
			return (of == "" || m.Provider == of) &&
				(m.Name == name || string(m.ID) == name || listedAs(m.UpstreamName()) == listedAs(name))
		}) {
			return missing("model", name, modelNames(c, of), "tallygate models import PROVIDER")
		}
	}
	return nil
}

// unlikely says why a first price of a model is not to be believed: there is no earlier one
// that it could be compared with, but perhaps the price book has one.
func (e *Engine) unlikely(c *tally.Catalog, m *tally.Model, prices []tally.Price, now time.Time) string {
	if why := outlandish(prices); why != "" {
		return why
	}
	known := e.bookPrice(e.book)(c, m)
	if known == nil {
		return ""
	}
	was, is := tally.QuoteAt(known.prices, now, "", 0), tally.QuoteAt(prices, now, "", 0)
	if was.Row == nil || is.Row == nil || !was.Row.PricesTokens() || !is.Row.PricesTokens() {
		return ""
	}
	for _, class := range [...]tally.Class{tally.ClassInput, tally.ClassOutput} {
		if why := implausible(was.Of[class], is.Of[class], true); why != "" {
			return fmt.Sprintf("its %s is %s as the price book has it", class, strings.Replace(why, ":", " and", 1))
		}
	}
	return ""
}

// bookPrice finds prices in a price book.
func (e *Engine) bookPrice(book *priceBook) func(*tally.Catalog, *tally.Model) *listedPrice {
	return func(c *tally.Catalog, m *tally.Model) *listedPrice {
		p := c.Provider(m.Provider)
		if p == nil {
			return nil
		}
		kind := e.kinds[p.ProviderKind]
		entry := book.find(publisherOf(&kind, p), m.UpstreamName())
		if entry == nil || kind.Local {
			return nil
		}
		return &listedPrice{prices: entry.prices}
	}
}

// offeredPrice finds prices in what a provider offers now: its own, or else those of the
// price book.
func (e *Engine) offeredPrice(offered []providers.ModelInfo,
	now time.Time) func(*tally.Catalog, *tally.Model) *listedPrice {
	byName := map[string]*providers.ModelInfo{}
	for i := range offered {
		if name := listedAs(offered[i].Name); byName[name] == nil {
			byName[name] = &offered[i]
		}
	}
	return func(c *tally.Catalog, m *tally.Model) *listedPrice {
		info, p := byName[listedAs(m.UpstreamName())], c.Provider(m.Provider)
		if info == nil || p == nil {
			return nil
		}
		return &listedPrice{e.offeredModel(p, info, now).Prices, info.PriceProblem}
	}
}
