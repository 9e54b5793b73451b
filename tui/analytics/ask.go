package analytics

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/screen"
)

// span is a range: how far back, and in which steps it is drawn.
type span struct {
	name   string
	every  control.Step
	steps  int          // of every
	coarse control.Step // the steps of sparklines
}

// length is how long a span is.
func (s span) length() time.Duration {
	if s.every == "hour" {
		return time.Duration(s.steps) * time.Hour
	}
	return time.Duration(s.steps) * 24 * time.Hour
}

var spans = []span{{"24h", "hour", 24, "hour"}, {"7d", "hour", 7 * 24, "day"}, {"30d", "day", 30, "day"}, {"90d", "day", 90, "day"}}

// wanted is what the user wants to see.
type wanted struct {
	span    span
	earlier int
	by      control.Breakdown
	client  string
}

func (s *Screen) wanted() wanted {
	return wanted{spans[s.span], s.earlier, s.breakdowns()[s.by], s.client}
}

// answers are what the engine said to one wanted.
type answers struct {
	wanted
	until       time.Time
	now, before control.Usage // broken down
	course      control.Usage // both spans, step by step
	rivals      control.Usage // the clients, or one client's models, step by step
	rivalsSum   control.Usage
	have        int // bits of what has come in
}

const allAnswers = 1<<5 - 1

// fresh is how old answers may become while one looks at them.
const fresh = 30 * time.Second

// breakdowns are what usage can be broken down by; of one client there is less.
func (s *Screen) breakdowns() []control.Breakdown {
	if s.client != "" {
		return []control.Breakdown{"model", "key", "status", "code"}
	}
	return []control.Breakdown{"client", "model", "provider", "gateway", "status", "country", "code", "upstream"}
}

// rivalsBy is what is compared on the right.
func rivalsBy(client string) control.Breakdown {
	if client != "" {
		return "model"
	}
	return "client"
}

// changed lets the next Ask ask anew; what is seen stays until the answers are
// there.
func (s *Screen) changed() {
	s.asked, s.fault = time.Time{}, ""
	s.seq++
}

// Ask asks for what is seen when the user has chosen something else, and again
// from time to time.
func (s *Screen) Ask() tea.Cmd {
	now := s.env.Clock()
	if !s.snap.Loaded || s.snap.Lost != nil || !s.asked.IsZero() && (now.Sub(s.asked) < fresh || s.earlier > 0 && s.fault == "") {
		return nil
	}
	s.asked = now
	s.seq++
	q := s.wanted()
	sp := q.span
	until := now.Add(-time.Duration(s.earlier) * sp.length())
	since, before := until.Add(-sp.length()), until.Add(-2*sp.length())
	s.next = answers{wanted: q, until: until}
	at := func(t time.Time) control.Since { return control.Since(t.UTC().Format(time.RFC3339)) }
	ask := func(tag string, q control.UsageQuery) tea.Cmd {
		q.Client = s.client
		return screen.Call(s.env, s.Name(), tag, s.seq, control.UsageShow, q)
	}
	by := q.by
	return tea.Batch(
		ask("now", control.UsageQuery{By: by, Since: at(since), Until: at(until)}),
		ask("before", control.UsageQuery{By: by, Since: at(before), Until: at(since)}),
		ask("course", control.UsageQuery{Every: sp.every, Since: at(before), Until: at(until)}),
		ask("rivals", control.UsageQuery{By: rivalsBy(q.client), Every: sp.coarse, Since: at(since), Until: at(until)}),
		ask("rivals sum", control.UsageQuery{By: rivalsBy(q.client), Since: at(since), Until: at(until)}),
	)
}

func (s *Screen) answer(msg screen.Answer) {
	if msg.Seq != s.seq {
		return
	}
	if msg.Err != nil {
		s.fault = screen.Explain(msg.Err)
		return
	}
	u, ok := msg.Value.(control.Usage)
	if !ok {
		return
	}
	for i, part := range []struct {
		tag string
		to  *control.Usage
	}{{"now", &s.next.now}, {"before", &s.next.before}, {"course", &s.next.course}, {"rivals", &s.next.rivals}, {"rivals sum", &s.next.rivalsSum}} {
		if part.tag == msg.Tag {
			*part.to = u
			s.next.have |= 1 << i
		}
	}
	if s.next.have == allAnswers {
		s.got, s.fault = s.next, ""
		s.refresh()
	}
}

// steps tells into which of n steps that are over an instant falls, for a span
// that ends at an instant.
func (s *Screen) steps(every control.Step, until time.Time, length time.Duration) (at func(time.Time) (int, bool), n int) {
	end, step := part.HourOf(until, s.env.Zone), time.Hour
	if every == "day" {
		end, step = part.Midnight(until, s.env.Zone), 24*time.Hour
	}
	n = int(length / step)
	return func(t time.Time) (int, bool) {
		// Days around a change of the clock are an hour longer or shorter.
		i := n - int((end.Sub(t)+step/2)/step)
		return i, t.Before(end) && i >= 0 && i < n
	}, n
}
