// Package pricefile reads lists of prices that others keep, and those that tallygate writes:
//
//	tallygate    the rows of `prices list --json`, or a price book
//	CSV          a table with a line of names: what `prices list --format csv` writes, or a
//	             spreadsheet with the columns model, input and output
//	LiteLLM      model_prices_and_context_window.json: USD per token
//	models.dev   api.json: USD per million tokens
//
// Which of them a text is follows from what it says. Amounts are read from their digits, also
// with an exponent, into nano-USD; no float touches them. What is wrong with one entry spoils
// that entry alone, with its reason; a text that is no such list is an error. Whose prices
// they are here, and whether they are plausible, is the engine's to say.
package pricefile

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// Bounds on what is read.
const (
	MaxBytes   = 8 << 20 // the lists of LiteLLM and models.dev have 2 to 4 MB
	maxDepth   = 24
	maxEntries = 50_000
	maxRows    = 200 // of one model
	maxName    = 256 // bytes
)

// The formats, as people call them.
const (
	Own       = "tallygate"
	Book      = "price book" // tallygate's own, which has no entries here: the engine reads it
	CSV       = "CSV"
	LiteLLM   = "LiteLLM"
	ModelsDev = "models.dev"
)

// List is what a text says.
type List struct {
	Format  string
	Entries []Entry
	// Unknown are names of prices that nobody here knows: they were left out.
	Unknown []string
}

// Entry is the price of a model.
type Entry struct {
	Provider string // whose, as the list calls it; "" where it does not say
	Model    string
	// Prices are rows as [tally.Price] has them, the plain one first, each followed by its
	// bands. What they leave out is not filled in.
	Prices []tally.Price
	// Problem says why the price cannot be used, "" if it can.
	Problem string
}

// Read reads a list. Rows that do not say when they were seen were seen now.
func Read(text []byte, now time.Time) (*List, error) {
	if len(text) > MaxBytes {
		return nil, tally.Errorf(tally.Invalid, "the list is larger than %d MiB", MaxBytes>>20).
			WithHint("lists of prices have a few MB: is it another file?")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, tally.Errorf(tally.Invalid, "the list is not text in UTF-8").WithHint("save it as JSON, or as CSV in UTF-8")
	}
	text = bytes.TrimSpace(text)
	var list *List
	var err error
	switch {
	case len(text) == 0:
		return nil, tally.Errorf(tally.Invalid, "the list is empty").WithHint(formats)
	case text[0] == '{' || text[0] == '[':
		list, err = readJSON(text)
	default:
		list, err = readCSV(text)
	}
	if err != nil {
		return nil, err
	}
	if len(list.Entries) > maxEntries {
		return nil, tally.Errorf(tally.Invalid, "the list has more than %s models", tally.Group(maxEntries)).WithHint(formats)
	}
	list.Unknown = distinct(list.Unknown)
	seen := now.UTC().Truncate(time.Second)
	for i := range list.Entries {
		list.Entries[i].finish(seen)
	}
	list.refuseTwins()
	return list, nil
}

// formats says what can be read.
const formats = "a list is JSON of tallygate prices list, of LiteLLM or of models.dev, or CSV with the columns model, input and output"

// finish checks the rows as a whole, and says when they were seen.
func (e *Entry) finish(seen time.Time) {
	if e.Problem != "" {
		e.Prices = nil
		return
	}
	switch {
	case e.Model == "" || len(e.Model) > maxName:
		e.Problem = "its name is missing or too long"
	case len(e.Prices) == 0:
		e.Problem = "it names no price"
	case len(e.Prices) > maxRows:
		e.Problem = "it has more rows than any price has"
	}
	for i := range e.Prices {
		p := &e.Prices[i]
		if p.Seen.IsZero() || p.Seen.After(seen) {
			p.Seen = seen
		}
		switch {
		case e.Problem != "":
		case !p.Until.IsZero() && !p.From.Before(p.Until):
			e.Problem = "a row ends before it begins"
		case p.AboveTokens == 0 && !p.Priced():
			e.Problem = "a row prices neither tokens nor what is billed by the piece"
		case p.AboveTokens == 0 && p.PricesTokens() && p.Input == nil:
			e.Problem = "it names a price of output, and none of input"
		case p.AboveTokens == 0 && i == 0 && (p.Tier != "" || len(p.Hours) > 0):
			e.Problem = "it has no plain price, only one of a tier or of hours"
		case p.AboveTokens > 0 && i == 0:
			e.Problem = "a row for long prompts stands before its price"
		}
	}
	if e.Problem != "" {
		e.Prices = nil
	}
}

