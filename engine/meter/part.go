package meter

import (
	"cmp"
	"strings"

	"tallygate/engine/tally"
)

// whole leaves out the charges of limits per part, which do not bind every request.
func (pl *plan) whole(list []tally.Charge) []tally.Charge {
	if !pl.parts {
		return list
	}
	out := make([]tally.Charge, 0, len(list))
	for i, c := range list {
		if pl.limits[i].Window.Per == "" {
			out = append(out, c)
		}
	}
	return out
}

// forParts puts the parts that a request is of into the charges of limits per part, and
// leaves out those of other parts. A model that is asked for by an alias of the gateway is
// the same model; a limit may be one of the alias, too.
func (pl *plan) forParts(list []tally.Charge, r *Request, session *tally.SessionUse) []tally.Charge {
	model := cmp.Or(r.Principal.Gateway.Aliases[r.Model], r.Model)
	value := func(key string) string {
		switch key {
		case tally.PartModel:
			return model
		case tally.PartSession:
			if session == nil {
				return ""
			}
			return session.Member
		}
		return r.Tags.Value(key)
	}
	out := make([]tally.Charge, 0, len(list))
	for i, c := range list {
		if w := pl.limits[i].Window; w.Per != "" {
			label, ok := w.PartLabel(value)
			if asked := tally.PartModel + "=" + r.Model; w.Per == asked {
				label, ok = asked, true
			}
			if !ok {
				continue
			}
			c.Subject = tally.PartOf(c.Subject, label)
		}
		out = append(out, c)
	}
	return out
}

// perLabel reports whether the limit is one that the part of a label has.
func (l *planned) perLabel(label string) bool {
	key, _, _ := strings.Cut(label, "=")
	return l.Window.Per != "" && (l.Window.Per == key || l.Window.Per == label)
}

// partWords are how a caller reads whose part is limited.
func partWords(p *tally.Principal, of tally.Subject, label string) string {
	who := whose(p, of)
	key, value, _ := strings.Cut(label, "=")
	switch {
	case key == tally.PartSession && value != "":
		return "This session of " + strings.ToLower(who[:1]) + who[1:]
	case value == "":
		return who + ", for requests without " + key + ","
	}
	return who + ", for " + key + "=" + value + ","
}

// fullest is the part of a limit that each value has which is used up most, of those that
// have refused something in its period; "" if there is none.
func (m *Meter) fullest(s *Standing, usage func(tally.Subject) (tally.Usage, error)) (tally.Subject, error) {
	key, begin := tally.LimitPeriod(s.Metric, s.Period.Label), string(tally.PartOf(s.Subject, s.Window.Per+"="))
	var refused []tally.Subject
	m.usedUp.mu.Lock()
	for subject, limits := range m.usedUp.of {
		if strings.HasPrefix(string(subject), begin) && limits[key] != nil {
			refused = append(refused, subject)
		}
	}
	m.usedUp.mu.Unlock()
	tally.Order(refused, func(a, b tally.Subject) int { return cmp.Compare(a, b) })
	var most tally.Subject
	var used int64
	for _, subject := range refused {
		u, err := usage(subject)
		if err != nil {
			return "", err
		}
		if most == "" || u.Used > used {
			most, used = subject, u.Used
		}
	}
	return most, nil
}
