package meter

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// unrecorded refuses a request that the store could not take.
func (m *Meter) unrecorded(r *Request, err error) *tally.Refusal {
	e := tally.AsError(err)
	if errors.Is(err, context.Canceled) {
		e = tally.Errorf(tally.Unavailable, "the caller left") // nobody reads it
	}
	if e.Code != tally.Unavailable {
		m.log.Error("reserve", "request", r.ID, "err", err)
	}
	return &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStore,
		Message: "The gateway cannot record this request, so it does not send it: " + e.Message + ".", RetryAfter: 5 * time.Second}
}

// retryHeld is when a caller may try again that was refused because of requests in
// flight.
const retryHeld = 2 * time.Second

// limitReached puts a store's refusal into words for the caller: whose limit,
// how much of it is used, and when that changes.
func limitReached(r *Request, pl *plan, e *tally.LimitError) *tally.Refusal {
	out := inWords(r, pl, e)
	out.Reached = e.Reached()
	return out
}

func inWords(r *Request, pl *plan, e *tally.LimitError) *tally.Refusal {
	if e.ByPlace() {
		return tooManyInFlight(r, e)
	}
	if e.Metric == tally.Balance {
		return balanceReached(r, e)
	}
	l := pl.limitOf(e.Counter)
	v := viewOf(r.Principal, e)
	text := v.used(phrase(l.Window))
	out := &tally.Refusal{Status: http.StatusTooManyRequests, Type: tally.TypeQuota, Code: limitCode(e.Subject, l.Limit), Final: true}
	if l.Window.Unit == tally.Minute {
		out.Type, out.Final = tally.TypeRate, false
	}
	switch {
	case e.Need > e.Max: // no new window will let it pass
		out.Final = true
		if e.Max > 0 && !v.hidden {
			text += fmt.Sprintf(", and this request needs up to %s, more than the whole limit%s", v.atMost(e.Need), shorter(r))
		}
		out.Message = text + "."
		return out
	case e.ByHoldsOnly():
		out.Type, out.Code, out.Final, out.RetryAfter = tally.TypeRate, tally.CodeBudgetHeld, false, retryHeld
		if out.Message = text + ", as far as requests in flight tell. Try again in a moment."; !v.hidden {
			out.Message = fmt.Sprintf("%s and requests in flight hold %s; this one needs up to %s. Try again in a moment.", text, v.amount(e.Held), v.atMost(e.Need))
		}
		return out
	case e.Used < e.Max && !v.hidden:
		text += fmt.Sprintf(", and this request needs up to %s", v.atMost(e.Need))
	}
	if e.Period.Ends() {
		text += "; it resets on " + tally.Civil(e.Period.End, l.zone)
		out.RetryAfter = max(e.Period.End.Sub(r.At), time.Second)
	}
	out.Message = text + "."
	return out
}

// balanceReached refuses what was not paid for in advance.
func balanceReached(r *Request, e *tally.LimitError) *tally.Refusal {
	out := &tally.Refusal{Status: http.StatusTooManyRequests, Type: tally.TypeQuota, Code: tally.LimitCode(e.Metric), Final: true}
	left := tally.AddSat(e.Max, -e.Used)
	who, amount := whose(r.Principal, e.Subject), e.Metric.Format
	switch {
	case left <= 0:
		out.Message = fmt.Sprintf("%s has used up what was paid in advance.", who)
	case e.ByHoldsOnly():
		out.Type, out.Code, out.Final, out.RetryAfter = tally.TypeRate, tally.CodeBudgetHeld, false, retryHeld
		out.Message = fmt.Sprintf("%s has %s left of what was paid in advance, and requests in flight hold %s; this one needs up to %s. Try again in a moment.",
			who, amount(left), amount(e.Held), amount(e.Need))
	default:
		out.Message = fmt.Sprintf("%s has %s left of what was paid in advance, and this request needs up to %s; a shorter one may fit.",
			who, amount(left), amount(e.Need))
	}
	return out
}

