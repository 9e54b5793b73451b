package engine

import (
	"cmp"
	"context"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const (
	longestBill  = 400 // days
	maxBillLines = 20_000
	maxBillRows  = 1 << 29 // more than there can be in what billfile reads
)

// billed is a row with what its cause is found in.
type billed struct {
	control.ReconcileRow
	is     *ours
	line   control.BillLine // what the export says, added up over names of the model
	there  bool             // it has a row
	slack  tally.NanoUSD    // what rounding on both sides may come to
	beyond bool             // the export does not have the day
	open   bool             // it is that, or the day is not over: nothing follows from it
}

// bill is one beside the ledger, on its way.
type bill struct {
	e        *Engine
	c        *tally.Catalog
	provider *tally.Provider
	says     *control.Bill // nil: what answers said
	first    time.Time
	until    time.Time
	now      time.Time
	rows     []*billed
	at       map[dayModel]*billed
	rates    map[string]rate // by model
}

// reconcile compares what a provider says it has charged with the ledger. What differs is
// judged, told to the owner where it is much, and booked if that is asked for.
func (e *Engine) reconcile(ctx context.Context, in control.Reconcile) (control.Reconciled, error) {
	unlock, err := e.openCosts(ctx) // nothing else books what a day has cost meanwhile
	if err != nil {
		return control.Reconciled{}, err
	}
	defer unlock()
	b := &bill{e: e, c: e.catalog.Load(), says: in.Bill, now: e.clock(), at: map[dayModel]*billed{}}
	out := control.Reconciled{}
	if b.provider, err = findProvider(b.c, in.Provider); err != nil {
		return out, err
	}
	if b.says == nil && in.File != "" {
		return out, tally.Errorf(tally.Invalid, "what stands in %s was not given", shown(in.File)).
			WithHint("tallygate reconcile PROVIDER FILE reads it, and sends its sums as bill")
	}
	if b.says == nil && in.Book {
		return out, tally.Errorf(tally.Invalid, "there is nothing to book without the provider's export").
			WithHint("name the file; what answers say of their cost is booked as it comes with: tallygate providers update %s --cost-by theirs", tally.ShellWord(b.provider.Name))
	}
	if err := checkBill(b.says); err != nil {
		return out, err
	}
	if b.first, b.until, err = billDays(&in, b.now); err != nil {
		return out, err
	}
	out.Provider, out.First, out.Last = b.provider.Name, b.first.Format(time.DateOnly),
		b.until.Add(-day).Format(time.DateOnly)
	if err := b.compare(ctx, &out); err != nil {
		return out, err
	}
	if err := b.judge(ctx); err != nil {
		return out, err
	}
	b.total(&out)
	if in.Book {
		if err := b.book(ctx, &out); err != nil {
			return out, err
		}
		out.Off = false
	}
	for _, r := range b.rows {
		out.Rows = append(out.Rows, r.ReconcileRow)
	}
	if b.says == nil {
		return out, nil
	}
	return out, b.remember(ctx, &out)
}

// checkBill says what is wrong with the sums of an export.
func checkBill(b *control.Bill) error {
	if b == nil {
		return nil
	}
	isDay := func(s string) bool {
		_, err := time.Parse(time.DateOnly, s)
		return err == nil
	}
	bad := func(what string) error {
		return tally.Errorf(tally.Invalid, "the bill %s", what).
			WithHint("tallygate reconcile PROVIDER FILE makes it of an export")
	}
	switch {
	case !isDay(b.First) || !isDay(b.Last) || b.Last < b.First:
		return bad("does not say which days it covers")
	case len(b.Lines) > maxBillLines:
		return bad("has more than " + tally.Group(maxBillLines) + " lines")
	case b.Unit < 0 || b.Unit > tally.Dollar:
		return bad("is rounded to more than a dollar")
	case tally.Unprintable(b.Format) || len(b.Format) > tally.MaxNote:
		return bad("does not say what it is of")
	}
	var money, rows int64
	for i := range b.Lines {
		l := &b.Lines[i]
		list := l.Cost
		if l.List != nil {
			list = *l.List
		}
		if !isDay(l.Day) || l.Rows < 0 || max(l.Cost, -l.Cost, list, -list) > tally.MaxMoney ||
			len(l.Model)+len(l.Item) > tally.MaxNote || tally.Unprintable(l.Model+l.Item) {
			return bad("has a line that is none: a day, a model, what it cost")
		}
		money, rows = tally.AddSat(money, int64(max(l.Cost, -l.Cost, list, -list))), tally.AddSat(rows, l.Rows)
	}
	switch {
	case money > int64(tally.MaxMoney):
		return tally.Errorf(tally.Invalid, "the bill comes to more money than can be counted").
			WithHint("are its amounts in US dollars?")
	case rows > maxBillRows:
		return bad("has more than " + tally.Group(maxBillRows) + " rows")
	}
	return nil
}

// billDays reads the span that is asked for: whole days of UTC, those of the export if nothing
// is said. Days that are still to come are left out.
func billDays(in *control.Reconcile, now time.Time) (first, until time.Time, err error) {
	first, until, err = spanOf(control.Calendar{Now: now, Zone: time.UTC}, in.Month, in.Since, in.Until, 30*day)
	if err != nil {
		return first, until, err
	}
	if b := in.Bill; b != nil && in.Month == "" { // checked: both are days
		if in.Since == "" {
			first, _ = time.Parse(time.DateOnly, b.First)
		}
		if in.Until == "" {
			until, _ = time.Parse(time.DateOnly, b.Last)
			until = until.Add(day)
		}
	}
	today := now.UTC().Truncate(day).Add(day)
	if until.IsZero() || until.After(today) {
		until = today
	}
	first, until = first.UTC().Truncate(day), until.UTC().Add(day-1).Truncate(day)
	switch {
	case !first.Before(until):
		return first, until, tally.Errorf(tally.Invalid, "there is no day from %s to before %s",
			first.Format(time.DateOnly), until.Format(time.DateOnly)).
			WithHint("--month last, or --since names the first day and --until the day after the last one, in UTC")
	case until.Sub(first) > longestBill*day:
		return first, until, tally.Errorf(tally.Invalid, "%d days are too many to compare together",
			int(until.Sub(first)/day)).
			WithHint("at most %d: --month, or --since and --until", longestBill)
	}
	return first, until, nil
}

// compare puts both sides of each day and model beside each other.
func (b *bill) compare(ctx context.Context, out *control.Reconciled) error {
	var have map[dayModel]*ours
	var lines []control.BillLine
	var err error
	if b.says == nil {
		if have, lines, err = b.e.said(ctx, b.c, b.provider, b.first, b.until); err != nil {
			return err
		}
		if len(have) == 0 {
			return tally.Errorf(tally.NotFound, "no answer of %s from %s to %s said what it cost", b.provider.Name,
				out.First, out.Last).
				WithHint("export its costs at the provider: tallygate reconcile %s FILE", tally.ShellWord(b.provider.Name))
		}
	} else {
		out.Format = b.says.Format
		var l *ledger
		if have, l, err = b.e.ledgerOf(ctx, b.c, b.provider, b.first, b.until); err != nil {
			return err
		}
		out.Thinned = int64(len(l.thin))
		for i := range b.says.Lines {
			if x := b.says.Lines[i]; x.Day < out.First || x.Day > out.Last {
				out.Outside++
			} else {
				lines = append(lines, x)
			}
		}
	}
	called := pairNames(have, lines)
	for at, o := range have {
		b.row(at.day, called[at.model]).is.merge(o)
	}
	for i := range lines {
		l := &lines[i]
		r := b.row(l.Day, called[nameOf(l)])
		list := l.Cost
		if l.List != nil {
			list = *l.List
		}
		if r.line.List == nil {
			r.line.List = new(tally.NanoUSD)
		}
		*r.line.List += list
		r.line.Cost += l.Cost
		r.line.Rows += l.Rows
		r.line.Model = cmp.Or(r.line.Model, l.Model)
		r.there = true
	}
	for _, r := range b.at {
		r.Requests, r.Ours, r.Theirs = r.is.requests, r.is.cost+r.is.booked, r.line.Cost
		r.Difference = r.Theirs - r.Ours
		r.slack = tally.NanoUSD(r.is.requests) // each of ours is rounded up to a nano-dollar
		if b.says != nil {
			r.slack += tally.NanoUSD(r.line.Rows) * b.says.Unit / 2
		}
		r.open = r.Day >= b.now.UTC().Format(time.DateOnly)
		r.beyond = !r.open && !r.there && b.says != nil && (r.Day > b.says.Last || r.Day < b.says.First)
		r.open = r.open || r.beyond
		b.rows = append(b.rows, r)
	}
	tally.Order(b.rows, func(x, y *billed) int { return cmp.Or(cmp.Compare(x.Day, y.Day), cmp.Compare(x.Model, y.Model)) })
	return nil
}

func (b *bill) row(day, model string) *billed {
	at := dayModel{day, model}
	r := b.at[at]
	if r == nil {
		r = &billed{is: newOurs()}
		r.Day, r.Model = day, model
		b.at[at] = r
	}
	return r
}

// total adds the rows up, and says whether both sides are further apart than can be let be.
func (b *bill) total(out *control.Reconciled) {
	type daySum struct{ ours, theirs, slack, differs tally.NanoUSD }
	days, judged := map[string]*daySum{}, daySum{}
	for _, r := range b.rows {
		out.Ours, out.Theirs = out.Ours+r.Ours, out.Theirs+r.Theirs
		if r.open {
			continue
		}
		if days[r.Day] == nil {
			days[r.Day] = &daySum{}
		}
		for _, s := range []*daySum{days[r.Day], &judged} {
			s.ours, s.theirs, s.slack, s.differs = s.ours+r.Ours, s.theirs+r.Theirs, s.slack+r.slack, s.differs+r.Difference
		}
	}
	out.Difference = out.Theirs - out.Ours
	far := func(s *daySum) bool {
		n := max(s.differs, -s.differs)
		return n > max(s.slack, tally.Dollar/100) && n > max(s.ours, s.theirs, 0)/off
	}
	for _, s := range days {
		if far(s) {
			out.DaysOff++
		}
	}
	out.Off = far(&judged) || out.DaysOff > 1
}
