package analytics

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/part"
	"tallygate/tui/screen"
)

// span is a range: how far back, or a month, and in which steps it is drawn.
type span struct {
	name   string
	every  control.Step
	steps  int          // of every; of a month it has as many as it has days
	coarse control.Step // the steps of sparklines
	month  bool
}

var spans = []span{
	{name: "24h", every: "hour", steps: 24, coarse: "hour"}, {name: "7d", every: "hour", steps: 7 * 24, coarse: "day"},
	{name: "30d", every: "day", steps: 30, coarse: "day"}, {name: "90d", every: "day", steps: 90, coarse: "day"},
	{name: "month", every: "day", coarse: "day", month: true},
}

// length is how long a span is that is no month.
func (s span) length() time.Duration {
	if s.every == "hour" {
		return time.Duration(s.steps) * time.Hour
	}
	return time.Duration(s.steps) * 24 * time.Hour
}

// monthOf is the first noon of the month so many months ago, which is in that month in
// every zone.
func monthOf(now time.Time, zone *time.Location, ago int) time.Time {
	y, m, _ := now.In(zone).Date()
	return time.Date(y, m-time.Month(ago), 1, 12, 0, 0, 0, zone)
}

// questions are those for a span and the one before, and for the course of both; until
// is when the span is over.
func (s *Screen) questions(q *wanted, now time.Time) (until time.Time, this, before, course control.UsageQuery) {
	if q.span.month {
		name := func(ago int) string { return monthOf(now, s.env.Zone, ago).Format("2006-01") }
		this.Month, before.Month = control.Month(name(q.earlier)), control.Month(name(q.earlier+1))
		course.Since, course.Until = control.Since(name(q.earlier+1)), control.Since(name(q.earlier-1))
		if until = monthOf(now, s.env.Zone, q.earlier-1).AddDate(0, 0, -1); until.After(now) { // within the last day of the month
			until = now
		}
		return until, this, before, course
	}
	at := func(t time.Time) control.Since { return control.Since(t.UTC().Format(time.RFC3339)) }
	until = now.Add(-time.Duration(q.earlier) * q.span.length())
	since := until.Add(-q.span.length())
	this.Since, this.Until = at(since), at(until)
	before.Since, before.Until = at(since.Add(-q.span.length())), at(since)
	course.Since, course.Until = before.Since, this.Until
	return until, this, before, course
}

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
		return []control.Breakdown{"model", "key", "status", "code", "tag", "tool", "session"}
	}
	return []control.Breakdown{"client", "model", "provider", "gateway", "status", "country", "code", "upstream", "tag", "tool"}
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
	until, this, before, course := s.questions(&q, now)
	s.next = answers{wanted: q, until: until}
	ask := func(tag string, u control.UsageQuery, by control.Breakdown, every control.Step) tea.Cmd {
		u.Client, u.By, u.Every = s.client, by, every
		return screen.Call(s.env, s.Name(), tag, s.seq, control.UsageShow, u)
	}
	return tea.Batch(
		ask("now", this, q.by, ""),
		ask("before", before, q.by, ""),
		ask("course", course, "", q.span.every),
		ask("rivals", this, rivalsBy(q.client), q.span.coarse),
		ask("rivals sum", this, rivalsBy(q.client), ""),
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

// steps tells into which step of a span an instant falls, and how many there are: the
// latest is the one under way, if the span is. Steps before the span have numbers below
// zero, those of the span before from -n on.
func (s *Screen) steps(every control.Step, g *answers) (at func(time.Time) int, n int, running bool) {
	running = g.earlier == 0
	end, step := part.HourOf(g.until, s.env.Zone).Add(time.Hour), time.Hour
	if every == "day" {
		end, step = part.Midnight(g.until, s.env.Zone).AddDate(0, 0, 1), 24*time.Hour
	}
	if g.span.month {
		first := monthOf(g.until.Add(-time.Minute), s.env.Zone, 0)
		if n = part.DaysBetween(first, g.until.Add(-time.Minute), s.env.Zone) + 1; !running {
			n = first.AddDate(0, 1, -1).Day()
		}
		return func(t time.Time) int { return part.DaysBetween(first, t, s.env.Zone) }, n, running
	}
	n = int(g.span.length() / step)
	return func(t time.Time) int {
		// Days around a change of the clock are an hour longer or shorter.
		return n - int((end.Sub(t)+step/2)/step)
	}, n, running
}
