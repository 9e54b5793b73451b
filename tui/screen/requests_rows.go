package screen

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
)

const (
	keptRows = 2000 // of the live tail
	perPage  = 500  // records of one call
	maxPages = 20   // of one look further back, for a filter that few pass
)

// rows are requests, the newest first: the live tail, and below it what has
// been read of the history. They follow the engine, or stand still while it
// goes on.
type rows struct {
	follow bool
	seen   uint64 // requests that the source had seen when the tail was taken
	tail   []*control.RequestView
	older  []*control.RequestView // all before the last of tail
	next   string                 // cursor to what is before older, "" for the newest
	end    bool                   // there is nothing before older
}

// take adds what has come in since the last snapshot.
func (r *rows) take(s *live.Snapshot) {
	fresh := int(min(s.Seen-r.seen, uint64(len(s.Tail))))
	if s.Seen < r.seen { // another source
		fresh, r.tail = len(s.Tail), nil
	}
	r.seen = s.Seen
	if fresh == 0 {
		return
	}
	kept := min(len(r.tail), keptRows-fresh)
	tail := make([]*control.RequestView, 0, fresh+max(kept, 0))
	for i := range fresh {
		tail = append(tail, s.Tail[i])
	}
	if kept > 0 {
		tail = append(tail, r.tail[:kept]...)
	}
	if kept < len(r.tail) { // a hole opens between tail and history
		r.forget()
	}
	r.tail = tail
	for len(r.older) > 0 && r.older[0].Seq >= tail[len(tail)-1].Seq {
		r.older = r.older[1:]
	}
}

// forget drops the history, to be read again when it is looked at.
func (r *rows) forget() { r.older, r.next, r.end = nil, "", false }

// missed is how many requests have come in while the rows stood still.
func (r *rows) missed(s *live.Snapshot) int64 { return int64(s.Seen - min(r.seen, s.Seen)) }

