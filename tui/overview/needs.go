package overview

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// need is something that wants the owner's attention.
type need struct {
	role theme.Role // Bad: somebody is refused; Warn: it will come to that; Info
	text string
	note string      // what follows from it, or the next step
	more string      // a line more, where there is room
	to   screen.Goto // where something is done about it
	// kind and id are whose limit can be raised, "" for none.
	kind string
	id   tally.ID
	// full is the share of a limit that is used: those closest to it come first.
	full float64
}

const (
	nearShare     = 0.8 // of a limit, from which it is near in any case
	forecastShare = 0.5 // of a limit, from which a forecast is worth telling
	lookAhead     = 30 * 24 * time.Hour
	expireSoon    = 7 * 24 * time.Hour
	failedLately  = 10 * time.Minute
)

// needs finds what wants attention, the gravest first.
func needs(s *live.Snapshot, now time.Time, zone *time.Location) []need {
	out, lines := refusedNeeds(s, zone)
	for _, w := range s.Status.Warnings {
		if !strings.HasPrefix(w, "keys expire") && !slices.Contains(lines, w) { // told one by one
			role := theme.Warn
			if s.Status.Fault != "" && strings.Contains(w, s.Status.Fault) {
				role = theme.Bad // everybody is refused
			}
			what, next, _ := strings.Cut(w, "; ") // a line each: they are long
			out = append(out, need{role: role, text: part.Upper(what), note: next, to: placeOf(w), full: 1})
		}
	}
	for i := range s.Gateways {
		g := &s.Gateways[i]
		if g.Refused == nil {
			out = append(out, limitNeeds("gateway "+g.Slug, g.LimitStates, g.CreatedAt, now, zone, need{kind: "gateway", id: g.ID, to: screen.Goto{Screen: "gateways", Filter: "gateway:=" + g.Slug}})...)
		}
	}
	for i := range s.Clients {
		c := &s.Clients[i]
		if c.Status == tally.Suspended {
			out = append(out, need{role: theme.Warn, text: c.Name + " is suspended", note: "since " + day(c.UpdatedAt, now, zone) + ": its requests are refused", to: screen.Goto{Screen: "clients", Filter: c.Slug}})
			continue
		}
		if c.Status == tally.Active && c.Refused == nil {
			out = append(out, limitNeeds(c.Name, c.LimitStates, c.CreatedAt, now, zone, need{kind: "client", id: c.ID, to: screen.Goto{Screen: "clients", Filter: "client:=" + c.Slug}})...)
		}
	}
	out = append(out, keyNeeds(s.Keys, now, zone)...)
	out = append(out, providerNeeds(s, now)...)
	out = append(out, codeNeeds(s)...)
	slices.SortStableFunc(out, func(a, b need) int {
		return cmp.Or(cmp.Compare(gravity(a.role), gravity(b.role)), cmp.Compare(b.full, a.full))
	})
	return out
}

