package token

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// What a report says of a signature.
const (
	SignatureValid     = "valid"
	SignatureWrong     = "wrong"
	SignatureUnchecked = "not checked"
)

// Report explains a token.
type Report struct {
	Token     *tally.AccessToken // nil if it cannot be read
	Claims    json.RawMessage    // as they stand in it; nil if they are no JSON
	Lines     []string           // what it allows
	Faults    []string           // why it does not work
	Signature string
}

// Inspect explains a token in words at an instant. Without a key its signature is
// not checked.
func Inspect(credential string, key []byte, now time.Time) Report {
	out := Report{Signature: SignatureUnchecked, Lines: []string{}, Faults: []string{}}
	fault := func(format string, args ...any) { out.Faults = append(out.Faults, fmt.Sprintf(format, args...)) }
	gid, head, claims, _, ok := split(credential)
	if !ok {
		fault("%s", unlike(credential))
		return out
	}
	if len(key) > 0 {
		out.Signature = SignatureValid
		if _, err := Verify(credential, key); tally.CodeOf(err) == tally.Denied {
			out.Signature = SignatureWrong
			fault("it was not signed with this private key, or it was changed")
		}
	}
	if err := checkHeader(head); err != nil {
		fault("%s", err)
	}
	text, err := encoding.DecodeString(claims)
	if err != nil {
		fault("its claims are not written in base64url")
		return out
	}
	out.Claims = rawClaims(text)
	t, err := read(gid, text)
	if err != nil {
		fault("%s", err)
		return out
	}
	out.Token, out.Lines = t, Words(t, now)
	switch {
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		fault("it expired on %s", date(t.ExpiresAt))
	case now.Before(t.NotBefore):
		fault("it works only from %s", date(t.NotBefore))
	case IssuedAhead(t, now):
		fault("it says that it was issued on %s, which has not come yet: mint another one by a clock that is right", date(t.IssuedAt))
	}
	return out
}

// unlike says what a text is instead of a token.
func unlike(s string) string {
	switch {
	case strings.HasPrefix(s, keyPrefix):
		return "it is the private key of a gateway, which signs access tokens and must stay secret"
	case strings.HasPrefix(s, "llm_gw_"):
		return "it is the key of a client, not an access token"
	case strings.HasPrefix(s, "ey"):
		return "it is a JWT without wlm- and the gateway's id before it"
	case len(s) > maxLength:
		return "it is too long to be an access token"
	}
	return "it is not an access token: that is wlm-, the gateway's id, a dot and three parts"
}

// Words says what a token allows.
func Words(t *tally.AccessToken, now time.Time) []string {
	var out []string
	for _, l := range t.Limits {
		out = append(out, upTo(l))
	}
	if len(t.Limits) == 0 {
		out = append(out, "no limit on what all visitors together may use: only the gateway's limits bound the cost")
	}
	for _, l := range t.VisitorLimits {
		out = append(out, "each visitor's address: "+upTo(l))
	}
	out = append(out, "pages of "+oneOf(t.Domains, "any site"))
	switch {
	case len(t.AllowedCountries) > 0:
		out = append(out, "visitors from "+oneOf(t.AllowedCountries, ""))
	case len(t.BlockedCountries) > 0:
		out = append(out, "visitors from everywhere but "+oneOf(t.BlockedCountries, ""))
	default:
		out = append(out, "visitors from everywhere")
	}
	for _, l := range t.NamedLimits {
		out = append(out, "its visitor: "+upTo(l))
	}
	if t.Locked() {
		what := "the template "
		if len(t.Templates) > 1 {
			what = "the templates "
		}
		out = append(out, "only its visitor's words: "+what+oneOf(t.Templates, "")+" of the gateway has the rest")
	}
	if t.Mints {
		out = append(out, "the site's own server may make short-lived tokens of it; it is for no page")
	}
	if t.Parent != "" {
		out = append(out, "made of "+t.Parent+", on whose limits it counts, and with which it ends")
	}
	if len(t.Models) > 0 {
		out = append(out, "models "+oneOf(t.Models, ""))
	}
	if t.MaxOutput > 0 {
		out = append(out, "answers of up to "+tally.Group(t.MaxOutput)+" tokens")
	}
	ends := "until it is revoked"
	if !t.ExpiresAt.IsZero() {
		ends = "until " + date(t.ExpiresAt)
		if left := t.ExpiresAt.Sub(now); left >= 48*time.Hour {
			ends += fmt.Sprintf(", for %d days", left.Round(24*time.Hour)/(24*time.Hour))
		}
	}
	return append(out, "issued on "+date(t.IssuedAt)+", works "+ends)
}

func upTo(l tally.Limit) string {
	per := "a " + string(l.Window.Unit)
	switch l.Window.Unit {
	case tally.Hour:
		per = "an hour"
	case tally.Total:
		per = "in all"
	}
	if l.Metric.Money() {
		return fmt.Sprintf("up to %s %s", l.Metric.Format(l.Max), per)
	}
	return fmt.Sprintf("up to %s %s %s", l.Metric.Format(l.Max), l.Metric, per)
}

// oneOf joins words with commas and an "and".
func oneOf(words []string, none string) string {
	switch n := len(words); n {
	case 0:
		return none
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

func date(t time.Time) string { return t.Format("2006-01-02 15:04 MST") }
