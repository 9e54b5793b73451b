package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/forecast"
	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	// watchedFor is how long what limits say holds, unless something changes: status is
	// asked for twice a second.
	watchedFor = 2 * time.Second
	maxTold    = 20 // things that are refused or near a limit, told one by one

	nearShare     = 0.8 // of a limit, from which it is near in any case
	forecastShare = 0.5 // of a limit, from which a forecast is worth telling
	lookAhead     = 30 * 24 * time.Hour
)

// limitWatch is what limits say of all things, as it was found last.
type limitWatch struct {
	mu       sync.Mutex // guards the fields that follow
	at       time.Time
	rev      int64
	refused  control.RefusedCounts
	warnings []control.Warning
	hour     time.Time // of which the models are
	models   map[forecastKey]*forecast.Model
}

// watched is a thing with limits of its own.
type watched struct {
	control.Thing
	called string // what people call it
	since  time.Time
	p      *tally.Principal
	id     tally.ID // of the subject
	limits []tally.Limit
}

// watchLimits counts what is refused by limits of its own, and tells of it, those with
// the most refusals first, and then of what is near a limit.
func (e *Engine) watchLimits(ctx context.Context, c *tally.Catalog, now time.Time) (control.RefusedCounts, []control.Warning, error) {
	known := &e.limitWatch
	known.mu.Lock()
	defer known.mu.Unlock()
	if age := now.Sub(known.at); known.rev == c.Rev && !known.at.IsZero() && 0 <= age && age < watchedFor {
		return known.refused, known.warnings, nil
	}
	r := e.refusing(c, now)
	var counts control.RefusedCounts
	var refused, near []toldOf
	look := func(n *int, w watched) error {
		if len(w.limits) == 0 {
			return nil
		}
		states, err := e.meter.Standings(ctx, c, w.p.Gateway, tally.SubjectOf(w.Kind, w.id), w.limits, now)
		if err != nil {
			return err
		}
		found, err := r.byLimit(ctx, w.p, w.Kind, w.id, w.Name, w.limits, states)
		if err != nil {
			return err
		}
		zone := c.Zone(w.p.Gateway.ID)
		if found != nil {
			*n++
			refused = append(refused, toldOf{float64(found.Count), refusedWarning(&w, found, now, zone)})
			return nil
		}
		told, ok, err := e.nearLimit(ctx, &w, states, now, zone)
		if ok {
			near = append(near, told)
		}
		return err
	}
	if err := e.eachLimited(c, now, &counts, look); err != nil {
		return counts, nil, err
	}
	known.at, known.rev, known.refused = now, c.Rev, counts
	known.warnings = slices.Concat(
		mostOf(refused, control.WarnRefused, control.Bad, "are refused now", "tallygate clients list --filter now:refused"),
		mostOf(near, control.WarnNear, control.Warn, "are near a limit", "tallygate clients list --sort used"))
	return counts, known.warnings, nil
}