// all hands out the rows that pass a filter.
func (r *rows) all(f *requestFilter) []*control.RequestView {
	out := make([]*control.RequestView, 0, len(r.tail)+len(r.older))
	for _, part := range [][]*control.RequestView{r.tail, r.older} {
		for _, v := range part {
			if f.match(v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// olderPage is a look further back.
type olderPage struct {
	rows []*control.RequestView
	next string
	end  bool
}

// fetch makes the command that reads what is before the rows, until a screenful
// passes the filter.
func (r *rows) fetch(e *Env, screen string, seq int, f requestFilter) tea.Cmd {
	q := f.query
	q.Limit, q.After = perPage, r.next
	have := map[tally.ID]bool{}
	newest := uint64(0)
	if q.After == "" && len(r.tail) > 0 {
		newest = r.tail[0].Seq
		for _, v := range r.tail {
			have[v.ID] = true
		}
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		out := olderPage{next: q.After}
		for range maxPages {
			page, err := control.RequestsList.Do(ctx, e.Caller, q)
			if err != nil {
				return Answer{Screen: screen, Tag: "page", Seq: seq, Err: err}
			}
			for i := range page.Requests {
				v := &page.Requests[i]
				if !have[v.ID] && (newest == 0 || v.Seq <= newest) && f.match(v) {
					out.rows = append(out.rows, v)
				}
			}
			out.next, q.After = page.Next, page.Next
			if out.end = page.Next == ""; out.end || len(out.rows) >= perPage/5 {
				break
			}
		}
		return Answer{Screen: screen, Tag: "page", Seq: seq, Value: out}
	}
}

// add puts a page below the rows.
func (r *rows) add(p olderPage) {
	for len(p.rows) > 0 && len(r.tail) > 0 && p.rows[0].Seq >= r.tail[len(r.tail)-1].Seq && p.rows[0].Seq != 0 {
		p.rows = p.rows[1:] // came in through the tail meanwhile
	}
	r.older = append(r.older, p.rows...)
	r.next, r.end = p.next, p.end
}

// requestFilter is what requests are filtered by. What the engine can select is
// in query, too, so that history is read without what would be thrown away.
type requestFilter struct {
	failures bool
	terms    []term
	query    control.RequestQuery
}

// term is in lower case. Field "" is any text; whole is whether the value names
// one thing, not all that begin so.
type term struct {
	field, value string
	whole        bool
}

// names reports whether a name is one that the term asks for.
func (t *term) names(name string) bool {
	name = strings.ToLower(name)
	return name == t.value || !t.whole && strings.HasPrefix(name, t.value)
}

// filterFields are the fields that a filter knows.
var filterFields = []string{"client", "model", "provider", "key", "status", "outcome", "code", "country", "endpoint"}

func newRequestFilter(words string, failures bool, s *live.Snapshot) requestFilter {
	f := requestFilter{failures: failures}
	for _, w := range strings.Fields(strings.ToLower(words)) {
		field, value, cut := strings.Cut(w, ":")
		if !cut || !slices.Contains(filterFields, field) {
			field, value = "", w
		}
		if value != "" {
			f.terms = append(f.terms, term{field, value, f.selects(field, value, s)})
		}
	}
	return f
}

// selects lets the engine select by a term that names exactly one thing, and
// reports whether it does.
func (f *requestFilter) selects(field, value string, s *live.Snapshot) bool {
	before := f.query
	switch field {
	case "client":
		if slices.ContainsFunc(s.Clients, func(c control.ClientView) bool { return c.Slug == value }) {
			f.query.Client = value
		}
	case "model":
		if slices.ContainsFunc(s.Models, func(m control.ModelView) bool { return m.Name == value }) {
			f.query.Model = value
		}
	case "provider":
		if slices.ContainsFunc(s.Providers, func(p control.ProviderView) bool { return p.Name == value }) {
			f.query.Provider = value
		}
	case "status":
		if n, err := strconv.Atoi(value); err == nil && n >= 100 && n <= 599 {
			f.query.Status = n
		}
	case "outcome":
		if slices.Contains(outcomes, tally.Outcome(value)) {
			f.query.Outcome = tally.Outcome(value)
		}
	}
	return f.query != before
}

var outcomes = []tally.Outcome{tally.OK, tally.OutcomeDenied, tally.OutcomeLimited, tally.OutcomeFailed, tally.Canceled, tally.Lost}

func (f *requestFilter) match(v *control.RequestView) bool {
	if f.failures && v.Outcome == tally.OK {
		return false
	}
	for _, t := range f.terms {
		ok := false
		switch t.field {
		case "client":
			ok = t.names(v.Client)
		case "model":
			ok = t.names(v.Model)
		case "provider":
			ok = t.names(v.Provider)
		case "key":
			ok = t.names(v.Key) || string(v.KeyID) == t.value
		case "status":
			ok = strings.HasPrefix(strconv.Itoa(v.Status), strings.TrimRight(t.value, "x"))
		case "outcome":
			ok = t.names(string(v.Outcome))
		case "code":
			ok = t.names(v.Code)
		case "country":
			ok = t.names(v.Country)
		case "endpoint":
			ok = holds(v.Endpoint, t.value)
		default:
			for _, text := range []string{v.Client, v.Model, v.Provider, v.Key, v.Code, string(v.ID), string(v.Outcome), v.Origin, v.Upstream, v.Session} {
				ok = ok || holds(text, t.value)
			}
			ok = ok || strconv.Itoa(v.Status) == t.value
		}
		if !ok {
			return false
		}
	}
	return true
}

// holds looks for a text in lower case.
func holds(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

// requestSheet exports the requests that pass a filter, page by page.
func requestSheet(e *Env, f requestFilter) sheet {
	return sheet{
		header: []string{"id", "at", "gateway", "client", "key", "key_id", "model", "upstream_model", "provider", "endpoint", "origin", "country", "session", "new_session",
			"status", "outcome", "stream", "basis", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
			"cost_usd", "cost_nano_usd", "credits_usd", "credits_nano_usd", "first_byte_ms", "total_ms", "attempts", "code", "count", "token", "visitor_net", "visitor"},
		rows: func(ctx context.Context, yield func([]string, any) error) error {
			q := f.query
			for q.Limit = 1000; ; {
				page, err := control.RequestsList.Do(ctx, e.Caller, q)
				if err != nil {
					return err
				}
				for i := range page.Requests {
					if v := &page.Requests[i]; f.match(v) {
						if err := yield(requestCells(v), v); err != nil {
							return err
						}
					}
				}
				if q.After = page.Next; q.After == "" {
					return nil
				}
			}
		},
	}
}

func requestCells(r *control.RequestView) []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	ms := func(ms float64) string { return strconv.FormatFloat(ms, 'f', -1, 64) }
	return []string{string(r.ID), r.At.UTC().Format(time.RFC3339Nano), r.Gateway, r.Client, r.Key, string(r.KeyID), r.Model, r.Upstream, r.Provider, r.Endpoint,
		r.Origin, r.Country, r.Session, strconv.FormatBool(r.NewSession), strconv.Itoa(r.Status), string(r.Outcome), strconv.FormatBool(r.Stream), string(r.Basis),
		n(r.InputTokens), n(r.Tokens.CachedInput), n(r.Tokens.CacheWrite), n(r.OutputTokens), n(r.Tokens.Reasoning),
		r.CostUSD, n(int64(r.CostNanoUSD)), r.CreditsUSD, n(int64(r.CreditsNano)), ms(r.FirstByteMS), ms(r.TotalMS), strconv.Itoa(r.Attempts), r.Code, n(r.Count), r.Token, r.VisitorNet, r.Visitor}
}
