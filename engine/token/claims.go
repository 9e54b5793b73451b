package token

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// claim reads the value of one claim. Its errors go on after the claim's name.
func claim(t *tally.AccessToken, name string, v value) (err error) {
	switch name {
	case "tid":
		if t.ID, err = v.text(); err == nil && !IsID(t.ID) {
			err = fmt.Errorf("is not 1 to %d letters and digits", maxTokenID)
		}
	case "gid":
		t.Gateway, err = v.text()
	case "iat":
		t.IssuedAt, err = v.time(false)
	case "exp":
		t.ExpiresAt, err = v.time(false)
	case "nbf":
		t.NotBefore, err = v.time(true)
	case "requests", "quota", "cost":
		var l tally.Limit
		l, err = v.limit(name)
		t.Limits = append(t.Limits, l)
	case "ipQuota":
		var l tally.Limit
		l, err = v.limit(name)
		t.VisitorLimits = append(t.VisitorLimits, l)
	case "domains":
		t.Domains, err = v.list(canonicalDomain)
	case "allowedCountries":
		t.AllowedCountries, err = v.some(country)
	case "blockedCountries":
		t.BlockedCountries, err = v.some(country)
	case "models":
		t.Models, err = v.some(checkedModel)
	case "maxOutput":
		t.MaxOutput, err = v.whole()
	case "templates":
		t.Templates, err = v.some(checkedTemplate)
	case "mints":
		if t.Mints = v == "true"; !t.Mints {
			err = errors.New("is not true")
		}
	case "visitor":
		t.Visitor, err = v.text()
	case "iss", "sub", "jti", "name":
		_, err = v.text() // they restrict nothing
	default:
		err = fmt.Errorf("is not known here")
	}
	return err
}

// country reads a country's code, of which case is not the point.
func country(s string) (code, wrong string) { return checkedCountry(strings.ToUpper(s)) }

// some reads a list that must have something in it.
func (v value) some(canonical func(string) (string, string)) ([]string, error) {
	list, err := v.list(canonical)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("is empty, which would allow nothing")
	}
	return list, err
}

// limit reads {limit, period} of a claim.
func (v value) limit(claim string) (tally.Limit, error) {
	l := tally.Limit{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}}
	switch claim {
	case "cost":
		l.Metric = tally.Cost
	case "quota":
		l.Metric = "" // it says which
	}
	amount := ""
	about, err := v.members(func(name string, v value) (err error) {
		text := ""
		switch {
		case name == "limit":
			amount, err = v.number()
		case name == "period":
			var ok bool
			if text, err = v.text(); err == nil {
				if l.Window.Unit, ok = periodOf(text); !ok {
					err = fmt.Errorf("is %s", quoted(text))
				}
			}
		case name == "currency" && claim == "cost":
			if text, err = v.text(); err == nil && text != "USD" {
				err = fmt.Errorf("is %s, and only USD is known", quoted(text))
			}
		case name == "type" && claim == "quota":
			if text, err = v.text(); err == nil && isQuota(text) {
				l.Metric = tally.Metric(text)
			}
		default:
			err = fmt.Errorf("is not known here")
		}
		return err
	})
	switch {
	case err != nil && about != "":
		return l, fmt.Errorf("has a %s that %w", bare(about), err)
	case err != nil:
		return l, err
	case l.Metric == "":
		return l, fmt.Errorf("has no type of requests or tokens")
	}
	var ok bool
	if l.Max, ok = atMost(amount, l.Metric.Money()); !ok {
		return l, fmt.Errorf("has no limit that is a number above 0")
	}
	return l, nil
}

// whole reads a whole number above 0.
func (v value) whole() (int64, error) {
	s, err := v.number()
	if err != nil {
		return 0, err
	}
	n, ok := atMost(s, false)
	if !ok {
		return 0, errors.New("is not a whole number above 0")
	}
	return n, nil
}

// atMost reads the amount of a limit: whole, or money, of which what is beyond a
// nano-dollar is dropped. It is never more than what is written.
func atMost(s string, money bool) (int64, bool) {
	units, fraction, dotted := strings.Cut(s, ".")
	if !isDigits(units) || dotted && !isDigits(fraction) { // an exponent, too
		return 0, false
	}
	if !money {
		n, err := strconv.ParseInt(units, 10, 64)
		if err != nil {
			n = tally.MaxCount // the text is digits, so it is only too long
		}
		return min(n, tally.MaxCount), n > 0 && strings.Trim(fraction, "0") == ""
	}
	if len(strings.TrimLeft(units, "0")) > 12 {
		return int64(tally.MaxMoney), true
	}
	if len(fraction) > 9 {
		s = s[:len(units)+1+9]
	}
	usd, err := tally.ParseUSD(s)
	if err != nil {
		usd = tally.MaxMoney // likewise
	}
	return int64(min(usd, tally.MaxMoney)), usd > 0
}

// milliseconds is where times are no seconds any more: in seconds it is the year
// 5138, in milliseconds 1973.
const milliseconds = 100_000_000_000

// time reads an instant of whole seconds; a part of one is dropped, or counts as
// a whole one.
func (v value) time(up bool) (time.Time, error) {
	s, err := v.number()
	if err != nil {
		return time.Time{}, err
	}
	units, fraction, dotted := strings.Cut(s, ".")
	n, err := strconv.ParseInt(units, 10, 64)
	if err != nil || n <= 0 || dotted && !isDigits(fraction) || n > milliseconds*1000 {
		return time.Time{}, errors.New("is no time in seconds")
	}
	part := strings.Trim(fraction, "0") != ""
	if n > milliseconds {
		part = part || n%1000 > 0
		n /= 1000
	}
	if up && part {
		n++
	}
	return time.Unix(n, 0).UTC(), nil
}
