package engine

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// priceBook says what publishers charge for their models.
type priceBook struct {
	asOf   time.Time
	models map[string]*bookModel // by publisher + "/" + model
}

// bookModel is one model of the book.
type bookModel struct {
	publisher, name string
	mode            string
	status          bookStatus
	contextTokens   int64
	maxOutputTokens int64
	imageTokens     int64     // the most that one picture can come to; 0: not known
	shutdownAt      time.Time // zero if no date is known
	replacedBy      string
	answeredBy      string // what answers in its place after the shutdown, at its own price
	prices          []tally.Price
}

// bookStatus is where a model is in its life.
type bookStatus string

// The statuses. An unlisted model is gone from its publisher's newest list.
const (
	bookLive       bookStatus = "live"
	bookPreview    bookStatus = "preview"
	bookDeprecated bookStatus = "deprecated"
	bookShutdown   bookStatus = "shutdown"
	bookUnlisted   bookStatus = "unlisted"
)

// gone reports whether requests for the model can no longer be answered.
func (m *bookModel) gone(now time.Time) bool {
	switch {
	case m.answeredBy != "":
		return false
	case m.status == bookShutdown, m.status == bookUnlisted:
		return true
	}
	return !m.shutdownAt.IsZero() && !now.Before(m.shutdownAt)
}

// The book as it is written; package assets says what its fields mean. Amounts
// are decimal strings, so that no float touches them.
type (
	bookFile struct {
		Version int        `json:"version"`
		AsOf    string     `json:"as_of"`
		Sources []string   `json:"sources"`
		Models  []bookLine `json:"models"`
	}
	bookLine struct {
		Model           string      `json:"model"`
		Publisher       string      `json:"publisher"`
		AliasOf         string      `json:"alias_of"`
		Mode            string      `json:"mode"`
		Status          bookStatus  `json:"status"`
		ContextTokens   int64       `json:"context_tokens"`
		MaxInputTokens  int64       `json:"max_input_tokens"`
		MaxOutputTokens int64       `json:"max_output_tokens"`
		ImageTokens     int64       `json:"image_tokens"`
		Shutdown        string      `json:"shutdown"`
		ReplacedBy      string      `json:"replaced_by"`
		AnsweredBy      string      `json:"answered_by"`
		Confidence      string      `json:"confidence"`
		Prices          []bookPrice `json:"prices"`
		bookCite
	}
	bookPrice struct {
		From        string               `json:"from"`
		Until       string               `json:"until"`
		Hours       string               `json:"hours"`
		Tier        tally.Tier           `json:"tier"`
		AboveTokens int64                `json:"above_tokens"`
		Rates       map[string]string    `json:"rates"`
		Request     string               `json:"request"`
		Pieces      map[string]string    `json:"pieces"`
		Other       map[string]string    `json:"other"`
		Factors     map[string]int64     `json:"factors"`
		Cites       map[string]*bookCite `json:"cites"`
		bookCite
	}
	bookCite struct {
		Source int    `json:"source"`
		Seen   string `json:"seen"`
	}
)

// readPriceBook parses a price book. No bytes make an empty one; a line that is
// wrong fails the whole, since a wrong price is worse than none.
func readPriceBook(text []byte) (*priceBook, error) {
	book := &priceBook{models: map[string]*bookModel{}}
	if len(text) == 0 {
		return book, nil
	}
	var version struct{ Version int }
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, tally.Errorf(tally.Corrupt, "the price book cannot be read: %w", err)
	}
	if version.Version != 2 {
		return nil, tally.Errorf(tally.Corrupt, "the price book has version %d, and this program reads 2", version.Version)
	}
	var file bookFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a misspelt rate would be its parent's
	if err := d.Decode(&file); err != nil {
		return nil, tally.Errorf(tally.Corrupt, "the price book cannot be read: %w", err)
	}
	var err error
	if book.asOf, err = bookDate(file.AsOf); err != nil || book.asOf.IsZero() {
		return nil, tally.Errorf(tally.Corrupt, "the price book is of no day: %q", file.AsOf)
	}
	for i := range file.Models {
		line := &file.Models[i]
		m, err := line.read(file.Sources)
		if err != nil {
			return nil, tally.Errorf(tally.Corrupt, "price book, model %q: %w", line.Model, err)
		}
		if book.models[line.key()] != nil {
			return nil, tally.Errorf(tally.Corrupt, "the price book has %q twice", line.key())
		}
		book.models[line.key()] = m
	}
	if err := book.resolve(file.Models); err != nil {
		return nil, err
	}
	return book, nil
}

func (l *bookLine) key() string { return l.Publisher + "/" + l.Model }

