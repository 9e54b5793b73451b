package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
)

// LeavingOptions are what the question of leaving is made of.
type LeavingOptions struct {
	Env *screen.Env
	// Background goes on serving without the interface; nil if that cannot be
	// done, and Cannot says why.
	Background func() tea.Cmd
	Cannot     string
	Stop       func() tea.Cmd
}

// lately is how far back somebody counts as a user of the gateway.
const lately = 24 * time.Hour

// NewLeaving makes the dialog that asks before the gateway stops with its
// interface. It names who would notice.
func NewLeaving(o LeavingOptions) screen.Dialog {
	s := o.Env.Source.Snapshot()
	says := []string{users(s.Clients, o.Env.Clock())}
	if n := s.Status.InFlight; n > 0 {
		says = append(says, fmt.Sprintf("Requests under way: %d. They may finish first.", n))
	}
	if o.Background != nil {
		says = append(says, "The gateway runs inside this window. It can go on in the background; new requests wait for a moment, none is lost.")
	} else {
		says = append(says, "The gateway runs inside this window and stops with it. "+o.Cannot)
	}
	c := dialog.Confirm{Heading: "Leave tallygate?", Says: says, Stay: "Stay", Do: "Stop the gateway", Yes: o.Stop}
	if o.Background != nil {
		c.Instead, c.Rather = "Keep serving in background", o.Background
	}
	return dialog.NewConfirm(c)
}

// users names who used the gateway lately, those who did last first.
func users(clients []control.ClientView, now time.Time) string {
	var some []control.ClientView
	for _, c := range clients {
		if !c.LastUsedAt.IsZero() && now.Sub(c.LastUsedAt) < lately {
			some = append(some, c)
		}
	}
	if len(some) == 0 {
		return "Nobody used the gateway in the last 24 hours."
	}
	tally.Order(some, func(a, b control.ClientView) int { return b.LastUsedAt.Compare(a.LastUsedAt) })
	const most = 4
	var names []string
	for _, c := range some[:min(len(some), most)] {
		names = append(names, c.Name)
	}
	text := strings.Join(names, ", ")
	if more := len(some) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "It was used in the last 24 hours by " + text + "."
}
