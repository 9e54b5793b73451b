package engine

import (
	"encoding/json"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// priceBook says what publishers charge for their models.
type priceBook struct {
	asOf   string
	models map[string]*bookModel // by publisher + "/" + model
}

// bookModel is one model of the book.
type bookModel struct {
	publisher, name string
	mode            string
	contextTokens   int64
	maxOutputTokens int64
	deprecated      time.Time // zero if it is not
	prices          []tally.Price
}

// The book as it is written. Amounts are decimal strings in USD, of tokens per
// million, so that no float touches them.
type (
	bookFile struct {
		Version int        `json:"version"`
		AsOf    string     `json:"as_of"`
		Models  []bookLine `json:"models"`
	}
	bookLine struct {
		Model           string      `json:"model"`
		Publisher       string      `json:"publisher"`
		Mode            string      `json:"mode"`
		ContextTokens   int64       `json:"context_tokens"`
		MaxOutputTokens int64       `json:"max_output_tokens"`
		Deprecated      string      `json:"deprecated"`
		Prices          []bookPrice `json:"prices"`
	}
	bookPrice struct {
		From        string `json:"from"`
		Input       string `json:"input"`
		CachedInput string `json:"cached_input"`
		CacheWrite  string `json:"cache_write"`
		Output      string `json:"output"`
		Reasoning   string `json:"reasoning"`
		AboveTokens int64  `json:"above_tokens"`
		Request     string `json:"request"`
		Source      string `json:"source"`
	}
)

// readPriceBook parses a price book. No bytes make an empty one; a line that is
// wrong fails the whole, since a wrong price is worse than none.
func readPriceBook(text []byte) (*priceBook, error) {
	book := &priceBook{models: map[string]*bookModel{}}
	if len(text) == 0 {
		return book, nil
	}
	var file bookFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, tally.Errorf(tally.Corrupt, "the price book cannot be read: %w", err)
	}
	if file.Version != 1 {
		return nil, tally.Errorf(tally.Corrupt, "the price book has version %d, and this program reads 1", file.Version)
	}
	book.asOf = file.AsOf
	for i := range file.Models {
		line := &file.Models[i]
		m, err := line.read(file.AsOf)
		if err != nil {
			return nil, tally.Errorf(tally.Corrupt, "price book, model %q: %w", line.Model, err)
		}
		key := m.publisher + "/" + m.name
		if book.models[key] != nil {
			return nil, tally.Errorf(tally.Corrupt, "the price book has %q twice", key)
		}
		book.models[key] = m
	}
	return book, nil
}

func (l *bookLine) read(asOf string) (*bookModel, error) {
	m := &bookModel{publisher: l.Publisher, name: l.Model, mode: l.Mode, contextTokens: l.ContextTokens, maxOutputTokens: l.MaxOutputTokens}
	if l.Model == "" || l.Publisher == "" || l.ContextTokens < 0 || l.MaxOutputTokens < 0 {
		return nil, tally.Errorf(tally.Corrupt, "a name is missing or a size is negative")
	}
	var err error
	if m.deprecated, err = bookDate(l.Deprecated); err != nil {
		return nil, err
	}
	for i := range l.Prices {
		p, err := l.Prices[i].read()
		if err != nil {
			return nil, err
		}
		p.Source = sourceBook + asOf + ": " + p.Source
		m.prices = append(m.prices, p)
	}
	return m, nil
}

func (b *bookPrice) read() (p tally.Price, err error) {
	if p.From, err = bookDate(b.From); err != nil {
		return p, err
	}
	p.AboveTokens, p.Source = b.AboveTokens, b.Source
	if b.AboveTokens < 0 {
		return p, tally.Errorf(tally.Corrupt, "above_tokens is negative")
	}
	for _, rate := range [...]struct {
		text string
		to   **tally.NanoUSD
	}{{b.Input, &p.Input}, {b.CachedInput, &p.CachedInput}, {b.CacheWrite, &p.CacheWrite}, {b.Output, &p.Output}, {b.Reasoning, &p.Reasoning}} {
		if rate.text == "" {
			continue
		}
		n, err := tally.ParseUSD(rate.text)
		if err != nil {
			return p, err
		}
		*rate.to = &n
	}
	if b.Request != "" {
		p.Request, err = tally.ParseUSD(b.Request)
	}
	return p, err
}

func bookDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, tally.Errorf(tally.Corrupt, "%q is not a date", s)
	}
	return t, nil
}

// find looks a model up by the name an upstream lists it under: among the
// publisher's own, or as "publisher/name" where an upstream resells. It
// returns nil if the book does not have it.
func (b *priceBook) find(publisher, name string) *bookModel {
	if publisher != "" {
		if m := b.models[publisher+"/"+name]; m != nil {
			return m
		}
		// Google's list calls them models/gemini-….
		_, short, _ := strings.Cut(name, "/")
		return b.models[publisher+"/"+short]
	}
	name, _, _ = strings.Cut(name, ":") // a variant such as :free or :nitro
	return b.models[name]
}
