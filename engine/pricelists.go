package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/pricefile"
	"tallygate/engine/tally"
)

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
	source := "file"
	if in.Name != "" && in.Name != "-" {
		source += " " + tally.Printable(in.Name)
	}
	source += " (" + list.Format + ")"
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
	"gemini": {"google"}, "together": {"together_ai", "togetherai"}, "fireworks": {"fireworks_ai", "fireworks-ai"},
	"azure": {"azure_ai"}, "moonshot": {"moonshotai"}, "cohere": {"cohere_chat"}, "alibaba": {"dashscope", "qwen"},
	"zai": {"z-ai"}, "openai": {"text-completion-openai"}, "ollama": {"ollama_chat"},
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
		p := g.base()
		if p.Tier != "" || len(p.Hours) > 0 || p.From.After(at) {
			continue
		}
		if found == nil || !p.From.Before(found.base().From) {
			found = g
		}
	}
	if found == nil {
		return groups[0]
	}
	return found
}
