package engine

import (
	"context"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// tagsSeen lists the tags that a client's requests of the last days had.
func (e *Engine) tagsSeen(ctx context.Context, client tally.ID, now time.Time) []string {
	today := now.Truncate(day)
	return e.valuesSeen(ctx, tally.ByClientTag, client, today.Add(-meter.TagsSeenFor*day), today.Add(day))
}

// sessionsSeen lists the sessions that a client's requests of a UTC day had.
func (e *Engine) sessionsSeen(ctx context.Context, client tally.ID, begins time.Time) []string {
	return e.valuesSeen(ctx, tally.ByClientSession, client, begins, begins.Add(day))
}

// valuesSeen lists the values that a family has of a client. Where the store cannot tell
// there are none, and more of them than usual are told apart for a while.
func (e *Engine) valuesSeen(ctx context.Context, family tally.Family, client tally.ID, from, to time.Time) (out []string) {
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: family, First: string(client), Edges: []time.Time{from, to}})
	if err != nil {
		e.log.Error("the tags of a client cannot be read", "client", client, "err", err)
	}
	for i := range points {
		out = append(out, points[i].Dim[1])
	}
	return out
}
