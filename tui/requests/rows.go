package requests

import (
	"context"
	"io"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/screen"
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
	as     time.Time // when it was last followed
	seen   uint64    // requests that the source had seen when the tail was taken
	tail   []*control.RequestView
	older  []*control.RequestView // all before the last of tail
	sort   string                 // what the engine has sorted older by, "" while the latest come first
	sorted olderPage              // what is said of that
	next   string                 // cursor to what is before older, "" for the newest
	end    bool                   // there is nothing before older
}

// take adds what has come in since the last snapshot.
func (r *rows) take(s *live.Snapshot) {
	r.as = s.At
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
	r.older = r.behind(r.older)
}

// forget drops the history, to be read again when it is looked at.
func (r *rows) forget() { r.older, r.next, r.end = nil, "", false }

// missed is how many requests have come in while the rows stood still.
func (r *rows) missed(s *live.Snapshot) int64 { return int64(s.Seen - min(r.seen, s.Seen)) }

// all hands out the rows that pass.
func (r *rows) all(passes func(*control.RequestView) bool) []*control.RequestView {
	out := make([]*control.RequestView, 0, len(r.tail)+len(r.older))
	parts := [][]*control.RequestView{r.tail, r.older}
	if r.sort != "" {
		parts = parts[1:] // it is chosen from these, too
	}
	for _, part := range parts {
		for _, v := range part {
			if passes(v) {
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
	// Of a sorted page: what it was chosen from.
	from  int
	since time.Time
}

// sortedRows is how many rows a sorted list has.
const sortedRows = 500

// fetch makes the command that reads what is before the rows, until a screenful
// has passed the query.
func (r *rows) fetch(e *screen.Env, name string, seq int, q control.RequestQuery) tea.Cmd {
	q.Limit, q.After = perPage, r.next
	if q.Sort != "" {
		q.Limit, q.After = sortedRows, ""
	}
	have, newest := map[tally.ID]bool{}, map[string]uint64{} // newest by node
	if q.Sort == "" && q.After == "" {
		for _, v := range r.tail {
			have[v.ID] = true
			newest[v.Node] = max(newest[v.Node], v.Seq)
		}
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), screen.Patience)
		defer cancel()
		out := olderPage{next: q.After}
		for range maxPages {
			page, err := control.RequestsList.Do(ctx, e.Caller, q)
			if err != nil {
				return screen.Answer{Screen: name, Tag: "page", Seq: seq, Err: err}
			}
			for i := range page.Requests {
				v := &page.Requests[i]
				if n := newest[v.Node]; !have[v.ID] && (n == 0 || v.Seq <= n) { // else it comes through the tail
					out.rows = append(out.rows, v)
				}
			}
			out.next, q.After, out.from, out.since = page.Next, page.Next, page.From, page.Since
			if out.end = page.Next == ""; out.end || len(out.rows) >= perPage/5 {
				break
			}
		}
		return screen.Answer{Screen: name, Tag: "page", Seq: seq, Value: out}
	}
}

// add puts a page below the rows.
func (r *rows) add(p olderPage) {
	r.sorted = olderPage{from: p.from, since: p.since}
	if r.sort == "" {
		p.rows = r.behind(p.rows)
	}
	r.older = append(r.older, p.rows...)
	r.next, r.end = p.next, p.end
}

// behind leaves out of a list those that have come through the tail.
func (r *rows) behind(list []*control.RequestView) []*control.RequestView {
	if len(list) == 0 || len(r.tail) == 0 {
		return list
	}
	have := make(map[tally.ID]bool, len(r.tail))
	for _, v := range r.tail {
		have[v.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(v *control.RequestView) bool { return have[v.ID] })
}

// requestSheet exports the requests of a query, page by page.
func requestSheet(e *screen.Env, q control.RequestQuery) dialog.Sheet {
	return func(ctx context.Context, w io.Writer, f control.Format) (rows int64, err error) {
		out := control.RequestTable.Writer(w, f)
		for q.Limit = 1000; ; {
			page, err := control.RequestsList.Do(ctx, e.Caller, q)
			if err != nil {
				return rows, err
			}
			for i := range page.Requests {
				page.Requests[i].ForgetDetails() // they may quote prompts
				if err := out.Write(&page.Requests[i]); err != nil {
					return rows, err
				}
				rows++
			}
			if q.After = page.Next; q.After == "" {
				return rows, out.End()
			}
		}
	}
}
