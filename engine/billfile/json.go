package billfile

import (
	"cmp"
	"encoding/json"
	"io"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// page is what one of the APIs answers: buckets of OpenAI or Anthropic, each with its results,
// or days and models of OpenRouter. Items and results are kept as they are written, so that
// those of a page that stands there twice are found.
type page struct {
	Object string            `json:"object"`
	Data   []json.RawMessage `json:"data"`
	More   bool              `json:"has_more"`
}

type item struct {
	Start   json.RawMessage   `json:"start_time"`
	End     json.RawMessage   `json:"end_time"`
	From    string            `json:"starting_at"`
	Until   string            `json:"ending_at"`
	Results []json.RawMessage `json:"results"`
	Date    string            `json:"date"`
	Model   string            `json:"model"`
	Usage   json.RawMessage   `json:"usage"`
}

type result struct {
	Amount   json.RawMessage `json:"amount"`
	Currency string          `json:"currency"`
	LineItem string          `json:"line_item"`
	Model    string          `json:"model"`
	Of       string          `json:"description"`
	CostType string          `json:"cost_type"`
}

// readJSON reads pages, one after another.
func readJSON(in io.Reader) (*bill, error) {
	limited := &io.LimitedReader{R: in, N: maxJSON + 1}
	dec := json.NewDecoder(limited)
	var b *bill
	more := false
	for n := 1; ; n++ {
		var p page
		err := dec.Decode(&p)
		switch {
		case err == io.EOF && b != nil && more:
			return nil, wrong("the answer goes on on another page, which is not there").
				WithHint("ask with a larger limit, or write the pages one after another into the file")
		case err == io.EOF && b != nil:
			return b, nil
		case limited.N <= 0:
			return nil, wrong("the JSON is larger than %d MiB", maxJSON>>20).WithHint("ask for fewer days")
		case err != nil:
			return nil, wrong("the JSON is none of a bill: %w", err).WithHint(Formats)
		}
		if b == nil {
			b = newBill("")
		}
		if err := b.page(&p); err != nil {
			e := tally.AsError(err)
			return nil, wrong("page %d: %s", n, e.Message).WithHint("%s", e.Hint)
		}
		more = p.More
	}
}

// page adds one.
func (b *bill) page(p *page) error {
	for i := range p.Data {
		var d item
		if json.Unmarshal(p.Data[i], &d) != nil {
			return wrong("item %d of its data is none of a bill", i+1).WithHint(Formats)
		}
		start, end, name := plain(d.Start), plain(d.End), "OpenAI costs"
		switch {
		case d.From != "":
			start, end, name = d.From, d.Until, "Anthropic costs"
		case d.Date != "":
			start, name = d.Date, "OpenRouter activity"
		}
		at, ok := moment(start)
		if !ok || b.Format != "" && b.Format != name {
			return wrong("item %d of its data is none of a bill", i+1).WithHint(Formats)
		}
		if until, ok := moment(end); ok && until.Sub(at) > 25*time.Hour {
			return wrong("item %d is of more than a day", i+1).WithHint("ask with bucket_width=1d")
		}
		b.Format = name
		day := at.Format(time.DateOnly)
		b.covers(day)
		if d.Date != "" && !b.again(string(p.Data[i])) {
			if err := b.result(day, d.Model, "", plain(d.Usage), "", 0); err != nil {
				return err
			}
		}
		for _, text := range d.Results {
			var r result
			if json.Unmarshal(text, &r) != nil {
				return wrong("an item of %s is none of a bill", day).WithHint(Formats)
			}
			if b.again(start + string(text)) {
				continue
			}
			if name == "Anthropic costs" {
				item := ""
				if r.Model == "" {
					item = cmp.Or(r.CostType, r.Of)
				}
				if err := b.result(day, r.Model, item, plain(r.Amount), r.Currency, 2); err != nil {
					return err
				}
				continue
			}
			var amount struct {
				Value    json.RawMessage `json:"value"`
				Currency string          `json:"currency"`
			}
			if err := json.Unmarshal(r.Amount, &amount); err != nil || len(amount.Value) == 0 {
				return wrong("an item of %s says no amount", day).WithHint("ask for costs, not for usage: " + Formats)
			}
			model, item := named(r.LineItem)
			if err := b.result(day, model, item, plain(amount.Value), amount.Currency, 0); err != nil {
				return err
			}
		}
	}
	if b.Format == "" && p.Data == nil {
		return wrong("it is none of a bill").WithHint(Formats)
	}
	return nil
}

// result adds one amount.
func (b *bill) result(day, model, item, text, currency string, shift int) error {
	if currency != "" && !strings.EqualFold(currency, "usd") {
		return foreign(currency)
	}
	cost, problem := dollars(text, shift)
	if problem != "" {
		return wrong("the amount %.40q of %s %s", text, day, problem).WithHint(Formats)
	}
	return b.add(day, model, item, cost, nothing, false)
}

// plain is a number or a text in JSON.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
