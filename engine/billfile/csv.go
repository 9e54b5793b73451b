package billfile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// format is an export by the names of its columns. The first name of a list that is there is
// taken.
type format struct {
	name             string
	day, model, cost []string // must be there
	item             string   // its model is a part of this one, instead of a column
	currency         string
	list             string // a list price
	other            string // what a row is of that names no model
	until            string // where the span of a row ends
	id               string // of a request: that makes rows the same, instead of all cells
	own              bool   // rows that are the same are two
}

// The formats, those that say more of themselves first.
var formats = []format{
	{name: "OpenAI costs", day: []string{"start_time", "start_time_iso"}, cost: []string{"amount_value"},
		item: "line_item", currency: "amount_currency", until: "end_time"},
	{name: "Anthropic costs", day: []string{"usage_date_utc"}, model: []string{"model"}, cost: []string{"cost_usd"},
		list: "list_price_usd", other: "cost_type"},
	{name: "OpenRouter requests", day: []string{"created_at"}, model: []string{"model_permaslug"},
		cost: []string{"cost_total"},
		id:   "generation_id"},
	{name: "OpenRouter activity", day: []string{"date"}, model: []string{"slug"}, cost: []string{"usage"}},
	{name: "a table", day: []string{"day", "date"}, model: []string{"model"}, cost: []string{"cost", "cost_usd",
		"amount", "amount_usd", "usd"},
		currency: "currency", own: true},
}

// head finds the columns of a format; ok is whether all are there that must be.
type head map[string]int

func (h head) first(names []string) (int, bool) {
	for _, name := range names {
		if i, ok := h[name]; ok {
			return i, true
		}
	}
	return -1, len(names) == 0
}

func (h head) of(name string) int {
	if i, ok := h[name]; ok && name != "" {
		return i
	}
	return -1
}

// columns are the places of what is read.
type columns struct {
	*format
	day, model, cost                        int
	item, currency, list, other, until, uid int
}

