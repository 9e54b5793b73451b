package control

import (
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Filter selects rows. The zero Filter selects all.
type Filter[P any] struct {
	terms
	columns []Column[P]
	text    func(P) string
}

// terms are the words of a filter: what of it is the same whatever the rows are.
type terms []term

// face is what is the same of a column whatever the rows are, and its place in the table.
type face struct {
	name  string
	unit  Unit
	words []string
	at    int
}

// term is one word of a filter.
type term struct {
	column *face // nil: anywhere in the text
	not    bool
	value  string // in lower case
	given  string // as it was written
	exact  bool
	op     string // of a number: < <= = >= >
	bound  Value
	period tally.Period // of a time: what is named, of an instant nothing
}

// ParseFilter reads what rows are filtered by: words, all of which must be there;
// NAME:WORD for a column in which a word begins so, or which does where it is one of
// a few, NAME:=WORD for one that is so, and NAME:>N, also with >=, <, <= and =, for a
// number: "client:aurora", "status:active", "latency:>1s", "cost:>0.01", "tokens:>10k",
// "at:>2d". A time in a day or a month has its name: "at:today", "last:2026-11". A minus
// before a term turns it round, and "a phrase" stands in quotes.
func (t *Table[P]) ParseFilter(s string, c Calendar) (Filter[P], error) {
	f := Filter[P]{text: t.Text, columns: t.Columns}
	if f.text == nil {
		f.text = t.words
	}
	if s == "" {
		return f, nil
	}
	faces := make([]face, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		faces[i] = face{c.Name, c.Unit(), c.Words, i}
	}
	var err error
	f.terms, err = parseTerms(s, t.Thing, faces, c)
	return f, err
}

// parseTerms reads the words of a filter of things.
func parseTerms(s, thing string, faces []face, c Calendar) (out terms, err error) {
	for _, word := range splitTerms(s) {
		x, err := parseTerm(word, thing, faces, c)
		if err != nil {
			return out, err
		}
		out = append(out, x)
	}
	return out, nil
}

func parseTerm(word, thing string, faces []face, c Calendar) (x term, err error) {
	if len(word) > 1 {
		word, x.not = strings.CutPrefix(word, "-")
	}
	name, value, ok := strings.Cut(word, ":")
	if quoted := strings.HasPrefix(word, `"`); quoted || !ok || !isName(name) || strings.HasPrefix(value, "//") {
		x.value = strings.ToLower(strings.Trim(word, `"`))
		return x, nil
	}
	at := slices.IndexFunc(faces, func(f face) bool { return f.name == strings.ToLower(name) })
	if at < 0 {
		names := make([]string, len(faces))
		for i := range faces {
			names[i] = faces[i].name
		}
		e := tally.Errorf(tally.Invalid, "a %s has no %q to filter by", thing, name)
		if near := Nearest(name, names); near != "" {
			return x, e.WithHint("did you mean %s:? For a word with a colon: %q in quotes", near, word)
		}
		return x, e.WithHint("one of %s", strings.Join(names, ", "))
	}
	x.column = &faces[at]
	value = strings.Trim(value, `"`)
	for _, op := range [...]string{">=", "<=", ">", "<", "="} {
		if rest, cut := strings.CutPrefix(value, op); cut {
			x.op, value = op, strings.Trim(rest, `"`)
			break
		}
	}
	unit := x.column.unit
	if unit == UnitWord || x.op == "" && unit == UnitCount { // a status is found by its first figures
		x.exact, x.given, x.value = x.op == "=", value, strings.TrimRight(strings.ToLower(value), "x")
		if unit == UnitWord {
			x.value = strings.ToLower(value)
		}
		x.op = ""
		if few := x.column.words; few != nil &&
			!slices.ContainsFunc(few, func(w string) bool { return strings.HasPrefix(w, x.value) }) {
			return x, tally.Errorf(tally.Invalid, "%q is no %s of a %s", value, x.column.name, thing).
				WithHint("one of %s", strings.Join(few, ", "))
		}
		return x, nil
	}
	if x.op == "" {
		x.op = "="
	}
	if unit == UnitMoment {
		if x.period, err = c.named(value, x.op); err != nil {
			return x, tally.Errorf(tally.Invalid, "%s: %s", word, tally.AsError(err).Message).
				WithHint("like %s:today, %[1]s:2026-11-28, %[1]s:2026-11 or %[1]s:>2d", name)
		}
		return x, nil
	}
	x.bound, err = unit.parse(value)
	if err != nil {
		return x, tally.Errorf(tally.Invalid, "%s: %s", word, tally.AsError(err).Message).
			WithHint("like %s:>%s", name, unit.example())
	}
	return x, nil
}

// example is a number of the unit as filters take it.
func (u Unit) example() string {
	switch u {
	case UnitMoney, UnitRate:
		return "0.01"
	case UnitLatency:
		return "1s"
	case UnitShare:
		return "80"
	}
	return "10k"
}

func isName(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// splitTerms cuts a filter at blanks that are not in quotes.
func splitTerms(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	})
}

