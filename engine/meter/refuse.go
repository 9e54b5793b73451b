package meter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// refusalOf puts a store's answer into words for the caller.
func (m *Meter) refusalOf(r *Request, err error) *tally.Refusal {
	var limit *tally.LimitError
	if errors.As(err, &limit) {
		return limitReached(r, limit)
	}
	if tally.CodeOf(err) != tally.Unavailable {
		m.log.Error("reserve", "request", r.ID, "err", err)
	}
	return &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStore,
		Message: "The gateway cannot record this request, so it does not send it: " + tally.AsError(err).Message, RetryAfter: 5 * time.Second}
}

func limitReached(r *Request, e *tally.LimitError) *tally.Refusal {
	who, reset := whose(r, e.Subject), ""
	window := e.Period.Label
	if l, ok := limitOf(r, e); ok {
		window = phrase(l.Window.Unit)
	}
	if e.Period.Ends() {
		zone := r.Catalog.Zone(r.Principal.Gateway.ID)
		reset = fmt.Sprintf("; it resets on %s (%s)", e.Period.End.In(zone).Format("2006-01-02 15:04"), zone)
	}
	used := fmt.Sprintf("%s has used %s of %s %s%s", who, e.Metric.Format(e.Used), e.Metric.Format(e.Max), noun(e.Metric), window)
	out := &tally.Refusal{Status: http.StatusTooManyRequests}
	switch {
	case e.ByHoldsOnly():
		out.Type, out.Code, out.RetryAfter = tally.TypeRate, tally.CodeBudgetHeld, time.Second
		out.Message = fmt.Sprintf("%s and requests in flight hold %s; this one needs up to %s. Try again in a moment.", used, e.Metric.Format(e.Held), e.Metric.Format(e.Need))
		return out
	case e.Period.End.Sub(e.Period.Start) <= time.Minute:
		out.Type, out.Code = tally.TypeRate, tally.CodeRate
	default:
		out.Type, out.Code, out.Final = tally.TypeQuota, tally.LimitCode(e.Metric), true
	}
	if e.Used < e.Max {
		used += fmt.Sprintf(", and this request needs up to %s", e.Metric.Format(e.Need))
	}
	out.Message = used + reset + "."
	if e.Period.Ends() {
		out.RetryAfter = max(e.Period.End.Sub(r.At), time.Second)
	}
	return out
}

func limitOf(r *Request, e *tally.LimitError) (tally.Limit, bool) {
	p := r.Principal
	lists := [][]tally.Limit{p.Gateway.Limits}
	if p.Key != nil {
		lists = append(lists, p.Client.Limits, p.Key.Limits)
	}
	zone := r.Catalog.Zone(p.Gateway.ID)
	for _, list := range lists {
		for _, l := range list {
			if l.Metric == e.Metric && l.Window.Period(r.At, zone, p.Gateway.CycleDay) == e.Period {
				return l, true
			}
		}
	}
	return tally.Limit{}, false
}

func whose(r *Request, s tally.Subject) string {
	p := r.Principal
	switch kind, _ := s.Split(); {
	case kind == "key" && p.Key != nil:
		return fmt.Sprintf("Key %q of client %q", p.Key.Label, p.Client.Name)
	case kind == "client" && p.Client != nil:
		return fmt.Sprintf("Client %q", p.Client.Name)
	}
	return fmt.Sprintf("Gateway %q", p.Gateway.Name)
}

// noun names a metric after its amount; of money the amount says enough.
func noun(m tally.Metric) string {
	switch m {
	case tally.Cost:
		return ""
	case tally.Credits:
		return "in credits "
	}
	return string(m) + " "
}

func phrase(u tally.Unit) string {
	switch u {
	case tally.Minute:
		return "this minute"
	case tally.Hour:
		return "this hour"
	case tally.Day:
		return "today"
	case tally.Week:
		return "this week"
	case tally.Month:
		return "this month"
	}
	return "in all"
}

func sessionMissing(c *tally.Client) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusBadRequest, Type: tally.TypeInvalid, Code: tally.CodeSessionMissing, Param: "user",
		Message: fmt.Sprintf("Client %q must say which end user each request is for: send the header X-Session-Id or the field user.", c.Name)}
}

func tooManyInFlight(c *tally.Client) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusTooManyRequests, Type: tally.TypeRate, Code: tally.CodeConcurrency, RetryAfter: time.Second,
		Message: fmt.Sprintf("Client %q has %d of %d requests in flight. Try again when one has been answered.", c.Name, c.MaxInFlight, c.MaxInFlight)}
}

// refusalKey is what makes refusals alike: subject, code and minute.
type refusalKey struct {
	gateway, client, key tally.ID
	code                 string
	minute               int64
}

// refusals counts what was refused again within a minute.
type refusals struct {
	mu sync.Mutex                   // guards the field that follows
	of map[refusalKey]*tally.Record // Count is how many are not recorded yet
}

// Refuse counts a refusal of a known principal. The first of its kind in a
// minute is recorded at once.
func (m *Meter) Refuse(ctx context.Context, rec tally.Record) {
	k := refusalKey{rec.Gateway, rec.Client, rec.Key, rec.Code, rec.At.Unix() / 60}
	m.refusals.mu.Lock()
	if again := m.refusals.of[k]; again != nil {
		if again.Count == 0 {
			id := again.ID
			*again = rec
			again.ID, again.Count = id, 0
		}
		again.Count++
		m.refusals.mu.Unlock()
		return
	}
	m.refusals.of[k] = &tally.Record{ID: tally.NewID("req", rec.At)}
	m.refusals.mu.Unlock()
	rec.Count = 1
	m.record(ctx, rec)
}

// FlushRefusals records what was refused again in minutes that are over, or,
// with a zero now, in all.
func (m *Meter) FlushRefusals(ctx context.Context, now time.Time) {
	var done []tally.Record
	m.refusals.mu.Lock()
	for k, rec := range m.refusals.of {
		if now.IsZero() || k.minute < now.Unix()/60 {
			delete(m.refusals.of, k)
			if rec.Count > 0 {
				done = append(done, *rec)
			}
		}
	}
	m.refusals.mu.Unlock()
	for _, rec := range done {
		m.record(ctx, rec)
	}
}

func (m *Meter) record(ctx context.Context, rec tally.Record) {
	if err := m.store.Refuse(ctx, rec); err != nil {
		m.log.Error("record refusal", "code", rec.Code, "err", err)
	}
}
