package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/statement"
	"tallygate/engine/tally"
)

// close writes a statement into the book.
func (b *booksOf) close(ctx context.Context, id tally.ID, m made) (made, error) {
	again := "tallygate clients statement " + tally.ShellWord(m.Client.Slug) + " --month last --close"
	p := m.Period
	closed, err := closedOf(b.entries[id])
	if err != nil {
		return m, err
	}
	for i := range closed {
		if o := closed[i].Period; o.From.Before(p.Until) && p.From.Before(o.Until) {
			return m, tally.Errorf(tally.Conflict, "statement %s has %s to %s already", closed[i].Number, o.First, o.Last).
				WithHint("take it back first: tallygate entries reverse %s", closed[i].Entry)
		}
	}
	switch {
	case b.now.Before(p.Until):
		return m, tally.Errorf(tally.Conflict, "the span is not over: it ends %s", tally.Civil(p.Until, b.c.Zone(m.gateway))).WithHint("later: %s", again)
	case m.Open != nil:
		return m, tally.Errorf(tally.Conflict, "%s of the span still being answered", plural(m.Open.Requests, "request is", "requests are")).
			WithHint("in a minute: %s", again)
	}
	by, _, _ := control.Acting(ctx)
	book := func(x tally.Entry, credits tally.NanoUSD) (tally.Record, error) {
		x.By = by
		r, err := b.e.store.Enter(context.WithoutCancel(ctx), tally.Record{ID: tally.NewID("en", b.now), At: b.now, Gateway: m.gateway, Client: id,
			Outcome: tally.Booked, Credits: credits, Entry: &x})
		if err == nil {
			b.entries[id] = append(b.entries[id], r)
		}
		return r, err
	}
	if m.Raised > 0 {
		if _, err := book(tally.Entry{Kind: tally.Fee, Reason: "minimum of " + p.Name, Day: p.Last}, m.Raised); err != nil {
			return m, err
		}
		if m, err = b.statement(ctx, id); err != nil {
			return m, err
		}
	}
	m.Number, m.Closed = b.number(p), b.now.UTC().Truncate(time.Second)
	text, err := m.Statement.Text()
	if err != nil {
		return m, err
	}
	if len(text) > tally.MaxDocument {
		return m, tally.Errorf(tally.Invalid, "the statement has %s lines, more than one that is kept may have", tally.Group(int64(len(m.Lines())))).
			WithHint("close shorter spans: --since 2026-11-01 --until 2026-11-16")
	}
	r, err := book(tally.Entry{Kind: tally.Closing, Reference: m.Number, Reason: p.Name, Day: p.Last, Document: text}, 0)
	if err != nil {
		return m, err
	}
	m.Entry, m.SHA256 = r.ID, statement.Digest(text)
	b.e.feed.PublishConfig(b.c.Rev, b.now)
	return m, nil
}

// number is the next one of the year in which a span ends. The number of a statement that
// was taken back is not given again.
func (b *booksOf) number(p statement.Period) string {
	year, last := p.Last[:4], 0
	for _, entries := range b.entries {
		for i := range entries {
			if x := entries[i].Entry; x.Kind == tally.Closing && x.Reverses == "" {
				of, text, _ := strings.Cut(x.Reference, "-")
				if n, err := strconv.Atoi(text); err == nil && of == year {
					last = max(last, n)
				}
			}
		}
	}
	return fmt.Sprintf("%s-%04d", year, last+1)
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return tally.Group(int64(n)) + " " + more
}
