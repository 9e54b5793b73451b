package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/statement"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// Entries of the book of money on statements.

// countsOn is the day of a zone on which an entry counts. A re-cost is of a day of UTC: it
// counts on the day in which most of that lies.
func countsOn(r *tally.Record, zone *time.Location) string {
	if day, err := time.Parse(time.DateOnly, r.Entry.Day); err == nil && r.Entry.Kind == tally.Recost {
		return day.Add(12 * time.Hour).In(zone).Format(time.DateOnly)
	}
	return cmp.Or(r.Entry.Day, r.At.In(zone).Format(time.DateOnly))
}

// entriesOf are the entries that count on a statement: those of days in its span, and those
// of days before it whose statement was closed when they were booked. What stands on a
// statement that was closed stands on no other.
func entriesOf(entries []tally.Record, closed []control.StatementView, p statement.Period, zone *time.Location) []statement.Entry {
	billed := map[tally.ID]bool{}
	for i := range closed {
		for _, x := range closed[i].Entries {
			billed[x.ID] = true
		}
	}
	out := []statement.Entry{}
	for i := range entries {
		r := &entries[i]
		if billed[r.ID] || r.Credits == 0 {
			continue
		}
		day := countsOn(r, zone)
		of := day >= p.First && day <= p.Last
		if late := slices.ContainsFunc(closed, func(s control.StatementView) bool { return day >= s.Period.First && day <= s.Period.Last }); late {
			of = within(r, p)
		}
		if of {
			out = append(out, statement.Entry{ID: r.ID, Day: day, Kind: r.Entry.Kind, Model: r.Model, Reason: r.Entry.Reason,
				Reference: r.Entry.Reference, Credits: r.Credits})
		}
	}
	return out
}

// prepaid is what became of what was paid in advance; nil if nothing ever was.
func (b *booksOf) prepaid(ctx context.Context, id tally.ID, entries []tally.Record, p statement.Period) (*statement.Prepaid, error) {
	if !slices.ContainsFunc(entries, func(r tally.Record) bool { return r.Entry.Funds != 0 && r.At.Before(p.Until) }) {
		return nil, nil
	}
	ever := time.Unix(0, 0).UTC()
	points, err := b.e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByClient, First: string(id), Edges: []time.Time{ever, p.From, p.Until}})
	if err != nil {
		return nil, err
	}
	out := &statement.Prepaid{}
	for i := range points {
		if x := &points[i]; x.At.Equal(ever) {
			out.Before = x.Funds - x.Credits
		} else {
			out.Charged = x.Credits
		}
	}
	for i := range entries {
		r := &entries[i]
		if !within(r, p) {
			continue
		}
		switch r.Entry.Kind {
		case tally.Expiry:
			out.Expired += r.Entry.Funds
		case tally.Gift:
			out.Given += r.Entry.Funds
		default:
			out.Paid += r.Entry.Funds
		}
	}
	out.After = out.Before + out.Paid + out.Given + out.Expired - out.Charged
	return out, nil
}

// closedOf are the statements of a client that were closed and stand.
func closedOf(entries []tally.Record) ([]control.StatementView, error) {
	all, err := everClosed(entries)
	return slices.DeleteFunc(all, func(v control.StatementView) bool { return v.TakenBack }), err
}

// everClosed are the statements of a client that were closed, also those that were taken
// back.
func everClosed(entries []tally.Record) (out []control.StatementView, err error) {
	for i := range entries {
		r := &entries[i]
		if r.Entry.Kind != tally.Closing || r.Entry.Reverses != "" {
			continue
		}
		v := control.StatementView{Entry: r.ID, SHA256: statement.Digest(r.Entry.Document), TakenBack: takenBack(entries, r) != nil}
		if v.Statement, err = statement.Read(r.Entry.Document); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// standing says what a closed statement has cost its owner, and whether the ledger has
// changed since.
func (m *made) standing(used tally.Sums, entries []tally.Record) {
	m.costs(used, entries)
	if used.Credits != m.Used && !m.TakenBack {
		m.Changed = &used.Credits
	}
}
