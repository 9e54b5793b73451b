package engine

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Bounds on what an owner may enter. They are far beyond sense, and keep
// arithmetic and screens whole.
const (
	maxInFlight     = 100_000
	maxWeight       = 1000
	maxListed       = 500 // origins, models or aliases of one thing
	maxSession      = 366 * 24 * time.Hour
	maxGrace        = 90 * 24 * time.Hour
	maxTimeout      = 24 * time.Hour
	maxModelTokens  = tally.MaxTokens
	maxOutputByRule = 10_000_000
	maxRetention    = 100 * 366 // days
	maxLimits       = 50
)

// set puts an owner's value into a field if there is one, after a check.
func set[T any](field *T, value *T, check func(T) error) error {
	if value == nil {
		return nil
	}
	if check != nil {
		if err := check(*value); err != nil {
			return err
		}
	}
	*field = *value
	return nil
}

// firstError returns the first of several checks that failed.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// setList puts a list of the owner's into a field, as a check normalises it.
func setList(field *[]string, list *[]string, check func([]string) ([]string, error)) error {
	if list == nil {
		return nil
	}
	out, err := check(*list)
	if err == nil {
		*field = out
	}
	return err
}

// limited is which limits a kind of thing can have beside those that all can.
type limited uint8

const (
	partLimits limited = 1 << iota // per model, per session, per tag
	prepaid                        // what was paid in advance
	carried                        // what was left in the period before

	plainLimits   limited = 0
	gatewayLimits         = carried
	keyLimits             = partLimits | carried
	clientLimits          = partLimits | carried | prepaid
)

// setLimits applies the owner's edits to a list of limits. Raises go with the limit
// they belong to; raises may be nil where there are none.
func setLimits(limits *[]tally.Limit, raises *[]tally.Raise, edits []tally.LimitEdit, may limited) error {
	for _, e := range edits {
		switch {
		case e.Metric == tally.Balance && may&prepaid == 0:
			return tally.Errorf(tally.Invalid, "only a client has a balance").
				WithHint("tallygate clients update CLIENT --limit credits=balance")
		case e.Window.Per != "" && may&partLimits == 0:
			return tally.Errorf(tally.Invalid, "%s: only clients and keys have limits per %s", e.Metric, e.Window.Per).
				WithHint("tallygate clients update CLIENT --limit %s", tally.ShellQuote(e.String()))
		case e.Carry != 0 && may&carried == 0:
			return tally.Errorf(tally.Invalid, "%s: nothing is carried over here", e.Limit).
				WithHint("limits of gateways, clients and keys may have it")
		}
	}
	out, err := editLimits(*limits, edits)
	if err != nil {
		return err
	}
	*limits = out
	if raises == nil {
		return nil
	}
	*raises = slices.DeleteFunc(slices.Clone(*raises), func(r tally.Raise) bool {
		return slices.ContainsFunc(edits, func(e tally.LimitEdit) bool { return e.Remove && r.Of(e.Limit) })
	})
	return nil
}

// between makes a check that a number is in a range.
func between[N int | int64](what string, low, high N) func(N) error {
	return func(n N) error {
		if n < low || n > high {
			return tally.Errorf(tally.Invalid, "%s must be between %s and %s, not %s", what, tally.Group(int64(low)), tally.Group(int64(high)), tally.Group(int64(n)))
		}
		return nil
	}
}

// during makes a check that a duration is in a range; 0 always is: it means
// the default.
func during(what string, low, high time.Duration) func(time.Duration) error {
	return func(d time.Duration) error {
		if d != 0 && (d < low || d > high) {
			return tally.Errorf(tally.Invalid, "%s must be between %s and %s, not %s", what, low, high, d)
		}
		return nil
	}
}

// optional makes a check of a text that may be empty.
func optional(what string, longest int, multiline bool) func(string) error {
	return func(s string) error {
		if len(s) > longest {
			return tally.Errorf(tally.Invalid, "the %s is longer than %d bytes", what, longest)
		}
		for _, r := range s {
			if (r < ' ' || r == 0x7f) && !(multiline && (r == '\n' || r == '\t' || r == '\r')) {
				return tally.Errorf(tally.Invalid, "the %s contains a control character", what)
			}
		}
		return nil
	}
}

func checkEmail(s string) error {
	if s == "" {
		return nil
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s || len(s) > 254 {
		return tally.Errorf(tally.Invalid, "%q is not an email address", s).WithHint("like ana@example.com")
	}
	return nil
}

// checkPublicURL allows none, or an address that pages can use.
func checkPublicURL(s string) error {
	if s == "" {
		return nil
	}
	if err := tally.CheckBaseURL(s); err != nil {
		return tally.Errorf(tally.Invalid, "%q is not an address that clients can use", s).WithHint("like https://ai.example.com")
	}
	return nil
}

// checkOrigins returns the origins as browsers send them.
func checkOrigins(list []string) ([]string, error) {
	return distinct("origins", list, func(s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
			u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.Host, "*, ") {
			return "", tally.Errorf(tally.Invalid, "%q is not an origin", s).WithHint("scheme and host of the page, like https://www.example.com or http://localhost:3000")
		}
		host := strings.ToLower(u.Host)
		if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
			host = strings.TrimSuffix(host, ":"+port) // a browser leaves it out
		}
		return u.Scheme + "://" + host, nil
	})
}

// checkModels returns names of models that exist, or aliases of the gateway.
func checkModels(c *tally.Catalog, list []string, aliases map[string]string) ([]string, error) {
	return distinct("models", list, func(s string) (string, error) {
		if _, aliased := aliases[s]; !aliased && len(c.ModelsNamed(s)) == 0 {
			return "", missing("model", s, modelNames(c, ""), "tallygate models import PROVIDER")
		}
		return s, nil
	})
}

// distinct checks and normalises a list and drops repetitions. Empty strings
// are dropped too, so that one empty value clears a list.
func distinct(what string, list []string, check func(string) (string, error)) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if s = strings.TrimSpace(s); s == "" || s == "none" {
			continue
		}
		s, err := check(s)
		if err != nil {
			return nil, err
		}
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	if len(out) > maxListed {
		return nil, tally.Errorf(tally.Invalid, "there are more than %d %s", maxListed, what)
	}
	return out, nil
}

func checkModelName(s string) error {
	if err := tally.CheckName("model's name", s); err != nil {
		return err
	}
	if strings.ContainsAny(s, " \"\\") {
		return tally.Errorf(tally.Invalid, "the model's name %q contains a space, quote or backslash", s)
	}
	return nil
}

// editLimits applies the owner's edits and checks each limit.
func editLimits(limits []tally.Limit, edits []tally.LimitEdit) ([]tally.Limit, error) {
	for _, e := range edits {
		check := e.Limit
		if e.Remove {
			check.Max = 0
		}
		if err := check.Validate(); err != nil {
			return nil, err
		}
	}
	out, err := tally.EditLimits(limits, edits)
	if err != nil {
		texts := make([]string, len(limits))
		for i, l := range limits {
			texts[i] = l.String()
		}
		if len(texts) == 0 {
			return nil, tally.AsError(err).WithHint("there are no limits here")
		}
		return nil, tally.AsError(err).WithHint("there is %s", strings.Join(texts, ", "))
	}
	if len(out) > maxLimits {
		return nil, tally.Errorf(tally.Invalid, "there are more than %d limits", maxLimits)
	}
	return out, nil
}

// nothing is the error for a change that changes nothing: most likely a flag
// was forgotten.
func nothing(what string) error {
	return tally.Errorf(tally.Invalid, "nothing to change was given").WithHint("see: tallygate %s update --help", what)
}
