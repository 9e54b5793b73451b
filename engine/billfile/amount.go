package billfile

import (
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// amount is what a cell says.
type amount struct {
	pico
	decimals int  // behind the point, in dollars
	whole    bool // it has no digit below a nano-dollar
}

// nothing is the amount of a cell that says none.
var nothing = amount{whole: true}

// dollars reads an amount: "1.25", "-0.5", "$1,234.50", "1.2E-05". shift is by how many places
// its point is moved to the left: 2 for cents.
func dollars(text string, shift int) (a amount, problem string) {
	digits := strings.TrimSpace(text)
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	digits = strings.TrimPrefix(digits, "$")
	if strings.Contains(digits, ",") {
		var ok bool
		if digits, ok = ungrouped(digits); !ok {
			return a, "is not an amount of US dollars"
		}
	}
	if n, _, ok := providers.ParseDecimal(digits, 12-shift); ok {
		a.nano, a.rest = n/1000, n%1000
	} else if n, _, ok := providers.ParseDecimal(digits, 9-shift); ok {
		a.nano = n
	} else {
		return a, "is not an amount of US dollars"
	}
	if a.nano > int64(tally.MaxMoney) {
		return a, "is more money than can be counted"
	}
	_, a.whole, _ = providers.ParseDecimal(digits, 9-shift)
	if mantissa, _, exponent := strings.Cut(strings.ToLower(digits), "e"); exponent {
		a.decimals = 9
	} else if _, frac, ok := strings.Cut(mantissa, "."); ok {
		a.decimals = len(frac) + shift
	} else {
		a.decimals = shift
	}
	if negative {
		a.nano, a.rest = -a.nano, -a.rest
	}
	return a, ""
}

// ungrouped takes the commas out of an amount that has one before every three digits.
func ungrouped(text string) (string, bool) {
	whole, frac, dotted := strings.Cut(text, ".")
	parts := strings.Split(whole, ",")
	for i, part := range parts {
		if i > 0 && len(part) != 3 || i == 0 && (len(part) == 0 || len(part) > 3) {
			return "", false
		}
	}
	out := strings.Join(parts, "")
	if dotted {
		out += "." + frac
	}
	return out, true
}

// instants are how exports write a moment. Where they name no zone it is UTC.
var instants = []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime,
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 UTC", "2006-01-02 15:04"}

// moment reads one: a date, with a time or without, or seconds since 1970.
func moment(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if len(text) >= 9 && len(text) <= 11 && strings.Trim(text, "0123456789") == "" {
		seconds, _, _ := providers.ParseDecimal(text, 0)
		at := time.Unix(seconds, 0).UTC()
		return at, within(at)
	}
	for _, layout := range instants {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), within(at)
		}
	}
	return time.Time{}, false
}

// within reports whether somebody can have used a model then.
func within(at time.Time) bool { return at.Year() >= 2015 && at.Year() < 2200 }

// named splits a line item of OpenAI's: "gpt-4o-2024-08-06, cached input" is of that model,
// as is "gpt-image-1 image, output"; "web search tool calls" is of none.
func named(item string) (model, rest string) {
	name, _, found := strings.Cut(item, ", ")
	name = strings.TrimSpace(name)
	if !found || name == "" {
		return "", strings.TrimSpace(item)
	}
	for _, kind := range []string{" text", " image", " audio", " video"} {
		name = strings.TrimSuffix(name, kind)
	}
	if strings.ContainsAny(name, " |") { // "evals | gpt-4o-mini": a service of theirs
		return "", name
	}
	return name, ""
}
