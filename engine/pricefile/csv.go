package pricefile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Columns that tell nothing of a price, or what another one tells.
var besideColumns = []string{"for", "age_days", "id", "model_id", "zone", "beside", "mode", "context_tokens",
	"max_input_tokens", "max_output_tokens", "status", "shutdown_date", "replaced_by", "image_tokens_max", "confidence", "publisher"}

// ownColumns are those beside the classes and the pieces that are read.
var ownColumns = []string{"model", "provider", "state", "from", "until", "tier", "hours", "above_tokens", "request", "pieces",
	"source", "seen", "alias_of"}

// table is what the columns of a CSV are of.
type table struct {
	of      map[string]int // by name
	classes map[int]tally.Class
	pieces  map[int]tally.Piece
}

// readCSV reads a table with a line of names.
func readCSV(text []byte) (*List, error) {
	r := csv.NewReader(strings.NewReader(string(text)))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	if head, _, _ := strings.Cut(string(text), "\n"); strings.Count(head, ";") > strings.Count(head, ",") {
		r.Comma = ';' // as spreadsheets write it where a comma stands in numbers
	}
	head, err := r.Read()
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "it is neither JSON nor CSV").WithHint(formats)
	}
	t, err := readHead(head)
	if err != nil {
		return nil, err
	}
	g := grouper{}
	for n := 0; ; n++ {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return g.list(CSV), nil
		}
		switch {
		case err != nil:
			return nil, tally.Errorf(tally.Invalid, "the CSV cannot be read: %w", err).WithHint("is a quote open?")
		case n == maxEntries:
			return nil, tally.Errorf(tally.Invalid, "the list has more than %s rows", tally.Group(maxEntries)).WithHint(formats)
		}
		line, _ := r.FieldPos(0)
		cell := func(name string) string {
			if i, ok := t.of[name]; ok && i < len(cells) {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		provider, model := cell("provider"), cell("model")
		if cell("alias_of") != "" {
			continue // it has the price of another one, which stands in a row of its own
		}
		if cell("state") == "past" {
			g.entry(provider, model)
			continue
		}
		p, problem := t.row(cells, cell)
		if problem != "" {
			g.refuse(provider, model, fmt.Sprintf("line %d: %s", line, problem))
			continue
		}
		g.add(provider, model, p)
	}
}

// readHead reads the line of names. One that nobody knows is an error: a misspelt class would
// cost what its parent does.
func readHead(head []string) (*table, error) {
	t := &table{of: map[string]int{}, classes: map[int]tally.Class{}, pieces: map[int]tally.Piece{}}
	if !slices.ContainsFunc(head, func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "model") }) {
		return nil, tally.Errorf(tally.Invalid, "it is neither JSON nor a CSV with a line of names").WithHint(formats)
	}
	var known []string
	for _, c := range tally.AllClasses {
		known = append(known, c.String())
	}
	for i, name := range head {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
		stem := strings.TrimSuffix(strings.TrimSuffix(name, "_usd_per_mtok"), "_usd")
		if _, twice := t.of[name]; twice {
			return nil, tally.Errorf(tally.Invalid, "the CSV has the column %q twice", tally.Printable(name)).
				WithHint("leave one out")
		}
		t.of[name] = i
		class, isClass := tally.ParseClass(stem)
		switch {
		case isClass:
			t.classes[i] = class
		case tally.Piece(stem).Metered():
			t.pieces[i] = tally.Piece(stem)
		case slices.Contains(ownColumns, name), slices.Contains(besideColumns, name):
		default:
			return nil, tally.Errorf(tally.Invalid, "the CSV has a column %q, which is none of a price", tally.Printable(name)).
				WithHint("columns: model, provider, %s in USD per million tokens, request, from, until, tier, hours, above_tokens, source, seen", strings.Join(known, ", "))
		}
	}
	if len(t.classes)+len(t.pieces) == 0 {
		return nil, tally.Errorf(tally.Invalid, "the CSV has no column of a price").WithHint(formats)
	}
	return t, nil
}

// row reads a line.
func (t *table) row(cells []string, cell func(string) string) (p tally.Price, problem string) {
	for i, class := range t.classes {
		if i >= len(cells) || strings.TrimSpace(cells[i]) == "" {
			continue
		}
		n, wrong := money(strings.TrimPrefix(strings.TrimSpace(cells[i]), "$"), perMillion)
		if wrong != "" {
			return p, "its price of " + class.String() + " " + wrong
		}
		*p.Rate(class) = &n
	}
	for i, name := range t.pieces {
		if i >= len(cells) || strings.TrimSpace(cells[i]) == "" {
			continue
		}
		n, wrong := money(strings.TrimPrefix(strings.TrimSpace(cells[i]), "$"), perPiece)
		if wrong != "" {
			return p, "its price of " + string(name) + " " + wrong
		}
		piece(&p, name, n)
	}
	if text := cell("request"); text != "" {
		if p.Request, problem = money(text, perPiece); problem != "" {
			return p, "its price of a call " + problem
		}
	}
	for part := range strings.SplitSeq(cell("pieces"), ",") { // "search 0.01, image 0.04"
		name, text, ok := strings.Cut(strings.TrimSpace(part), " ")
		if !ok {
			if name != "" {
				return p, "its pieces are not written like: search 0.01, image 0.04"
			}
			continue
		}
		n, wrong := money(text, perPiece)
		if wrong != "" {
			return p, "its price of " + tally.Printable(name) + " " + wrong
		}
		piece(&p, tally.Piece(name), n)
	}
	var err error
	if p.From, err = instant(cell("from")); err != nil {
		return p, "its from is no date"
	}
	if p.Until, err = instant(cell("until")); err != nil {
		return p, "its until is no date"
	}
	if p.Seen, err = instant(cell("seen")); err != nil {
		return p, "its seen is no date"
	}
	if text := cell("hours"); text != "" {
		if p.Hours, err = tally.ParseHours(strings.TrimSuffix(text, " UTC")); err != nil {
			return p, "its hours are not like Mon-Fri 01:00-04:00"
		}
	}
	p.Tier, p.Source = tally.Tier(cell("tier")), tally.Printable(cell("source"))
	if text := cell("above_tokens"); text != "" {
		if p.AboveTokens, err = strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64); err != nil || p.AboveTokens < 0 {
			return p, "its above_tokens is no number of tokens"
		}
	}
	if p.AboveTokens == 0 && p.PricesTokens() && (p.Input == nil || p.Output == nil) {
		return p, "it names one of input and output, and not the other: write 0 if that costs nothing"
	}
	return p, ""
}

// instant reads a date as tables have it: "", "always", "2026-12-01", "2026-12-01 UTC",
// "2026-12-01 08:30 Europe/Lisbon" or RFC 3339.
func instant(text string) (time.Time, error) {
	if text == "" || text == "always" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	zone := time.UTC
	if i := strings.LastIndexByte(text, ' '); i > 0 && !strings.Contains(text[i:], ":") {
		var err error
		if zone, err = time.LoadLocation(text[i+1:]); err != nil {
			return time.Time{}, err
		}
		text = text[:i]
	}
	var err error
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		var t time.Time
		if t, err = time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, err
}
