package engine

import (
	"context"
	"encoding/json"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
)

// planAgain is how often a change is planned again because another node was faster.
const planAgain = 3

// change makes one change of the catalog. Only one runs at a time, and plan
// sees the latest catalog: it checks and returns what to store, without side
// effects, as it is asked again when another node has changed something meanwhile. Either
// all of it is stored and in force when change returns, or
// nothing is. Slow work, such as asking an upstream, belongs before it.
func (e *Engine) change(ctx context.Context, plan func(c *tally.Catalog, now time.Time) ([]tally.Change, error)) error {
	return e.act(ctx, func(c *tally.Catalog, by *tally.Act) ([]tally.Change, error) { return plan(c, by.At) })
}

// act is change for a plan that says more of whose act it is.
func (e *Engine) act(ctx context.Context, plan func(c *tally.Catalog, by *tally.Act) ([]tally.Change, error)) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	if err := ctx.Err(); err != nil {
		return tally.Errorf(tally.Unavailable, "the caller went away: %w", err)
	}
	// A caller that leaves now must not leave the catalog behind the store.
	late := context.WithoutCancel(ctx)
	if e.behind() { // what the plan is about may have come from another node
		if err := e.reload(late); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		c, by := e.catalog.Load(), tally.Act{At: e.clock()}
		by.Actor, by.Op, by.Command = control.Acting(ctx)
		changes, err := plan(c, &by)
		if err != nil || len(changes) == 0 {
			return err
		}
		nameChanges(c, changes)
		rev, err := e.store.Apply(late, by, changes...)
		if err == nil {
			e.known.Store(rev)
			e.use(c.With(rev, changes...))
			e.feed.PublishConfig(rev, by.At)
			return nil
		}
		if tally.CodeOf(err) != tally.Conflict {
			return err
		}
		failed := e.reload(late)
		if failed != nil {
			e.log.Error("the catalog could not be read again", "error", failed)
		}
		if failed != nil || e.cluster == nil || try == planAgain {
			return err
		}
	}
}

// use puts a catalog in force. The router goes first, so that a request never
// sees a provider that it cannot reach yet.
func (e *Engine) use(c *tally.Catalog) {
	e.routing.Store(c)
	e.router.Update(c)
	e.catalog.Store(c)
	e.opts.Metrics.Use(c)
	if old := e.revision.Swap(newRevision()); old != nil {
		old.end(meter.ErrChanged)
	}
	if e.gateway != nil { // it is not assembled yet with the first one
		e.gateway.Changed()
	}
	e.captures.End(e.clock(), goneFrom(c))
}

// revision lives as long as one catalog is in force.
type revision struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newRevision() *revision {
	r := &revision{}
	r.ctx, r.end = context.WithCancelCause(context.Background())
	return r
}

// untilChange is a context that ends when the catalog is replaced.
func (e *Engine) untilChange() context.Context { return e.revision.Load().ctx }

// sealKeys encrypts a provider's API keys.
func (e *Engine) sealKeys(provider tally.ID, keys []string) (tally.Sealed, error) {
	plain, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return e.sealer.Seal(provider, plain), nil
}

// providerKeys decrypts a provider's API keys, for the router.
func (e *Engine) providerKeys(provider tally.ID) ([]string, error) {
	return e.openKeys(e.routing.Load().Secret(provider))
}

// openKeys decrypts the API keys in a provider's secret, which may be nil.
func (e *Engine) openKeys(secret *tally.Secret) ([]string, error) {
	if secret == nil || len(secret.Sealed) == 0 {
		return nil, nil
	}
	plain, err := e.sealer.Open(secret.Of, secret.Sealed)
	if err != nil {
		return nil, err
	}
	var keys []string
	if err := json.Unmarshal(plain, &keys); err != nil {
		return nil, tally.Errorf(tally.Corrupt, "the sealed keys of a provider are damaged").
			WithHint("enter them again: tallygate providers update NAME --api-key-stdin")
	}
	return keys, nil
}
