package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// maxLength is the longest token that is looked at, in bytes.
const maxLength = 8 << 10

var encoding = base64.RawURLEncoding.Strict()

// canonicalHeader is the header of most tokens, encoded.
var canonicalHeader = encoding.EncodeToString([]byte(header))

// GatewayOf returns the public ID of the gateway that a token names before its
// dot; false if it has not the form of a token. It vouches for nothing.
func GatewayOf(credential string) (gid string, ok bool) {
	rest, ok := strings.CutPrefix(credential, prefix)
	if !ok || len(rest) <= gidLength || len(credential) > maxLength || rest[gidLength] != '.' || !isGID(rest[:gidLength]) {
		return "", false
	}
	return rest[:gidLength], true
}

// GatewayOfKey returns the public ID of the gateway of a private key; false if it
// has not the form of one.
func GatewayOfKey(secretKey string) (gid string, ok bool) {
	rest, ok := strings.CutPrefix(secretKey, keyPrefix)
	if !ok || len(rest) < gidLength+2 || len(rest) > 200 || rest[gidLength] != '-' || !isGID(rest[:gidLength]) || !isWord(rest[gidLength+1:], "_-") {
		return "", false
	}
	return rest[:gidLength], true
}

// IsID reports whether a text can be the ID of a token: 1 to 64 letters, digits
// and _ . : -
func IsID(s string) bool { return s != "" && len(s) <= maxTokenID && isWord(s, "_.:-") }

func isGID(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// isWord reports whether a text is letters and digits of ASCII, and some more.
func isWord(s, more string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.Contains(more, string(c)) {
			return false
		}
	}
	return true
}

func sign(key, signed []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(signed)
	return mac.Sum(nil)
}

// Verify checks a token's signature, and then reads its claims. The error is
// Denied if the signature is not good, before anything was parsed, and Invalid if
// it is but a claim cannot be followed.
func Verify(credential string, key []byte) (*tally.AccessToken, error) {
	gid, head, claims, signature, ok := split(credential)
	if !ok {
		return nil, tally.Errorf(tally.Denied, "that is not an access token")
	}
	given, err := encoding.DecodeString(signature)
	signed := credential[len(prefix)+gidLength+1 : len(credential)-len(signature)-1]
	if err != nil || !hmac.Equal(sign(key, []byte(signed)), given) {
		return nil, tally.Errorf(tally.Denied, "the signature is not good")
	}
	if err := checkHeader(head); err != nil {
		return nil, err
	}
	text, err := encoding.DecodeString(claims)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "its claims are not written in base64url")
	}
	return read(gid, string(text))
}

// split cuts a token into its parts.
func split(credential string) (gid, head, claims, signature string, ok bool) {
	if gid, ok = GatewayOf(credential); !ok {
		return
	}
	head, rest, _ := strings.Cut(credential[len(prefix)+gidLength+1:], ".")
	claims, signature, ok = strings.Cut(rest, ".")
	return gid, head, claims, signature, ok && len(signature) <= 43 && !strings.Contains(signature, ".")
}

// checkHeader refuses a header that asks for anything but HS256.
func checkHeader(encoded string) error {
	if encoded == canonicalHeader {
		return nil
	}
	text, err := encoding.DecodeString(encoded)
	if err != nil {
		return tally.Errorf(tally.Invalid, "its header is not written in base64url")
	}
	r := &reader{b: string(text)}
	alg := ""
	err = r.object(func(name string) (err error) {
		switch name {
		case "alg":
			alg, err = r.text()
		case "typ", "kid":
			_, err = r.text()
		default:
			err = fmt.Errorf("asks for %s", quoted(name)) // such as crit
		}
		return err
	})
	switch {
	case err == nil && !r.end():
		err = errJSON
	case err == nil && alg != "HS256":
		err = fmt.Errorf("says alg %s, and only HS256 is accepted", quoted(alg))
	}
	if err != nil {
		return tally.Errorf(tally.Invalid, "its header %w", err)
	}
	return nil
}

// read reads claims whose signature is good. What it does not understand refuses
// the token: it might be a limit.
func read(gid, claims string) (*tally.AccessToken, error) {
	r := &claimReader{reader: reader{b: claims}, token: &tally.AccessToken{}}
	var claim string
	err := r.object(func(name string) error {
		claim = name
		return r.claim(name)
	})
	t := r.token
	switch {
	case err != nil && claim == "":
		return nil, tally.Errorf(tally.Invalid, "its claims: it %w", err)
	case err != nil:
		return nil, tally.Errorf(tally.Invalid, "its claim %s %w", bare(claim), err)
	case !r.end():
		return nil, tally.Errorf(tally.Invalid, "its claims are followed by something else")
	case t.ID == "":
		return nil, tally.Errorf(tally.Invalid, "its claim tid is missing")
	case t.Gateway != gid:
		return nil, tally.Errorf(tally.Invalid, "its claim gid names gateway %s, and the text before its dot %s", bare(t.Gateway), gid)
	case t.IssuedAt.IsZero():
		return nil, tally.Errorf(tally.Invalid, "its claim iat is missing")
	case len(t.AllowedCountries) > 0 && len(t.BlockedCountries) > 0:
		return nil, tally.Errorf(tally.Invalid, "its claims allowedCountries and blockedCountries contradict each other")
	}
	return t, nil
}

