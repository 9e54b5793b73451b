package engine

import (
	"context"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// catalogEvery is how often a node looks whether another one has changed the catalog.
const catalogEvery = 100 * time.Millisecond

// behind reports whether another node has changed something that is not in force here yet.
func (e *Engine) behind() bool { return e.cluster != nil && e.cluster.Revision() != e.known.Load() }

// followNodes puts in force what other nodes have changed.
func (e *Engine) followNodes(ctx context.Context) error {
	if !e.behind() {
		return nil
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	if !e.behind() { // a change of this node has brought it along
		return nil
	}
	was := e.catalog.Load()
	if err := e.reload(ctx); err != nil {
		return err
	}
	if c := e.catalog.Load(); c != was {
		e.feed.PublishConfig(c.Rev, e.clock())
	}
	return nil
}

// reload reads the catalog again, and what the owner was told, after somebody else has
// changed the store. The caller holds changing.
func (e *Engine) reload(ctx context.Context) error {
	entities, rev, err := e.readAgain(ctx)
	if err != nil {
		return err
	}
	was, is := e.catalog.Load(), tally.NewCatalog(rev, entities)
	if was.Same(is) { // what was told has changed, which ends no request's picture
		return nil
	}
	e.use(is)
	words := is.Settings.DropWords != was.Settings.DropWords
	return e.settingsChanged(ctx, words, is.Settings.CountryFile != was.Settings.CountryFile)
}

// readAgain loads all entities, and takes over those that are not in the catalog. Nothing of
// this engine changes them meanwhile.
func (e *Engine) readAgain(ctx context.Context) ([]tally.Entity, int64, error) {
	e.reconciled.mu.Lock()
	defer e.reconciled.mu.Unlock()
	e.alerts.mu.Lock()
	defer e.alerts.mu.Unlock()
	entities, rev, err := e.store.Load(ctx)
	if err != nil {
		return nil, 0, err
	}
	e.takeOverReconciled(entities)
	e.alerts.takeOver(entities)
	e.known.Store(rev)
	return entities, rev, nil
}

// again reports whether what was refused, as another node was faster, is to be made again of
// what is stored now. The caller holds no lock.
func (e *Engine) again(ctx context.Context, refused error, try int) bool {
	if tally.CodeOf(refused) != tally.Conflict || e.cluster == nil || try >= planAgain {
		return false
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	return e.reload(context.WithoutCancel(ctx)) == nil
}

// applied notes the revision of what this engine has stored without changing the catalog.
// Where nothing of another node came between it is known already.
func (e *Engine) applied(rev int64) { e.known.CompareAndSwap(rev-1, rev) }

// dutyHold is for how long a node has a duty. It asks again three times as often, so that
// another one goes on soon when it is gone, and a database that is slow for a moment changes
// nothing.
const (
	dutyHold  = 30 * time.Second
	dutyAgain = dutyHold / 3
)

// duty is what one node does for all of them. Without nodes it is always this process's.
type duty struct {
	*Engine
	name string

	mu    sync.Mutex // guards the fields that follow, and is held while the store is asked
	until time.Time  // this node has it
	ask   time.Time  // again
}

func (e *Engine) duty(name string) *duty { return &duty{Engine: e, name: name} }

// mine reports whether this node has the duty. While the nodes' database is out of reach it
// has it to the end of what it was given, and then nobody has: that is no error, as status
// tells of it.
func (d *duty) mine(ctx context.Context) bool {
	if d.cluster == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now() // the machine's, which runs on by itself
	if now.Before(d.ask) {
		return now.Before(d.until)
	}
	switch has, err := d.cluster.Duty(ctx, d.name, dutyHold); {
	case err != nil && ctx.Err() == nil:
		d.log.Debug("a duty was not given", "duty", d.name, "error", err)
		d.ask = now.Add(time.Second)
	case has:
		d.until, d.ask = now.Add(dutyHold), now.Add(dutyAgain)
	case err == nil:
		d.until, d.ask = time.Time{}, now.Add(dutyAgain)
	}
	return now.Before(d.until)
}

// has reports whether this node has the duty, as far as it was told.
func (d *duty) has() bool {
	if d.cluster == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Before(d.until)
}

// onDuty is a step for one node only. One that takes long is ended when the duty has gone to
// another node.
func (e *Engine) onDuty(name string, step func(context.Context) error) func(context.Context) error {
	d := e.duty(name)
	return func(ctx context.Context) error {
		if !d.mine(ctx) {
			return nil
		}
		if d.cluster == nil {
			return step(ctx)
		}
		inner, end := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { d.watch(inner, end) })
		err := step(inner)
		lost := inner.Err() != nil && ctx.Err() == nil
		end()
		watch.Wait()
		if lost {
			e.log.Info("another node goes on with what this one did for all", "duty", name)
			return nil
		}
		return err
	}
}

// watch keeps a duty until ctx ends, and calls lost when another node has it.
func (d *duty) watch(ctx context.Context, lost func()) {
	for tick := time.NewTicker(dutyAgain); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		if !d.mine(ctx) && ctx.Err() == nil {
			lost()
		}
	}
}

// How long a lock over all nodes is given at once, and waited for.
const (
	lockHold     = 30 * time.Second
	lockPatience = 10 * time.Second
	lockAgain    = 50 * time.Millisecond
)

// nodeLock is held by one caller of all nodes at a time.
type nodeLock struct {
	mu sync.Mutex // one of this node
}

// lock waits for the lock of a name. A Conflict says that another node has it for long.
// unlock gives it back.
func (l *nodeLock) lock(ctx context.Context, e *Engine, name string) (unlock func(), err error) {
	l.mu.Lock()
	if e.cluster == nil {
		return l.mu.Unlock, nil
	}
	for late := time.Now().Add(lockPatience); ; {
		has, err := e.cluster.Duty(ctx, name, lockHold)
		if err == nil && has {
			break
		}
		if err == nil && time.Now().After(late) {
			err = tally.Errorf(tally.Conflict, "another node is at work on the book of money").WithHint("try again in a moment")
		}
		if err != nil {
			l.mu.Unlock()
			return nil, err
		}
		select {
		case <-ctx.Done():
			l.mu.Unlock()
			return nil, tally.Errorf(tally.Unavailable, "the caller went away: %w", ctx.Err())
		case <-time.After(lockAgain):
		}
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var keep sync.WaitGroup
	keep.Go(func() {
		for tick := time.NewTicker(lockHold / 3); ; {
			select {
			case <-keeping.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			if has, err := e.cluster.Duty(keeping, name, lockHold); (err != nil || !has) && keeping.Err() == nil {
				e.log.Warn("a lock over all nodes was not kept", "lock", name, "error", err)
			}
		}
	})
	return func() {
		stop()
		keep.Wait()
		if _, err := e.cluster.Duty(context.WithoutCancel(ctx), name, 0); err != nil {
			e.log.Warn("a lock over all nodes ends by itself only", "lock", name, "within", lockHold, "error", err)
		}
		l.mu.Unlock()
	}, nil
}
