package control

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// What stands in a form is read whole: several values with spaces between.

// Fill reads the whole of what stands in a form: several values have spaces
// between, and nothing is the value that the field may be left out for. Of a
// list of limits, those in was, the text there was before, that are gone are
// removed.
func (f *Field) Fill(in any, text, was string) error {
	target := reflect.ValueOf(in).Elem().FieldByIndex(f.Index)
	text = strings.TrimSpace(text)
	t := valueType(f.Go)
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(t))
		target = target.Elem()
	}
	if !repeated(t) {
		if text == "" {
			target.SetZero()
			return nil
		}
		return f.set(target, text)
	}
	target.SetZero()
	if t.Kind() == reflect.Map {
		target.Set(reflect.MakeMap(t))
	}
	for _, word := range words(text) {
		if err := f.set(target, word); err != nil {
			return err
		}
	}
	if edits, ok := target.Addr().Interface().(*[]tally.LimitEdit); ok {
		return removeGone(edits, was)
	}
	if prices, ok := target.Addr().Interface().(*[]PriceField); ok {
		return nothingGone(*prices, was)
	}
	if target.Kind() == reflect.Slice && target.IsNil() && f.Go.Kind() == reflect.Pointer {
		target.Set(reflect.MakeSlice(t, 0, 0))
	}
	return nil
}

// words cuts a text at its blanks, except those of a limit per part.
func words(text string) (out []string) {
	list := strings.Fields(text)
	for i := 0; i < len(list); i++ {
		if n := len(out); n > 0 && list[i] == "per" && i+1 < len(list) {
			out[n-1] += " per " + list[i+1]
			i++
			continue
		}
		out = append(out, list[i])
	}
	return out
}

// removeGone adds the removal of each limit that stood there and does not any
// more.
func removeGone(edits *[]tally.LimitEdit, was string) error {
	for _, word := range words(was) {
		old, err := tally.ParseLimit(word)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(*edits, func(e tally.LimitEdit) bool { return e.Metric == old.Metric && e.Window == old.Window }) {
			old.Remove = true
			*edits = append(*edits, old)
		}
	}
	return nil
}

// nothingGone refuses prices of which a figure is gone that stood there: leaving it
// out would not take it away.
func nothingGone(prices []PriceField, was string) error {
	for _, word := range strings.Fields(was) {
		old, err := ParsePrice(word)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(prices, func(p PriceField) bool { return p.Class == old.Class }) {
			return tally.Errorf(tally.Invalid, "the rate of %s cannot be taken away", strings.ReplaceAll(old.Class, "_", " ")).WithHint("%s=0 makes it free", old.Class)
		}
	}
	return nil
}

// Check says what is wrong with the text of a form.
func (f *Field) Check(text string) error {
	single := Field{Name: f.Name, Choices: f.Choices, Go: f.Go, Index: []int{0}}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "Field", Type: f.Go}}))
	if err := single.Fill(holder.Interface(), text, ""); err != nil {
		return err
	}
	v := holder.Elem().Field(0)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if c, ok := v.Interface().(interface{ Check(Calendar) error }); ok && strings.TrimSpace(text) != "" {
		return c.Check(Calendar{Now: time.Now(), Zone: time.UTC})
	}
	return nil
}

// Check says whether a text is one, as do the methods below; it need not lie
// right for what it is used for.
func (d Date) Check(c Calendar) error {
	if d == none {
		return nil // where it may be cleared
	}
	_, err := d.At(c)
	return err
}

func (s Since) Check(c Calendar) error  { _, err := s.At(c, 0); return err }
func (x Expiry) Check(c Calendar) error { _, err := x.At(c); return err }
func (m Month) Check(c Calendar) error  { _, err := m.In(c); return err }
func (z Zone) Check(Calendar) error     { return tally.CheckZone(string(z)) }