// refusedNeeds are what limits of their own refuse now, those with the most refusals
// first, and the lines that the engine warns of them with.
func refusedNeeds(s *live.Snapshot, zone *time.Location) (out []need, lines []string) {
	type refused struct {
		n     need
		count int64
	}
	var all []refused
	zones := map[string]*time.Location{}
	add := func(kind string, id tally.ID, name, called, gateway string, r *control.RefusedNow, to screen.Goto) {
		if !r.ByLimit(kind) {
			return
		}
		lines = append(lines, r.Line(called, cmp.Or(zones[gateway], time.UTC)))
		n := need{role: theme.Bad, text: name + " is refused now", to: to, kind: kind, id: id, full: 1}
		n.note = r.Metric.Format(r.Used) + " of " + r.Metric.Format(r.Max)
		if !r.Metric.Money() {
			n.note += " " + string(r.Metric)
		}
		if r.Count > 0 {
			n.note += " · " + tally.Group(r.Count) + "×"
		}
		if !r.Since.IsZero() {
			n.note += " since " + r.Since.In(zone).Format("Mon 15:04")
		}
		n.more = "for good"
		if !r.Until.IsZero() {
			n.more = "until " + r.Until.In(zone).Format("Mon 2 Jan 15:04")
		}
		if n.more += " · R raises it"; kind == "token" {
			n.kind, n.more = "", strings.TrimSuffix(n.more, " · R raises it")
		}
		all = append(all, refused{n, r.Count})
	}
	for i := range s.Gateways {
		g := &s.Gateways[i]
		if z, err := time.LoadLocation(g.TimeZone); err == nil {
			zones[g.Slug] = z
		}
		add("gateway", g.ID, "gateway "+g.Name, g.Slug, g.Slug, g.Refused, screen.Goto{Screen: "gateways", Filter: "gateway:=" + g.Slug})
	}
	clients := map[tally.ID]*control.ClientView{}
	for i := range s.Clients {
		c := &s.Clients[i]
		clients[c.ID] = c
		add("client", c.ID, c.Name, c.Slug, c.GatewaySlug, c.Refused, screen.Goto{Screen: "clients", Filter: "client:=" + c.Slug})
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		if c := clients[k.Client]; c != nil {
			add("key", k.ID, "key "+k.Label+" of "+c.Name, k.ClientSlug+"/"+k.Label, c.GatewaySlug, k.Refused, screen.Goto{Screen: "keys", Filter: "id:=" + string(k.ID)})
		}
	}
	for i := range s.Tokens {
		v := &s.Tokens[i]
		add("token", "", "site token "+cmp.Or(v.Label, v.ID), v.ID, v.Gateway, v.Refused, screen.Goto{Screen: "gateways", Filter: v.Gateway})
	}
	slices.SortStableFunc(all, func(a, b refused) int { return cmp.Compare(b.count, a.count) })
	for _, r := range all {
		out = append(out, r.n)
	}
	return out, lines
}

func gravity(r theme.Role) int {
	return slices.Index([]theme.Role{theme.Bad, theme.Warn, theme.Info}, r)
}

// placeOf is where a warning of the engine is dealt with.
func placeOf(warning string) screen.Goto {
	for _, p := range [...]struct{ words, screen string }{
		{"has left", "requests"}, {"have left", "requests"}, {"of the answers", "clients"}, {"is booked", "models"}, {"our prices", "models"},
		{"provider", "providers"}, {"model", "models"}, {"gateway", "gateways"}, {"key", "keys"}, {"client", "clients"},
	} {
		if strings.Contains(warning, p.words) {
			return screen.Goto{Screen: p.screen}
		}
	}
	return screen.Goto{Screen: "settings"}
}

// limitNeeds tells of a limit that is reached, near, or will be reached before
// it resets: the gravest of them. Limits of a minute come and go too fast to be
// told.
func limitNeeds(whose string, states []control.LimitState, since, now time.Time, zone *time.Location, of need) []need {
	var out []need
	for _, l := range states {
		share := part.ShareOf(l)
		at, soon := reaches(&l, since, now)
		if l.Window.Unit == tally.Minute || share < nearShare && !(soon && share >= forecastShare) {
			continue
		}
		n := of
		n.role, n.full = theme.Warn, share
		n.text = fmt.Sprintf("%s at %s of %s", whose, part.UsedText(share), capOf(&l))
		switch {
		case share >= 1 && l.Warn:
			n.note = "a limit that only warns: nothing is refused"
		case share >= 1 && !l.ResetsAt.IsZero():
			n.note = "held by requests in flight, until it resets in " + widget.Until(l.ResetsAt, now)
		case share >= 1:
			n.note = "held by requests in flight"
		case soon:
			n.note = "cap reached " + day(at, now, zone) + " at this pace"
		case !l.ResetsAt.IsZero():
			n.note = "lasts until it resets in " + widget.Until(l.ResetsAt, now)
		}
		out = append(out, n)
	}
	if len(out) < 2 {
		return out
	}
	gravest := slices.MinFunc(out, func(a, b need) int {
		return cmp.Or(cmp.Compare(gravity(a.role), gravity(b.role)), cmp.Compare(b.full, a.full))
	})
	return []need{gravest}
}

