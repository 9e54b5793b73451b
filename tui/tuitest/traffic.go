package tuitest

import (
	"fmt"
	"math"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// settleTraffic invents the latest quarter of an hour and the records of it.
func (w *World) settleTraffic(records int) {
	const seconds = 15 * 60
	now := w.clock().UTC().Truncate(time.Second)
	for i := range seconds {
		w.second(now.Add(time.Duration(i-seconds) * time.Second))
	}
	for i := range records {
		w.record(now.Add(time.Duration(i-records) * 2 * time.Second))
	}
}

// second invents the traffic of a second, which rises and falls over minutes.
func (w *World) second(at time.Time) {
	rate := 22 + 7*math.Sin(float64(at.Unix())/97) + 4*w.random.Float64()
	s := &tally.Second{At: at, Requests: int64(rate), Refused: int64(w.random.IntN(3) / 2), Tokens: int64(rate) * 880, Cost: tally.NanoUSD(rate * 210_000),
		Total: time.Duration(rate * 460 * float64(time.Millisecond))}
	if at.Unix()%181 == 0 {
		s.Errors = 2
	}
	w.events = append(w.events, tally.Event{Seq: uint64(len(w.events) + 1), Kind: tally.TickEvent, At: at, Second: s})
}

// More lets a second of traffic with so many requests happen.
func (w *World) More(requests int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.more(requests)
}

func (w *World) more(requests int) {
	now := w.clock().UTC()
	for range requests {
		w.record(now)
	}
	w.second(now.Truncate(time.Second))
	w.happened()
}

// refusals and failures are ways a request ends badly.
var endings = []struct {
	status  int
	outcome tally.Outcome
	code    string
}{
	{429, tally.OutcomeLimited, tally.LimitCode(tally.Cost)}, {429, tally.OutcomeLimited, tally.CodeRate}, {403, tally.OutcomeDenied, tally.CodeClientSuspended},
	{401, tally.OutcomeDenied, tally.CodeKeyExpired}, {403, tally.OutcomeDenied, tally.CodeModelNotAllowed}, {504, tally.OutcomeFailed, tally.CodeProviderTimeout},
	{502, tally.OutcomeFailed, tally.CodeProviderError}, {499, tally.Canceled, tally.CodeClientClosed}, {200, tally.Lost, ""},
}

// record invents a request: every twelfth ends badly, each time in another way.
func (w *World) record(at time.Time) {
	if len(w.clients) == 0 || len(w.models) == 0 {
		return
	}
	n := len(w.records)
	c := w.clients[[]int{0, 1, 0, 2, 3, 0, 5, 1, 6, 7}[n%10]%len(w.clients)]
	m := w.models[[]int{0, 1, 0, 5, 0, 2, 0, 7}[n%8]%len(w.models)]
	r := tally.Record{ID: w.id("req"), Seq: uint64(n + 1), At: at, Gateway: c.Gateway, Client: c.ID, Provider: m.Provider, Endpoint: "chat/completions",
		Model: m.Name, Upstream: m.UpstreamName(), Attempts: 1, Status: 200, Outcome: tally.OK, Stream: n%3 > 0, Basis: tally.Exact, Count: 1,
		Session: "s3f9a0", NewSession: n%9 == 0, Country: "PT"}
	for _, k := range w.keys {
		if k.Client == c.ID {
			r.Key = k.ID
			break
		}
	}
	r.Tokens = tally.Tokens{Input: 200 + w.random.Int64N(1800), CachedInput: w.random.Int64N(400), Output: 20 + w.random.Int64N(500)}
	r.Cost = tally.NanoUSD(r.Tokens.Total() * 240)
	r.Credits = r.Cost.WithMarkup(c.MarkupBasisPoints)
	r.FirstByte = time.Duration(120+w.random.IntN(300)) * time.Millisecond
	r.Total = r.FirstByte + time.Duration(w.random.IntN(2400))*time.Millisecond
	switch n % 29 {
	case 9:
		r.Waited = 3200 * time.Millisecond
	case 13:
		r.Cut = true
	case 17:
		r.Answered, r.Billed, r.Listed = m.UpstreamName()+"-2026-11-05", new(r.Cost), r.Cost*9/10
	}
	if n%12 == 11 {
		e := endings[n/12%len(endings)]
		r.Status, r.Outcome, r.Code = e.status, e.outcome, e.code
		switch {
		case r.Outcome.Refused():
			r.Tokens, r.Cost, r.Credits, r.FirstByte, r.Total, r.Attempts, r.Provider, r.Upstream, r.Basis = tally.Tokens{}, 0, 0, 0, time.Millisecond, 0, "", "", ""
			if r.Outcome == tally.OutcomeLimited {
				r.Reason = fmt.Sprintf("Client %q has used $41.20 of $41.20 this month, and this request needs up to $0.0042; it resets on 2026-12-01 00:00 (UTC).", c.Name)
				r.Reached = &tally.Reached{Subject: tally.SubjectOf("client", c.ID), Metric: tally.Cost, Window: "2026-11", Used: 41_200_000_000, Need: 4_200_000, Max: 41_200_000_000,
					Resets: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
			}
		case r.Outcome == tally.OutcomeFailed:
			r.Tokens, r.Cost, r.Credits, r.Attempts = tally.Tokens{}, 0, 0, 2
			r.Tries = []tally.Attempt{{Provider: m.Provider, Cause: "timeout", Detail: "no byte of an answer came within 30s", Took: 30 * time.Second},
				{Provider: m.Provider, Cause: "server", Status: 500, Code: "overloaded_error", Detail: "\"The engine is overloaded, please try again later\"", Request: "req_7f3a", Took: time.Second}}
			w.fails(m.Provider, &r)
		case r.Outcome == tally.Lost:
			r.Basis = tally.Held
		default:
			r.Basis = tally.Estimated
		}
	}
	r.Charges = charges(c, &r)
	w.records = append(w.records, r)
	w.events = append(w.events, tally.Event{Seq: uint64(len(w.events) + 1), Kind: tally.RecordEvent, At: at, Record: &r})
}

// fails counts the attempts of a request at its provider.
func (w *World) fails(id tally.ID, r *tally.Record) {
	for _, p := range w.providers {
		if p.ID != id {
			continue
		}
		if p.Failures == nil {
			p.Failures = control.Failures{{Cause: "timeout"}, {Cause: "server"}}
		}
		p.Failures[0].Count++
		p.Failures[1].Count++
		p.LastFailure = &control.LastFailure{At: r.At, Request: r.ID, AttemptView: control.NewAttemptView(&r.Tries[1], p.Name)}
	}
}

// charges are what a request did to its client's limits.
func charges(c *control.ClientView, r *tally.Record) []tally.Charged {
	var out []tally.Charged
	amounts := r.Amounts()
	for _, l := range c.LimitStates {
		out = append(out, tally.Charged{Subject: tally.SubjectOf("client", c.ID), Metric: l.Metric, Window: l.Period, Amount: amounts.Of(l.Metric), Used: l.Used, Max: l.Max})
	}
	return out
}
