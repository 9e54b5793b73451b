package engine

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const lagWorthy = time.Second // of telling the owner

func (e *Engine) status(ctx context.Context, _ control.None) (control.Status, error) {
	out, err := e.figuresAndWarnings(ctx)
	if tally.CodeOf(err) == tally.Unavailable && e.outOfReach() { // a warning says so
		return e.figuresAndWarnings(storage.Own(ctx))
	}
	return out, err
}

// present is what status has of the process and the catalog.
func (e *Engine) present(c *tally.Catalog, now time.Time, store *storage.Status) control.Status {
	out := control.Status{
		PID: os.Getpid(), Version: e.opts.Version, Data: e.opts.Data, StartedAt: e.started.UTC(), Rev: c.Rev,
		Records: store.Records, InFlight: e.gateway.InFlight(), Waiting: store.Waiting, LeftBehind: e.gateway.LeftBehind(), Unknown: e.gateway.Unknown(),
		Gateways: len(c.Gateways), Clients: len(c.Clients), Providers: len(c.Providers),
		Fault: store.Fault, Checked: e.checked.Load(), Pruned: e.pruned.Load(),
		DiskBytes: store.DiskBytes, FreeBytes: store.FreeBytes,
	}
	if url, serving := e.publicURL(); serving {
		out.Serving, out.BaseURL = true, url
	}
	for _, k := range c.Keys {
		if keyState(k, now) == "active" {
			out.Keys++
		}
	}
	out.ProvidersReady = e.providersReady(c)
	for _, m := range c.Models {
		if usable(c, m, now) {
			out.Models++
		}
	}
	if lag := now.Sub(e.opts.Clock()); lag > lagWorthy {
		out.ClockLag = lag
	}
	return out
}

func (e *Engine) figuresAndWarnings(ctx context.Context) (control.Status, error) {
	c, now := e.catalog.Load(), e.clock()
	store, err := e.store.Status(ctx)
	if err != nil {
		return control.Status{}, err
	}
	holds, err := e.store.Holds(ctx, storage.HoldQuery{})
	if err != nil {
		return control.Status{}, err
	}
	calendar := commonCalendar(c, now)
	sums, err := e.spending(ctx, tally.ByTotal, "", now, calendar)
	if err != nil {
		return control.Status{}, err
	}
	today, err := e.sumsBy(ctx, tally.ByTotal, "", 24*time.Hour, now)
	if err != nil {
		return control.Status{}, err
	}
	month := sums(calendar, "")
	out := e.present(c, now, &store)
	out.Holds, out.Last24Hours, out.MonthSince, out.Month = holds.Count, today(""), month.since, month.month
	out.Parts, out.Backups = e.health(ctx), e.backedUp.Load()
	if e.opts.Certificates != nil {
		out.Certificates = e.opts.Certificates(ctx)
	}
	out.Countries = e.countryStatus(now)
	out.Prices = e.bookAge(now)
	endings, err := e.endings(ctx, c, now)
	if err != nil {
		return control.Status{}, err
	}
	daily, err := e.daily(ctx, c, now)
	if err != nil {
		return control.Status{}, err
	}
	lately, err := e.lately(ctx, c, now)
	if err != nil {
		return control.Status{}, err
	}
	daily = slices.DeleteFunc(slices.Clone(daily), func(w control.Warning) bool { // what fails now is told as such
		return w.Kind == control.WarnFailing &&
			slices.ContainsFunc(lately, func(l control.Warning) bool { return l.Thing == w.Thing })
	})
	expiring, err := e.expiring(ctx, c, now)
	if err != nil {
		return control.Status{}, err
	}
	var limits []control.Warning
	if out.Refused, limits, err = e.watchLimits(ctx, c, now); err != nil {
		return control.Status{}, err
	}
	var nodes []control.Warning
	if out.Nodes, nodes, err = e.nodesNow(ctx, c, now); err != nil {
		return control.Status{}, err
	}
	out.Warnings = slices.Concat(nodes, e.warnings(c, &out, store, now), limits, lately, stopped(c), e.landless(c, now),
		e.capturing(c), expiring, endings, daily, e.offBills(c), asides(&out, e.rulesCountries(c)))
	out.Warnings = append(out.Warnings, e.unsent()...)
	out.Alerts = e.openAlerts(now)
	out.AlertsOpen = len(out.Alerts)
	e.nameAlerts(out.Warnings, out.Alerts)
	out.Alerts = out.Alerts[:min(len(out.Alerts), control.MaxOpenAlerts)]
	tally.OrderStable(out.Warnings, func(a, b control.Warning) int { return cmp.Compare(weight[a.Gravity], weight[b.Gravity]) })
	return out, nil
}
