package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// write writes the book: a line for each model and one for each of its rows.
func (b *book) write() []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "{\"version\": 2, \"as_of\": %q, \"sources\": [\n", asOf)
	for i, s := range b.sources {
		fmt.Fprintf(&out, "%s%s", ending(i, ",\n"), quoted(s))
	}
	out.WriteString("],\n\"models\": [\n")
	models := slices.SortedFunc(maps.Values(b.models), func(a, b *model) int {
		return cmp.Or(cmp.Compare(a.Publisher, b.Publisher), cmp.Compare(a.Model, b.Model))
	})
	for i, m := range models {
		head := strings.TrimSuffix(quoted(m), "}")
		fmt.Fprintf(&out, "%s%s", ending(i, ",\n"), head)
		if m.AliasOf == "" {
			out.WriteString(`,"prices":[`)
			slices.SortStableFunc(m.Prices, byPlace)
			for i, p := range m.Prices {
				fmt.Fprintf(&out, "%s\n  %s", ending(i, ","), quoted(p))
			}
			out.WriteString("]")
		}
		out.WriteString("}")
	}
	out.WriteString("]}\n")
	return []byte(out.String())
}

// byPlace is the order of rows: the plain price and its bands, that of hours, of
// tiers, and then those of other dates.
func byPlace(a, b *price) int {
	tier := func(p *price) int { return slices.Index([]string{"", "flex", "priority", "fast", "batch"}, p.Tier) }
	dated := func(p *price) string { return p.From + p.Until }
	return cmp.Or(cmp.Compare(dated(a), dated(b)), cmp.Compare(tier(a), tier(b)), cmp.Compare(a.Hours, b.Hours), cmp.Compare(a.AboveTokens, b.AboveTokens))
}

func ending(i int, s string) string {
	if i == 0 {
		return ""
	}
	return s
}

func quoted(v any) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings and numbers cannot fail
	}
	return strings.TrimSuffix(out.String(), "\n")
}