// capOf writes a limit: "$50.00/month", "1,000 requests/day".
func capOf(l *control.LimitState) string {
	if l.Metric.Money() {
		return widget.Amount(l.Metric, l.Max) + "/" + l.Window.String()
	}
	return widget.Amount(l.Metric, l.Max) + " " + string(l.Metric) + "/" + l.Window.String()
}

// reaches is when a limit will be reached if its period goes on as it went so
// far. It is false if that is not before the reset, or too far ahead to tell.
func reaches(l *control.LimitState, since, now time.Time) (at time.Time, ok bool) {
	start := since
	if begun := periodStart(l); begun.After(start) {
		start = begun
	}
	passed := now.Sub(start)
	if l.Used <= 0 || l.Used >= l.Max || passed <= 0 {
		return time.Time{}, false
	}
	left := float64(passed) * float64(l.Max-l.Used) / float64(l.Used)
	if left > math.MaxInt64/2 || time.Duration(left) > lookAhead {
		return time.Time{}, false
	}
	at = now.Add(time.Duration(left))
	return at, l.ResetsAt.IsZero() || at.Before(l.ResetsAt)
}

// periodStart is about when a limit's period began: an hour's shift of the
// clock does not matter to a pace.
func periodStart(l *control.LimitState) time.Time {
	switch {
	case l.ResetsAt.IsZero():
		return time.Time{}
	case l.Window.Unit == tally.Hour:
		return l.ResetsAt.Add(-time.Hour)
	case l.Window.Unit == tally.Day:
		return l.ResetsAt.AddDate(0, 0, -1)
	case l.Window.Unit == tally.Week:
		return l.ResetsAt.AddDate(0, 0, -7)
	}
	return l.ResetsAt.AddDate(0, -1, 0)
}

// day names a day as people do: with the time today, as a weekday this week.
func day(at, now time.Time, zone *time.Location) string {
	at, now = at.In(zone), now.In(zone)
	days := int(math.Round(part.Midnight(at, zone).Sub(part.Midnight(now, zone)).Hours() / 24))
	switch {
	case days == 0:
		return "today at " + at.Format("15:04")
	case days == 1:
		return "tomorrow"
	case days > 1 && days < 7:
		return "on " + at.Format("Mon 2 Jan")
	case days == -1:
		return "yesterday"
	case at.Year() != now.Year():
		return at.Format("2 Jan 2006")
	case days >= 7:
		return "on " + at.Format("2 Jan")
	}
	return at.Format("2 Jan")
}

func keyNeeds(keys []control.KeyView, now time.Time, zone *time.Location) []need {
	var out []need
	for i := range keys {
		k := &keys[i]
		if k.State != "active" {
			continue
		}
		if left := k.ExpiresAt.Sub(now); !k.ExpiresAt.IsZero() && left < expireSoon {
			out = append(out, need{role: theme.Warn, text: fmt.Sprintf("key %s of %s expires in %s", k.Label, k.ClientSlug, widget.Until(k.ExpiresAt, now)),
				note: "last used " + ago(k.LastUsedAt, now) + "; r on Keys replaces it", to: screen.Goto{Screen: "keys", Filter: k.ClientSlug}})
		}
		if k.Refused == nil {
			out = append(out, limitNeeds("key "+k.Label+" of "+k.ClientSlug, k.LimitStates, k.CreatedAt, now, zone, need{kind: "key", id: k.ID, to: screen.Goto{Screen: "keys", Filter: "id:=" + string(k.ID)}})...)
		}
	}
	return out
}

