package engine

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const (
	alertsEvery     = 5 * time.Second  // looks whether there is something to tell
	limitsLookEvery = time.Minute      // at limits, where no request came and nothing was changed
	othersLookEvery = 15 * time.Second // at limits that other nodes may have used meanwhile
	conditionsEvery = 30 * time.Second // as status has them
	// wellFor is how long something must have been well before its owner is told of it again.
	wellFor = 10 * time.Minute
	// strangerFor is how long what was told of a token that was not minted here is remembered.
	strangerFor = 31 * 24 * time.Hour
)

// watchSeen is what the last look at limits and conditions has seen.
type watchSeen struct {
	event          uint64
	rev            int64
	limits, status time.Time
}

// condition is something that lasts, and of which an owner is told once.
type condition struct {
	kind tally.AlertKind
	of   tally.ID // the mark's
	control.Warning
}

// watchAlerts finds what an owner is to be told of, and stores it. It looks at counters and
// at what status has: no request waits for it.
func (e *Engine) watchAlerts(ctx context.Context) error {
	a := &e.alerts
	a.watching.Lock()
	defer a.watching.Unlock()
	c, now, event := e.catalog.Load(), e.clock(), e.feed.Last()
	since := func(t time.Time, every time.Duration) bool {
		age := now.Sub(t)
		return t.IsZero() || age < 0 || age >= every
	}
	mine := a.duty.mine(ctx) // of what all nodes see alike
	limits := event != a.seen.event || c.Rev != a.seen.rev || since(a.seen.limits, limitsLookEvery) ||
		e.cluster != nil && since(a.seen.limits, othersLookEvery)
	var failed error
	if limits && mine {
		failed = e.lookAtLimits(ctx, c, now, event)
	}
	if !since(a.seen.status, conditionsEvery) {
		return failed
	}
	found, err := e.conditions(ctx, c, now, mine)
	if err != nil {
		return errors.Join(failed, err)
	}
	unkept, err := e.lookAtConditions(ctx, c, now, found)
	e.sendUnkept(ctx, unkept, now)
	if err == nil {
		a.seen.status = now
	}
	return errors.Join(failed, err)
}

// lookAtLimits tells of limits, and forgets what was told of things that are gone.
func (e *Engine) lookAtLimits(ctx context.Context, c *tally.Catalog, now time.Time, event uint64) error {
	var all bool
	err := e.keepAlerts(ctx, now, func(a *alerts) (run alertRun, err error) {
		if run, all, err = e.alertLimits(ctx, c, now); err != nil {
			return run, err
		}
		for _, m := range a.marks {
			if len(run.gone) < limitsAtOnce && strayMark(c, m, now) {
				run.gone = append(run.gone, m)
			}
		}
		return run, nil
	})
	if err == nil && all {
		seen := &e.alerts.seen
		seen.event, seen.rev, seen.limits = event, c.Rev, now
	}
	return err
}

// strayMark reports whether a mark is of limits of a thing that is gone.
func strayMark(c *tally.Catalog, m *tally.AlertMark, now time.Time) bool {
	kind, id := tally.Subject(m.ID).Split()
	switch {
	case m.Alert != "":
		return false
	case kind == "gateway":
		return c.Gateway(id) == nil
	case kind == "client":
		return c.Client(id) == nil
	case kind == "key":
		return c.Key(id) == nil
	}
	return c.MintedToken(string(id)) == nil && now.Sub(m.UpdatedAt) > strangerFor
}

// alertOf are the kinds of alerts of what status warns of.
var alertOf = map[control.WarningKind]tally.AlertKind{
	control.WarnDisk: tally.AlertDisk, control.WarnStore: tally.AlertBooks, control.WarnBackup: tally.AlertBackup,
	control.WarnUnusable: tally.AlertProvider, control.WarnSilent: tally.AlertProvider,
	control.WarnFailing: tally.AlertProvider, control.WarnEnds: tally.AlertShutdown, control.WarnExpires: tally.AlertExpiry,
	control.WarnOldPrices: tally.AlertPrice, control.WarnBill: tally.AlertPrice, control.WarnAnswered: tally.AlertPrice,
	control.WarnNodes: tally.AlertNodes, control.WarnReach: tally.AlertNodes,
}

// conditions are what status warns of and an owner is told of, limits left out, and storms.
// Of several nodes each tells of its own disk, backups and storms, and of a database that is
// out of its reach; one tells of the rest, which is asked for with all.
func (e *Engine) conditions(ctx context.Context, c *tally.Catalog, now time.Time, all bool) ([]condition, error) {
	store, err := e.store.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := control.Status{
		Checked: e.checked.Load(), Backups: e.backedUp.Load(), Models: len(c.Models), Prices: e.bookAge(now),
	}
	warnings := append(e.warnings(c, &s, store, now), asides(&s, false)...)
	finds := []func(context.Context, *tally.Catalog, time.Time) ([]control.Warning, error){
		e.nodeWarnings, e.lately, e.expiring, e.endings, e.daily,
	}
	if all = all && !e.outOfReach(); !all { // what the others would ask of the store they do not tell
		finds = finds[:1]
	}
	for _, find := range finds {
		more, err := find(ctx, c, now)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, more...)
	}
	var out []condition
	for _, w := range warnings {
		kind, ok := alertOf[w.Kind]
		if !ok || w.Kind == control.WarnFailing && w.Gravity != control.Bad { // others answer in its place
			continue
		}
		out = append(out, condition{kind, conditionID(kind, cmp.Or(string(w.Thing.ID), w.Thing.Name)), w})
	}
	return e.ofNode(append(out, e.storms()...), all), nil
}

