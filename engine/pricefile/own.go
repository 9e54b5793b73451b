package pricefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"tallygate/engine/tally"
)

// ownRow is a row as `prices list --json` writes it.
type ownRow struct {
	Model    string `json:"model"`
	ModelID  string `json:"model_id"`
	Provider string `json:"provider"`
	State    string `json:"state"`
	tally.Price
	AgeDays int64  `json:"age_days"`
	Zone    string `json:"zone"`
}

// readOwn reads the rows of prices that tallygate has written. Those that are over are left
// out: what is imported counts from now on.
func readOwn(text []byte) (*List, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, tally.Errorf(tally.Invalid, "it is not a list: %w", err).WithHint(formats)
	}
	g := grouper{}
	for i, r := range raw {
		var row ownRow
		d := json.NewDecoder(bytes.NewReader(r))
		d.DisallowUnknownFields() // a misspelt rate would be its parent's
		err := d.Decode(&row)
		_, twice, ok := unique(r)
		switch {
		case i == 0 && (!ok || row.Model == ""):
			return nil, tally.Errorf(tally.Invalid, "it is JSON, and no list of prices that is known").WithHint(formats)
		case err != nil:
			g.refuse(row.Provider, row.Model, fmt.Sprintf("row %d cannot be read: %v", i+1, err))
		case twice != "":
			g.refuse(row.Provider, row.Model, fmt.Sprintf("row %d says %s twice", i+1, twice))
		case row.State == "past":
			g.entry(row.Provider, row.Model) // which may have no other
		default:
			g.add(row.Provider, row.Model, row.Price)
		}
	}
	return g.list(Own), nil
}

// grouper gathers the rows of models.
type grouper struct {
	order []*Entry
	by    map[[2]string]*Entry
}

func (g *grouper) entry(provider, model string) *Entry {
	key := [2]string{provider, model}
	if g.by == nil {
		g.by = map[[2]string]*Entry{}
	}
	if g.by[key] == nil {
		g.by[key] = &Entry{Provider: provider, Model: model}
		g.order = append(g.order, g.by[key])
	}
	return g.by[key]
}

func (g *grouper) refuse(provider, model, problem string) {
	if e := g.entry(provider, model); e.Problem == "" {
		e.Problem = problem
	}
}

// add adds a row. The engine names rows itself.
func (g *grouper) add(provider, model string, p tally.Price) {
	p.ID = ""
	for _, c := range tally.AllClasses {
		if n := *p.Rate(c); n != nil && (*n < 0 || *n > tally.MaxMoney) {
			g.refuse(provider, model, "its price of "+c.String()+" is negative or too large")
		}
	}
	if p.Request < 0 || p.Request > tally.MaxMoney || p.AboveTokens < 0 {
		g.refuse(provider, model, "its price of a call, or its band, is negative or too large")
	}
	for name, n := range p.Pieces {
		if n < 0 || n > tally.MaxMoney {
			g.refuse(provider, model, "its price of "+string(name)+" is negative or too large")
		}
	}
	if p.Tier != "" && !slices.Contains(p.Tier.Words(), string(p.Tier)) {
		g.refuse(provider, model, "\""+tally.Printable(string(p.Tier))+"\" is no tier")
	}
	e := g.entry(provider, model)
	e.Prices = append(e.Prices, p)
}

func (g *grouper) list(format string) *List {
	out := &List{Format: format}
	for _, e := range g.order {
		if len(e.Prices) == 0 && e.Problem == "" {
			continue
		}
		if e.Problem == "" {
			e.Problem = twins(e.Prices)
		}
		e.Prices = sortBands(e.Prices)
		out.Entries = append(out.Entries, *e)
	}
	return out
}

// twins says whether two rows are of the same: one of them is wrong.
func twins(rows []tally.Price) string {
	for i := range rows {
		for j := range rows[:i] {
			a, b := &rows[i], &rows[j]
			if sameTime(a, b) && a.AboveTokens == b.AboveTokens {
				return "two of its rows are of the same time, tier, hours and length"
			}
		}
	}
	return ""
}

// sameTime reports whether rows are of the same dates, tier and hours.
func sameTime(a, b *tally.Price) bool {
	return a.From.Equal(b.From) && a.Until.Equal(b.Until) && a.Tier == b.Tier && a.Hours.String() == b.Hours.String()
}
