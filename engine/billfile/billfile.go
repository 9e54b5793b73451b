// Package billfile reads what providers say they have charged, from the exports of their
// consoles and the answers of their APIs, and adds it up by day of UTC and model:
//
//	OpenAI costs        CSV of the console: start_time (seconds since 1970), amount_value,
//	                    amount_currency, line_item, like "gpt-4o-2024-08-06, cached input",
//	                    one for each model and kind of token; or JSON of
//	                    GET /v1/organization/costs with group_by=line_item
//	Anthropic costs     CSV of the console: usage_date_utc, model (as people call it: "Claude
//	                    Haiku 4.5"), cost_usd, list_price_usd, cost_type; or JSON of
//	                    GET /v1/organizations/cost_report, whose amounts are cents
//	OpenRouter requests CSV of the console's log: generation_id, created_at, cost_total,
//	                    model_permaslug
//	OpenRouter activity CSV of the console: Date, Slug, Usage; or JSON of GET /api/v1/activity.
//	                    What it says of keys of one's own, which others bill, is left out
//	a table             CSV with the columns day, model and cost, in US dollars
//
// These are the shapes of 2026, by the references of both APIs and by exports that others read;
// columns that are not named here may come and go. Which of them a file is follows from its
// first line. A file is read as a stream, and only the sums are kept. Amounts are read from
// their digits, also with an exponent, to a thousandth of a nano-dollar; no float touches them.
// Something that cannot be read is an error that names its line: a bill with a part left out is
// no bill. Rows of a total are left out, and rows of an export that are the same in all cells
// count once, as its rows differ in one of them, and so do items of pages; those of one's own
// table all count.
package billfile