// words is all the text of a row, as it is shown and as it is typed.
func (t *Table[P]) words(v P) string {
	var out []string
	for i := range t.Columns {
		c := &t.Columns[i]
		if x := c.Get(v); x.Unit == UnitWord && !x.Void {
			out = append(out, x.Text, c.Cell(v).Text)
		}
	}
	return joinLines(out...)
}

// Match reports whether a row passes.
func (f *Filter[P]) Match(v P) bool {
	text := ""
	for i := range f.terms {
		x := &f.terms[i]
		if x.column == nil && text == "" {
			text = strings.ToLower(f.text(v))
		}
		var cell Value
		if x.column != nil {
			c := &f.columns[x.column.at]
			if cell = c.Get(v); x.op == "" && cell.Unit == UnitWord && x.is(c.Cell(v).Text) {
				if x.not {
					return false
				}
				continue
			}
		}
		if x.match(&cell, text) == x.not {
			return false
		}
	}
	return true
}

// match reports whether a cell is as the term asks for, or, without a column, a text.
func (x *term) match(cell *Value, text string) bool {
	if x.column == nil {
		return strings.Contains(text, x.value)
	}
	if x.op == "" {
		if cell.Unit != UnitWord {
			return x.is(cell.Raw())
		}
		return x.is(cell.Text)
	}
	if cell.Void {
		return false
	}
	if cell.Unit == UnitMoment {
		return x.when(cell.At)
	}
	switch c := cell.Compare(x.bound); x.op {
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	default:
		return c == 0
	}
}

// separators are what words of a value stand between: of "gpt-4.1-mini", "hotel-aurora/website".
const separators = " -_/.@"

// is reports whether a value of words is what the term asks for.
func (x *term) is(text string) bool {
	text = strings.ToLower(text)
	switch {
	case x.exact:
		return text == x.value
	case strings.HasPrefix(text, x.value):
		return true
	case x.column.words != nil || x.column.unit != UnitWord:
		return false
	}
	for i := range len(text) {
		if strings.IndexByte(separators, text[i]) >= 0 && strings.HasPrefix(text[i+1:], x.value) {
			return true
		}
	}
	return false
}

// when reports whether an instant is as the term asks for: "=" in the period, "<=" not
// after it, and the others as its beginning has it, so that ">today" is since midnight.
func (x *term) when(at time.Time) bool {
	switch x.op {
	case "<":
		return at.Before(x.period.Start)
	case "<=":
		return at.Before(x.period.End) || at.Equal(x.period.Start)
	case ">":
		return at.After(x.period.Start)
	case ">=":
		return !at.Before(x.period.Start)
	}
	return !at.Before(x.period.Start) && at.Before(x.period.End)
}

// Empty reports whether the filter selects everything.
func (f terms) Empty() bool { return len(f) == 0 }

// Only returns the value that a column of words must have, as far as a term names
// one whole value or the beginning of one.
func (f terms) Only(column string) (value string, whole, ok bool) {
	if x := f.asks(column); x != nil && x.op == "" {
		return x.value, x.exact, true
	}
	return "", false, false
}

// Finds returns what reports whether a column of words passes the filter's term for it
// with any of some values; nil if there is no such term, or one that everything passes.
func (f terms) Finds(column string) func(values ...string) bool {
	x := f.asks(column)
	if x == nil || x.op != "" || x.value == "" {
		return nil
	}
	return func(values ...string) bool { return slices.ContainsFunc(values, x.is) }
}

// Passes reports whether a value of a column of words is one that all of the filter's
// terms for the column let pass, also those that are turned round.
func (f terms) Passes(column, value string) bool {
	for i := range f {
		if x := &f[i]; x.column != nil && x.column.name == column && x.op == "" && x.is(value) == x.not {
			return false
		}
	}
	return true
}

// Span returns the time in which a column of times must lie, from its first instant to
// the one after it; a bound that there is none of is zero.
func (f terms) Span(column string) (span tally.Period) {
	for i := range f {
		x := &f[i]
		if x.column == nil || x.column.name != column || x.not {
			continue
		}
		if start := x.period.Start; strings.HasPrefix(x.op, ">") || x.op == "=" {
			span.Start = later(span.Start, start)
		}
		until := x.period.End
		if x.op == "<" {
			until = x.period.Start
		}
		if until.Equal(x.period.Start) && x.op == "<=" {
			until = until.Add(1) // an instant is before the one after it
		}
		if x.op != ">" && x.op != ">=" && (span.End.IsZero() || until.Before(span.End)) {
			span.End = until
		}
	}
	return span
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// asks is the first term of a column that is not turned round, nil if there is none.
func (f terms) asks(column string) *term {
	for i := range f {
		if x := &f[i]; x.column != nil && x.column.name == column && !x.not {
			return x
		}
	}
	return nil
}

// Whole returns the value that a column of words must have as it was written, "" unless a
// term names a whole one.
func (f terms) Whole(column string) string {
	if x := f.asks(column); x != nil && x.exact {
		return x.given
	}
	return ""
}