func (l *bookLine) read(sources []string) (*bookModel, error) {
	m := &bookModel{publisher: l.Publisher, name: l.Model, mode: l.Mode, status: l.Status, contextTokens: l.ContextTokens, maxOutputTokens: l.MaxOutputTokens,
		imageTokens: l.ImageTokens, replacedBy: l.ReplacedBy, answeredBy: l.AnsweredBy}
	switch {
	case l.Model == "" || l.Publisher == "":
		return nil, tally.Errorf(tally.Corrupt, "a name is missing")
	case min(l.ContextTokens, l.MaxInputTokens, l.MaxOutputTokens, l.ImageTokens) < 0:
		return nil, tally.Errorf(tally.Corrupt, "a size is negative")
	case !slices.Contains([]bookStatus{bookLive, bookPreview, bookDeprecated, bookShutdown, bookUnlisted}, l.Status):
		return nil, tally.Errorf(tally.Corrupt, "%q is not a status", l.Status)
	case !slices.Contains([]string{"high", "medium", "low"}, l.Confidence):
		return nil, tally.Errorf(tally.Corrupt, "%q is not a confidence", l.Confidence)
	case (l.AliasOf == "") != (len(l.Prices) > 0):
		return nil, tally.Errorf(tally.Corrupt, "it has no price, or one of its own beside that of %q", l.AliasOf)
	case l.AnsweredBy != "" && l.Shutdown == "":
		return nil, tally.Errorf(tally.Corrupt, "it is answered by %q, and not said from when on", l.AnsweredBy)
	}
	var err error
	if m.shutdownAt, err = bookDate(l.Shutdown); err != nil {
		return nil, err
	}
	if _, _, err := l.cite(sources); err != nil || l.AliasOf != "" {
		return m, err
	}
	m.prices, err = l.rows(sources)
	return m, err
}

// resolve gives models that are answered by others the price of those from then
// on, every row its name, and aliases the rows of what they stand for.
func (b *priceBook) resolve(lines []bookLine) error {
	other := func(l *bookLine, name string) (*bookModel, error) {
		m := b.models[l.Publisher+"/"+name]
		if m == nil || len(m.prices) == 0 {
			return nil, tally.Errorf(tally.Corrupt, "price book, model %q: %q has no price of its own", l.Model, name)
		}
		return m, nil
	}
	for i := range lines {
		l, m := &lines[i], b.models[lines[i].key()]
		if l.AnsweredBy != "" {
			by, err := other(l, l.AnsweredBy)
			if err != nil {
				return err
			}
			if l.AliasOf == "" && by.answeredBy == "" {
				m.prices = append(m.prices, inForceFrom(by.prices, m.shutdownAt)...)
			}
		}
		for i := range m.prices {
			m.prices[i].NameRow(l.key())
		}
	}
	for i := range lines {
		l, m := &lines[i], b.models[lines[i].key()]
		if l.AliasOf == "" {
			continue
		}
		of, err := other(l, l.AliasOf)
		if err != nil {
			return err
		}
		if m.prices = of.prices; m.shutdownAt.Equal(of.shutdownAt) {
			m.answeredBy = of.answeredBy
		}
	}
	return nil
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

// publisherHosts are where publishers that are no kind of their own answer, at the
// prices of the book.
var publisherHosts = map[string]string{
	"api.anthropic.com": "anthropic", "api.cerebras.ai": "cerebras", "api.cohere.ai": "cohere", "api.cohere.com": "cohere",
	"dashscope-intl.aliyuncs.com": "alibaba", "api.minimax.io": "minimax", "api.moonshot.ai": "moonshot", "api.perplexity.ai": "perplexity",
	"api.voyageai.com": "voyage", "api.z.ai": "zai",
}

// publisherOf is whose models a provider sells at the book's prices, "" if it has
// prices of its own.
func publisherOf(kind *providers.Kind, p *tally.Provider) string {
	if kind.Publisher != "" {
		return kind.Publisher
	}
	if u, err := url.Parse(p.BaseURL); err == nil {
		return publisherHosts[strings.ToLower(u.Hostname())]
	}
	return ""
}

// find looks a model up by the name an upstream lists it under: among the
// publisher's own, or as "publisher/name" where an upstream resells. It
// returns nil if the book does not have it.
func (b *priceBook) find(publisher, name string) *bookModel {
	if publisher != "" {
		if m := b.models[publisher+"/"+name]; m != nil {
			return m
		}
		name = strings.TrimPrefix(name, "models/") // Google's way of listing
		return b.models[publisher+"/"+strings.TrimPrefix(name, publisher+"/")]
	}
	name, _, _ = strings.Cut(name, ":") // a variant such as :free or :nitro
	return b.models[name]
}
