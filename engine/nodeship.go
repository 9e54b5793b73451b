package engine

import (
	"context"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// shipPatience bounds how long a statement waits for what nodes have not shipped yet, which
// they do twice a second.
const shipPatience = 5 * time.Second

// nodesHaveShipped waits until all that any node has settled by now is known here. It is a
// Conflict if one of them does not ship; again is what to repeat then.
func (e *Engine) nodesHaveShipped(ctx context.Context, again string) error {
	if e.cluster == nil {
		return nil
	}
	now, until := time.Now(), time.Now().Add(shipPatience)
	for {
		list, err := e.cluster.Nodes(ctx)
		if err != nil {
			return err
		}
		behind := behindOf(list, now)
		switch {
		case behind == nil:
			return nil
		case time.Now().After(until):
			return tally.Errorf(tally.Conflict, "node %s has not shipped all that it has served: it was last heard at %s", behind.Name,
				behind.Heard.UTC().Format(time.DateTime)).
				WithHint("start it, or if its folder is lost: tallygate nodes forget %s; then: %s", tally.ShellWord(behind.Name), again)
		}
		select {
		case <-ctx.Done():
			return tally.Errorf(tally.Unavailable, "the caller went away: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// behindOf is a node that had not shipped all at an instant of this node's clock, nil if none.
func behindOf(list []storage.Node, at time.Time) *storage.Node {
	for i := range list {
		if list[i].Me {
			at = at.Add(-list[i].Clock)
		}
	}
	for i := range list {
		n := &list[i]
		if n.State == storage.NodeLeft && n.Unshipped == 0 {
			continue
		}
		if n.Shipped.Add(-n.Clock).Before(at) {
			return n
		}
	}
	return nil
}
