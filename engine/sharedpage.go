package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// What a client's own page says: nothing that is its owner's business alone.

// sharedPage is all that whoever has a link is told. Amounts are in the client's credits.
type sharedPage struct {
	Client     string            `json:"client"`
	Zone       string            `json:"zone"` // IANA name: whose days are meant
	Now        time.Time         `json:"now"`
	ExpiresAt  time.Time         `json:"expires_at"` // the link
	Month      sharedMonth       `json:"month"`
	Models     []sharedUse       `json:"models"`
	Balance    string            `json:"balance,omitempty"` // what is left of payments in advance
	Limits     []sharedLimit     `json:"limits"`
	Refused    []sharedRefusal   `json:"refused"`
	Statements []sharedStatement `json:"statements"` // that were closed, the latest first
}

// sharedMonth is the month under way.
type sharedMonth struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	sharedUse
}

// sharedUse is usage as the client pays for it.
type sharedUse struct {
	Name     string        `json:"name,omitempty"`
	Requests int64         `json:"requests"`
	Refused  int64         `json:"refused"`
	Tokens   int64         `json:"tokens"`
	Credits  tally.NanoUSD `json:"credits_nano_usd"`
	Text     string        `json:"text"` // the credits
}

func useOf(name string, s *tally.Sums) sharedUse {
	return sharedUse{name, s.Requests, s.Refused, s.Tokens.Total(), s.Credits, s.Credits.Display()}
}

// sharedLimit is a limit of the client or of one of its keys.
type sharedLimit struct {
	Of       string    `json:"of,omitempty"` // the key, by its label; "" for the client
	What     string    `json:"what"`         // "credits a month"
	Text     string    `json:"text"`         // "$1.20 of $5.00", or the share
	Left     string    `json:"left,omitempty"`
	Percent  int64     `json:"percent"` // that is used, held amounts included; at most 100
	ResetsAt time.Time `json:"resets_at,omitzero"`
	Warn     bool      `json:"warn,omitempty"` // it refuses nothing
}

// sharedRefusal is why requests of the month were refused.
type sharedRefusal struct {
	Why   string `json:"why"`
	Times int64  `json:"times"`
}

// sharedStatement is a statement that was closed.
type sharedStatement struct {
	Number string    `json:"number"`
	Month  string    `json:"month"`
	Owed   string    `json:"owed"`
	Closed time.Time `json:"closed_at"`
	Text   string    `json:"text,omitempty"` // as it is read, where that one was asked for
}

// shared is what the page of a link shows: all of it, or one statement by its number.
func (e *Engine) shared(ctx context.Context, share *tally.Share, number string) (any, error) {
	c, now := e.catalog.Load(), e.clock()
	cl := c.Client(share.Client)
	if cl == nil {
		return nil, tally.Errorf(tally.NotFound, "the client was deleted")
	}
	entries, err := e.store.Entries(ctx, storage.EntryQuery{Client: cl.ID})
	if err != nil {
		return nil, err
	}
	closed, err := closedOf(entries)
	if err != nil {
		return nil, err
	}
	statements := []sharedStatement{}
	for i := range slices.Backward(closed) {
		v := &closed[i]
		s := sharedStatement{Number: v.Number, Month: v.Period.Name, Owed: v.Owed(), Closed: v.Closed}
		if number == v.Number {
			s.Text = v.Plain(78)
			return s, nil
		}
		statements = append(statements, s)
	}
	if number != "" {
		return nil, tally.Errorf(tally.NotFound, "there is no such statement")
	}
	out := &sharedPage{Client: cl.Name, Now: now.UTC(), ExpiresAt: share.ExpiresAt, Statements: statements,
		Models: []sharedUse{}, Limits: []sharedLimit{}, Refused: []sharedRefusal{}}
	if len(entries) > 0 && slices.ContainsFunc(entries, func(r tally.Record) bool { return r.Entry.Funds != 0 }) {
		f, err := e.funds(ctx, cl.ID)
		if err != nil {
			return nil, err
		}
		left, _, _ := f.left()
		out.Balance = left.Display()
	}
	if err := e.sharedUsage(ctx, c, cl, out); err != nil {
		return nil, err
	}
	return out, e.sharedLimits(ctx, c, cl, out)
}