// refuseTwins refuses models that a list has twice: one of both is wrong.
func (l *List) refuseTwins() {
	count := map[[2]string]int{}
	for i := range l.Entries {
		count[[2]string{l.Entries[i].Provider, l.Entries[i].Model}]++
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		if count[[2]string{e.Provider, e.Model}] > 1 {
			e.Prices, e.Problem = nil, "the list has it twice"
		}
	}
}

// sortBands puts rows in the order in which prices have them: each with its bands behind it.
func sortBands(rows []tally.Price) []tally.Price {
	var out []tally.Price
	taken := make([]bool, len(rows))
	for i := range rows {
		if rows[i].AboveTokens > 0 || taken[i] {
			continue
		}
		group := []tally.Price{rows[i]}
		for j := range rows {
			b := &rows[j]
			if !taken[j] && b.AboveTokens > 0 && sameTime(b, &rows[i]) {
				taken[j] = true
				group = append(group, *b)
			}
		}
		tally.OrderStable(group, func(a, b tally.Price) int { return int(min(max(a.AboveTokens-b.AboveTokens, -1), 1)) })
		taken[i] = true
		out = append(out, group...)
	}
	plain := func(p *tally.Price) bool { return p.Tier == "" && len(p.Hours) == 0 }
	for i := range rows { // a band that nothing stands below stays, and is found wrong
		if !taken[i] {
			return slices.Insert(out, 0, rows[i])
		}
	}
	if i := slices.IndexFunc(out, func(p tally.Price) bool { return plain(&p) }); i > 0 {
		end := i + 1
		for end < len(out) && out[end].AboveTokens > 0 {
			end++
		}
		first := slices.Clone(out[i:end])
		out = append(first, slices.Delete(out, i, end)...)
	}
	return out
}

// Places by which a decimal point moves to make nano-dollars, of a million tokens or of one
// piece.
const (
	perToken   = 15
	perMillion = 9
	perPiece   = 9
)

// money reads an amount, or says what is wrong with it. Lists are written by programs that
// count in floats: what is off by less than a thousandth of a nano-dollar is their noise, and
// any other rest is rounded up.
func money(text string, places int) (n tally.NanoUSD, problem string) {
	text = strings.TrimSpace(text)
	switch lower := strings.ToLower(text); {
	case text == "":
		return 0, "is empty"
	case strings.TrimLeft(lower, "+-") == "nan", strings.HasPrefix(strings.TrimLeft(lower, "+-"), "inf"):
		return 0, "is not a number"
	case text[0] == '-':
		if len(text) > 1 && (text[1] == '.' || '0' <= text[1] && text[1] <= '9') {
			if n, problem = money(text[1:], places); problem == "" && n > 0 {
				return 0, "is negative"
			}
			return n, problem
		}
		return 0, "is not a number"
	}
	read, whole, ok := providers.ParseDecimal(text, places)
	if fine, _, fits := providers.ParseDecimal(text, places+3); !whole && fits && fine%1000 <= 1 {
		read = fine / 1000
	}
	switch n = tally.NanoUSD(read); {
	case ok && n <= tally.MaxMoney:
		return n, ""
	case ok, digits(text):
		return 0, "is too large"
	}
	return 0, "is not a number"
}

// digits reports whether a text is a number that is only too large to hold.
func digits(text string) bool {
	return text[0] >= '0' && text[0] <= '9' && strings.Trim(text, "0123456789.eE+-") == ""
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
