package engine

import (
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/geo"
	"tallygate/engine/tally"
)

// checkVisitors refuses rules about visitors that cannot be meant. A gateway
// that is open to anyone needs limits: nothing else protects its owner's money.
func checkVisitors(gw *tally.Gateway) error {
	if len(gw.AllowedCountries) > 0 && len(gw.BlockedCountries) > 0 {
		return tally.Errorf(tally.Invalid, "allowed and blocked countries contradict each other").WithHint("clear one of the two lists: --allow-country none, or --block-country none")
	}
	for _, l := range gw.VisitorLimits {
		if l.Metric == tally.Sessions || l.Metric == tally.Credits {
			return tally.Errorf(tally.Invalid, "visitors have no %s", l.Metric).WithHint("limit their requests, tokens or cost")
		}
	}
	if gw.Access != tally.AccessPublic {
		return nil
	}
	enforced := func(limits []tally.Limit, units ...tally.Unit) bool {
		return slices.ContainsFunc(limits, func(l tally.Limit) bool {
			return !l.Warn && (len(units) == 0 || slices.Contains(units, l.Window.Unit))
		})
	}
	var lacking []string
	if !enforced(gw.Limits, tally.Minute) {
		lacking = append(lacking, "--limit requests=60/minute")
	}
	if !enforced(gw.Limits, tally.Day, tally.DayPart) {
		lacking = append(lacking, "--limit cost=5/day")
	}
	if !enforced(gw.VisitorLimits) {
		lacking = append(lacking, "--visitor-limit requests=20/day")
	}
	if len(lacking) > 0 {
		return tally.Errorf(tally.Invalid, "a public gateway needs a limit per minute, one per day, and one for each visitor: anybody can use it").
			WithHint("add for example %s", strings.Join(lacking, " "))
	}
	return nil
}

// checkCountries returns country codes in capitals, each once.
func checkCountries(list []string) ([]string, error) {
	var out []string
	for _, code := range list {
		code = strings.ToUpper(strings.TrimSpace(code))
		if !geo.IsCountry(code) {
			return nil, tally.Errorf(tally.Invalid, "%q is not a country", code).WithHint("two letters of ISO 3166-1, like US or PT")
		}
		if !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	return out, nil
}

// afterAllIssued is the first instant at which no access token was issued yet:
// tokens tell when in whole seconds.
func afterAllIssued(now time.Time) time.Time {
	return now.UTC().Truncate(time.Second).Add(time.Second)
}

// setNotBefore reads from when on access tokens count.
func setNotBefore(field *time.Time, date *control.Date, now time.Time, zone string) error {
	if date == nil {
		return nil
	}
	switch s := strings.TrimSpace(string(*date)); s {
	case "", "none":
		*field = time.Time{}
	case "now":
		*field = afterAllIssued(now)
	default:
		loc, err := time.LoadLocation(zone)
		if err != nil {
			loc = time.UTC
		}
		t, err := date.At(control.Calendar{Now: now, Zone: loc})
		if err != nil {
			return tally.Errorf(tally.Invalid, "%q is not a time", s).WithHint("now, none, or a date like %s", now.In(loc).Format(time.DateOnly))
		}
		if t.After(now) {
			return tally.Errorf(tally.Invalid, "%s lies in the future: no access token would work until then", s).WithHint("now, or a date that has begun")
		}
		*field = t.Truncate(time.Second)
	}
	return nil
}
