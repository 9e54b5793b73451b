package dialog

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// TickPrices asks which of the prices that an import would change are taken. Those that look
// wrong are not ticked at first. What take returns runs after the dialog has closed; it is
// given the choice for the import itself.
func TickPrices(heading string, r control.Imported, take func(control.ChoosePrices) tea.Cmd) screen.Dialog {
	type model struct {
		id            string
		name, says    string
		usable, taken bool
		figures       int
	}
	var models []*model
	for i := range r.Changes {
		c := &r.Changes[i]
		at := slices.IndexFunc(models, func(m *model) bool { return m.id == string(c.ModelID) })
		if at < 0 {
			models = append(models, &model{id: string(c.ModelID), name: c.Model})
			at = len(models) - 1
		}
		m := models[at]
		m.figures++
		m.usable = m.usable || c.Class != ""
		m.taken = m.taken || c.Applied
		if m.says == "" || c.Class == tally.ClassInput.String() && c.AboveTokens == 0 && c.Tier == "" && len(c.Hours) == 0 {
			m.says = changeWords(c)
		}
	}
	var choices []Choice
	ticked := map[string]bool{}
	for _, m := range models {
		if m.id == "" || !m.usable {
			continue // of a model that is new, or without a price that could be taken
		}
		if m.figures > 1 {
			m.says += fmt.Sprintf(", +%d", m.figures-1)
		}
		choices = append(choices, Choice{ID: m.id, Text: widget.Safe(m.name), Note: widget.Safe(m.says)})
		ticked[m.id] = m.taken
	}
	if len(choices) == 0 {
		return nil
	}
	p := NewPick(heading, choices[0].ID, choices, nil)
	p.Several(func(id string) bool { return ticked[id] }, func(id string) { ticked[id] = !ticked[id] })
	p.note = 46
	p.Saved("enter ticks one, or unticks it   ctrl+s takes the ticked   esc takes none", func() tea.Cmd {
		var choice control.ChoosePrices
		for _, m := range models {
			switch on, shown := ticked[m.id]; {
			case on:
				choice.Accept = append(choice.Accept, m.id)
			case shown:
				choice.Leave = append(choice.Leave, m.id)
			}
		}
		return take(choice)
	})
	return p
}

// changeWords say in short what a figure was and is, and why it looks wrong.
func changeWords(c *control.PriceChange) string {
	if c.Class == "" {
		return c.Reason
	}
	is := c.NewUSD
	if is == "" {
		is = "as its parent"
	}
	out := c.Class + " " + c.OldUSD + " → " + is
	if c.OldUSD == "" {
		out = c.Class + " " + is
	}
	if c.Reason != "" {
		return out + ": " + c.Reason
	}
	return out
}
