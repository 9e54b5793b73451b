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
	Part     string // "model", "key", "entry", "minimum", "net", "tax" or "due"
	Name     string
	Day      string
	ID       tally.ID
	Requests int64
	Input    int64
	Output   int64
	Exact    tally.NanoUSD // of what is due there is none
	Amount   string
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
				Amount: s.Due.amount(each[i])})
		}
	}
	usage("model", s.Models)
	usage("key", s.Keys)
	for i := range s.Entries {
		e := &s.Entries[i]
		out = append(out, Line{Part: "entry", Name: e.title(), Day: e.Day, ID: e.ID, Exact: e.Credits, Amount: s.Due.amount(shown[i+1])})
	}
	if s.Raised > 0 {
		out = append(out, Line{Part: "minimum", Name: "minimum of " + s.Minimum.Display(), Exact: s.Raised, Amount: s.Due.amount(shown[len(shown)-1])})
	}
	out = append(out, Line{Part: "net", Name: "total", Exact: s.Total, Amount: s.Due.amount(s.Due.Net)})
	if s.Tax != "" {
		out = append(out, Line{Part: "tax", Name: "tax " + s.Tax + "%", Amount: s.Due.amount(s.Due.Tax)})
		out = append(out, Line{Part: "due", Name: "to be paid", Amount: s.Due.amount(s.Due.Gross)})
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
	if s.Rate != "" {
		out = append(out, fmt.Sprintf("1 USD is %s %s. In US dollars the total is %s.", s.Rate, s.Currency, s.Total.Display()))
	}
	if p := s.Prepaid; p != nil {
		parts := []string{p.Before.Display() + " before"}
		for _, x := range [...]struct {
			what string
			n    tally.NanoUSD
		}{{"paid", p.Paid}, {"given", p.Given}, {"expired", -p.Expired}, {"charged", p.Charged}} {
			if x.n != 0 {
				parts = append(parts, x.n.Display()+" "+x.what)
			}
		}
		out = append(out, "In advance, in US dollars: "+strings.Join(append(parts, p.After.Display()+" left"), ", ")+".")
	}
	if o := s.Open; o != nil {
		out = append(out, fmt.Sprintf("%s more %s being answered, of at most %s.", tally.Group(int64(o.Requests)),
			map[bool]string{true: "request is", false: "requests are"}[o.Requests == 1], o.Credits.Display()))
	}
	return out
}

// Owed is what is to be paid, with the currency: "EUR 41.20".
func (s *Statement) Owed() string { return s.Currency + " " + s.Due.amount(s.Due.Gross) }
