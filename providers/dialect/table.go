package dialect

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Verdict says what becomes of a feature in a dialect.
type Verdict uint8

// The verdicts. The zero value is none: a table says something of every feature.
const (
	Undecided Verdict = iota
	Carried           // it means the same there
	DropTold          // it is left out, and the header tells of it
	Refuse            // the request is refused, with the field's name
	OnlyHere          // no other dialect can say it, so it never has to be written
)

// Rule is what a table says of one feature. The note says how it is carried where that is
// not plain.
type Rule struct {
	Verdict Verdict
	Note    string
}

// Carry is the rule of a feature that is carried.
func Carry(note string) Rule { return Rule{Verdict: Carried, Note: note} }

// Drop is the rule of a feature that is left out and told.
func Drop(note string) Rule { return Rule{Verdict: DropTold, Note: note} }

// Deny is the rule of a feature that requests are refused for.
func Deny(note string) Rule { return Rule{Verdict: Refuse, Note: note} }

// Own is the rule of a feature that no other dialect has.
func Own() Rule { return Rule{Verdict: OnlyHere} }

// Table says what becomes of each feature in the requests that one dialect writes.
type Table struct {
	Target Name
	Rules  [NumFeatures]Rule
}

// Carries reports whether a feature is written.
func (t *Table) Carries(f Feature) bool { return t.Rules[f].Verdict == Carried }

// Apply returns the fields of a request that are left out, or the failure that refuses
// it.
func (t *Table) Apply(r *Request, to *Target) (Dropped, error) {
	var d Dropped
	for _, u := range r.Uses {
		switch verdict := t.Rules[u.Feature].Verdict; {
		case verdict == Carried:
		case verdict == DropTold, u.Feature == ServerTools && to.DropServerTools:
			d.Add(u.Field)
		default:
			return nil, t.refusal(r, u)
		}
	}
	return d, nil
}

// refusal says why a request is refused.
func (t *Table) refusal(r *Request, u Use) error {
	why := features[u.Feature]
	if note := t.Rules[u.Feature].Note; note != "" {
		why = note
	}
	f := Unsupported(u.Field, "%q cannot be translated for this model, whose provider is asked by way of %s: %s", u.Field,
		t.Target, why)
	if u.Feature == Threads {
		f.Message = "This gateway does not keep message threads; send the whole history."
		f.Code, f.Details = "thread_unsupported_request", `"unsupported":["thread"]`
	}
	return f
}

// word is what a verdict prints as.
func (v Verdict) word() string {
	return [...]string{Undecided: "?", Carried: "yes", DropTold: "dropped", Refuse: "refused", OnlyHere: "own"}[v]
}

// Print prints tables side by side as text: a line for each feature, a column for each
// target. Notes stand below.
func Print(tables ...*Table) string {
	var b strings.Builder
	notes := []string{}
	line := func(first string, cells []string) {
		row := pad(first, 48)
		for _, c := range cells {
			row += "  " + pad(c, 12)
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	cells := make([]string, len(tables))
	for i, t := range tables {
		cells[i] = string(t.Target)
	}
	line("what a request asks for", cells)
	for f := range NumFeatures {
		for i, t := range tables {
			rule := t.Rules[f]
			if cells[i] = rule.Verdict.word(); rule.Note == "" {
				continue
			}
			n := slices.Index(notes, rule.Note)
			if n < 0 {
				n = len(notes)
				notes = append(notes, rule.Note)
			}
			cells[i] += fmt.Sprintf(" (%d)", n+1)
		}
		line(f.String(), cells)
	}
	b.WriteString("\nown: only this dialect says it; between two who speak it, it passes as it is\n")
	b.WriteString("dropped: left out, and named in the header x-tallygate-dropped\n\n")
	for i, n := range notes {
		line := fmt.Sprintf("%2d ", i+1)
		for word := range strings.FieldsSeq(n) {
			if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > printWidth {
				b.WriteString(line + "\n")
				line = "   "
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// printWidth is how long the lines of notes are, at most.
const printWidth = 84

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