// eachLimited hands over what is served and may have limits, with where what is refused
// of its kind is counted.
func (e *Engine) eachLimited(c *tally.Catalog, now time.Time, counts *control.RefusedCounts, look func(*int, watched) error) error {
	for _, gw := range c.Gateways {
		if !gw.Enabled {
			continue
		}
		if err := look(&counts.Gateways, watched{
			Thing: gatewayThing(gw), called: "Gateway " + gw.Name, since: gw.CreatedAt,
			p: &tally.Principal{Gateway: gw}, id: gw.ID, limits: gw.Limits,
		}); err != nil {
			return err
		}
		for name, t := range e.tokensOf(c, gw) {
			p := &tally.Principal{Gateway: gw, Token: t, Visitor: true}
			if auth.OfToken(c, p, now) != nil {
				continue
			}
			called := t.ID
			if m := c.MintedToken(name); m != nil && m.Label != "" {
				called = m.Label
			}
			if err := look(&counts.Tokens, watched{
				Thing: control.Thing{Kind: "token", ID: tally.ID(t.ID), Name: t.ID}, called: "Site token " + called, since: t.IssuedAt,
				p: p, id: tally.ID(name), limits: t.Limits,
			}); err != nil {
				return err
			}
		}
	}
	for _, cl := range c.Clients {
		if gw := c.Gateway(cl.Gateway); gw != nil && cl.Status == tally.Active {
			if err := look(&counts.Clients, watched{
				Thing: clientThing(c, cl.ID), called: cl.Name, since: cl.CreatedAt,
				p: &tally.Principal{Gateway: gw, Client: cl}, id: cl.ID, limits: cl.Limits,
			}); err != nil {
				return err
			}
		}
	}
	for _, k := range c.Keys {
		if len(k.Limits) == 0 {
			continue
		}
		if p, refusal := auth.PrincipalOf(c, k, now); refusal == nil {
			if err := look(&counts.Keys, watched{
				Thing: keyThing(c, k), called: keyCalled(c, k), since: k.CreatedAt, p: p, id: k.ID, limits: k.Limits,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// toldOf is a warning, and how much it weighs among those of its kind.
type toldOf struct {
	weight float64
	control.Warning
}

// mostOf are the weightiest warnings of a kind, and how many more there are, all of which
// a command lists.
func mostOf(list []toldOf, kind control.WarningKind, gravity control.Tone, what, all string) (out []control.Warning) {
	tally.OrderStable(list, func(a, b toldOf) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), strings.Compare(a.Sentence, b.Sentence))
	})
	for _, w := range list[:min(len(list), maxTold)] {
		out = append(out, w.Warning)
	}
	if more := len(list) - len(out); more > 0 {
		out = append(out, control.Warning{Kind: kind, Gravity: gravity, Sentence: fmt.Sprintf("%d more %s", more, what), Next: all})
	}
	return out
}

func refusedWarning(w *watched, r *control.RefusedNow, now time.Time, zone *time.Location) control.Warning {
	return control.Warning{
		Kind: control.WarnRefused, Gravity: control.Bad, Thing: w.Thing,
		Sentence: w.called + " is refused now", Detail: r.Often(zone, now), Next: r.Raise, Since: r.Since, Until: r.Until,
	}
}

// leastTopUp is the least that an owner is proposed to book.
const leastTopUp = 5 * tally.Dollar

// raiseLine is the command that raises a limit for a while by half of it: until it is
// seen again, which is tomorrow for what a day allows.
func raiseLine(kind string, id tally.ID, name string, s *meter.Standing) string {
	by := max(s.Base/2, 1) + max(-s.Left(), 0)
	if cent := int64(tally.Dollar / 100); s.Metric.Money() && by > cent {
		by = (by + cent - 1) / cent * cent
	}
	if s.Metric == tally.Balance {
		return control.CommandLine(control.ClientsTopUp.Name, control.AddFunds{Client: name, Funds: max(tally.NanoUSD(by), leastTopUp)})
	}
	f := control.RaiseFields{Limit: string(s.Metric) + "/" + s.Window.String(), By: s.Metric.Text(by), Until: "fri"}
	if s.Window.Unit == tally.Hour || s.Window.Unit == tally.DayPart || s.Window.Unit == tally.Day {
		f.Until = "tomorrow"
	}
	switch kind {
	case "gateway":
		return control.CommandLine(control.GatewaysRaise.Name, control.RaiseGateway{Gateway: name, RaiseFields: f})
	case "client":
		return control.CommandLine(control.ClientsRaise.Name, control.RaiseClient{Client: name, RaiseFields: f})
	case "key":
		return control.CommandLine(control.KeysRaise.Name, control.RaiseKey{PickKey: control.PickKey{Key: string(id)}, RaiseFields: f})
	}
	return ""
}

// nearLimit tells of a limit that is near, or will be reached before it resets: the
// fullest of them. Limits of a minute come and go too fast to be told.
func (e *Engine) nearLimit(ctx context.Context, w *watched, states []meter.Standing, now time.Time,
	zone *time.Location) (toldOf, bool, error) {
	var out toldOf
	for i := range states {
		s := &states[i]
		share := 0.0
		if s.Max > 0 {
			share = float64(s.Used+s.Held) / float64(s.Max)
		}
		if s.Window.Unit == tally.Minute || share <= out.weight || share < forecastShare {
			continue
		}
		at, known, err := e.reaches(ctx, w, s, now, zone)
		if err != nil {
			return out, false, err
		}
		soon := !at.IsZero()
		if share < nearShare && !soon {
			continue
		}
		out = toldOf{share, control.Warning{
			Kind: control.WarnNear, Gravity: control.Warn, Thing: w.Thing, Until: resetsAt(*s),
			Sentence: fmt.Sprintf("%s is at %s of %s", w.called, control.ShareOf(s.Used+s.Held, s.Max).Long(zone), s.Display()),
		}}
		if !s.Warn {
			out.Next = raiseLine(w.Kind, w.ID, w.Name, s)
		}
		const minute = "Mon 2 Jan 15:04"
		switch {
		case share >= 1 && s.Warn:
			out.Detail = "a limit that only warns: nothing is refused"
		case share >= 1 && s.Window.Per != "":
			out.Detail = "refused" + partOf(s)
		case share >= 1:
			out.Detail = "held by requests in flight"
		case soon:
			step := 10 * time.Minute // no forecast is truer than that
			if at.Sub(now) > 3*time.Hour {
				step = time.Hour
			}
			at = at.In(zone).Round(step)
			out.Detail, out.Until = "reached "+at.Format(minute)+" at this pace", at.UTC()
		case s.Period.Ends():
			out.Detail = "resets " + s.Period.End.In(zone).Format(minute)
			if known {
				out.Detail += ", before it is reached"
			}
		}
	}
	return out, out.Gravity != "", nil
}

// partOf names the part that a standing is of, for people; "" if it is of all, or of the
// only one.
func partOf(s *meter.Standing) string {
	if s.Part == "" {
		return ""
	}
	if value, untagged := strings.CutSuffix(s.Part, "="); untagged {
		return " without " + value
	}
	return " for " + tally.Printable(s.Part)
}

// reaches is when a limit of a thing that is there since then will be reached, zero if not
// before its reset; known is false where nobody can tell. Days to come are taken to be what
// the forecast of the limit says; within a day, the rest of the period to be like what has
// passed of it.
func (e *Engine) reaches(ctx context.Context, w *watched, s *meter.Standing, now time.Time,
	zone *time.Location) (at time.Time, known bool, err error) {
	if s.Used <= 0 || s.Used >= s.Max || s.Window.Per != "" { // of parts no paces are known
		return time.Time{}, false, nil
	}
	left := lookAhead + 1
	switch s.Window.Unit {
	case tally.Minute, tally.Hour, tally.Day:
		passed := now.Sub(later(s.Period.Start, w.since))
		if known = passed > 0; known {
			left = forecast.AtPace(s.Used, s.Max-s.Used, passed)
		}
	default:
		var m forecast.Model
		if m, err = e.modelOf(ctx, w, s, now, zone); err != nil {
			return time.Time{}, false, err
		}
		if known = m.Ok(); known {
			left = time.Duration(m.Reached(s.Max-s.Used, daysUntil(now, now.Add(left))) * float64(day))
		}
	}
	if at = now.Add(left); !known || left > lookAhead || !at.Before(s.Period.End) {
		return time.Time{}, known, nil
	}
	return at, true, nil
}

// forecastKey is what a model is of.
type forecastKey struct {
	tally.Subject
	tally.Metric
	today time.Time // when it began
}

// modelOf is the model of a limit. The days that it is of are over, so an hour may know it.
func (e *Engine) modelOf(ctx context.Context, w *watched, s *meter.Standing, now time.Time, zone *time.Location) (forecast.Model, error) {
	known := &e.limitWatch
	if hour := now.Truncate(time.Hour); !known.hour.Equal(hour) {
		known.hour, known.models = hour, map[forecastKey]*forecast.Model{}
	}
	d := daysBefore(now, zone)
	key := forecastKey{tally.SubjectOf(w.Kind, w.id), s.Metric, d.edges[forecast.Reach]}
	m := known.models[key]
	if m == nil {
		points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.Family(w.Kind), First: string(w.id), Edges: d.edges})
		if err != nil {
			return forecast.Model{}, err
		}
		days := make([]*tally.Sums, forecast.Reach)
		for i := range points {
			days[dayAt(d.edges, points[i].At)] = &points[i].Sums
		}
		m = d.model(days, amountOf(s.Metric), d.usedUp(days, w.limits, w.p.Gateway.CycleDay), false)
		known.models[key] = m
	}
	return m.At(d.passed), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