// mostAhead is how far clocks may be apart.
const mostAhead = 5 * time.Minute

// IssuedAhead reports whether a token says that it was issued in the future, by more
// than clocks are apart: revoking every token so far would not end it.
func IssuedAhead(t *tally.AccessToken, now time.Time) bool { return t.IssuedAt.Sub(now) > mostAhead }

type claimReader struct {
	reader
	token *tally.AccessToken
}

// claim reads the value of one claim. Its errors go on after the claim's name.
func (r *claimReader) claim(name string) (err error) {
	t := r.token
	switch name {
	case "tid":
		if t.ID, err = r.text(); err == nil && !IsID(t.ID) {
			err = fmt.Errorf("is not 1 to %d letters and digits", maxTokenID)
		}
	case "gid":
		t.Gateway, err = r.text()
	case "iat":
		t.IssuedAt, err = r.time(false)
	case "exp":
		t.ExpiresAt, err = r.time(false)
	case "nbf":
		t.NotBefore, err = r.time(true)
	case "requests", "quota", "cost":
		var l tally.Limit
		l, err = r.limit(name)
		t.Limits = append(t.Limits, l)
	case "ipQuota":
		var l tally.Limit
		l, err = r.limit(name)
		t.VisitorLimits = append(t.VisitorLimits, l)
	case "domains":
		t.Domains, err = r.list(canonicalDomain)
	case "allowedCountries":
		t.AllowedCountries, err = r.some(country)
	case "blockedCountries":
		t.BlockedCountries, err = r.some(country)
	case "models":
		t.Models, err = r.some(checkedModel)
	case "maxOutput":
		t.MaxOutput, err = r.whole()
	case "iss", "sub", "jti", "name":
		_, err = r.text() // they restrict nothing
	default:
		err = fmt.Errorf("is not known here")
	}
	return err
}

// country reads a country's code, of which case is not the point.
func country(s string) (code, wrong string) { return checkedCountry(strings.ToUpper(s)) }

// list reads a list of texts in their canonical form.
func (r *claimReader) list(canonical func(string) (string, string)) ([]string, error) {
	list, err := r.texts()
	if err != nil {
		return nil, err
	}
	for i, item := range list {
		text, wrong := canonical(item)
		if wrong != "" {
			return nil, fmt.Errorf("has %s, which is not %s", quoted(item), wrong)
		}
		list[i] = text
	}
	return list, nil
}

// some reads a list that must have something in it.
func (r *claimReader) some(canonical func(string) (string, string)) ([]string, error) {
	list, err := r.list(canonical)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("is empty, which would allow nothing")
	}
	return list, err
}

// limit reads {limit, period} of a claim.
func (r *claimReader) limit(claim string) (tally.Limit, error) {
	l := tally.Limit{Metric: tally.Requests, Window: tally.Window{Unit: tally.Total}}
	switch claim {
	case "cost":
		l.Metric = tally.Cost
	case "quota":
		l.Metric = "" // it says which
	}
	amount := ""
	err := r.object(func(name string) (err error) {
		text := ""
		switch {
		case name == "limit":
			amount, err = r.number()
		case name == "period":
			var ok bool
			if text, err = r.text(); err == nil {
				if l.Window.Unit, ok = periodOf(text); !ok {
					err = fmt.Errorf("is %s", quoted(text))
				}
			}
		case name == "currency" && claim == "cost":
			if text, err = r.text(); err == nil && text != "USD" {
				err = fmt.Errorf("is %s, and only USD is known", quoted(text))
			}
		case name == "type" && claim == "quota":
			if text, err = r.text(); text == "requests" || text == "tokens" {
				l.Metric = tally.Metric(text)
			}
		default:
			err = fmt.Errorf("is not known here")
		}
		if err != nil {
			return fmt.Errorf("has a %s that %w", bare(name), err)
		}
		return nil
	})
	switch {
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

// quoted writes a text of the token's for people, and cuts it short.
func quoted(s string) string { return strconv.Quote(cut(s)) }

// bare is quoted without quotes where it can be: a claim's name, as a rule.
func bare(s string) string {
	if s != "" && isWord(s, "_") && len(s) <= 40 {
		return s
	}
	return quoted(s)
}

func cut(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
