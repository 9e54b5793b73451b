// Command book makes the price book that ships in the program, ../prices.json, of
// the lists beside it: prices.csv has a line for each name that an upstream
// accepts, price_tiers.csv everything that is not the plain rate, and
// price_notes.csv what a reader of the two should know. Run it in the root of the
// repository after a list has changed:
//
//	go run ./assets/book
//
// It puts figures in their place and makes up none; what follows from them is for
// the reader of the book. A field, a unit or hours that it does not know stop it.
package main

import (
	"embed"
	"encoding/csv"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.csv
var lists embed.FS

// asOf is the day of the lists.
const asOf = "2026-11-28"

func main() {
	text, err := makeBook()
	if err == nil {
		err = os.WriteFile("assets/prices.json", text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The book as it is written; package assets says what its fields mean.
type (
	model struct {
		Model       string `json:"model"`
		Publisher   string `json:"publisher"`
		AliasOf     string `json:"alias_of,omitempty"`
		Mode        string `json:"mode"`
		Status      string `json:"status"`
		Context     int64  `json:"context_tokens,omitempty"`
		MaxInput    int64  `json:"max_input_tokens,omitempty"`
		MaxOutput   int64  `json:"max_output_tokens,omitempty"`
		ImageTokens int64  `json:"image_tokens,omitempty"`
		Shutdown    string `json:"shutdown,omitempty"`
		ReplacedBy  string `json:"replaced_by,omitempty"`
		AnsweredBy  string `json:"answered_by,omitempty"`
		Confidence  string `json:"confidence"`
		cite
		Prices []*price `json:"-"`
	}
	price struct {
		From        string            `json:"from,omitempty"`
		Until       string            `json:"until,omitempty"`
		Hours       string            `json:"hours,omitempty"`
		Tier        string            `json:"tier,omitempty"`
		AboveTokens int64             `json:"above_tokens,omitempty"`
		Rates       map[string]string `json:"rates,omitempty"`
		Request     string            `json:"request,omitempty"`
		Pieces      map[string]string `json:"pieces,omitempty"`
		Other       map[string]string `json:"other,omitempty"`
		Factors     map[string]int64  `json:"factors,omitempty"`
		cite
		Cites map[string]cite `json:"cites,omitempty"`
	}
	// cite is where a figure is from: the number of a source, from 1, and the day
	// on which the source said so.
	cite struct {
		Source int    `json:"source"`
		Seen   string `json:"seen"`
	}
)

// book is the book in the making.
type book struct {
	sources []string
	models  map[string]*model // by publisher + "/" + model
}

func makeBook() ([]byte, error) {
	b := &book{models: map[string]*model{}}
	for _, list := range []struct {
		name string
		add  func(line) error
	}{{"prices.csv", b.addModel}, {"price_tiers.csv", b.addFigure}, {"price_notes.csv", b.addNote}} {
		if err := eachLine(list.name, list.add); err != nil {
			return nil, err
		}
	}
	return b.write(), nil
}

// line is a line of a list, by its columns.
type line map[string]string

func eachLine(name string, do func(line) error) error {
	file, err := lists.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for n, row := range rows[1:] {
		l := line{}
		for i, column := range rows[0] {
			l[column] = row[i]
		}
		if err := do(l); err != nil {
			return fmt.Errorf("%s, line %d, %s/%s: %w", name, n+2, l["provider"], l["model"], err)
		}
	}
	return nil
}

// cite counts the line's source.
func (b *book) cite(l line) cite {
	i := slices.Index(b.sources, l["source"])
	if i < 0 {
		i, b.sources = len(b.sources), append(b.sources, l["source"])
	}
	return cite{i + 1, l["seen"]}
}

func (b *book) addModel(l line) error {
	m := &model{
		Model: l["model"], Publisher: l["provider"], AliasOf: l["alias_of"], Mode: l["mode"], Status: l["status"],
		Shutdown: l["shutdown_date"], ReplacedBy: l["replaced_by"], Confidence: l["confidence"], cite: b.cite(l),
	}
	for column, to := range map[string]*int64{"context_tokens": &m.Context, "max_input_tokens": &m.MaxInput, "max_output_tokens": &m.MaxOutput, "image_tokens_max": &m.ImageTokens} {
		if l[column] == "" {
			continue
		}
		n, err := strconv.ParseInt(l[column], 10, 64)
		if err != nil || n <= 0 {
			return fmt.Errorf("%s is %q", column, l[column])
		}
		*to = n
	}
	key := m.Publisher + "/" + m.Model
	if b.models[key] != nil {
		return fmt.Errorf("it is there twice")
	}
	b.models[key] = m
	if m.AliasOf != "" {
		return nil // its prices are those of the other
	}
	plain := &price{cite: m.cite}
	for column, class := range map[string]string{"input_usd_per_mtok": "input", "output_usd_per_mtok": "output", "cached_input_usd_per_mtok": "cached_input", "cache_write_usd_per_mtok": "cache_write"} {
		if l[column] != "" {
			if err := plain.put(figure{heading: rates, name: class}, l[column], m.cite); err != nil {
				return err
			}
		}
	}
	m.Prices = []*price{plain}
	return nil
}

func (b *book) addFigure(l line) error {
	m := b.models[l["provider"]+"/"+l["model"]]
	if m == nil || m.AliasOf != "" {
		return fmt.Errorf("it is no model of its own")
	}
	f, err := place(l["litellm_field"], l["above_tokens"])
	if err != nil {
		return err
	}
	hours, err := f.spans(l["hours"])
	if err != nil {
		return err
	}
	amount, err := f.amount(l["unit"], l["usd_per_mtok"], l["usd_per_unit"])
	if err != nil {
		return err
	}
	row := m.row(price{From: l["from"], Until: l["until"], Hours: hours, Tier: f.tier, AboveTokens: f.above, cite: b.cite(l)})
	if f.heading == pieces && alwaysSearches(m.Model, f.name) {
		row.putRequest(amount, b.cite(l))
		if f.name == "search" {
			return nil
		}
	}
	return row.put(f, amount, b.cite(l))
}

// alwaysSearches reports whether a piece is paid for on every request, since the
// model was made to search. What it costs then depends on how much it reads, and
// the dearest is counted.
func alwaysSearches(model, piece string) bool {
	return piece == "search_low" || piece == "search_medium" || piece == "search_high" || piece == "search" && strings.Contains(model, "-search-")
}

// amount is the figure as the book writes it: in USD for each million tokens or
// each piece, of factors in basis points.
func (f *figure) amount(unit, perMillion, perUnit string) (string, error) {
	perToken := f.heading == rates || f.heading == other
	switch {
	case perToken && unit == "usd_per_mtok" && perUnit == "":
		return shift(perMillion, 0), nil
	case f.heading == factors && unit == "multiplier" && perMillion == "":
		return shift(perUnit, 4), nil
	case f.heading == pieces && unit == "million_characters" && perMillion == "":
		return shift(perUnit, -6), nil
	case f.heading == pieces && slices.Contains([]string{"call", "search", "image", "second", "hour", "page"}, unit) && perMillion == "":
		return shift(perUnit, 0), nil
	}
	return "", fmt.Errorf("%q in %q is not a figure of %s", perMillion+perUnit, unit, f.name)
}

// row finds or makes the row of a model that is like another in all but figures.
func (m *model) row(like price) *price {
	for _, p := range m.Prices {
		if p.From == like.From && p.Until == like.Until && p.Hours == like.Hours && p.Tier == like.Tier && p.AboveTokens == like.AboveTokens {
			return p
		}
	}
	m.Prices = append(m.Prices, &like)
	return &like
}

// put adds a figure to a row.
func (p *price) put(f figure, amount string, from cite) error {
	if f.heading == factors {
		n, err := strconv.ParseInt(amount, 10, 64)
		if err != nil || p.Factors[f.name] != 0 {
			return fmt.Errorf("the factor %s is %q, or there twice", f.name, amount)
		}
		if p.Factors == nil {
			p.Factors = map[string]int64{}
		}
		p.Factors[f.name] = n
	} else {
		to := map[heading]*map[string]string{rates: &p.Rates, pieces: &p.Pieces, other: &p.Other}[f.heading]
		if (*to)[f.name] != "" {
			return fmt.Errorf("the figure %s is there twice", f.name)
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[f.name] = amount
	}
	p.quote(string(f.heading)+"."+f.name, from)
	return nil
}

// putRequest adds what a model that always searches costs beside its tokens.
func (p *price) putRequest(amount string, from cite) {
	nano := func(s string) int64 {
		n, _ := strconv.ParseInt(shift(s, 9), 10, 64)
		return n
	}
	if p.Request == "" || nano(amount) > nano(p.Request) {
		p.Request = amount
		p.quote("request", from)
	}
	// The searches themselves cost nothing more: options of a search are no extra.
	if p.Pieces == nil {
		p.Pieces = map[string]string{}
	}
	p.Pieces["search"] = "0"
}

// quote keeps where a figure is from if that is not where the row is from.
func (p *price) quote(name string, from cite) {
	if from == p.cite {
		return
	}
	if p.Cites == nil {
		p.Cites = map[string]cite{}
	}
	p.Cites[name] = from
}

var answeredBy = regexp.MustCompile(`answers with (\S+) and bills that model`)

// addNote takes from the notes what a price follows from.
func (b *book) addNote(l line) error {
	found := answeredBy.FindStringSubmatch(l["detail"])
	if found == nil {
		return nil
	}
	m, by := b.models[l["provider"]+"/"+l["model"]], b.models[l["provider"]+"/"+found[1]]
	if m == nil || m.Shutdown == "" || by == nil || by.AliasOf != "" {
		return fmt.Errorf("the note is about %q, which is not known", found[1])
	}
	m.AnsweredBy = found[1]
	return nil
}