import (
	"bufio"
	"bytes"
	"cmp"
	"hash/maphash"
	"io"
	"strings"
	"unicode/utf8"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Bounds on what is read.
const (
	MaxBytes = 512 << 20
	maxJSON  = 32 << 20 // pages of a month have some hundred kilobytes
	maxRow   = 1 << 20  // bytes
	maxLines = 20_000   // days × models
	maxName  = 200      // bytes
)

// Formats says what can be read, for errors.
const Formats = "known are exports of costs by OpenAI (start_time, amount_value, amount_currency, line_item), " +
	"Anthropic (usage_date_utc, model, cost_usd) and OpenRouter (created_at, model_permaslug, cost_total; or Date, Slug, Usage), " +
	"the JSON of their APIs, and a CSV of your own with the columns day, model, cost in USD"

// Read reads a bill.
func Read(r io.Reader) (*control.Bill, error) {
	limited := &io.LimitedReader{R: r, N: MaxBytes + 1}
	in := bufio.NewReaderSize(limited, 64<<10)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
		in.Discard(3)
	}
	head, err := in.Peek(in.Size())
	if err != nil && err != io.EOF {
		return nil, tally.Errorf(tally.Invalid, "the export cannot be read: %w", err).WithHint("is it a file?")
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	var b *bill
	switch {
	case len(text) == 0:
		return nil, tally.Errorf(tally.Invalid, "the export is empty").WithHint(Formats)
	case bytes.IndexByte(head, 0) >= 0 || !isText(head):
		return nil, tally.Errorf(tally.Invalid, "the export is not text in UTF-8").
			WithHint("save it as CSV in UTF-8; spreadsheets and archives are not read")
	case text[0] == '{' || text[0] == '[':
		b, err = readJSON(in)
	default:
		b, err = readCSV(in)
	}
	switch {
	case limited.N <= 0:
		return nil, tally.Errorf(tally.Invalid, "the export is larger than %d MiB", MaxBytes>>20).
			WithHint("export fewer days, and compare them one after another with --since and --until")
	case err != nil:
		return nil, err
	}
	return b.finish()
}

// isText reports whether the beginning of a file is UTF-8: a character may be cut at its end.
func isText(head []byte) bool {
	return utf8.Valid(bytes.TrimRightFunc(head, func(r rune) bool { return r == utf8.RuneError }))
}

// of is what a line of a bill adds up.
type of struct{ day, model, item string }

// sums are amounts in thousandths of a nano-dollar.
type sums struct {
	cost, list pico
	listed     bool // all rows have a list price
	rows       int64
}

// pico is an amount in nano-dollars and thousandths of one.
type pico struct{ nano, rest int64 }

func (p *pico) add(o pico) {
	p.nano, p.rest = tally.AddSat(p.nano, o.nano), p.rest+o.rest
}

// round is the nearest nano-dollar, and away from zero from the middle.
func (p pico) round() tally.NanoUSD {
	nano, rest := tally.AddSat(p.nano, p.rest/1000), p.rest%1000
	switch {
	case rest >= 500:
		nano++
	case rest <= -500:
		nano--
	}
	return tally.NanoUSD(nano)
}

// bill is one on its way.
type bill struct {
	control.Bill
	lines    map[of]*sums
	seed     maphash.Seed
	seen     map[uint64]struct{} // digests of rows
	decimals int                 // the most that an amount has, in dollars
}

func newBill(format string) *bill {
	return &bill{Bill: control.Bill{Format: format}, lines: map[of]*sums{}, seed: maphash.MakeSeed(),
		seen: map[uint64]struct{}{}}
}

// again reports whether a row stands there once more.
func (b *bill) again(row string) bool {
	digest := maphash.String(b.seed, row)
	if _, twice := b.seen[digest]; twice {
		b.Twice++
		return true
	}
	b.seen[digest] = struct{}{}
	return false
}

// covers notes that there is a row of a day.
func (b *bill) covers(day string) {
	if b.First == "" || day < b.First {
		b.First = day
	}
	b.Last = max(b.Last, day)
}

// add adds a row; list is "" where it names no list price.
func (b *bill) add(day, model, item string, cost, list amount, listed bool) error {
	b.covers(day)
	b.Rows++
	if !cost.whole || !list.whole {
		b.Finer++
	}
	b.decimals = max(b.decimals, cost.decimals)
	if len(model) > maxName || len(item) > maxName {
		return tally.Errorf(tally.Invalid, "the name of a model is longer than %d bytes", maxName)
	}
	at := of{day, tally.Printable(model), tally.Printable(item)}
	s := b.lines[at]
	if s == nil {
		if len(b.lines) == maxLines {
			return tally.Errorf(tally.Invalid, "it has more than %s pairs of a day and a model", tally.Group(maxLines)).
				WithHint("export fewer days, and compare them one after another with --since and --until")
		}
		s = &sums{listed: true}
		b.lines[at] = s
	}
	s.rows++
	s.cost.add(cost.pico)
	s.list.add(list.pico)
	s.listed = s.listed && listed
	return nil
}

// finish rounds the sums and puts them in order.
func (b *bill) finish() (*control.Bill, error) {
	if b.First == "" {
		return nil, tally.Errorf(tally.Invalid, "the export has no row").WithHint("export days on which something was used")
	}
	for at, s := range b.lines {
		l := control.BillLine{Day: at.day, Model: at.model, Item: at.item, Cost: s.cost.round(), Rows: s.rows}
		if s.listed {
			l.List = new(s.list.round())
		}
		if l.Cost > tally.MaxMoney || l.Cost < -tally.MaxMoney {
			return nil, tally.Errorf(tally.Invalid, "%s of %s comes to more money than can be counted",
				cmp.Or(at.model, at.item, "all"), at.day).
				WithHint("is the amount in US dollars?")
		}
		b.Lines = append(b.Lines, l)
	}
	tally.Order(b.Lines, func(x, y control.BillLine) int {
		return cmp.Or(strings.Compare(x.Day, y.Day), strings.Compare(x.Model, y.Model), strings.Compare(x.Item, y.Item))
	})
	// What has trailing zeros cut off is rounded to the finest amount that there is; whole
	// dollars and dimes are amounts to the cent.
	if n := max(b.decimals, 2); n < 9 {
		b.Unit = tally.Dollar
		for range n {
			b.Unit /= 10
		}
	}
	return &b.Bill, nil
}
