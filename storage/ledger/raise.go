package ledger

import "tallygate/engine/tally"

// Raise adds to an open hold what another attempt may use, at the largest output
// from least to want that all its counters have room for beside what is held
// already. It never waits. The hold it returns takes the place of the old one, which
// is what is written until the store has made the new one durable or has dropped it.
// NotFound if the hold is not open, a *tally.LimitError if there is no room; then
// nothing has changed.
func (l *Ledger) Raise(id tally.ID, least, want int64, bounds tally.Bounds) (*Hold, tally.Grant, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.holds[id]
	if old == nil || !old.kept {
		return nil, tally.Grant{}, tally.Errorf(tally.NotFound, "request %s is not held", id)
	}
	more := tally.Reservation{MinOutput: least, WantOutput: want, Bounds: bounds, Charges: old.Charges}
	more.Bounds[sessionsIndex] = tally.Bound{}
	if lacking := l.charge(&more); lacking != nil { // counters stay while a hold is on them
		return nil, tally.Grant{}, tally.Errorf(tally.Internal, "the counters of request %s are gone", id)
	}
	output := want
	for i, k := range l.charged {
		c := &more.Charges[i]
		if k.metric == sessionsIndex {
			continue
		}
		need := bounds[k.metric].At(least)
		if tally.AddSat(k.taken(), need) > c.Max {
			return nil, tally.Grant{}, &tally.LimitError{Charge: *c, Used: k.used, Held: k.held.sum(), Need: need}
		}
		output = min(output, outputFor(&more, c, k.metric, k.taken()))
	}
	h := &Hold{}
	*h = *old
	h.raised, h.kept, h.Output = old, false, tally.AddSat(old.Output, output)
	tokens := tally.TokensIO.Index()
	h.Bounds[tokens].Base = tally.AddSat(h.Bounds[tokens].Base, bounds[tokens].Base)
	for i := range h.Held {
		if i != sessionsIndex {
			h.Held[i] = tally.AddSat(old.Held[i], bounds[i].At(output))
		}
	}
	l.release(old)
	l.reopen(h)
	if l.waiting > 0 {
		l.serve(h)
	}
	return h, tally.Grant{Output: output}, nil
}
