package lease

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// sessionFor is how long a session of the simulator goes on after a request.
const sessionFor = 2 * time.Second

// visit is a request of a member that was admitted.
type visit struct {
	from, to time.Time
	kept     bool // its hold was made durable
}

// enter has a reservation be of a client, with its places and sessions.
func (w *world) enter(r *tally.Reservation) {
	if !w.places && !w.members {
		return
	}
	const client = "client/cl_1"
	r.Draft.Client = "cl_1"
	if w.places {
		c := tally.Counter{Subject: client, Metric: ledger.InFlight,
			Period: tally.Window{Unit: tally.Total}.Period(r.At, time.UTC, 0)}
		w.counters[keyOf(&c)], w.max[keyOf(&c)] = c, max(w.max[keyOf(&c)], w.limits[ledger.InFlight])
		r.Places = []tally.Place{{Subject: client, Max: w.limits[ledger.InFlight]}}
	}
	if w.members {
		r.Session = &tally.SessionUse{Client: "cl_1", Member: fmt.Sprint("m", w.IntN(4)), Until: r.At.Add(sessionFor)}
		w.charge(r, client, tally.Sessions, tally.Total, w.limits[tally.Sessions])
	}
}

// seen remembers a request of a member.
func (w *world) seen(h *ledger.Hold) {
	if h.Session == nil {
		return
	}
	v := &visit{from: h.At, to: h.At.Add(sessionFor)}
	w.visits[h.Session.Member] = append(w.visits[h.Session.Member], v)
	w.visitOf[h.ID] = v
}

// sessions is how many sessions there were at least: of a member's requests, those that
// follow one another soon are one session, if one of them was kept.
func (w *world) sessions() (n int64) {
	for _, list := range w.visits {
		slices.SortFunc(list, func(a, b *visit) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
		var to time.Time
		counted := false
		for _, v := range list {
			if !v.from.Before(to) {
				counted = false
			}
			if v.to.After(to) {
				to = v.to
			}
			if v.kept && !counted {
				n, counted = n+1, true
			}
		}
	}
	return n
}

// remember tells a new process what the journal has of sessions.
func (w *world) remember(n *node) {
	for m, ends := range n.ends {
		n.ledger.Run(ledger.Session{Client: "cl_1", Member: m, Ends: ends})
	}
}

// askSessions has a node make its claims; false if it has none.
func (w *world) askSessions(n *node) bool {
	list := n.lender.claiming()
	if len(list) == 0 {
		return false
	}
	n.claims = &list[0]
	w.logf("%s claims %+v", n.name, list)
	w.post(message{from: n, by: n.lender, claims: list})
	return true
}

// claimsAt has claims arrive at the bank.
func (w *world) claimsAt(m message) {
	if m.answers = w.bank.claim(m.claims); w.retryJoins {
		for i := range m.answers {
			if w.claimed[m.claims[i].Request] {
				m.answers[i].Begun = "another"
			}
			w.claimed[m.claims[i].Request] = true
		}
	}
	w.logf("the bank answers %s: %+v", m.from.name, m.answers)
	w.post(m)
}