// find says which format a line of names is of.
func find(names []string) (c columns, err error) {
	h := head{}
	for i, name := range names {
		h[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")] = i
	}
	for i := range formats {
		f := &formats[i]
		day, hasDay := h.first(f.day)
		model, hasModel := h.first(f.model)
		cost, hasCost := h.first(f.cost)
		if hasDay && hasModel && hasCost {
			return columns{f, day, model, cost, h.of(f.item), h.of(f.currency), h.of(f.list), h.of(f.other), h.of(f.until),
				h.of(f.id)}, nil
		}
	}
	for _, usage := range []string{"num_model_requests", "usage_output_tokens", "usage_input_tokens_no_cache"} {
		if _, ok := h[usage]; ok {
			return c, tally.Errorf(tally.Invalid, "the export counts tokens, and does not say what they cost").
				WithHint("export the costs in the place of the usage: the console has both")
		}
	}
	return c, tally.Errorf(tally.Invalid, "the first line names no columns of a bill: %.120q",
		tally.Printable(strings.Join(names, ","))).WithHint(Formats)
}

// rowReader refuses a row that does not end: what stands behind an open quote is one.
type rowReader struct {
	from io.Reader
	read int // since the last row
}

var errLongRow = errors.New("a row does not end")

func (r *rowReader) Read(p []byte) (int, error) {
	if r.read > maxRow {
		return 0, errLongRow
	}
	n, err := r.from.Read(p)
	r.read += n
	return n, err
}

// readCSV reads a table with a line of names.
func readCSV(in *bufio.Reader) (*bill, error) {
	from := &rowReader{from: in}
	r := csv.NewReader(from)
	r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = -1, true, true
	peek, _ := in.Peek(in.Size())
	first, _, _ := strings.Cut(strings.TrimLeft(string(peek), "\r\n"), "\n")
	for _, comma := range []rune{';', '\t'} { // as spreadsheets write it
		if strings.Count(first, string(comma)) > strings.Count(first, ",") {
			r.Comma = comma
		}
	}
	names, err := r.Read()
	if err != nil {
		return nil, unreadable(err)
	}
	c, err := find(names)
	if err != nil {
		return nil, err
	}
	b := newBill(c.name)
	for {
		from.read = 0
		cells, err := r.Read()
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if err := b.row(&c, cells, r.Comma == ';'); err != nil {
			line, _ := r.FieldPos(0)
			e := tally.AsError(err)
			return nil, tally.Errorf(tally.Invalid, "line %d: %s", line, e.Message).WithHint("%s", e.Hint)
		}
	}
}

func unreadable(err error) error {
	if errors.Is(err, errLongRow) {
		return tally.Errorf(tally.Invalid, "a row of the CSV is longer than a MiB").WithHint("is a quote open?")
	}
	return tally.Errorf(tally.Invalid, "the CSV cannot be read: %w", err).WithHint("is a quote open?")
}

// row adds a line of the table.
func (b *bill) row(c *columns, cells []string, decimalComma bool) error {
	cell := func(i int) string {
		if i < 0 || i >= len(cells) {
			return ""
		}
		return strings.TrimSpace(cells[i])
	}
	text := cell(c.cost)
	if strings.TrimSpace(strings.Join(cells, "")) == "" || isTotal(cell(c.day)) ||
		cell(c.day) == "" && isTotal(cell(max(c.model, c.item))) {
		return nil
	}
	if len(cells) <= max(c.day, c.model, c.cost, c.item) {
		return wrong("it has fewer cells than the line of names").WithHint("was the file cut off? export it again")
	}
	at, ok := moment(cell(c.day))
	if !ok {
		return wrong("%.40q is no day", cell(c.day)).
			WithHint("days are written 2026-11-21; the line of names says which column has them")
	}
	if end, ok := moment(cell(c.until)); ok && end.Sub(at) > 25*time.Hour {
		return wrong("its row is of more than a day").WithHint("export costs by day")
	}
	day := at.Format(time.DateOnly)
	if text == "" && c.item >= 0 { // nothing was charged on the day
		b.covers(day)
		return nil
	}
	if currency := cell(c.currency); currency != "" && !strings.EqualFold(currency, "usd") {
		return foreign(currency)
	}
	if decimalComma && !strings.Contains(text, ".") && strings.Count(text, ",") == 1 {
		text = strings.Replace(text, ",", ".", 1)
	}
	cost, problem := dollars(text, 0)
	if problem != "" {
		return wrong("its cost %.40q %s", text, problem).
			WithHint("the ledger is in US dollars, like 1.25: convert what is in another currency")
	}
	list, listed := nothing, false
	if c.list >= 0 {
		if list, problem = dollars(cell(c.list), 0); problem != "" {
			list = nothing
		} else {
			listed = true
		}
	}
	same := cell(c.uid)
	if same == "" {
		same = strings.Join(cells, "\x00")
	}
	if !c.own && b.again(same) {
		return nil
	}
	model, item := cell(c.model), ""
	if c.item >= 0 {
		model, item = named(cell(c.item))
	} else if model == "" {
		item = cell(c.other)
	}
	return b.add(day, model, item, cost, list, listed)
}

// isTotal reports whether a cell says that its row adds up the others.
func isTotal(text string) bool {
	text = strings.ToLower(strings.TrimSuffix(text, ":"))
	return text == "total" || text == "totals" || text == "grand total" || text == "sum"
}

func wrong(format string, args ...any) *tally.Error {
	return tally.Errorf(tally.Invalid, format, args...)
}

// foreign refuses another currency.
func foreign(currency string) error {
	return wrong("its amount is in %.20q", tally.Printable(strings.ToUpper(currency))).
		WithHint("the ledger is in US dollars: export in USD, or convert the amounts into a CSV with the columns day, model, cost")
}
