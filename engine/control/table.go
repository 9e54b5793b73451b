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

// Sign is the tone in one character, beside the word that says it.
func (t Tone) Sign() string {
	switch t {
	case Good:
		return "●"
	case Warn:
		return "◐"
	case Bad:
		return "✗"
	case Faint:
		return "○"
	}
	return " "
}

// Column is one figure or word of what an operation returns. It is declared once
// and stands in tables, filters, orders and CSV. P points to a row: what is generic over
// pointers is compiled once for all of them, and over rows once for each.
type Column[P any] struct {
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
	// Sum says that the column adds up: the last line of a table has what it comes to.
	Sum bool
	// Words are all that it can be, if it is one of a few; a filter refuses others.
	Words []string
	// Shown is the field of what people read in its place, where what it holds is what
	// they type: the name beside a slug. Filters find both.
	Shown string
	// Get is what stands in it; nil: what its field holds. It must take a zero row: the
	// unit is asked of one.
	Get func(P) Value

	shown func(P) Value // nil: Get
}

// Cell is what people read in the column.
func (c *Column[P]) Cell(v P) Value {
	if c.shown != nil {
		if x := c.shown(v); !x.Void {
			return x
		}
	}
	return c.Get(v)
}

// Unit is what the column is measured in.
func (c *Column[P]) Unit() Unit { return c.Get(New[P]()).Unit }

// New points to a new one of what P points to.
func New[P any]() P { return reflect.New(reflect.TypeFor[P]().Elem()).Interface().(P) }

// Head is what stands above the column.
func (c *Column[P]) Head() string { return cmp.Or(c.Title, c.Name) }

// ShortHead is what stands above the column where there is little room.
func (c *Column[P]) ShortHead() string { return cmp.Or(c.Short, c.Head()) }

// Fields are what CSV calls the column: its field, or its name where that is one of
// an object. An amount of money is written twice, as a decimal and as an integer.
func (c *Column[P]) Fields() []string {
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

// Table is how what an operation returns is shown in rows, to which P points. The column
// "id" is drawn last.
type Table[P any] struct {
	Thing string // one of them: "client"
	// Make is the command that makes the first one.
	Make    string
	ID      func(P) string
	Tone    func(P) Tone
	Signs   bool // the tone of a row is what state the thing is in, and has a sign
	Columns []Column[P]
	// Refused says by whose limit a thing is refused now, as people call that: a list tells
	// so below its rows, once of each name. nil: it never is.
	Refused func(P) (whose string, r *RefusedNow)
	// Text is what words of a filter are looked for in; nil: all columns of words.
	Text func(P) string
	// Orders are the useful ones by name of a column, the usual one first.
	Orders []string
}

// NewTable makes a table. It panics if a column is of no field of the view: that is a
// defect of the program.
func NewTable[P any](t Table[P]) *Table[P] {
	field := func(name string) func(P) Value {
		index := fieldIndex(reflect.TypeFor[P]().Elem(), name)
		if index == nil {
			panic("control: a " + t.Thing + " has no field " + name)
		}
		return func(v P) Value { return valueOf(reflect.ValueOf(v).Elem().FieldByIndex(index), name) }
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Shown != "" {
			c.shown = field(c.Shown)
		}
		if c.Get != nil {
			continue
		}
		get, noZero := field(cmp.Or(c.Field, c.Name)), c.NoZero
		c.Get = func(v P) Value {
			value := get(v)
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
func (t *Table[P]) Column(name string) *Column[P] {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// ToneOf is how a row stands out.
func (t *Table[P]) ToneOf(v P) Tone {
	if t.Tone == nil {
		return Plain
	}
	return t.Tone(v)
}

// SumOf is what a column of numbers comes to; none where no row has one.
func (c *Column[P]) SumOf(rows []P) Value {
	sum := Value{Unit: c.Unit(), Void: true}
	for _, v := range rows {
		if x := c.Get(v); !x.Void {
			sum.N, sum.Void = sum.N+x.N, false
		}
	}
	return sum
}

// Names lists the names of the columns.
func (t *Table[P]) Names() []string {
	out := make([]string, len(t.Columns))
	for i := range t.Columns {
		out[i] = t.Columns[i].Name
	}
	return out
}

// Sort orders rows by a column: numbers and times with the largest first, words
// from a; turned the other way round. Equal rows stay in their order.
func (t *Table[P]) Sort(rows []P, by string, turned bool) {
	c := t.Column(by)
	if c == nil {
		return
	}
	keys, was := make([]Value, len(rows)), slices.Clone(rows)
	for i, v := range rows {
		keys[i] = c.Get(v)
	}
	for i, from := range orderOf(keys, c.Unit().Number() != turned) {
		rows[i] = was[from]
	}
}

// orderOf are the places of values in their order, the largest first if it goes down.
func orderOf(keys []Value, down bool) []int {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if down {
			a, b = b, a
		}
		return keys[a].Compare(keys[b])
	})
	return order
}

// ParseSort reads a column to sort by, with a minus the other way round; "" for none.
func (t *Table[P]) ParseSort(text string) (by string, turned bool, err error) {
	by, turned = strings.CutPrefix(text, "-")
	if by != "" && t.Column(by) == nil {
		return "", false, tally.Errorf(tally.Invalid, "a %s has no %q to sort by", t.Thing, by).WithHint("one of %s", strings.Join(t.Names(), ", "))
	}
	return by, turned, nil
}

// Each points to each of some rows.
func Pointers[V any](rows []V) []*V {
	out := make([]*V, len(rows))
	for i := range rows {
		out[i] = &rows[i]
	}
	return out
}

// Select returns the rows that are asked for, in the order that is asked for.
func Select[V any](t *Table[*V], rows []V, in Rows, c Calendar) ([]V, error) {
	kept, err := t.selected(Pointers(rows), in, c)
	if err != nil {
		return nil, err
	}
	out := make([]V, len(kept))
	for i, v := range kept {
		out[i] = *v
	}
	return out, nil
}

func (t *Table[P]) selected(rows []P, in Rows, c Calendar) ([]P, error) {
	f, err := t.ParseFilter(in.Filter, c)
	if err != nil {
		return nil, err
	}
	by, turned, err := t.ParseSort(in.Sort)
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(rows, func(v P) bool { return !f.Match(v) })
	t.Sort(kept, by, turned)
	return kept, nil
}

// Things are several of them.
func (t *Table[P]) Things() string {
	if stem, ok := strings.CutSuffix(t.Thing, "y"); ok && stem != "" && !strings.ContainsRune("aeiou", rune(stem[len(stem)-1])) {
		return stem + "ies"
	}
	return t.Thing + "s"
}
