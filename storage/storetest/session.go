package storetest

import (
	"time"

	"tallygate/engine/tally"
)

// seen makes a request of a client's member; its session ends an hour later
// unless it goes on.
func (b *bench) seen(client tally.ID, member string, fixed bool, charges ...tally.Charge) tally.Reservation {
	r := b.request(charges...)
	r.Draft.Client = client
	r.Session = &tally.SessionUse{Client: client, Member: member, Until: b.now.Add(time.Hour), Fixed: fixed}
	return r
}

// wantSession makes a request, looks whether it begins a session, and when its
// record says the session ends.
func (b *bench) wantSession(member string, fixed, begins bool, ends time.Time) {
	b.Helper()
	r := b.seen("cl_1", member, fixed)
	if g := b.reserve(r); g.NewSession != begins {
		b.Errorf("%s at %v: new session %v", member, b.now.Sub(start), g.NewSession)
	}
	got := b.settle(r, 1)
	if got.Session != member || got.NewSession != begins || !got.SessionEnds.Equal(ends) {
		b.Errorf("%s at %v: session %q, new %v, until %v; want new %v, until %v", member, b.now.Sub(start),
			got.Session, got.NewSession, got.SessionEnds.Sub(start), begins, ends.Sub(start))
	}
}

func sessionRolling(b *bench) {
	at := func(d time.Duration) time.Time { b.now = start.Add(d); return b.now.Add(time.Hour) }
	b.wantSession("me", false, true, at(0))
	b.wantSession("me", false, false, at(40*time.Minute))
	b.wantSession("you", false, true, at(50*time.Minute))
	b.wantSession("me", false, false, at(99*time.Minute))
	b.wantSession("you", false, true, at(110*time.Minute)) // the instant of its end is the first outside
	b.wantSession("me", false, true, at(200*time.Minute))
	day := b.counter(client, tally.Sessions, tally.Day)
	b.wantUsage(day, 4, 0)
	// One that ends sooner than the session does not cut it short.
	r := b.seen("cl_1", "me", false)
	r.Session.Until = b.now.Add(time.Minute)
	b.reserve(r)
	if got := b.settle(r, 1); !got.SessionEnds.Equal(start.Add(260 * time.Minute)) {
		b.Errorf("a session was cut short: %v", got.SessionEnds.Sub(start))
	}
}

func sessionFixed(b *bench) {
	b.wantSession("me", true, true, start.Add(time.Hour))
	b.now = start.Add(59 * time.Minute)
	b.wantSession("me", true, false, start.Add(time.Hour))
	b.now = start.Add(time.Hour)
	b.wantSession("me", true, true, start.Add(2*time.Hour))
	b.wantUsage(b.counter(client, tally.Sessions, tally.Day), 2, 0)
}

func sessionLimit(b *bench) {
	limit := b.charge(client, tally.Sessions, tally.Day, 1)
	first := b.seen("cl_1", "me", false, limit)
	b.reserve(first)
	b.wantUsage(limit.Counter, 0, 1)
	// While the first request is at work its session runs for others, too.
	second := b.seen("cl_1", "me", false, limit)
	if g := b.reserve(second); g.NewSession {
		b.Errorf("a session began twice")
	}
	b.wantUsage(limit.Counter, 0, 1)
	e := b.refused(b.seen("cl_1", "you", false, limit))
	b.wantEqual("the second session of one", *e, tally.LimitError{Charge: limit, Held: 1, Need: 1})
	b.settle(second, 1)
	b.settle(first, 1)
	b.wantUsage(limit.Counter, 1, 0)
	b.refused(b.seen("cl_1", "you", false, limit))
	b.reserve(b.seen("cl_1", "me", false, limit))

	// Another client's members are others, whatever their names.
	other := b.charge("client/cl_2", tally.Sessions, tally.Day, 1)
	if g := b.reserve(b.seen("cl_2", "me", false, other)); !g.NewSession {
		b.Errorf("a session of another client went on")
	}
	// A request in no session never needs room for one.
	b.reserve(b.request(limit))
	// A session that was lost with its request has been one.
	if n, err := b.Expire(ctx, b.now.Add(time.Hour), 10); err != nil || n != 3 {
		b.Errorf("expired %d, %v; want 3", n, err)
	}
	b.wantUsage(other.Counter, 1, 0)
	b.wantUsage(limit.Counter, 1, 0)
}

// A session that is not to be counted is named in the record and nowhere else.
func sessionNamed(b *bench) {
	limit := b.charge(client, tally.Sessions, tally.Day, 1)
	for range 2 {
		r := b.seen("cl_1", "me", false, limit)
		r.Session.Until = time.Time{}
		if g := b.reserve(r); g.NewSession {
			b.Errorf("a session began")
		}
		b.wantUsage(limit.Counter, 0, 0)
		if got := b.settle(r, 1); got.Session != "me" || got.NewSession || !got.SessionEnds.IsZero() {
			b.Errorf("the record is of session %q, new %v, until %v", got.Session, got.NewSession, got.SessionEnds)
		}
	}
	if g := b.reserve(b.seen("cl_1", "me", false, limit)); !g.NewSession {
		b.Errorf("it was remembered")
	}
}
