package screen

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/live"
	"tallygate/tui/part"
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

// Ask asks for the requests of a query, if they are others or are old by now.
func (r *Recent) Ask(screen string, q control.RequestQuery, s *live.Snapshot) tea.Cmd {
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

func (r *Recent) Answer(msg Answer) tea.Cmd {
	if msg.Tag != "recent" || msg.Seq != r.seq {
		return nil
	}
	if msg.Err != nil {
		r.fault = Explain(msg.Err)
		return nil
	}
	r.got, r.ready, r.fault = msg.Value.(control.RequestPage).Requests, true, ""
	return nil
}

// latest are the requests, the newest first: at most so many.
func (r *Recent) latest(s *live.Snapshot, most int) []*control.RequestView {
	var out []*control.RequestView
	newest := uint64(0)
	for i := range r.got { // those of other nodes have numbers of their own
		if r.got[i].Node == "" {
			newest = r.got[i].Seq
			break
		}
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

// Lines draw the requests, each by a name that says which it is.
func (r *Recent) Lines(s *live.Snapshot, width, most int, name func(*control.RequestView) string) []string {
	t := r.env.Theme
	var out []string
	for _, v := range r.latest(s, most) {
		out = append(out, part.RequestLine(t, v, name(v), width, r.env.Clock(), r.env.Zone))
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