func ago(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return widget.Ago(at, now) + " ago"
}

// providerNeeds tells of providers that failed in the latest minutes, as far as
// the tail reaches.
func providerNeeds(s *live.Snapshot, now time.Time) []need {
	type count struct {
		name, code           string
		failed, all, rescued int
	}
	var order []string
	counts := map[string]*count{}
	for i := range s.Tail {
		r := s.Tail[i]
		if r.Provider == "" || now.Sub(r.At) > failedLately {
			continue
		}
		c := counts[r.Provider]
		if c == nil {
			c = &count{name: r.Provider}
			counts[r.Provider] = c
			order = append(order, r.Provider)
		}
		c.all++
		if r.Outcome == tally.OutcomeFailed {
			c.failed++
			c.code = cmp.Or(c.code, r.Code)
		} else if r.Attempts > 1 {
			c.rescued++
		}
	}
	var out []need
	for i := range s.Providers {
		if p := &s.Providers[i]; p.Silent {
			n := need{role: theme.Bad, text: p.Name + " does not answer", note: "it is asked last until it does", to: screen.Goto{Screen: "providers", Filter: p.Name}}
			if p.LastFailure != nil {
				n.note = "the latest: " + p.LastFailure.Why()
			}
			out = append(out, n)
		}
	}
	for _, id := range order {
		c := counts[id]
		switch {
		case c.failed >= 2:
			role := theme.Warn
			if c.failed*5 >= c.all {
				role = theme.Bad
			}
			out = append(out, need{role: role, text: fmt.Sprintf("%s: %d of %d requests failed in 10 min", c.name, c.failed, c.all), note: "the latest: " + part.Words(c.code), to: screen.Goto{Screen: "providers", Filter: c.name}})
		case c.rescued >= 2:
			out = append(out, need{role: theme.Warn, text: fmt.Sprintf("%s answered %d requests after a failure", c.name, c.rescued), note: "in 10 min; the providers before it fail", to: screen.Goto{Screen: "requests", Filter: "provider:" + c.name}})
		}
	}
	return out
}

// codeNeeds tells of refusals and failures that the owner can do something
// about.
func codeNeeds(s *live.Snapshot) []need {
	var out []need
	for _, r := range s.ByCode.Rows {
		n := r.Refused + r.Errors
		if n == 0 {
			continue
		}
		switch r.ID {
		case tally.CodeModelUnpriced:
			out = append(out, need{role: theme.Bad, text: part.Plural(n, "request") + " for models without a price" + asked(s, r.ID), note: "refused in 24 h: price them on Models", to: screen.Goto{Screen: "models", Filter: ""}})
		case tally.CodeModelNotFound:
			out = append(out, need{role: theme.Warn, text: part.Plural(n, "request") + " for models that do not exist" + asked(s, r.ID), note: "refused in 24 h: add or alias them", to: screen.Goto{Screen: "requests", Filter: "code:" + r.ID}})
		case tally.CodeProviderAuth, tally.CodeProviderQuota, tally.CodeNoProvider:
			out = append(out, need{role: theme.Bad, text: part.Plural(n, "request") + " failed: " + part.Words(r.ID), note: "in 24 h: test the providers", to: screen.Goto{Screen: "providers", Filter: ""}})
		}
	}
	if n := s.Status.Unknown; n > 0 {
		out = append(out, need{role: theme.Info, text: part.Plural(n, "request") + " with a key that nobody has", note: "refused since the start", to: screen.Goto{Screen: "requests", Filter: "code:" + tally.CodeInvalidKey}})
	}
	return out
}

// asked names models that were asked for in vain, as far as the tail reaches.
func asked(s *live.Snapshot, code string) string {
	var names []string
	for i := range s.Tail {
		if r := s.Tail[i]; r.Code == code && r.Model != "" && !slices.Contains(names, r.Model) && len(names) < 3 {
			names = append(names, r.Model)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}
