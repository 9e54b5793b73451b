package engine

import (
	"context"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// How often the background loops run.
const (
	secondEvery = time.Second
	holdsEvery  = 3 * time.Second
	expireBatch = 500
)

// Run does the engine's work in the background until ctx ends: it ends a rotation of
// the key that was cut short, sums up seconds, writes down refusals, settles holds that
// nobody extends any more, takes back funds whose time is over,
// deletes records past their retention and what they are not to say any more, verifies
// the store each night, backs it up where that is wanted, takes up a new country
// database, notes which models answer for others, ends captures, and tells the owner what
// has happened. It returns when all of that has stopped.
//
// Where several nodes share the store, each does all of it for itself, but that the book of
// money, the retention, the backups, and what limits and providers tell the owner are one
// node's at a time. And each puts in force what others have changed, and shows what they serve.
func (e *Engine) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for _, loop := range []struct {
		name  string
		every time.Duration
		step  func(context.Context) error
	}{
		{"catalog", catalogEvery, e.followNodes},
		{"others", othersEvery, e.followOthers},
		{"keys", pruneEvery, e.lookAfterKeys},
		{"seconds", secondEvery, e.second},
		{"holds", holdsEvery, e.lookAfterHolds},
		{"funds", expiryEvery, e.onDuty("funds", e.expireFunds)},
		{"retention", pruneEvery, e.pruner()},
		{"check", nightlyEvery, e.nightly()},
		{"backups", backupsEvery, e.backUps()},
		{"countries", countriesEvery, e.reloadCountries},
		{"answers", answersEvery, e.answered},
		{"refusals", pruneEvery, e.forgetRefusals},
		{"captures", secondEvery, e.endCaptures},
		{"alerts", alertsEvery, e.whileServing(e.watchAlerts)},
		{"alerts to the log", deliverEvery, e.delivering(tally.AlertsToLog)},
		{"alerts to the webhook", deliverEvery, e.delivering(tally.AlertsToWebhook)},
		{"alerts to the command", deliverEvery, e.delivering(tally.AlertsToCommand)},
	} {
		if (loop.name == "catalog" || loop.name == "others") && e.cluster == nil {
			continue
		}
		loops.Go(func() { e.loop(ctx, loop.name, loop.every, loop.step) })
	}
	loops.Wait()
	return nil
}

// withoutDatabase reports whether an error comes of the nodes' database being out of reach, of
// which the store and status tell.
func (e *Engine) withoutDatabase(err error) bool {
	if e.cluster == nil || tally.CodeOf(err) != tally.Unavailable {
		return false
	}
	_, cause := e.cluster.Reach()
	return cause != nil
}

// loop runs a step at once and then at intervals. A step that fails is tried
// again at the next; a fault that lasts is logged once.
func (e *Engine) loop(ctx context.Context, name string, every time.Duration, step func(context.Context) error) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := ""
	for {
		err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil, e.withoutDatabase(err):
			failing = ""
		case err.Error() != failing:
			failing = err.Error()
			e.log.Error("background work failed", "loop", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// whileServing is a step for when client apps are served: not of a command that opens the
// store for a moment, whose log nobody reads.
func (e *Engine) whileServing(step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, serving := e.publicURL(); !serving {
			return nil
		}
		return step(ctx)
	}
}

func (e *Engine) second(ctx context.Context) error {
	now := e.clock()
	e.feed.Tick(now)
	e.meter.FlushRefusals(ctx, now)
	return nil
}

// lookAfterHolds extends the holds of requests at work and settles those that
// are overdue after that, a few at a time so that requests get their turn. Both
// go by one reading of the clock: when it jumps, as on a machine that wakes up,
// no request that is still at work is taken for dead.
func (e *Engine) lookAfterHolds(ctx context.Context) error {
	now := e.clock()
	e.meter.Heartbeat(ctx, now)
	for {
		n, err := e.store.Expire(ctx, now, expireBatch)
		if err != nil {
			return err
		}
		if n > 0 {
			e.log.Warn("requests were settled at what they held, because nobody finished them", "requests", n)
		}
		if n < expireBatch {
			return nil
		}
	}
}
