package engine

import (
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// Charts of the last minutes begin with what the records tell. A start must not
// wait for those of a busy quarter of an hour, so only the latest are read.
const (
	seedSpan  = 15 * time.Minute
	seedPages = 4
)

func (e *Engine) seedFeed(ctx context.Context) error {
	now := e.clock()
	from := now.Add(-seedSpan)
	q := storage.RecordQuery{Since: from.Add(-time.Hour), Limit: 1000} // admitted long before they were settled
	var all []tally.Record
	for range seedPages {
		page, next, err := e.store.Records(ctx, q)
		if err != nil {
			return err
		}
		all = append(all, page...)
		if q.After = next; next == "" {
			break
		}
		oldest := page[len(page)-1]
		if at := oldest.At.Add(oldest.Total); at.After(from) {
			from = at // what is older was not read to its end
		}
	}
	e.feed.Seed(from, now, all)
	return nil
}

// seconds leaves out those without traffic, but for the first: it says since
// when there are figures.
func (e *Engine) seconds(ctx context.Context, _ control.None) ([]tally.Second, error) {
	if e.cluster != nil {
		e.others.ask()
		if err := e.followOthers(ctx); err != nil {
			e.log.Debug("the other nodes' last minutes were not read", "error", err)
		}
	}
	all := e.feed.Seconds()
	out := all[:0]
	for i, s := range all {
		if i == 0 || s.Requests+s.Refused > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}