// shorter tells what would fit.
func shorter(r *Request) string {
	if r.Unbounded != "" {
		return fmt.Sprintf(", because %s may be as long as the model's context", r.Unbounded)
	}
	return "; a shorter one may fit"
}

// view is how a caller sees a limit. What the owner pays is not for those whom the
// owner bills otherwise, nor for visitors of a page.
type view struct {
	*tally.LimitError
	whose  string
	share  bool // amounts are shares of the limit
	hidden bool
}

func viewOf(p *tally.Principal, e *tally.LimitError) view {
	kind, _ := e.Subject.Split()
	return view{LimitError: e, whose: whose(p, e.Subject), share: PaysOtherwise(p) && e.Metric == tally.Cost,
		hidden: p.Visitor && (kind == "gateway" || e.Metric.Money())}
}

// PaysOtherwise reports whether a client is billed by a tariff, so that what its requests
// cost the owner is not for its eyes.
func PaysOtherwise(p *tally.Principal) bool { return p.Client != nil && len(p.Client.Tariffs) > 0 }

func (v view) used(when string) string {
	switch {
	case v.hidden:
		return fmt.Sprintf("%s has used what it may %s", v.whose, when)
	case v.share:
		return fmt.Sprintf("%s has used %s of its budget %s", v.whose, v.amount(v.Used), when)
	}
	return fmt.Sprintf("%s has used %s of %s %s%s", v.whose, v.amount(v.Used), v.amount(v.Max), noun(v.Metric), when)
}

func (v view) amount(n int64) string {
	if v.share {
		return Share(n, v.Max)
	}
	return v.Metric.Format(n)
}

// atMost is amount for what a request needs at most: a share of it is rounded up, so that
// something is never said to need nothing.
func (v view) atMost(n int64) string {
	if hundredth := (v.Max - 1) / 100; v.share && n > 0 && n < v.Max && v.Max > 0 {
		return Share(tally.AddSat(n, hundredth), v.Max)
	}
	return v.amount(n)
}

// Share is a part of a limit in percent, rounded down.
func Share(n, most int64) string {
	if most <= 0 {
		return "100%"
	}
	hi, lo := bits.Mul64(uint64(max(n, 0)), 100)
	if hi >= uint64(most) {
		return "over 100%"
	}
	share, _ := bits.Div64(hi, lo, uint64(most))
	return fmt.Sprintf("%d%%", share)
}

// limitCode is the public code of a limit of a subject.
func limitCode(s tally.Subject, l tally.Limit) string {
	kind, _ := s.Split()
	switch {
	case kind == "visitor":
		return tally.CodeVisitorQuota
	case l.Window.Unit == tally.Minute:
		return tally.CodeRate
	}
	return tally.LimitCode(l.Metric)
}

func whose(p *tally.Principal, s tally.Subject) string {
	if of, label, part := s.Part(); part {
		return partWords(p, of, label)
	}
	switch kind, _ := s.Split(); {
	case kind == "key" && p.Key != nil:
		return fmt.Sprintf("Key %q of client %q", p.Key.Label, p.Client.Name)
	case kind == "visitor" && p.Token != nil && p.Token.Visitor != "":
		return fmt.Sprintf("This visitor, with access token %s,", p.Token.ID)
	case kind == "visitor" && p.Token != nil:
		return fmt.Sprintf("This visitor's address, with access token %s,", p.Token.ID)
	case kind == "visitor":
		return fmt.Sprintf("This visitor's address, at gateway %q,", p.Gateway.Name)
	case kind != "gateway":
		return p.Who()
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

func phrase(w tally.Window) string {
	switch w.Unit {
	case tally.Minute:
		return "this minute"
	case tally.Hour:
		return "this hour"
	case tally.DayPart:
		return fmt.Sprintf("in these %d hours", w.Hours)
	case tally.Day:
		return "today"
	case tally.Week:
		return "this week"
	case tally.Month:
		return "this month"
	case tally.Quarter:
		return "this quarter"
	}
	return "in all"
}

func sessionMissing(c *tally.Client) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusBadRequest, Type: tally.TypeInvalid, Code: tally.CodeSessionMissing, Param: "user",
		Message: fmt.Sprintf("Client %q must say which end user each request is for: send the header X-Session-Id or the field user.", c.Name)}
}

