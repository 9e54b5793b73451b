package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// Reserve implements storage.Meter.
func (s *Store) Reserve(ctx context.Context, r tally.Reservation) (tally.Grant, error) {
	if r.Since.IsZero() {
		r.Since = r.At
	}
	r.Bounds = r.Bounds.Whole()
	leave, err := s.enter(ctx)
	if err != nil {
		return tally.Grant{}, err
	}
	defer leave()
	if err := check(&r); err != nil {
		return tally.Grant{}, err
	}
	return s.admit(ctx, &r)
}

// begin makes the hold of a reservation, still without an output.
func (s *Store) begin(r *tally.Reservation) *hold {
	h := &hold{Reservation: *r}
	h.At = utc(r.At)
	h.Draft.ID, h.Draft.At = h.ID, h.At
	if u := r.Session; u != nil && !u.Until.IsZero() {
		end := s.sessionEnd(u.Client, u.Member)
		h.newSession = !end.After(h.At)
		h.sessionEnds = utc(end)
		if h.newSession || !u.Fixed && u.Until.After(end) {
			h.sessionEnds = utc(u.Until)
		}
	}
	return h
}

// keep holds.
func (s *Store) keep(h *hold) tally.Grant {
	s.holds[h.ID] = h
	for _, subject := range h.subjects() {
		s.lastAt[subject] = later(s.lastAt[subject], h.At)
	}
	s.lastSeen = later(s.lastSeen, h.At)
	return s.grant(h)
}

func (s *Store) grant(h *hold) tally.Grant {
	g := tally.Grant{Output: h.output, NewSession: h.newSession}
	for i, c := range h.Charges {
		u := s.usage(c.Counter)
		left := c.Max - u.Used - u.Held
		switch c.Metric {
		case tally.Requests:
			g.Requests.Narrow(i, left)
		case tally.TokensIO:
			g.Tokens.Narrow(i, left)
		}
	}
	return g
}

// check says what is wrong with a reservation.
func check(r *tally.Reservation) error {
	bad := func(what string) error { return tally.Errorf(tally.Invalid, "reservation %s: %s", r.ID, what) }
	if r.ID == "" || r.At.IsZero() {
		return bad("it has no ID or no time")
	}
	if r.MinOutput < 0 || r.WantOutput < r.MinOutput {
		return bad("its outputs are not in order")
	}
	for _, b := range r.Bounds {
		if b.Base < 0 || b.PerMillion < 0 {
			return bad("a bound is negative")
		}
	}
	for _, c := range r.Charges {
		if c.Metric.Index() < 0 || c.Subject == "" || !c.Period.Contains(r.At) {
			return bad("a charge has no subject, an unknown metric or another period")
		}
	}
	if u := r.Session; u != nil && (u.Member == "" || u.Client != r.Draft.Client || !u.Until.IsZero() && !u.Until.After(r.At)) {
		return bad("its session has no member, another client or is over")
	}
	return nil
}

// Settle implements storage.Meter.
func (s *Store) Settle(ctx context.Context, in tally.Settlement) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	h := s.holds[in.ID]
	if h == nil {
		return tally.Errorf(tally.NotFound, "request %s is not held", in.ID)
	}
	s.settle(h, clone(&in.Record))
	return nil
}

// Raise implements storage.Meter.
func (s *Store) Raise(ctx context.Context, id tally.ID, least, want int64, bounds tally.Bounds) (tally.Grant, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return tally.Grant{}, err
	}
	defer leave()
	h := s.holds[id]
	if h == nil {
		return tally.Grant{}, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	bounds = bounds.Whole()
	bounds[tally.Sessions.Index()] = tally.Bound{}
	more := &hold{Reservation: tally.Reservation{MinOutput: least, WantOutput: want, Bounds: bounds}}
	for _, c := range h.Charges {
		if c.Metric != tally.Sessions {
			more.Charges = append(more.Charges, c)
		}
	}
	if short := s.short(more, least, everything); short != nil {
		return tally.Grant{}, short
	}
	more.output = s.largest(more)
	h.raises = append(h.raises, more)
	return tally.Grant{Output: more.output}, nil
}

// Join implements storage.Meter.
func (s *Store) Join(ctx context.Context, id tally.ID, charges []tally.Charge, places []tally.Place) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	h := s.holds[id]
	if h == nil {
		return tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	if err := check(&tally.Reservation{ID: id, At: h.At, Charges: charges}); err != nil {
		return err
	}
	for _, c := range charges {
		u, need := s.usage(c.Counter), h.amount(c.Metric)
		if c.Metric != tally.Sessions && tally.AddSat(tally.AddSat(u.Used, u.Held), need) > c.Max {
			return &tally.LimitError{Charge: c, Used: u.Used, Held: u.Held, Need: need}
		}
	}
	for _, p := range places {
		if taken := s.taken(p.Subject); taken >= p.Max {
			return &tally.LimitError{Place: p, Held: taken}
		}
	}
	h.Charges, h.Places = slices.Concat(h.Charges, charges), slices.Concat(h.Places, places)
	for _, c := range charges {
		s.lastAt[c.Subject] = later(s.lastAt[c.Subject], h.At)
	}
	return nil
}

// settle replaces a hold by its record.
func (s *Store) settle(h *hold, r tally.Record) {
	delete(s.holds, h.ID)
	defer s.serve()
	r.ID, r.At = h.ID, h.At
	r.Session, r.NewSession, r.SessionEnds = "", h.newSession, h.sessionEnds
	if h.Session != nil {
		r.Session = h.Session.Member
	}
	r.Charges = nil
	for _, c := range h.Charges {
		r.Charges = append(r.Charges, tally.Charged{Subject: c.Subject, Metric: c.Metric, Window: c.Period.Label,
			Amount: r.Amounts().Of(c.Metric), Max: c.Max})
	}
	kept := s.add(r)
	for i, c := range h.Charges {
		kept.Charges[i].Used = s.usage(c.Counter).Used
	}
	s.tell(kept)
}

