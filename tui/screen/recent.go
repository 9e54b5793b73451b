package screen

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Recent are the latest requests of a thing: from the store, and of the live tail
// those that have come in since.
type Recent struct {
	env   *Env
	query control.RequestQuery
	seq   int
	asked time.Time
	seen  uint64 // by the source, when it was asked
	got   []control.RequestView
	ready bool // the answer to the query is there
	fault string
}

const (
	recentRows  = 20
	recentFresh = time.Minute
)

// ask asks for the requests of a query, if they are others or are old by now.
func (r *Recent) ask(screen string, q control.RequestQuery, s *live.Snapshot) tea.Cmd {
	now := r.env.Clock()
	q.Limit = recentRows
	if !s.Loaded || s.Lost != nil || q == r.query && now.Sub(r.asked) < recentFresh {
		return nil
	}
	if q != r.query {
		r.got, r.ready, r.fault = nil, false, ""
	}
	r.query, r.asked, r.seen = q, now, s.Seen
	r.seq++
	return Call(r.env, screen, "recent", r.seq, control.RequestsList, q)
}

func (r *Recent) answer(msg Answer) tea.Cmd {
	if msg.Tag != "recent" || msg.Seq != r.seq {
		return nil
	}
	if msg.Err != nil {
		r.fault = explain(msg.Err)
		return nil
	}
	r.got, r.ready, r.fault = msg.Value.(control.RequestPage).Requests, true, ""
	return nil
}

// latest are the requests, the newest first: at most so many.
func (r *Recent) latest(s *live.Snapshot, most int) []*control.RequestView {
	var out []*control.RequestView
	newest := uint64(0)
	if len(r.got) > 0 {
		newest = r.got[0].Seq
	}
	for _, v := range s.Tail {
		if len(out) == most || v.Seq <= newest {
			break
		}
		if matches(&r.query, v) {
			out = append(out, v)
		}
	}
	for i := range r.got {
		if len(out) == most {
			break
		}
		out = append(out, &r.got[i])
	}
	return out
}

// matches reports whether a request is one that a query selects.
func matches(q *control.RequestQuery, v *control.RequestView) bool {
	return (q.Client == "" || q.Client == v.Client) && (q.Key == "" || q.Key == string(v.KeyID)) && (q.Token == "" || q.Token == v.Token) &&
		(q.Model == "" || q.Model == v.Model) && (q.Provider == "" || q.Provider == v.Provider)
}

// lines draw the requests, each by a name that says which it is.
func (r *Recent) lines(s *live.Snapshot, width, most int, name func(*control.RequestView) string) []string {
	t := r.env.Theme
	var out []string
	for _, v := range r.latest(s, most) {
		out = append(out, requestLineOf(t, v, name(v), width, r.env))
	}
	switch {
	case len(out) > 0:
	case r.fault != "":
		out = append(out, t.Paint(theme.Bad, widget.Truncate(t.Glyphs.Wrong+" "+widget.Safe(r.fault), width)))
	case !r.ready:
		out = append(out, t.Paint(theme.Muted, "loading"+t.Glyphs.Ellipsis))
	default:
		out = append(out, t.Paint(theme.Muted, "none in the records"))
	}
	return out
}

// requestLineOf is a request on one line. Where there is little room the tokens go
// first.
func requestLineOf(t *theme.Theme, r *control.RequestView, name string, width int, e *Env) string {
	status := status(r)
	if r.Count > 1 {
		status += " ×" + control.Compact(r.Count)
	}
	left := t.Paint(theme.Muted, moment(r.At, e)) + " " + t.Paint(outcomeRole(r.Outcome), status) + " " + widget.Safe(name)
	right := "  " + t.Paint(outcomeRole(r.Outcome), widget.Truncate(widget.Safe(words(r.Code)), max(width-24, 8)))
	if n := r.InputTokens + r.OutputTokens; n > 0 {
		right = "  " + widget.PadLeft(widget.Money(r.CostNanoUSD), 9) + "  " + widget.PadLeft(widget.Latency(millis(r.TotalMS)), 7)
		if width >= 56 {
			right = "  " + widget.PadLeft(fmt.Sprint(control.Compact(n)), 6) + " tok" + right
		}
	}
	return widget.Between(left, right, width)
}

// moment writes when something was in eight cells: the second today, the minute
// this week, or the day.
func moment(at time.Time, e *Env) string {
	today := midnight(e.Clock(), e.Zone)
	at = at.In(e.Zone)
	switch {
	case !at.Before(today):
		return at.Format("15:04:05")
	case !at.Before(today.AddDate(0, 0, -6)):
		return at.Weekday().String()[:2] + at.Format(" 15:04")
	}
	return widget.Pad(at.Format("2 Jan"), 8)
}