func tooManyInFlight(r *Request, e *tally.LimitError) *tally.Refusal {
	who := r.Principal.Who()
	if r.Principal.Visitor {
		who = whose(r.Principal, "visitor/")
	}
	return &tally.Refusal{Status: http.StatusTooManyRequests, Type: tally.TypeRate, Code: tally.CodeConcurrency, RetryAfter: retryHeld,
		Message: fmt.Sprintf("%s has %d of %d requests in flight. Try again when one has been answered.", who, e.Held, e.Place.Max)}
}

// refusalKey is what makes refusals alike.
type refusalKey struct {
	gateway, client, key tally.ID
	token, code          string
	limit                string // whose, and which; of visitors and sessions only that it is theirs
	minute               int64  // since 1970
}

func keyOf(rec *tally.Record) refusalKey {
	k := refusalKey{gateway: rec.Gateway, client: rec.Client, key: rec.Key, token: rec.Token, code: rec.Code, minute: rec.At.Unix() / 60}
	if x := rec.Reached; x != nil {
		who, _ := x.Subject.Split()
		if of, label, part := x.Subject.Part(); part && !strings.HasPrefix(label, tally.PartSession+"=") {
			who = string(x.Subject) // of which there are not too many
		} else if part {
			kind, _ := of.Split()
			who = kind + " " + tally.PartSession
		}
		k.limit = who + " " + string(x.Metric) + " " + x.Window
	}
	return k
}

// refusals counts what was refused again within a minute.
type refusals struct {
	mu sync.Mutex                   // guards the field that follows
	of map[refusalKey]*tally.Record // the next to record; its Count is 0 if there was only the first
}

// Refuse counts a refusal of a known principal, whom rec need not name. The first of its
// kind in a minute is recorded at once; the others get one record together, under the ID
// of the second, when the minute is over. The ID that Refuse returns is known to
// [Meter.Refusal] and to the records: it names the record, and which of the record's
// refusals this one is.
func (m *Meter) Refuse(ctx context.Context, p *tally.Principal, rec tally.Record) tally.ID {
	attribute(&rec, p)
	m.usedUp.count(&rec)
	if id := m.refusedBefore(p, &rec); id != "" {
		return id
	}
	rec.Count = 1
	if p.Visitor {
		who := m.visitorOf(p)
		rec.VisitorNet, rec.Visitor = who.record()
	}
	m.record(ctx, rec)
	return rec.ID
}

// RefusalID is the record's part of an ID that [Meter.Refuse] has returned.
func RefusalID(id tally.ID) tally.ID {
	of, _, _ := strings.Cut(string(id), ".")
	return tally.ID(of)
}

// Refusal is a refusal that is counted and not yet recorded, nil if there is none of
// that ID.
func (m *Meter) Refusal(id tally.ID) *tally.Record {
	m.refusals.mu.Lock()
	defer m.refusals.mu.Unlock()
	for _, rec := range m.refusals.of {
		if rec.Count > 0 && rec.ID == id {
			return new(*rec)
		}
	}
	return nil
}

// refusedBefore counts a refusal, unless it is the first of its kind, and returns its
// ID.
func (m *Meter) refusedBefore(p *tally.Principal, rec *tally.Record) tally.ID {
	k := keyOf(rec)
	m.refusals.mu.Lock()
	defer m.refusals.mu.Unlock()
	again := m.refusals.of[k]
	switch {
	case again == nil:
		m.refusals.of[k] = &tally.Record{}
		return ""
	case again.Count == 0:
		*again = *rec
		again.Count = 0
		if p.Visitor {
			who := m.visitorOf(p)
			again.VisitorNet, again.Visitor = who.record()
		}
	}
	if again.Count++; again.Count == 1 {
		return again.ID
	}
	return again.ID + tally.ID("."+strconv.FormatInt(again.Count, 10))
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
