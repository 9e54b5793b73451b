package control

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"tallygate/engine/tally"
)

// Tone is how a row or a cell stands out. A sign or a word always says the same.
type Tone string

// The tones.
const (
	Plain Tone = ""
	Faint Tone = "faint" // off, revoked, over
	Good  Tone = "good"
	Warn  Tone = "warn"
	Bad   Tone = "bad"
)

// Column is one figure or word of what an operation returns. It is declared once
// and stands in tables, filters, orders and CSV.
type Column[V any] struct {
	// Name is unique in its table: "cost". Filters, orders and the first line of
	// a CSV call it so.
	Name string
	// Title stands above it, its name if it is empty; Short does where there is little
	// room.
	Title, Short string
	// Spare says which columns go first where there is little room: the highest.
	// 0 stays.
	Spare int
	// Field is what JSON calls it: its name if it is empty, that of an object's field
	// behind a dot.
	Field string
	// NoZero is whether zero is as good as nothing.
	NoZero bool
	// Hidden columns stand in CSV and filters only; Derived ones, which others
	// tell, in all but CSV.
	Hidden, Derived bool
	// Words are all that it can be, if it is one of a few; a filter refuses others.
	Words []string
	// Get is what stands in it; nil: what its field holds. It must take a zero V: the
	// unit is asked of one.
	Get func(*V) Value
}

// Unit is what the column is measured in.
func (c *Column[V]) Unit() Unit { return c.Get(new(V)).Unit }

// Head is what stands above the column.
func (c *Column[V]) Head() string { return cmp.Or(c.Title, c.Name) }

// ShortHead is what stands above the column where there is little room.
func (c *Column[V]) ShortHead() string { return cmp.Or(c.Short, c.Head()) }

// Fields are what CSV calls the column: its field, or its name where that is one of
// an object. An amount of money is written twice, as a decimal and as an integer.
func (c *Column[V]) Fields() []string {
	name := cmp.Or(c.Field, c.Name)
	if strings.Contains(name, ".") {
		name = c.Name
	}
	if c.Unit() != UnitMoney {
		return []string{name}
	}
	name = strings.TrimSuffix(name, "_nano_usd")
	return []string{name + "_usd", name + "_nano_usd"}
}

// Table is how what an operation returns is shown in rows. The column "id" is
// drawn last.
type Table[V any] struct {
	Thing string // one of them: "client"
	// Make is the command that makes the first one.
	Make    string
	ID      func(*V) string
	Tone    func(*V) Tone
	Columns []Column[V]
	// Text is what words of a filter are looked for in; nil: all columns of words.
	Text func(*V) string
	// Orders are the useful ones by name of a column, the usual one first.
	Orders []string
}

// NewTable makes a table. It panics if a column is of no field of the view: that is a
// defect of the program.
func NewTable[V any](t Table[V]) *Table[V] {
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Get != nil {
			continue
		}
		name := cmp.Or(c.Field, c.Name)
		index := fieldIndex(reflect.TypeFor[V](), name)
		if index == nil {
			panic("control: a " + t.Thing + " has no field " + name)
		}
		noZero := c.NoZero
		c.Get = func(v *V) Value {
			value := valueOf(reflect.ValueOf(v).Elem().FieldByIndex(index), name)
			value.Void = value.Void || noZero && value.N == 0
			return value
		}
	}
	return &t
}

// fieldIndex finds the field of a JSON name, nil if there is none.
func fieldIndex(t reflect.Type, name string) []int {
	first, rest, nested := strings.Cut(name, ".")
	for _, f := range reflect.VisibleFields(t) {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != first || !f.IsExported() {
			continue
		}
		if !nested {
			return f.Index
		}
		if inner := fieldIndex(f.Type, rest); inner != nil {
			return append(slices.Clone(f.Index), inner...)
		}
	}
	return nil
}