// longestRequest bounds what a record's Total may move the clock of
// settlements.
const longestRequest = 24 * time.Hour

// add appends a record under the next Seq.
func (s *Store) add(r tally.Record) *settled {
	r.Seq = uint64(len(s.records)) + 1
	r.Count = max(r.Count, 1)
	at := r.At
	if r.Outcome == tally.Lost {
		at = at.Add(max(r.Total, 0)) // it was the store that measured it
	} else {
		at = at.Add(min(max(r.Total, 0), longestRequest))
	}
	s.lastSeen = later(s.lastSeen, at)
	if n := len(s.records); n > 0 {
		at = later(at, s.records[n-1].settledAt)
	}
	s.records = append(s.records, settled{Record: r, settledAt: at})
	return &s.records[len(s.records)-1]
}

func (s *Store) tell(r *settled) {
	if s.hook != nil {
		s.hook([]tally.Record{clone(&r.Record)})
	}
}

// Refuse implements storage.Meter.
func (s *Store) Refuse(ctx context.Context, r tally.Record) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !r.Outcome.Refused() || r.ID == "" || r.At.IsZero() {
		return tally.Errorf(tally.Invalid, "record %s is not of a refusal", r.ID)
	}
	r = clone(&r)
	r.At, r.Charges = utc(r.At), nil
	if r.Reached != nil {
		r.Reached.Resets = utc(r.Reached.Resets)
	}
	r.Session, r.NewSession, r.SessionEnds = "", false, time.Time{}
	s.tell(s.add(r))
	return nil
}

// Enter implements storage.Meter.
func (s *Store) Enter(ctx context.Context, r tally.Record) (tally.Record, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return r, err
	}
	defer leave()
	if err := tally.CheckEntry(&r); err != nil {
		return r, err
	}
	for i := range s.records {
		if o := &s.records[i]; o.Entry != nil && o.Client == r.Client && o.ID == r.ID {
			return r, tally.Errorf(tally.Conflict, "entry %s is booked already", r.ID)
		}
	}
	r = tally.Record{ID: r.ID, At: utc(r.At), Gateway: r.Gateway, Client: r.Client, Model: r.Model, Outcome: r.Outcome, Cost: r.Cost, Credits: r.Credits, Entry: new(*r.Entry)}
	r.Entry.Expires = utc(r.Entry.Expires)
	balance := r.BalanceCounter()
	u := s.usage(balance)
	if r.Entry.Kind == tally.Expiry {
		r.Entry.Funds = max(r.Entry.Funds, tally.NanoUSD(u.Used+u.Held))
		if r.Entry.Funds >= 0 {
			return r, tally.Errorf(tally.NotFound, "nothing is left")
		}
	}
	if r.Client != "" {
		amount := r.Amounts().Of(tally.Balance)
		r.Charges = []tally.Charged{{Subject: balance.Subject, Metric: tally.Balance, Window: balance.Period.Label, Amount: amount, Used: u.Used + amount}}
	}
	kept := s.add(r)
	s.serve()
	return clone(&kept.Record), nil
}

// Extend implements storage.Meter.
func (s *Store) Extend(ctx context.Context, id tally.ID, until time.Time) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	h := s.holds[id]
	if h == nil {
		return tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	h.ExpiresAt = until
	return nil
}

// Expire implements storage.Meter.
func (s *Store) Expire(ctx context.Context, now time.Time, max int) (int, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	var due []*hold
	for _, h := range s.holds {
		if !h.ExpiresAt.After(now) {
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b *hold) int { return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.ID, b.ID)) })
	due = due[:min(len(due), maxOf(max))]
	for _, h := range due {
		r := h.Draft
		tokens := h.amount(tally.TokensIO)
		base := h.Bounds[tally.TokensIO.Index()].Base
		for _, more := range h.raises {
			base = tally.AddSat(base, more.Bounds[tally.TokensIO.Index()].Base)
		}
		r.Tokens = tally.Tokens{Input: min(base, tokens)}
		r.Tokens.Output = tokens - r.Tokens.Input
		r.Cost, r.Credits = tally.NanoUSD(h.amount(tally.Cost)), tally.NanoUSD(h.amount(tally.Credits))
		r.Outcome, r.Basis, r.Total = tally.Lost, tally.Held, now.Sub(h.At)
		if r.Total < 0 {
			r.Total = 0
		}
		s.settle(h, r)
	}
	return len(due), nil
}

func maxOf(n int) int { return max(n, 0) }

// Usage implements storage.Meter.
func (s *Store) Usage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]tally.Usage, len(counters))
	for i, c := range counters {
		if c.Metric.Index() < 0 {
			return nil, tally.Errorf(tally.Invalid, "%q is not a metric", c.Metric)
		}
		out[i] = s.usage(c)
	}
	return out, nil
}

// LastUsed implements storage.Meter.
func (s *Store) LastUsed(ctx context.Context, subjects ...tally.Subject) ([]time.Time, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	out := make([]time.Time, len(subjects))
	for i, subject := range subjects {
		out[i] = s.lastAt[subject]
	}
	return out, nil
}

// Holds implements storage.Meter.
func (s *Store) Holds(ctx context.Context, q storage.HoldQuery) (out storage.HoldSum, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return out, err
	}
	defer leave()
	for _, h := range s.holds {
		if !q.Match(&h.Draft) {
			continue
		}
		out.Count++
		for i, m := range tally.Metrics {
			out.Held[i] = tally.AddSat(out.Held[i], h.amount(m))
		}
	}
	return out, nil
}
