package meter

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
)

// plan is what admission needs to know of a principal, worked out once per
// revision of the catalog.
type plan struct {
	limits   []planned
	visitors int  // how many of them, at the start, are of each visitor's address
	parts    bool // some are of a part: of a model, a session or a tag
	sessions bool // a limit counts sessions
	watched  bool // a limit counts sessions, be it only to warn
	money    bool // a limit counts cost or credits
	tokens   bool // a limit counts tokens
	current  atomic.Pointer[charges]
}

// planned is one enforced limit of one subject. The subject of a limit on visitors is
// only a beginning, to which each request adds its visitor; that of a limit per part is
// whose part it is.
type planned struct {
	subject tally.Subject
	tally.Limit
	raises   []tally.Raise // of the subject, not only of this limit
	zone     *time.Location
	cycleDay int
	shared   bool      // others use it as well, and this one is a visitor
	since    time.Time // when whose limit it is came to be
}

// charges are a plan's limits in the periods that hold from one instant to
// another: until the shortest window or a raise ends, all requests share them.
type charges struct {
	list        []tally.Charge
	from, until time.Time
}

// plans caches plans by whom they belong to, for one revision.
type plans struct {
	rev int64
	of  sync.Map // *tally.Key, *tally.Token, *tally.Gateway for its server or everyone for its visitors → *plan
	n   atomic.Int64
}

// maxPlans is how many plans are kept: keys are few, access tokens may be many.
const maxPlans = 20_000

// everyone are the visitors of a public gateway.
type everyone struct{ gateway *tally.Gateway }

// planOf returns the plan of a principal. Pointers into the catalog identify
// it: a changed entity is another pointer in another revision.
func (m *Meter) planOf(cat *tally.Catalog, p *tally.Principal) *plan {
	set := m.plans.Load()
	if set == nil || set.rev != cat.Rev || set.n.Load() >= maxPlans {
		// A request that still has an older catalog may put back its plans. Each set is
		// right for its own revision, and the newest one soon stays.
		set = &plans{rev: cat.Rev}
		m.plans.Store(set)
	}
	var id any = p.Gateway
	switch {
	case p.Key != nil:
		id = p.Key
	case p.Token != nil:
		id = p.Token
	case p.Visitor:
		id = everyone{p.Gateway}
	}
	if pl, ok := set.of.Load(id); ok {
		return pl.(*plan)
	}
	pl, before := set.of.LoadOrStore(id, m.newPlan(cat, p))
	if !before {
		set.n.Add(1)
	}
	return pl.(*plan)
}

func (m *Meter) newPlan(cat *tally.Catalog, p *tally.Principal) *plan {
	pl := &plan{}
	zone := cat.Zone(p.Gateway.ID)
	for _, of := range m.limitsOf(p) {
		raises, since := cat.Raises(of.subject)
		for _, l := range of.limits {
			pl.watched = pl.watched || l.Metric == tally.Sessions
			if l.Warn {
				continue
			}
			kind, _ := of.subject.Split()
			pl.limits = append(pl.limits, planned{of.subject, l, raises, zone, p.Gateway.CycleDay, p.Visitor && kind != "visitor", since})
			if of.visitors {
				pl.visitors++
			}
			pl.sessions = pl.sessions || l.Metric == tally.Sessions || l.Window.Per == tally.PartSession
			pl.parts = pl.parts || l.Window.Per != ""
			pl.money = pl.money || l.Metric.Money()
			pl.tokens = pl.tokens || l.Metric == tally.TokensIO
		}
	}
	return pl
}

// limited are the limits of a subject.
type limited struct {
	subject  tally.Subject
	limits   []tally.Limit
	visitors bool // of each visitor: the subject is only the beginning
}

// limitsOf lists whose limits bind a principal. The narrowest come first, as they are
// what a caller can do something about: of several that are used up the first is named.
func (m *Meter) limitsOf(p *tally.Principal) (of []limited) {
	if p.Visitor {
		if p.Token != nil {
			of = append(of, limited{visitorsOf(tally.ID(p.Token.Name())), p.Token.VisitorLimits, true})
		}
		of = append(of, limited{visitorsOf(p.Gateway.ID), p.Gateway.VisitorLimits, true})
	}
	if t := p.Token; t != nil && len(t.NamedLimits) > 0 {
		who := visitorsOf(tally.ID(t.Name())) + tally.Subject(m.named(p))
		of = append(of, limited{who, t.NamedLimits, false})
	}
	if p.Token != nil {
		of = append(of, limited{tally.SubjectOf("token", tally.ID(p.Token.Name())), p.Token.Limits, false})
	}
	if p.Key != nil {
		of = append(of, limited{tally.SubjectOf("key", p.Key.ID), p.Key.Limits, false})
	}
	if p.Client != nil {
		of = append(of, limited{tally.SubjectOf("client", p.Client.ID), p.Client.Limits, false})
	}
	return append(of, limited{tally.SubjectOf("gateway", p.Gateway.ID), p.Gateway.Limits, false})
}

