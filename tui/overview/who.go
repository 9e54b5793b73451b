package overview

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// who is a client or an access token of a website: somebody who spends.
type who struct {
	kind, id, name string // "client" or "token"
	slug           string // of a client
	tone           control.Tone
	state          string // "" while it is in use
	month          control.Sums
	limits         []control.LimitState
	refused        *control.RefusedNow
	last           time.Time
	to             screen.Goto // where there is more of it
}

// spenders are all clients, and the access tokens that are in use or have spent
// something this month.
func spenders(s *live.Snapshot) []who {
	out := make([]who, 0, len(s.Clients)+len(s.Tokens))
	for i := range s.Clients {
		c := &s.Clients[i]
		w := who{kind: "client", id: string(c.ID), name: c.Name, slug: c.Slug, tone: control.ClientTable.Tone(c), month: c.Month, limits: c.LimitStates,
			refused: c.Refused, last: c.LastUsedAt, to: screen.Goto{Screen: "clients", Filter: "client:=" + c.Slug}}
		if c.Status != tally.Active {
			w.state = string(c.Status)
		}
		out = append(out, w)
	}
	for i := range s.Tokens {
		v := &s.Tokens[i]
		if v.State != "active" && v.Month.Requests == 0 && v.Refused == nil {
			continue
		}
		w := who{kind: "token", id: v.ID, name: "site " + cmp.Or(v.Label, v.ID), tone: control.TokenTable.Tone(v), month: v.Month, limits: v.Limits,
			refused: v.Refused, last: v.LastUsedAt, to: screen.Goto{Screen: "gateways", Filter: "gateway:=" + v.Gateway}}
		if v.State != "active" {
			w.state = v.State
		}
		out = append(out, w)
	}
	return out
}

// sortSpenders puts them in an order; who is refused now comes first in the order of
// budgets.
func sortSpenders(all []who, order string) {
	tally.OrderStable(all, func(a, b who) int {
		var first int
		switch order {
		case "budget used":
			first = cmp.Or(-cmp.Compare(a.refusals(), b.refusals()), used(&b).Compare(used(&a)))
		case "last use":
			first = b.last.Compare(a.last)
		}
		return cmp.Or(first, cmp.Compare(b.month.CostNanoUSD, a.month.CostNanoUSD), cmp.Compare(b.month.Requests, a.month.Requests), cmp.Compare(a.name, b.name))
	})
}

// refusals are how many requests of somebody who is refused now were; -1 for one that
// is served.
func (w *who) refusals() int64 {
	if w.refused == nil || w.refused.Limit == "" {
		return -1
	}
	return w.refused.Count
}

// stands says how it is with somebody now: refused, suspended, or used so long ago.
func (w *who) stands(t *theme.Theme, now time.Time) string {
	switch n := w.refusals(); {
	case n > 0:
		return t.Paint(theme.Bad, control.Compact(n)+" refused")
	case n == 0:
		return t.Paint(theme.Bad, "refused")
	case w.state != "":
		return t.Paint(theme.Warn, w.state)
	case w.last.IsZero():
		return t.Paint(theme.Muted, "never used")
	}
	return widget.Ago(w.last, now) + " ago"
}

// used is the share that is used of somebody's fullest limit.
func used(w *who) control.Value {
	if l := control.Fullest(w.limits); l != nil {
		return l.Share()
	}
	return control.Value{Void: true}
}

// shortCap writes a limit in little room: "$50.00" of a month, "$2.00/day", "500/day".
func shortCap(l *control.LimitState) string {
	switch {
	case l.Metric.Money() && l.Window.Unit == tally.Month:
		return widget.Amount(l.Metric, l.Max)
	case l.Metric.Money():
		return widget.Amount(l.Metric, l.Max) + "/" + l.Window.String()
	}
	if l.Window.Unit == tally.Total {
		return control.Compact(l.Max) + " in all"
	}
	return control.Compact(l.Max) + "/" + l.Window.String()
}

func (w *who) cells(t *theme.Theme, now time.Time) []string {
	bar, used, of := t.Paint(theme.Faint, "no limit"), "", ""
	if l := control.Fullest(w.limits); l != nil {
		share := part.ShareOf(*l)
		role := widget.Budget(share)
		bar, used, of = widget.Bar(t, share, 10, role), t.Paint(role, part.UsedText(share)), t.Paint(theme.Muted, shortCap(l))
	}
	return []string{part.ToneSign(t, w.tone), widget.Safe(w.name), widget.Money(w.month.CostNanoUSD), bar, used, of, w.stands(t, now)}
}

// drawClients draws who spends.
func (s *Screen) drawClients(width, height int) widget.Block {
	t := s.env.Theme
	s.clients.Focused = s.pane == clients
	inner, rows := widget.Inner(width, height)
	note := "by " + overviewOrders[s.order]
	if from, to, of := s.clients.Window(); of > rows-1 && to > 0 {
		note = fmt.Sprintf("%d-%d of %d, %s", from, to, of, note)
	}
	title := "Clients"
	if slices.ContainsFunc(s.shown, func(w who) bool { return w.kind == "token" }) {
		title = "Clients and site tokens"
	}
	return widget.Box{Title: title, Note: note, Focused: s.pane == clients}.Draw(t, width, height, s.clients.Draw(t, inner, rows).Lines())
}