// sharedUsage tells of the month under way.
func (e *Engine) sharedUsage(ctx context.Context, c *tally.Catalog, cl *tally.Client, out *sharedPage) error {
	cal := calendarOf(c, cl.Gateway, out.Now)
	month := tally.Window{Unit: tally.Month}.Period(cal.Now, cal.Zone, cal.CycleDay)
	out.Zone, out.Month.Since, out.Month.Until = cal.Zone.String(), month.Start, month.End
	out.Month.sharedUse = useOf("", &tally.Sums{})
	edges := []time.Time{bucketDown(month.Start), bucketDown(cal.Now).Add(tally.Bucket)}
	ask := []storage.SeriesQuery{}
	for _, f := range []tally.Family{tally.ByClient, tally.ByClientModel, tally.ByClientCode} {
		ask = append(ask, storage.SeriesQuery{Family: f, First: string(cl.ID), Edges: edges})
	}
	points, err := e.store.Series(ctx, ask...)
	if err != nil {
		return err
	}
	why := map[string]int64{}
	for i := range points {
		switch p := &points[i]; p.Of {
		case 0:
			out.Month.sharedUse = useOf("", &p.Sums)
		case 1:
			if p.Requests != 0 || p.Credits != 0 { // or it was only refused
				out.Models = append(out.Models, useOf(p.Dim[1], &p.Sums))
			}
		default:
			if p.Refused > 0 {
				why[refusedFor(p.Dim[1])] += p.Refused
			}
		}
	}
	for text, times := range why {
		out.Refused = append(out.Refused, sharedRefusal{text, times})
	}
	tally.Order(out.Refused, func(a, b sharedRefusal) int {
		if a.Times != b.Times {
			return int(b.Times - a.Times)
		}
		return strings.Compare(a.Why, b.Why)
	})
	tally.OrderStable(out.Models, func(a, b sharedUse) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// sharedLimits tells where the limits of a client and of its keys stand. Of what limits the
// owner's cost a client that pays otherwise is told the share.
func (e *Engine) sharedLimits(ctx context.Context, c *tally.Catalog, cl *tally.Client, out *sharedPage) error {
	gw := gatewayOf(c, cl)
	pays := meter.PaysOtherwise(&tally.Principal{Client: cl})
	add := func(kind string, id tally.ID, name string, limits []tally.Limit) error {
		states, _, err := e.limitStates(ctx, c, gw, kind, id, name, limits, out.Now)
		for i := range states {
			s := &states[i]
			l := sharedLimit{Of: name, What: limitWords(s.Limit), ResetsAt: s.ResetsAt, Warn: s.Warn}
			l.Percent = min(control.ShareOf(s.Used+s.Held, max(s.Max, 1)).N/10_000, 100)
			if l.Text = meter.Share(s.Used, s.Max) + " of the budget"; s.Metric != tally.Cost || !pays {
				l.Text, l.Left = s.Metric.Format(s.Used)+" of "+s.Metric.Format(s.Max), s.Metric.Format(max(s.Left, 0))
			}
			out.Limits = append(out.Limits, l)
		}
		return err
	}
	if err := add("client", cl.ID, "", cl.Limits); err != nil {
		return err
	}
	for _, k := range c.KeysOf(cl.ID) {
		if keyState(k, out.Now) == "active" {
			if err := add("key", k.ID, k.Label, k.Limits); err != nil {
				return err
			}
		}
	}
	return nil
}

// limitWords are a limit in words: "credits a month", "requests in all".
func limitWords(l tally.Limit) string {
	what := string(l.Metric)
	switch {
	case l.Metric == tally.Balance:
		return "paid in advance"
	case l.Metric == tally.Cost:
		what = "budget"
	}
	if per := l.Window.Per; per != "" {
		what += " per " + per
	}
	switch l.Window.Unit {
	case tally.Total:
		return what + " in all"
	case tally.DayPart:
		return what + " in " + l.Window.String()
	case tally.Hour:
		return what + " an hour"
	}
	return what + " a " + string(l.Window.Unit)
}

// refusals are why requests were refused, in words for a client, by their codes.
var refusals = map[string]string{
	tally.CodeKeyExpired: "a key had expired", tally.CodeKeyRevoked: "a key was revoked or replaced",
	tally.CodeClientSuspended: "access was suspended", tally.CodeClientInactive: "access was switched off",
	tally.CodeGatewayDisabled: "access was switched off", tally.CodeOrigin: "a web page that may not use the key",
	tally.CodeModelNotAllowed: "a model that may not be used", tally.CodeModelNotFound: "a model that is not offered",
	tally.CodeModelUnpriced: "a model that is not offered", tally.CodeConcurrency: "too many requests at the same time",
	tally.CodeRate: "too many requests in a minute", tally.CodeBudgetHeld: "requests under way held the rest of the budget",
	tally.CodeExtraUnpriced: "something that is not offered was asked for", tally.CodeSessionMissing: "no end user was named",
	tally.CodeTooLarge: "the request was too large", tally.CodeBadRequest: "the request was not valid",
	tally.LimitCode(tally.Requests): "the limit on requests was used up", tally.LimitCode(tally.TokensIO): "the limit on tokens was used up",
	tally.LimitCode(tally.Cost): "the budget was used up", tally.LimitCode(tally.Credits): "the budget was used up",
	tally.LimitCode(tally.Sessions): "the limit on sessions was used up", tally.LimitCode(tally.Balance): "what was paid in advance was used up",
}

// refusedFor is why, in words. What a client has no part in is told as one thing.
func refusedFor(code string) string {
	if why := refusals[code]; why != "" {
		return why
	}
	return "the service was not available"
}
