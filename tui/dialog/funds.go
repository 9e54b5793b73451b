package dialog

import (
	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Funds asks what a client has paid in advance.
func Funds(e *screen.Env, c *control.ClientView) tea.Cmd {
	return screen.Ask(screen.Open{Dialog: NewForm(e, FormOf[control.AddFunds, control.EntryView]{
		Heading: "Book a payment of " + widget.Safe(c.Name), Op: control.ClientsTopUp, Save: "Book", Must: []string{"funds_nano_usd"},
		Asks:  []string{"funds_nano_usd", "reference", "reason", "expires"},
		Fixed: control.AddFunds{Client: c.Slug},
		Says:  balanceSays(c),
		Done:  booked,
	})})
}

// Adjust asks what a client is charged more or less.
func Adjust(e *screen.Env, c *control.ClientView) tea.Cmd {
	return screen.Ask(screen.Open{Dialog: NewForm(e, FormOf[control.AdjustClient, control.EntryView]{
		Heading: "Correct what " + widget.Safe(c.Name) + " was charged", Op: control.ClientsAdjust, Save: "Book", Must: []string{"reason"},
		Choices: map[string][]string{"as": {string(tally.Adjustment), string(tally.Fee), string(tally.Discount)}},
		Begin:   control.AdjustClient{As: tally.Adjustment},
		Asks:    []string{"credits_usd", "as", "reason", "reference", "cost_usd"},
		Fixed:   control.AdjustClient{Client: c.Slug},
		Says:    balanceSays(c),
		Done:    booked,
	})})
}

func balanceSays(c *control.ClientView) func(*theme.Theme, int, func(string) string) []string {
	return func(t *theme.Theme, width int, _ func(string) string) []string {
		text := "charged " + c.Month.CreditsNanoUSD.Display() + " this month"
		if c.Balance != nil {
			text += ", " + part.BalanceText(c.Balance.Left)
		}
		return []string{t.Paint(theme.Muted, widget.Truncate(text, width)), ""}
	}
}

func booked(v control.EntryView) tea.Cmd {
	return screen.Ask(screen.Say{Text: "Booked: " + string(v.Kind) + " for " + widget.Safe(v.ClientSlug) + ", " + part.BalanceText(v.Balance) + "."})
}
