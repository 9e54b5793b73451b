package engine

import (
	"slices"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// nameOf is what a line of a bill is called: its model, or what else it is for.
func nameOf(l *control.BillLine) string {
	if l.Model == "" {
		return l.Item
	}
	return l.Model
}

// modelKey is a model's name without what differs between a request, a console and an invoice:
// "claude-haiku-4-5-20251001" and "Claude Haiku 4.5" have the same, as have "gpt-4o" and
// "gpt-4o-2024-08-06", and the words stand in any order.
func modelKey(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r < '0' || r > '9' && r < 'a' || r > 'z' && r < 0x80
	})
	isYear := func(s string) bool {
		return len(s) >= 4 && strings.HasPrefix(s, "20") && strings.Trim(s[:4], "0123456789") == ""
	}
	switch n := len(words); {
	case n > 1 && words[n-1] == "latest":
		words = words[:n-1]
	case n > 1 && len(words[n-1]) == 8 && isYear(words[n-1]):
		words = words[:n-1]
	case n > 3 && len(words[n-3]) == 4 && isYear(words[n-3]) && len(words[n-2]) == 2 && len(words[n-1]) == 2:
		words = words[:n-3]
	}
	if len(words) == 0 {
		return name
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// pairNames says for each name of a model on one of both sides which row it stands in. Models
// whose names are the same on both sides stay apart; else those with one key stand together,
// under the name that the provider was asked by. A bill by day alone has one row of all.
func pairNames(have map[dayModel]*ours, lines []control.BillLine) map[string]string {
	out := map[string]string{}
	if byDay(lines) {
		for at := range have {
			out[at.model] = ""
		}
		out[""] = ""
		return out
	}
	type sides struct{ ours, theirs []string }
	groups := map[string]*sides{}
	group := func(name string) *sides {
		key := modelKey(name)
		if groups[key] == nil {
			groups[key] = &sides{}
		}
		return groups[key]
	}
	add := func(to *[]string, name string) {
		if !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
	}
	for at := range have {
		add(&group(at.model).ours, at.model)
	}
	for i := range lines {
		name := nameOf(&lines[i])
		add(&group(name).theirs, name)
	}
	for _, g := range groups {
		byLength := func(a, b string) int {
			if len(a) != len(b) {
				return len(a) - len(b)
			}
			return strings.Compare(a, b)
		}
		tally.Order(g.ours, byLength)
		tally.Order(g.theirs, byLength)
		if len(g.ours) == 0 || slices.Equal(g.ours, g.theirs) || len(g.theirs) == 0 {
			for _, name := range slices.Concat(g.ours, g.theirs) {
				out[name] = name
			}
			continue
		}
		for _, name := range slices.Concat(g.ours, g.theirs) {
			out[name] = g.ours[0]
		}
	}
	return out
}

// byDay reports whether a bill names no model at all.
func byDay(lines []control.BillLine) bool {
	for i := range lines {
		if nameOf(&lines[i]) != "" {
			return false
		}
	}
	return len(lines) > 0
}