func conditionID(kind tally.AlertKind, thing string) tally.ID {
	return tally.ID(strings.TrimSuffix(string(kind)+"/"+thing, "/"))
}

// lookAtConditions tells of conditions that have begun, and of providers that are well
// again. What comes and goes is told once, until it has been well for [wellFor]; what gets
// worse is told again. Alerts that the store does not take are returned, once.
func (e *Engine) lookAtConditions(ctx context.Context, c *tally.Catalog, now time.Time,
	found []condition) (unkept []*tally.Alert, err error) {
	var raised []*tally.Alert
	err = e.keepAlerts(ctx, now, func(*alerts) (alertRun, error) {
		run := e.changed(c, now, found)
		raised = run.raised
		return run, nil
	})
	a := &e.alerts
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		clear(a.unkept)
		return nil, nil
	}
	for _, x := range raised {
		if !a.unkept[x.Of] {
			a.unkept[x.Of] = true
			unkept = append(unkept, x)
		}
	}
	return unkept, err
}

// changed is what is new of conditions, and what is over. The caller holds the alerts' mu.
func (e *Engine) changed(c *tally.Catalog, now time.Time, found []condition) (run alertRun) {
	a := &e.alerts
	holds := map[tally.ID]bool{}
	for i := range found {
		x := &found[i]
		if holds[x.of] || c.Settings.Alerts.Muted(x.kind) {
			continue
		}
		holds[x.of] = true
		delete(a.well, x.of)
		mark := &tally.AlertMark{Meta: tally.Meta{ID: x.of}}
		if old := a.marks[x.of]; old != nil {
			if *mark = *old; weight[x.Gravity] >= weight[control.Tone(old.Gravity)] {
				continue
			}
		}
		a.supersede(&run, now, func(old *tally.Alert) bool { return old.ID == mark.Alert })
		told := e.newAlert(now, x.kind, x.of, &x.Warning)
		mark.Alert, mark.Gravity = told.ID, told.Gravity
		run.raised = append(run.raised, told)
		run.put = append(run.put, mark)
	}
	for id, m := range a.marks {
		if m.Alert == "" || holds[id] || !e.tellsOf(id) {
			continue
		}
		since, known := a.well[id]
		if !known || since.After(now) {
			a.well[id] = now
			continue
		}
		if now.Sub(since) >= wellFor {
			e.over(c, m, now, &run)
		}
	}
	run.raised = e.fewer(now, run.raised)
	return run
}

// sendUnkept sends what the store does not take, such as that the disk keeps nothing, once
// to each destination. It is told again, and then kept, when the store takes it.
func (e *Engine) sendUnkept(ctx context.Context, list []*tally.Alert, now time.Time) {
	var each sync.WaitGroup
	for _, x := range list {
		for _, to := range x.Sent {
			each.Go(func() { e.send(ctx, to.To, x, now) })
		}
	}
	each.Wait()
}

// over ends what was told of a condition.
func (e *Engine) over(c *tally.Catalog, m *tally.AlertMark, now time.Time, run *alertRun) {
	run.gone = append(run.gone, m)
	if i := e.alerts.index(m.Alert); i >= 0 {
		told := copyOf(e.alerts.list[i])
		told.OverAt = now.UTC()
		run.put = append(run.put, told)
	}
	kind, thing, _ := strings.Cut(string(m.ID), "/")
	p := c.Provider(tally.ID(thing))
	if kind != string(tally.AlertProvider) || p == nil || !p.Enabled || c.Settings.Alerts.Muted(tally.AlertProvider) {
		return
	}
	x := e.newAlert(now, tally.AlertProvider, m.ID, &control.Warning{
		Gravity: control.Good, Thing: providerThing(c, p.ID), Sentence: "Provider " + p.Name + " is well again",
		Detail: "nothing has failed for " + control.FormatSpan(wellFor),
	})
	x.OverAt = now.UTC()
	run.raised = append(run.raised, x)
}

// A storm is so many refusals, or failures, in a minute, and so many times as many as in
// the mean of the quarter of an hour before. It lasts until there are fewer.
const (
	stormRefusals = 60
	stormFailures = 30
	stormTimes    = 5
)

// storms are those that rage now.
func (e *Engine) storms() (out []condition) {
	seconds := e.feed.OwnSeconds() // each node tells of its own
	last := max(len(seconds)-60, 0)
	sum := func(of []tally.Second, count func(*tally.Second) int64) (n int64) {
		for i := range of {
			n += count(&of[i])
		}
		return n
	}
	for _, x := range []struct {
		what, words string
		least       int64
		count       func(*tally.Second) int64
	}{
		{"refusals", "refused", stormRefusals, func(s *tally.Second) int64 { return s.Refused }},
		{"failures", "failed", stormFailures, func(s *tally.Second) int64 { return s.Errors }},
	} {
		n, before := sum(seconds[last:], x.count), sum(seconds[:last], x.count)
		of := conditionID(tally.AlertStorm, x.what)
		raging := e.alerts.holds(e.onNode(of))
		minutes := max(int64(last)/60, 1)
		if n < x.least || !raging && n*minutes < stormTimes*before {
			continue
		}
		out = append(out, condition{tally.AlertStorm, of, control.Warning{
			Gravity: control.Bad, Sentence: requestsOf(n) + " " + x.words + " within a minute",
			Detail: tally.Group(before/minutes) + " a minute before that", Next: "tallygate requests list",
		}})
	}
	return out
}

// holds reports whether a condition was told of and is not over.
func (a *alerts) holds(of tally.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.marks[of] != nil
}
