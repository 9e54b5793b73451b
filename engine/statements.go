package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/statement"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// Statements: what a client owes for a span of time, from rollups and the book of money.
// Closing one writes it into the book, where it stays as it is.

// makeStatements makes the statements that are asked for.
func (e *Engine) makeStatements(ctx context.Context, in control.StatementQuery) ([]control.StatementView, error) {
	return e.statements(ctx, &in, false)
}

// closeStatements closes them. Those that cannot be closed yet say why.
func (e *Engine) closeStatements(ctx context.Context, in control.StatementQuery) ([]control.StatementView, error) {
	unlock, err := e.openBook(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return e.statements(ctx, &in, true)
}

func (e *Engine) statements(ctx context.Context, in *control.StatementQuery, closing bool) ([]control.StatementView, error) {
	if in.All == (in.Client != "") {
		return nil, tally.Errorf(tally.Invalid, "say whose statement").WithHint("tallygate clients statement CLIENT, or --all")
	}
	if in.Month == "" && in.Since == "" && in.Until == "" {
		in.Month = "this"
	}
	b, err := e.openBooks(ctx, in)
	if err != nil {
		return nil, err
	}
	if b.money, err = moneyOf(&b.c.Settings, in); err != nil {
		return nil, err
	}
	clients, err := b.clients()
	if err != nil {
		return nil, err
	}
	if !in.All {
		b.only = clients[0]
	}
	out := []control.StatementView{}
	for _, id := range clients {
		if closing {
			clear(b.sums)
			b.only = id
		}
		v, err := b.statement(ctx, id)
		if err == nil && in.All && v.Number == "" && v.idle() {
			continue
		}
		if err == nil && closing && v.Number == "" {
			v, err = b.close(ctx, id, v)
		}
		if err != nil && (!in.All || tally.CodeOf(err) != tally.Conflict) {
			return nil, err
		}
		if err != nil {
			e := tally.AsError(err)
			v.Problem, v.Next = e.Message, e.Hint
		}
		out = append(out, v.StatementView)
	}
	return out, nil
}

// clients are those whose statements are asked for, in the order of their names.
func (b *booksOf) clients() ([]tally.ID, error) {
	if b.in.Client != "" {
		id, err := clientID(b.c, b.in.Client)
		return []tally.ID{id}, err
	}
	var out []tally.ID
	for _, cl := range b.c.Clients {
		out = append(out, cl.ID)
	}
	for t := range b.c.Tombstones(tally.KindClient) {
		out = append(out, t.ID)
	}
	tally.Order(out, func(x, y tally.ID) int {
		return cmp.Or(cmp.Compare(clientSlug(b.c, x), clientSlug(b.c, y)), cmp.Compare(x, y))
	})
	return out, nil
}

// made is a statement on its way, with the gateway that it is booked at.
type made struct {
	control.StatementView
	gateway tally.ID
	zone    *time.Location
}

// idle reports whether there is nothing to say.
func (m *made) idle() bool {
	return len(m.Models) == 0 && len(m.Entries) == 0 && m.Total == 0 && m.Prepaid == nil && m.Open == nil
}

// statement makes a client's statement, or gives the one of its span that was closed.
func (b *booksOf) statement(ctx context.Context, id tally.ID) (m made, err error) {
	entries := b.entries[id]
	cl, gone := b.c.Client(id), time.Time{}
	if cl != nil {
		m.gateway = cl.Gateway
	} else if t := b.c.Tombstone(id); t != nil && t.Owner != "" {
		m.gateway, cl, gone = t.Owner, &tally.Client{Name: t.Title, Tariffs: t.Tariffs}, t.CreatedAt
	} else if len(entries) > 0 {
		m.gateway = entries[len(entries)-1].Gateway
	}
	cal := calendarOf(b.c, m.gateway, b.now)
	if b.c.Gateway(m.gateway) == nil {
		cal = commonCalendar(b.c, b.now)
	}
	m.zone = cal.Zone
	s := &m.Statement
	if s.Period, err = b.period(cal); err != nil {
		return m, err
	}
	closed, err := closedOf(entries)
	if err != nil {
		return m, err
	}
	whole := b.isMonth(cal, s.Period)
	if whole {
		goesOn(&s.Period, closed, cal)
	}
	// Holds first: what is settled after that was counted among them, or is in the sums.
	holds, err := b.e.store.Holds(ctx, storage.HoldQuery{Client: id, Until: s.Period.Until})
	if err != nil {
		return m, err
	}
	sums, err := b.sumsOf(ctx, s.Period)
	if err != nil {
		return m, err
	}
	used := booksAt(entries, sums.clients[id], s.Period)
	for i := range closed {
		if p := closed[i].Period; p.From.Equal(s.Period.From) && p.Until.Equal(s.Period.Until) || whole && p.Name == s.Period.Name {
			m.StatementView = closed[i]
			m.standing(used, entries)
			return m, nil
		}
	}
	s.Client = statement.Party{ID: id, Slug: clientSlug(b.c, id), Name: clientName(b.c, id)}
	if cl != nil {
		s.Client.Name, s.Client.Company, s.Client.Email = cl.Name, cl.Company, cl.Email
		if at := cl.TariffAt(s.Period.Until.Add(-time.Second)); whole && cl.CreatedAt.Before(s.Period.Until) && (gone.IsZero() || gone.After(s.Period.From)) {
			s.Minimum = at.Minimum
		}
	}
	s.Issuer = []string{}
	for line := range strings.Lines(b.c.Settings.Head) {
		s.Issuer = append(s.Issuer, strings.TrimSpace(line))
	}
	s.Used = used.Credits
	s.Models = usageOf(sums.models[id], entries, s.Period, used, "other")
	s.Keys = b.keys(id, sums.keys, used)
	if s.Tag = b.in.Tag; s.Tag != "" {
		s.Tags = lines(sums.tags[id], used, "without "+s.Tag)
	}
	s.Entries = entriesOf(entries, closed, s.Period, cal.Zone)
	if s.Prepaid, err = b.prepaid(ctx, id, entries, s.Period); err != nil {
		return m, err
	}
	if holds.Count > 0 {
		s.Open = &statement.Open{Requests: holds.Count, Credits: tally.NanoUSD(holds.Held.Of(tally.Credits))}
	}
	if *s, err = statement.Make(*s, b.money); err != nil {
		return m, err
	}
	m.costs(used, entries)
	return m, nil
}

// costs says what the span has cost its owner: its requests, the entries on the statement,
// and those of its days that are none of the client's business.
func (m *made) costs(used tally.Sums, entries []tally.Record) {
	m.Cost = used.Cost
	for i := range entries {
		r := &entries[i]
		day := countsOn(r, m.zone)
		if slices.ContainsFunc(m.Entries, func(x statement.Entry) bool { return x.ID == r.ID }) ||
			r.Credits == 0 && day >= m.Period.First && day <= m.Period.Last {
			m.Cost += r.Cost
		}
	}
	m.Margin = m.Total - m.Cost
}

// period is the span that is asked for, by a client's calendar.
func (b *booksOf) period(cal control.Calendar) (p statement.Period, err error) {
	from, until, err := spanOf(cal, b.in.Month, b.in.Since, b.in.Until, 0)
	if err != nil {
		return p, err
	}
	if until.IsZero() {
		until = b.now
	}
	from, until = bucketDown(from), bucketUp(until)
	if !from.Before(until) {
		return p, tally.Errorf(tally.Invalid, "the span is empty: it begins %s and ends %s", tally.Civil(from, cal.Zone), tally.Civil(until, cal.Zone)).
			WithHint("--month last, or --since 2026-11-01 --until 2026-12-01")
	}
	p = statement.Period{From: from, Until: until, Zone: cal.Zone.String(),
		First: from.In(cal.Zone).Format(time.DateOnly), Last: until.Add(-time.Second).In(cal.Zone).Format(time.DateOnly)}
	p.Name = p.First + " to " + p.Last
	if b.isMonth(cal, p) {
		p.Name = from.In(cal.Zone).Format("2006-01")
	}
	return p, nil
}

// goesOn lets a month begin where the one before it was closed, if the calendar of the
// gateway was another then: nothing is on two statements, and nothing on none.
func goesOn(p *statement.Period, closed []control.StatementView, cal control.Calendar) {
	before := tally.Window{Unit: tally.Month}.Period(p.From.Add(-time.Second), cal.Zone, cal.CycleDay)
	for i := range closed {
		o := &closed[i].Period
		if o.Name == p.Name || !o.Until.After(before.Start) || !o.Until.Before(p.Until) || o.Until.Before(p.From) && len(o.Name) != len("2026-11") {
			continue
		}
		p.From, p.First = o.Until, o.Until.In(cal.Zone).Format(time.DateOnly)
	}
}

// isMonth reports whether a span is one whole month of a calendar.
func (b *booksOf) isMonth(cal control.Calendar, p statement.Period) bool {
	month := tally.Window{Unit: tally.Month}.Period(p.From, cal.Zone, cal.CycleDay)
	return month.Start.Equal(p.From) && month.End.Equal(p.Until)
}

// listStatements lists the statements that were closed.
func (e *Engine) listStatements(ctx context.Context, in control.ListStatements) ([]control.StatementView, error) {
	b, err := e.openBooks(ctx, &control.StatementQuery{})
	if err != nil {
		return nil, err
	}
	only := tally.ID("")
	if in.Client != "" {
		if only, err = clientID(b.c, in.Client); err != nil {
			return nil, err
		}
	}
	out := []control.StatementView{}
	for id := range b.entries {
		if only != "" && id != only {
			continue
		}
		closed, err := b.standing(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, v := range closed {
			if in.Month != "" {
				month, err := in.Month.In(calendarOf(b.c, b.entries[id][0].Gateway, b.now))
				if err != nil {
					return nil, err
				}
				if !v.Period.From.Before(month.End) || !month.Start.Before(v.Period.Until) {
					continue
				}
			}
			out = append(out, v)
		}
	}
	tally.Order(out, func(a, b control.StatementView) int { return cmp.Compare(b.Number, a.Number) })
	return control.Select(control.StatementTable, out, in.Rows, commonCalendar(b.c, b.now))
}

// standing are the closed statements of a client, and how the ledger stands to them.
func (b *booksOf) standing(ctx context.Context, id tally.ID) ([]control.StatementView, error) {
	closed, err := everClosed(b.entries[id])
	for i := range closed {
		sums, err := b.sumsOf(ctx, closed[i].Period)
		if err != nil {
			return nil, err
		}
		m := made{StatementView: closed[i], zone: b.c.Zone(b.entries[id][0].Gateway)}
		m.standing(booksAt(b.entries[id], sums.clients[id], closed[i].Period), b.entries[id])
		closed[i] = m.StatementView
	}
	return closed, err
}

func (e *Engine) showStatement(ctx context.Context, in control.PickStatement) (control.StatementView, error) {
	b, err := e.openBooks(ctx, &control.StatementQuery{})
	if err != nil {
		return control.StatementView{}, err
	}
	for id := range b.entries {
		closed, err := b.standing(ctx, id)
		if err != nil {
			return control.StatementView{}, err
		}
		for _, v := range closed {
			if v.Number == in.Number {
				return v, nil
			}
		}
	}
	return control.StatementView{}, tally.Errorf(tally.NotFound, "there is no statement %q", shown(in.Number)).WithHint("see: tallygate statements list")
}