// Column finds a column by name, nil if there is none.
func (t *Table[V]) Column(name string) *Column[V] {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Names lists the names of the columns.
func (t *Table[V]) Names() []string {
	out := make([]string, len(t.Columns))
	for i := range t.Columns {
		out[i] = t.Columns[i].Name
	}
	return out
}

// Sort orders rows by a column: numbers and times with the largest first, words
// from a; turned the other way round. Equal rows stay in their order.
func (t *Table[V]) Sort(rows []*V, by string, turned bool) {
	c := t.Column(by)
	if c == nil {
		return
	}
	down := c.Unit().Number() != turned
	slices.SortStableFunc(rows, func(a, b *V) int {
		if down {
			return c.Get(b).Compare(c.Get(a))
		}
		return c.Get(a).Compare(c.Get(b))
	})
}

// Select returns the rows that are asked for, in the order that is asked for.
func (t *Table[V]) Select(rows []V, in Rows, c Calendar) ([]V, error) {
	f, err := t.ParseFilter(in.Filter, c)
	if err != nil {
		return nil, err
	}
	by, turned := strings.CutPrefix(in.Sort, "-")
	if by != "" && t.Column(by) == nil {
		return nil, tally.Errorf(tally.Invalid, "a %s has no %q to sort by", t.Thing, by).WithHint("one of %s", strings.Join(t.Names(), ", "))
	}
	kept := make([]*V, 0, len(rows))
	for i := range rows {
		if f.Match(&rows[i]) {
			kept = append(kept, &rows[i])
		}
	}
	t.Sort(kept, by, turned)
	out := make([]V, len(kept))
	for i, v := range kept {
		out[i] = *v
	}
	return out, nil
}

// Filter selects rows. The zero Filter selects all.
type Filter[V any] struct {
	terms []term[V]
	text  func(*V) string
}

// term is one word of a filter.
type term[V any] struct {
	column *Column[V] // nil: anywhere in the text
	not    bool
	value  string // in lower case
	exact  bool
	op     string // of a number: < <= = >= >
	bound  Value
}

// ParseFilter reads what rows are filtered by: words, all of which must be there;
// NAME:WORD for a column that begins so, NAME:=WORD for one that is so, and
// NAME:>N, also with >=, <, <= and =, for a number: "status:active",
// "latency:>1s", "cost:>0.01", "tokens:>10k", "at:>2d". A minus before a term
// turns it round, and "a phrase" stands in quotes.
func (t *Table[V]) ParseFilter(s string, c Calendar) (Filter[V], error) {
	f := Filter[V]{text: t.Text}
	if f.text == nil {
		f.text = t.words
	}
	for _, word := range splitTerms(s) {
		x, err := t.parseTerm(word, c)
		if err != nil {
			return f, err
		}
		f.terms = append(f.terms, x)
	}
	return f, nil
}

func (t *Table[V]) parseTerm(word string, c Calendar) (x term[V], err error) {
	if len(word) > 1 {
		word, x.not = strings.CutPrefix(word, "-")
	}
	name, value, ok := strings.Cut(word, ":")
	if quoted := strings.HasPrefix(word, `"`); quoted || !ok || !isName(name) || strings.HasPrefix(value, "//") {
		x.value = strings.ToLower(strings.Trim(word, `"`))
		return x, nil
	}
	if x.column = t.Column(strings.ToLower(name)); x.column == nil {
		e := tally.Errorf(tally.Invalid, "a %s has no %q to filter by", t.Thing, name)
		if near := Nearest(name, t.Names()); near != "" {
			return x, e.WithHint("did you mean %s:? For a word with a colon: %q in quotes", near, word)
		}
		return x, e.WithHint("one of %s", strings.Join(t.Names(), ", "))
	}
	value = strings.Trim(value, `"`)
	for _, op := range [...]string{">=", "<=", ">", "<", "="} {
		if rest, cut := strings.CutPrefix(value, op); cut {
			x.op, value = op, rest
			break
		}
	}
	unit := x.column.Unit()
	if unit == UnitWord || x.op == "" && unit == UnitCount { // a status is found by its first figures
		x.exact, x.value = x.op == "=", strings.TrimRight(strings.ToLower(value), "x")
		if unit == UnitWord {
			x.value = strings.ToLower(value)
		}
		x.op = ""
		if few := x.column.Words; few != nil && !slices.ContainsFunc(few, func(w string) bool { return strings.HasPrefix(w, x.value) }) {
			return x, tally.Errorf(tally.Invalid, "%q is no %s of a %s", value, x.column.Name, t.Thing).WithHint("one of %s", strings.Join(few, ", "))
		}
		return x, nil
	}
	if x.op == "" {
		x.op = "="
	}
	x.bound, err = unit.parse(value, c)
	if err != nil {
		return x, tally.Errorf(tally.Invalid, "%s: %s", word, tally.AsError(err).Message).WithHint("like %s:>%s", name, unit.example())
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
	case UnitMoment:
		return "2d"
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

// words is all the text of a row.
func (t *Table[V]) words(v *V) string {
	var out strings.Builder
	for i := range t.Columns {
		if x := t.Columns[i].Get(v); x.Unit == UnitWord && !x.Void {
			out.WriteString(x.Text)
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// Match reports whether a row passes.
func (f *Filter[V]) Match(v *V) bool {
	text := ""
	for i := range f.terms {
		x := &f.terms[i]
		if x.column == nil && text == "" {
			text = strings.ToLower(f.text(v))
		}
		if x.match(v, text) == x.not {
			return false
		}
	}
	return true
}

func (x *term[V]) match(v *V, text string) bool {
	if x.column == nil {
		return strings.Contains(text, x.value)
	}
	cell := x.column.Get(v)
	if x.op == "" {
		word := strings.ToLower(cell.Text)
		if cell.Unit != UnitWord {
			word = cell.Raw()
		}
		return word == x.value || !x.exact && strings.HasPrefix(word, x.value)
	}
	if cell.Void {
		return false
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

// Empty reports whether the filter selects everything.
func (f *Filter[V]) Empty() bool { return len(f.terms) == 0 }

// Only returns the value that a column of words must have, as far as a term names
// one whole value or the beginning of one.
func (f *Filter[V]) Only(column string) (value string, whole, ok bool) {
	for i := range f.terms {
		if x := &f.terms[i]; x.column != nil && x.column.Name == column && !x.not && x.op == "" {
			return x.value, x.exact, true
		}
	}
	return "", false, false
}
