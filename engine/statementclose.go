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
	// Its holds are looked for once more, and then its sums: the first may lack what was
	// settled between the two.
	open := m.Open
	if open == nil { // what was held on other nodes is among what they ship
		if err := b.e.nodesHaveShipped(ctx, again); err != nil {
			return m, err
		}
	}
	clear(b.sums)
	if m, err = b.statement(ctx, id); err != nil {
		return m, err
	}
	if m.Open == nil && b.e.cluster != nil { // it was settled meanwhile, perhaps where it is not shipped yet
		m.Open = open
	}
	switch {
	case b.now.Before(p.Until):
		return m, tally.Errorf(tally.Conflict, "the span is not over: it ends %s", tally.Civil(p.Until, b.c.Zone(m.gateway))).WithHint("later: %s", again)
	case b.now.Before(p.Until.Add(longestWait)):
		return m, tally.Errorf(tally.Conflict, "requests of the span may be waiting for room yet, for some minutes after its end").WithHint("from %s on: %s",
			p.Until.Add(longestWait).In(b.c.Zone(m.gateway)).Format("15:04"), again)
	case m.Open != nil:
		return m, tally.Errorf(tally.Conflict, "%s of the span still being answered", plural(m.Open.Requests, "request is", "requests are")).
			WithHint("in a minute: %s", again)
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
	x := tally.Entry{Kind: tally.Closing, Reference: m.Number, Reason: p.Name, Day: p.Last, Document: text}
	x.By, _, _ = control.Acting(ctx)
	r, err := b.e.store.Enter(context.WithoutCancel(ctx), tally.Record{ID: tally.NewID("en", b.now), At: b.now, Gateway: m.gateway, Client: id,
		Outcome: tally.Booked, Entry: &x})
	if err != nil {
		return m, err
	}
	b.entries[id] = append(b.entries[id], r)
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
