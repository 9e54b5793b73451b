package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/storage"
)

// write puts requests into a store, AtOnce at a time. The order stays that of time but
// for a few neighbours.
func (a *Agency) write(ctx context.Context, store storage.Store, requests []request) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var writing sync.WaitGroup
	for range max(a.AtOnce, 1) {
		writing.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= int64(len(requests)) {
					return
				}
				if err := a.writeOne(ctx, store, &requests[i]); err != nil {
					stop(err)
				}
			}
		})
	}
	writing.Wait()
	return context.Cause(ctx)
}

// Requests writes n short requests more, as they come in at an instant. The same n at the
// same instant are the same.
func (a *Agency) Requests(ctx context.Context, store storage.Store, at time.Time, n int) error {
	return a.write(ctx, store, a.several(at, n, a.incoming))
}

// Visits is Requests of visitors of the website alone. They meet no limit here, so that a
// store that adds up its whole history for each limit takes thousands of them.
func (a *Agency) Visits(ctx context.Context, store storage.Store, at time.Time, n int) error {
	return a.write(ctx, store, a.several(at, n, a.visit))
}

func (a *Agency) several(at time.Time, n int, one func(*rand.Rand, time.Time) request) []request {
	dice := rand.New(rand.NewPCG(uint64(at.UnixNano()), uint64(n)))
	requests := make([]request, n)
	for i := range requests {
		requests[i] = one(dice, at)
		requests[i].shorten()
	}
	return requests
}

// record is what a request leaves behind if nothing stands in its way.
func (a *Agency) record(r *request) tally.Record {
	rec := tally.Record{
		ID: tally.NewID("req", r.at), At: r.at, Provider: a.providers[r.model.provider],
		Endpoint: "chat/completions", Model: r.model.name, Upstream: r.model.name, Attempts: 1, Status: r.status, Outcome: r.outcome, Stream: r.stream,
		Basis: tally.Exact, Tokens: r.tokens, Cost: r.cost, Credits: r.cost, FirstByte: r.first, Total: r.total, Code: r.code, Count: max(r.count, 1),
	}
	if r.client < 0 {
		a.visited(&rec, r.visit)
	} else {
		c := &a.clients[r.client]
		rec.Gateway, rec.Client, rec.Key = c.made.Gateway, c.made.ID, c.live[r.key].id
		rec.Tags = tagsOf(r)
		rec.Credits = r.cost.WithMarkup(c.made.TariffAt(r.at).Added)
	}
	switch {
	case r.model.answer == 0:
		rec.Endpoint = "embeddings"
	case r.outcome == tally.Lost:
		rec.Basis = tally.Held
	case r.outcome == tally.Canceled:
		rec.Basis = tally.Estimated
	case r.outcome == tally.OutcomeFailed:
		rec.Uncounted, rec.Basis = true, ""
		rec.Tries = []tally.Attempt{failedAttempt(&rec, a.Now.Sub(r.at) < tally.KeptDetails)}
	case r.code == tally.CodeModelNotFound:
		rec.Model = "gpt-9"
	}
	if r.more != nil {
		r.more(&rec)
	}
	return rec
}

// tagsOf marks a client's request with the program that sent it and what that was doing.
func tagsOf(r *request) tally.Tags {
	tools := [...]string{"n8n", "openai-sdk", "n8n", "langchain", "curl"}
	flows := [...]string{"orders", "questions", "bookings", "questions"}
	tags := tally.Tags(tally.TagTool + "=" + tools[(r.client+r.key)%len(tools)])
	return tags.With("workflow=" + flows[(r.session+r.at.Minute())%len(flows)])
}

// refusal is what a request leaves behind that reaches no provider.
func refusal(rec tally.Record) tally.Record {
	rec.Provider, rec.Upstream, rec.Attempts, rec.Basis, rec.Tokens, rec.Cost, rec.Credits, rec.FirstByte, rec.Total = "", "", 0, "", tally.Tokens{}, 0, 0, 0, time.Millisecond
	return rec
}

func (a *Agency) writeOne(ctx context.Context, store storage.Store, r *request) error {
	rec := a.record(r)
	if r.outcome.Refused() {
		return store.Refuse(ctx, refusal(rec))
	}
	hold := tally.Reservation{ID: rec.ID, At: r.at, ExpiresAt: r.at.Add(time.Hour), Draft: rec}
	for i, amount := range rec.Amounts() {
		hold.Bounds[i].Base = amount
	}
	if r.client >= 0 {
		c := &a.clients[r.client]
		for _, l := range c.made.Limits {
			if l.Window.Unit != tally.Minute {
				hold.Charges = append(hold.Charges, tally.Charge{
					Counter: tally.Counter{Subject: tally.SubjectOf("client", c.made.ID), Metric: l.Metric, Period: l.Window.Period(r.at, a.Zone, 1)}, Max: l.Max,
				})
			}
		}
		if r.session > 0 {
			hold.Session = &tally.SessionUse{Client: c.made.ID, Member: fmt.Sprintf("%s-%d", c.slug, r.session), Until: r.at.Add(tally.DefaultSessionLength)}
		}
	}
	_, err := store.Reserve(ctx, hold)
	if limit, ok := errors.AsType[*tally.LimitError](err); ok {
		rec.Status, rec.Outcome, rec.Code, rec.Tries, rec.Uncounted = 429, tally.OutcomeLimited, tally.LimitCode(limit.Metric), nil, false
		rec.Reached = limit.Reached()
		rec.Reason = fmt.Sprintf("Client %q has used all of its budget this month; it resets on %s.",
			a.clients[r.client].name, tally.Civil(limit.Period.End, a.Zone))
		return store.Refuse(ctx, refusal(rec))
	}
	if err != nil {
		return err
	}
	return store.Settle(ctx, tally.Settlement{ID: rec.ID, Record: rec})
}

// failedAttempt is why a request of the history has failed; words is whether they are
// kept still.
func failedAttempt(rec *tally.Record, words bool) tally.Attempt {
	t := tally.Attempt{Provider: rec.Provider, Upstream: rec.Upstream, Took: rec.Total, Cause: string(providers.ServerError), Status: 500, Code: "server_error",
		Detail: `"The server had an error while processing your request"`}
	if rec.Code == tally.CodeProviderTimeout {
		t.Cause, t.Status, t.Code, t.Detail = string(providers.TimedOut), 0, "", "the upstream took too long"
	}
	if !words {
		t.Detail = ""
	}
	return t
}
