package dialog

import (
	"slices"
	"strings"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/widget"
)

// namesOf are the things that a field can name, as people write them and with what they
// are; nil where there is no list of them.
func namesOf(snap *live.Snapshot, f *control.Field) (out []Choice) {
	add := func(name, note string) {
		if !slices.ContainsFunc(out, func(c Choice) bool { return c.ID == name }) {
			out = append(out, Choice{ID: name, Text: widget.Safe(name), Note: widget.Safe(note)})
		}
	}
	switch f.Of {
	case "client":
		for i := range snap.Clients {
			add(snap.Clients[i].Slug, snap.Clients[i].Name)
		}
	case "gateway":
		for i := range snap.Gateways {
			add(snap.Gateways[i].Slug, snap.Gateways[i].Name)
		}
	case "provider":
		for i := range snap.Providers {
			add(snap.Providers[i].Name, string(snap.Providers[i].ProviderKind))
		}
	case "template":
		for i := range snap.Gateways {
			for _, t := range snap.Gateways[i].Templates {
				add(t.Name, snap.Gateways[i].Name)
			}
		}
	case "model":
		for i := range snap.Models {
			add(snap.Models[i].Name, snap.Models[i].ProviderName)
		}
	}
	return out
}

// toggled adds a word to those of a text, or takes it away.
func toggled(text, word string) string {
	words := strings.Fields(text)
	if i := slices.Index(words, word); i >= 0 {
		return strings.Join(slices.Delete(words, i, i+1), " ")
	}
	return strings.Join(append(words, word), " ")
}
