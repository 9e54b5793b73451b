package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/pricefile"
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
			report.Warning = "none of the models that are here is on the list: models are matched by their provider and by the name that it knows them by"
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
func importPrice(report *control.Imported, m *tally.Model, fresh []tally.Price, problem string, choice *control.ChoosePrices, now time.Time) bool {
	named := func(list []string) bool {
		return slices.ContainsFunc(list, func(name string) bool { return name == m.Name || name == string(m.ID) || name == listedAs(m.UpstreamName()) })
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
			return (of == "" || m.Provider == of) && (m.Name == name || string(m.ID) == name || listedAs(m.UpstreamName()) == listedAs(name))
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
func (e *Engine) offeredPrice(offered []providers.ModelInfo, now time.Time) func(*tally.Catalog, *tally.Model) *listedPrice {
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

// priceList is a list from a file.
type priceList struct {
	format  string
	offered int
	unknown []string
	of      func(*tally.Catalog, *tally.Model) *listedPrice
}

// readPrices reads a list that the owner has.
func (e *Engine) readPrices(in *control.ImportPrices, now time.Time) (*priceList, error) {
	list, err := pricefile.Read([]byte(in.Text), now)
	if err != nil {
		return nil, err
	}
	if list.Format == pricefile.Book {
		book, err := readPriceBook([]byte(in.Text))
		if err != nil {
			return nil, tally.Errorf(tally.Invalid, "%w", err).WithHint("is it of this version of tallygate?")
		}
		return &priceList{format: list.Format, offered: len(book.models), of: e.bookPrice(book)}, nil
	}
	by := map[[2]string]*pricefile.Entry{}
	for i := range list.Entries {
		x := &list.Entries[i]
		by[[2]string{strings.ToLower(x.Provider), x.Model}] = x
	}
	source := strings.TrimSpace("file "+tally.Printable(in.Name)) + " (" + list.Format + ")"
	find := func(c *tally.Catalog, m *tally.Model) *listedPrice {
		p := c.Provider(m.Provider)
		if p == nil {
			return nil
		}
		kind := e.kinds[p.ProviderKind]
		for _, of := range callersOf(p, publisherOf(&kind, p)) {
			for _, name := range []string{m.UpstreamName(), listedAs(m.UpstreamName()), m.Name} {
				x := by[[2]string{of, name}]
				switch {
				case x == nil:
					continue
				case x.Problem != "":
					return &listedPrice{problem: x.Problem}
				}
				return completed(x.Prices, source, list.Format == pricefile.Own, tally.InForce(m.Prices, now))
			}
		}
		return nil
	}
	return &priceList{format: list.Format, offered: len(list.Entries), unknown: list.Unknown, of: find}, nil
}

// called are names that lists have for what tallygate calls otherwise.
var called = map[string][]string{
	"gemini": {"google"}, "together": {"together_ai", "togetherai"}, "fireworks": {"fireworks_ai", "fireworks-ai"}, "azure": {"azure_ai"},
	"moonshot": {"moonshotai"}, "cohere": {"cohere_chat"}, "alibaba": {"dashscope", "qwen"}, "zai": {"z-ai"}, "openai": {"text-completion-openai"},
	"ollama": {"ollama_chat"},
}

// callersOf are the names that a list may call a provider by, its own first, and "" for a
// list that names none.
func callersOf(p *tally.Provider, publisher string) []string {
	out := []string{strings.ToLower(p.Name)}
	for _, name := range []string{string(p.ProviderKind), publisher} {
		if name != "" {
			out = append(append(out, name), called[name]...)
		}
	}
	return append(out, "")
}

// completed fills in what rows of a list leave out: those of tiers and hours share with the
// plain one of their time what they do not name, as in the price book. What is billed by the
// piece and the list does not name costs what it costs now: lists of tokens do not say that a
// search is free. Rows that tallygate has listed leave nothing out.
func completed(rows []tally.Price, source string, whole bool, now []tally.Price) *listedPrice {
	groups := groupsOf(slices.Clone(rows))
	for _, g := range groups {
		p := g.base()
		if whole || p.Tier != "" || len(p.Hours) > 0 || len(now) == 0 {
			continue
		}
		pieces := maps.Clone(now[0].Pieces)
		if pieces == nil {
			pieces = p.Pieces
		}
		maps.Copy(pieces, p.Pieces)
		if len(pieces) > 0 {
			p.Pieces = pieces
		}
		if p.Request == 0 {
			p.Request = now[0].Request
		}
	}
	var out []tally.Price
	for _, g := range groups {
		if p := g.base(); !whole && (p.Tier != "" || len(p.Hours) > 0) {
			g = complete(g, plainOf(groups, p.From))
		}
		for j := range g {
			if g[j].Source = strings.TrimSuffix(source+": "+g[j].Source, ": "); len(g[j].Source) > 300 {
				g[j].Source = source
			}
		}
		fillBands(g)
		out = append(out, g...)
	}
	return &listedPrice{prices: out}
}

// plainOf is the plain group of a list that counts from an instant on, or the first of all.
func plainOf(groups []priceGroup, at time.Time) priceGroup {
	var found priceGroup
	for _, g := range groups {
		if p := g.base(); p.Tier == "" && len(p.Hours) == 0 && !p.From.After(at) && (found == nil || !p.From.Before(found.base().From)) {
			found = g
		}
	}
	if found == nil {
		return groups[0]
	}
	return found
}
