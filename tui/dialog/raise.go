package dialog

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// limited is a thing with limits of its own that can be raised until a date.
type limited struct {
	kind, ref, name string
	states          []control.LimitState
	refused         *control.RefusedNow
}

// Raise asks by how much a limit of a gateway, a client or a key is raised, and until
// when. It is the limit that refuses now, also where that belongs to the client or the
// gateway above; else the fullest of the nearest that has any.
func Raise(e *screen.Env, snap *live.Snapshot, kind string, id tally.ID, until string) tea.Cmd {
	chain := limitedFrom(snap, kind, id)
	at := slices.IndexFunc(chain, func(l limited) bool { return l.refused.ByLimit(l.kind) })
	if at < 0 {
		at = slices.IndexFunc(chain, func(l limited) bool { return len(l.states) > 0 })
	}
	if at < 0 {
		return screen.Ask(screen.Say{Text: "Nothing limits it, so there is nothing to raise: e sets a limit."})
	}
	l := chain[at]
	if l.kind == "client" && (l.refused.ByLimit("client") && l.refused.Limit == tally.Limit{Metric: tally.Balance}.String() || onlyBalance(l.states)) {
		for i := range snap.Clients {
			if c := &snap.Clients[i]; string(c.ID) == l.ref {
				return Funds(e, c)
			}
		}
	}
	l.states = slices.DeleteFunc(slices.Clone(l.states), func(s control.LimitState) bool { return s.Metric == tally.Balance })
	switch l.kind {
	case "gateway":
		return raise(e, l, until, control.GatewaysRaise, func(f control.RaiseFields) control.RaiseGateway {
			return control.RaiseGateway{Gateway: l.ref, RaiseFields: f}
		})
	case "client":
		return raise(e, l, until, control.ClientsRaise, func(f control.RaiseFields) control.RaiseClient {
			return control.RaiseClient{Client: l.ref, RaiseFields: f}
		})
	}
	return raise(e, l, until, control.KeysRaise, func(f control.RaiseFields) control.RaiseKey {
		return control.RaiseKey{PickKey: control.PickKey{Key: l.ref}, RaiseFields: f}
	})
}

// onlyBalance reports whether there is no limit but what was paid in advance, which is not
// raised.
func onlyBalance(states []control.LimitState) bool {
	return !slices.ContainsFunc(states, func(s control.LimitState) bool { return s.Metric != tally.Balance })
}

// limitedFrom is a thing and what it belongs to, the nearest first.
func limitedFrom(snap *live.Snapshot, kind string, id tally.ID) (out []limited) {
	if kind == "key" {
		for i := range snap.Keys {
			if k := &snap.Keys[i]; k.ID == id {
				out = append(out, limited{kind, string(k.ID), "key " + k.Label + " of " + k.ClientName, k.LimitStates, k.Refused})
				kind, id = "client", k.Client
			}
		}
	}
	if kind == "client" {
		for i := range snap.Clients {
			if c := &snap.Clients[i]; c.ID == id {
				out = append(out, limited{kind, string(c.ID), c.Name, c.LimitStates, c.Refused})
				kind, id = "gateway", c.Gateway
			}
		}
	}
	if kind == "gateway" {
		for i := range snap.Gateways {
			if g := &snap.Gateways[i]; g.ID == id {
				out = append(out, limited{kind, string(g.ID), "gateway " + g.Name, g.LimitStates, g.Refused})
			}
		}
	}
	return out
}

func raise[In any](e *screen.Env, l limited, until string, op control.Op[In, control.LimitState], in func(control.RaiseFields) In) tea.Cmd {
	var names []string
	for _, s := range l.states {
		names = append(names, string(s.Metric)+"/"+s.Window.String())
	}
	fullest := control.Fullest(l.states)
	if fullest == nil {
		fullest = &l.states[0]
	}
	if l.refused.ByLimit(l.kind) {
		if i := slices.IndexFunc(l.states, func(s control.LimitState) bool { return s.Text == l.refused.Limit }); i >= 0 {
			fullest = &l.states[i]
		}
	}
	name := string(fullest.Metric) + "/" + fullest.Window.String()
	half := strings.TrimPrefix(fullest.Metric.Format(max(fullest.Base/2, 1)), "$")
	return screen.Ask(screen.Open{Dialog: NewForm(e, FormOf[In, control.LimitState]{
		Heading: "Raise a limit of " + widget.Safe(l.name), Op: op, Save: "Raise", Must: []string{"by", "until"},
		Asks:    []string{"until", "by", "limit"},
		Choices: map[string][]string{"limit": names},
		Begin:   in(control.RaiseFields{Limit: name, By: strings.ReplaceAll(half, ",", ""), Until: control.Expiry(until)}),
		Fixed:   in(control.RaiseFields{Limit: name}),
		Help:    map[string]string{"until": "friday, tomorrow, 3d, or a date like " + e.Clock().In(e.Zone).AddDate(0, 0, 7).Format("2006-01-02") + ", at whose beginning it ends"},
		Says: func(t *theme.Theme, width int, value func(string) string) []string {
			i := slices.Index(names, value("limit"))
			if i < 0 {
				return nil
			}
			s := &l.states[i]
			says := s.Text + ": " + s.Metric.Format(s.Used) + " used"
			if s.Held > 0 {
				says += ", " + s.Metric.Format(s.Held) + " held"
			}
			lines := []string{t.Paint(theme.Muted, widget.Truncate(says, width))}
			if l.refused.ByLimit(l.kind) {
				lines = append(lines, t.Paint(theme.Bad, widget.Truncate(widget.Safe(l.refused.Says(e.Zone)), width)))
			}
			return append(lines, "")
		},
		Done: func(s control.LimitState) tea.Cmd {
			return screen.Ask(screen.Say{Text: "Raised: " + s.Text + " for " + widget.Safe(l.name) + "."})
		},
	})})
}
