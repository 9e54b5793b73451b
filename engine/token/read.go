package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

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

// Verify checks a token's signature, and then reads its claims. The error is Denied if
// the signature is not good, and then nothing was parsed; it is Invalid if the signature
// is good and a claim cannot be followed.
func Verify(credential string, key []byte) (*tally.AccessToken, error) {
	gid, head, claims, signature, ok := split(credential)
	if !ok {
		return nil, tally.Errorf(tally.Denied, "that is not an access token")
	}
	given, err := encoding.DecodeString(signature)
	signed := credential[len(prefix)+gidLength+1 : len(credential)-len(signature)-1]
	if err != nil || jwt.SigningMethodHS256.Verify(signed, given, key) != nil {
		return nil, tally.Errorf(tally.Denied, "the signature is not good")
	}
	if err := checkHeader(head); err != nil {
		return nil, err
	}
	text, err := encoding.DecodeString(claims)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "its claims are not written in base64url")
	}
	return read(gid, text)
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
	h, err := parse(text)
	alg, about := "", ""
	if err == nil {
		about, err = h.members(func(name string, v value) (err error) {
			text, err := v.text()
			switch name {
			case "alg":
				alg = text
			case "typ", "kid":
			default:
				err = errors.New("is not known here") // such as crit
			}
			return err
		})
	}
	switch {
	case about != "" && err != nil:
		err = fmt.Errorf("asks for %s, which %w", quoted(about), err)
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
func read(gid string, text []byte) (*tally.AccessToken, error) {
	v, err := parse(text)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "its claims: it %w", err)
	}
	return readValue(gid, v)
}

func readValue(gid string, v value) (*tally.AccessToken, error) {
	t, parent, said := &tally.AccessToken{}, value(""), []string(nil)
	about, err := v.members(func(name string, v value) error {
		if name == "parent" {
			parent = v
			return nil
		}
		said = append(said, name)
		return claim(t, name, v)
	})
	switch {
	case err != nil && about == "":
		return nil, tally.Errorf(tally.Invalid, "its claims: it %w", err)
	case err != nil:
		return nil, tally.Errorf(tally.Invalid, "its claim %s %w", bare(about), err)
	case t.ID == "":
		return nil, tally.Errorf(tally.Invalid, "its claim tid is missing")
	case t.Gateway != gid:
		return nil, tally.Errorf(tally.Invalid, "its claim gid names gateway %s, and the text before its dot %s", bare(t.Gateway), gid)
	case t.IssuedAt.IsZero():
		return nil, tally.Errorf(tally.Invalid, "its claim iat is missing")
	case len(t.AllowedCountries) > 0 && len(t.BlockedCountries) > 0:
		return nil, tally.Errorf(tally.Invalid, "its claims allowedCountries and blockedCountries contradict each other")
	case parent != "":
		made, err := child(gid, t, said, parent)
		if err != nil {
			return nil, tally.Errorf(tally.Invalid, "its claims: it %w", err)
		}
		return made, nil
	case t.Visitor != "":
		return nil, tally.Errorf(tally.Invalid, "its claim visitor is for tokens that were made of another one")
	}
	return t, nil
}

// mostAhead is how far clocks may be apart.
const mostAhead = 5 * time.Minute

// IssuedAhead reports whether a token says that it was issued in the future, by more
// than clocks are apart: revoking every token so far would not end it.
func IssuedAhead(t *tally.AccessToken, now time.Time) bool { return t.IssuedAt.Sub(now) > mostAhead }

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
