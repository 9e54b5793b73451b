package statement

import (
	"cmp"
	"fmt"
	"strings"

	"tallygate/engine/tally"
)

// Line is a line of a statement as it is shown: what it is of, and the amount in the
// statement's currency. The lines of models are together the usage, as are those of keys;
// usage, entries and what the minimum adds are together the net amount.
type Line struct {
	Part     string // "model", "key", "tag", "entry", "minimum", "net", "prepaid", "tax" or "due"
	Name     string
	Day      string
	ID       tally.ID
	Requests int64
	Input    int64
	Output   int64
	Exact    tally.NanoUSD // of what is due there is none
	Amount   string
	Minor    int64 // the amount in the smallest unit of the currency
}

// Lines are the lines of the statement, with amounts that add up as they are shown.
func (s *Statement) Lines() []Line {
	top := []tally.NanoUSD{s.Used}
	for i := range s.Entries {
		top = append(top, s.Entries[i].Credits)
	}
	shown := s.shares(append(top, s.Raised), s.Due.Net)
	var out []Line
	usage := func(part string, list []Usage) {
		amounts := make([]tally.NanoUSD, len(list))
		for i := range list {
			amounts[i] = list[i].Credits
		}
		each := s.shares(amounts, shown[0])
		for i := range list {
			u := &list[i]
			out = append(out, Line{Part: part, Name: u.Name, Requests: u.Requests, Input: u.Input, Output: u.Output, Exact: u.Credits,
				Minor: each[i]})
		}
	}
	usage("model", s.Models)
	usage("key", s.Keys)
	usage("tag", s.Tags)
	for i := range s.Entries {
		e := &s.Entries[i]
		out = append(out, Line{Part: "entry", Name: e.title(), Day: e.Day, ID: e.ID, Exact: e.Credits, Minor: shown[i+1]})
	}
	if s.Raised > 0 {
		out = append(out, Line{Part: "minimum", Name: "minimum of " + s.Minimum.Display(), Exact: s.Raised, Minor: shown[len(shown)-1]})
	}
	out = append(out, Line{Part: "net", Name: "total", Exact: s.Total, Minor: s.Due.Net})
	if s.Due.Covered != 0 {
		out = append(out, Line{Part: "prepaid", Name: "paid in advance", Minor: -s.Due.Covered})
	}
	if s.Tax != "" {
		out = append(out, Line{Part: "tax", Name: "tax " + s.Tax + "%", Minor: s.Due.Tax})
	}
	if s.Tax != "" || s.Due.Covered != 0 {
		out = append(out, Line{Part: "due", Name: "to be paid", Minor: s.Due.Gross})
	}
	for i := range out {
		out[i].Amount = s.Due.amount(out[i].Minor)
	}
	return out
}

// title says what an entry is, in the owner's words as far as there are any.
func (e *Entry) title() string {
	what := string(e.Kind)
	if e.Kind == tally.Recost {
		what = "new prices"
	}
	for _, more := range [...]string{e.Model, e.Reason, e.Reference} {
		if more != "" {
			what += ", " + more
		}
	}
	return what
}

// Heading is what the statement is, and Span of when.
func (s *Statement) Heading() string {
	if s.Number == "" {
		return "Statement so far"
	}
	return "Statement " + s.Number
}

func (s *Statement) Span() string {
	return fmt.Sprintf("%s to %s, %s", s.Period.First, s.Period.Last, s.Period.Zone)
}

// Whom are the lines that say whose statement it is.
func (s *Statement) Whom() []string {
	out := []string{cmp.Or(s.Client.Name, s.Client.Slug)}
	for _, more := range [...]string{s.Client.Company, s.Client.Email} {
		if more != "" && more != out[0] {
			out = append(out, more)
		}
	}
	return out
}

// Notes are sentences below the amounts: the rate, what is left of what was paid in advance,
// what is under way.
func (s *Statement) Notes() (out []string) {
	usd := Money{Currency: "USD"}
	dollars := func(n int64) string { return strings.Replace("$"+Due{Digits: 2}.amount(n), "$-", "-$", 1) }
	if s.Rate != "" {
		total, _ := usd.minor(s.Total) // less than what is due in the currency can be counted
		out = append(out, fmt.Sprintf("1 USD is %s %s. In US dollars the total is %s.", s.Rate, s.Currency, dollars(total)))
	}
	if p := s.Prepaid; p != nil {
		after, _ := usd.minor(p.After)
		each := usd.shares([]tally.NanoUSD{p.Before, p.Paid, p.Given, p.Expired, -p.Charged}, after)
		parts := []string{dollars(each[0]) + " before"}
		for i, what := range [...]string{"paid", "given", "expired", "charged"} {
			n := each[i+1]
			if i > 1 { // what takes away
				n = -n
			}
			if n != 0 {
				parts = append(parts, dollars(n)+" "+what)
			}
		}
		out = append(out, "In advance, in US dollars: "+strings.Join(append(parts, dollars(after)+" left"), ", ")+".")
	}
	if o := s.Open; o != nil {
		out = append(out, fmt.Sprintf("%s more %s being answered, of at most %s.", tally.Group(int64(o.Requests)),
			map[bool]string{true: "request is", false: "requests are"}[o.Requests == 1], o.Credits.Display()))
	}
	return out
}

// Owed is what is to be paid, with the currency: "EUR 41.20".
func (s *Statement) Owed() string { return s.Currency + " " + s.Due.amount(s.Due.Gross) }