// visitorsOf is what the subjects of all visitors of a token or a gateway begin
// with.
func visitorsOf(id tally.ID) tally.Subject { return tally.SubjectOf("visitor", id+"/") }

// chargesAt returns the charges of an instant. They are shared.
func (m *Meter) chargesAt(pl *plan, now time.Time) *charges {
	if c := pl.current.Load(); c != nil && !now.Before(c.from) && now.Before(c.until) {
		return c
	}
	c := &charges{list: make([]tally.Charge, len(pl.limits)), until: tally.Never}
	for i, l := range pl.limits {
		period := l.Window.Period(now, l.zone, l.cycleDay)
		c.list[i] = tally.Charge{Counter: tally.Counter{Subject: l.subject, Metric: l.Metric, Period: period}, Max: l.MaxAt(l.raises, now), Shared: l.shared}
		if l.Carry != 0 {
			more, settled := m.carried(l, period)
			c.list[i].Max = tally.AddSat(c.list[i].Max, more)
			settled = settled && now.Sub(period.Start) >= carryLate
			if again := now.Add(carryAgain); !settled && again.Before(c.until) {
				c.until = again
			}
		}
		if period.Start.After(c.from) {
			c.from = period.Start
		}
		if period.End.Before(c.until) {
			c.until = period.End
		}
		for _, r := range l.raises {
			switch {
			case now.Before(r.Until) && r.Until.Before(c.until):
				c.until = r.Until
			case !now.Before(r.Until) && r.Until.After(c.from): // the clock may be taken back to before it
				c.from = r.Until
			}
		}
	}
	pl.current.Store(c)
	return c
}

// Limited tells whether limits on money and on tokens bind a principal.
func (m *Meter) Limited(cat *tally.Catalog, p *tally.Principal) (money, tokens bool) {
	pl := m.planOf(cat, p)
	return pl.money, pl.tokens
}

// Spent refuses a principal that has used up one of its limits, whatever it asks for,
// before its request is read. Limits on sessions are left out, because running sessions
// go on, and so is a minute that ends within the time that a request may wait.
func (m *Meter) Spent(ctx context.Context, cat *tally.Catalog, p *tally.Principal, now time.Time) *tally.Refusal {
	pl := m.planOf(cat, p)
	charges := pl.whole(m.chargesAt(pl, now).list)
	if p.Visitor {
		charges = pl.forVisitor(charges, m.visitorOf(p))
	}
	if len(charges) == 0 {
		return nil
	}
	r := &Request{At: now, Catalog: cat, Principal: p}
	counters := make([]tally.Counter, len(charges))
	for i := range charges {
		counters[i] = charges[i].Counter
	}
	usage, err := m.store.Usage(ctx, counters...)
	if err != nil {
		return m.unrecorded(r, err)
	}
	for i, u := range usage {
		c := charges[i]
		soon := pl.limitOf(c.Counter).Window.Unit == tally.Minute && c.Max > 0 && c.Period.End.Sub(now) <= longestWait(cat, p)
		if u.Used >= c.Max && c.Metric != tally.Sessions && !soon {
			return limitReached(r, pl, &tally.LimitError{Charge: c, Used: u.Used, Held: u.Held, Need: 1})
		}
	}
	return nil
}

// limitOf returns the limit that a counter is charged for.
func (pl *plan) limitOf(c tally.Counter) planned {
	counts := func(l *planned) bool {
		return l.Metric == c.Metric && l.Window.Period(c.Period.Start, l.zone, l.cycleDay) == c.Period
	}
	of, label, part := c.Subject.Part()
	for i := range pl.limits {
		l := &pl.limits[i]
		switch {
		case l.Window.Per == "" && l.subject == c.Subject && counts(l):
			return *l
		case part && l.subject == of && l.perLabel(label) && counts(l):
			return *l
		}
	}
	for i := range pl.limits[:pl.visitors] {
		if l := &pl.limits[i]; strings.HasPrefix(string(c.Subject), string(l.subject)) && counts(l) {
			return *l
		}
	}
	return planned{zone: time.UTC} // a store that answers for a counter it was not asked for
}
