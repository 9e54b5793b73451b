package token

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tallygate/engine/geo"
	"tallygate/engine/tally"
)

// Options are what a token is minted with, as its owner writes it. Empty fields
// are left out of it.
type Options struct {
	Requests string // "10000/month", "10k/month", or "500" for its life
	IPQuota  string // the same, of each visitor's address
	Cost     string // "10.50", in US dollars, or "2/day"
	Quota    string // "tokens=1000000/week" or "requests=…"

	Domains          []string // hosts; "*.mysite.com" for those below it
	AllowedCountries []string // ISO 3166-1 alpha-2, in capitals
	BlockedCountries []string
	Models           []string

	MaxOutput *int64 // output tokens of one answer; nil: the gateway's bound for visitors

	Templates []string // that it is locked to; nil: it is not
	Mints     bool     // it may make short-lived tokens

	ExpiresIn time.Duration // in whole seconds, at most ten years; 0: never
}

const (
	prefix     = "wlm-"
	keyPrefix  = "sk-webllm-gateway-"
	gidLength  = 9
	header     = `{"alg":"HS256","typ":"JWT"}`
	maxWhole   = 1<<53 - 1 // the largest whole number of JavaScript
	longest    = 316e9 * time.Millisecond
	maxTokenID = 64
)

// Mint makes a token that is issued at an instant, and returns what it says. The
// error names the option that is wrong.
func Mint(secretKey string, o Options, now time.Time) (credential string, t *tally.AccessToken, err error) {
	var random [16]byte
	rand.Read(random[:]) // never fails since Go 1.24
	return mint(secretKey, o, now.Unix(), "tok_"+base64.RawURLEncoding.EncodeToString(random[:]))
}

func mint(secretKey string, o Options, iat int64, tid string) (string, *tally.AccessToken, error) {
	gid, ok := GatewayOfKey(secretKey)
	if !ok {
		return "", nil, tally.Errorf(tally.Invalid, "secretKey is not the private key of a gateway").WithHint("it looks like sk-webllm-gateway-abc123xyz-…")
	}
	c, err := o.claims()
	if err != nil {
		return "", nil, err
	}
	c.TID, c.GID, c.IAT = tid, gid, iat
	if o.ExpiresIn != 0 {
		c.EXP = iat + int64(o.ExpiresIn/time.Second)
	}
	return sign(secretKey, gid, c)
}

// sign makes a token of claims, and returns what every gateway will make of it.
func sign(secretKey, gid string, claims any) (string, *tally.AccessToken, error) {
	var text bytes.Buffer
	w := json.NewEncoder(&text)
	w.SetEscapeHTML(false) // JavaScript does not
	if err := w.Encode(claims); err != nil {
		return "", nil, err
	}
	written := bytes.TrimSpace(text.Bytes())
	t, err := read(gid, written)
	if err != nil {
		return "", nil, err
	}
	signed := canonicalHeader + "." + encoding.EncodeToString(written)
	signature, err := jwt.SigningMethodHS256.Sign(signed, []byte(secretKey))
	if err != nil {
		return "", nil, err
	}
	credential := prefix + gid + "." + signed + "." + encoding.EncodeToString(signature)
	if len(credential) > maxLength {
		return "", nil, tally.Errorf(tally.Invalid, "it would have %s bytes, and gateways read %s", tally.Group(int64(len(credential))), tally.Group(maxLength)).
			WithHint("name fewer domains, models or templates")
	}
	return credential, t, nil
}

// claims are what a token says, in their fixed order.
type claims struct {
	TID              string   `json:"tid"`
	GID              string   `json:"gid"`
	IAT              int64    `json:"iat"`
	EXP              int64    `json:"exp,omitempty"`
	Requests         *amount  `json:"requests,omitempty"`
	IPQuota          *amount  `json:"ipQuota,omitempty"`
	Cost             *amount  `json:"cost,omitempty"`
	Quota            *amount  `json:"quota,omitempty"`
	Domains          []string `json:"domains,omitempty"`
	AllowedCountries []string `json:"allowedCountries,omitempty"`
	BlockedCountries []string `json:"blockedCountries,omitempty"`
	Models           []string `json:"models,omitempty"`
	MaxOutput        *int64   `json:"maxOutput,omitempty"`
	Templates        []string `json:"templates,omitempty"`
	Mints            bool     `json:"mints,omitempty"`
}

// amount is a limit as a claim writes it.
type amount struct {
	Type     string      `json:"type,omitempty"`
	Limit    json.Number `json:"limit"`
	Currency string      `json:"currency,omitempty"`
	Period   string      `json:"period,omitempty"`
}

// claims checks what an owner wrote, and writes it as claims. The first thing that
// is wrong is the error.
func (o *Options) claims() (c claims, err error) {
	if len(o.AllowedCountries) > 0 && len(o.BlockedCountries) > 0 {
		return c, tally.Errorf(tally.Invalid, "allowedCountries and blockedCountries contradict each other").WithHint("give one of the two lists")
	}
	if o.ExpiresIn != 0 && (o.ExpiresIn < time.Second || o.ExpiresIn > longest) {
		return c, tally.Errorf(tally.Invalid, "expiresIn is from a second to ten years, not %s", o.ExpiresIn)
	}
	var k checks
	kind, quota, _ := strings.Cut(o.Quota, "=")
	c = claims{
		Requests:         k.count("requests", o.Requests),
		IPQuota:          k.count("ipQuota", o.IPQuota),
		Cost:             k.cost(o.Cost),
		Quota:            k.count("quota", quota),
		Domains:          k.list("domains", o.Domains, canonicalDomain),
		AllowedCountries: k.list("allowedCountries", o.AllowedCountries, checkedCountry),
		BlockedCountries: k.list("blockedCountries", o.BlockedCountries, checkedCountry),
		Models:           k.list("models", o.Models, checkedModel),
		MaxOutput:        o.MaxOutput,
		Templates:        k.list("templates", o.Templates, checkedTemplate),
		Mints:            o.Mints,
	}
	switch {
	case o.Quota != "" && !isQuota(kind):
		k.fail("quota: the type is requests or tokens, not %q", kind)
	case o.Quota != "" && quota == "":
		k.fail("quota: the limit is a whole number above 0, as in tokens=1000000")
	case c.Quota != nil:
		c.Quota.Type = kind
	}
	if n := o.MaxOutput; n != nil && (*n < 1 || *n > maxWhole) {
		k.fail("maxOutput: the limit is a whole number above 0, not %d", *n)
	}
	return c, k.err
}

// isQuota reports whether a quota can be of a type.
func isQuota(kind string) bool { return kind == "requests" || kind == "tokens" }

// checks keeps the first thing that is wrong with options.
type checks struct{ err error }

func (k *checks) fail(format string, args ...any) {
	if k.err == nil {
		k.err = tally.Errorf(tally.Invalid, format, args...).WithHint("for example --requests 10000/month, --ip-quota 20/day, --cost 10, --quota tokens=1000000/week, --domain mysite.com, --allow-country US, --max-output 4096")
	}
}

// count is a limit on a whole number.
func (k *checks) count(claim, text string) *amount {
	if text == "" {
		return nil
	}
	number, period, cut := strings.Cut(text, "/")
	n, ok := whole(number)
	if !ok {
		k.fail("%s: the limit is a whole number above 0, not %q", claim, number)
	}
	out := &amount{Limit: json.Number(strconv.FormatInt(n, 10)), Period: "lifetime"}
	if cut {
		out.Period = k.period(claim, period)
	}
	return out
}

// cost is a limit on money; it is for the token's life if no period is given.
func (k *checks) cost(text string) *amount {
	if text == "" {
		return nil
	}
	number, period, cut := strings.Cut(text, "/")
	number = strings.TrimSpace(number)
	digits := strings.TrimRight(number, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	if currency := number[len(digits):]; currency != "" && currency != "USD" && digits != "" {
		k.fail("cost: the currency is USD, not %s", currency)
	}
	usd, ok := dollars(strings.TrimSpace(digits))
	if !ok {
		k.fail("cost: the limit is a number of dollars above 0 and up to 1,000,000, not %q", number)
	}
	out := &amount{Limit: json.Number(usd), Currency: "USD"}
	if cut {
		if out.Period = k.period("cost", period); out.Period == "lifetime" {
			out.Period = ""
		}
	}
	return out
}

// period is the word of claims for a period.
func (k *checks) period(claim, word string) string {
	unit, ok := periodOf(word)
	if !ok {
		k.fail("%s: the period is minute, hour, day, week, month or lifetime, not %q", claim, word)
	}
	if unit == tally.Total {
		return "lifetime"
	}
	return string(unit)
}

// list is a list in its canonical form. An empty one of domains means any; of the
// others it would allow nothing, which nobody means.
func (k *checks) list(claim string, list []string, canonical func(string) (text, wrong string)) []string {
	if list != nil && len(list) == 0 && claim != "domains" {
		k.fail("%s is empty: leave it out to allow any", claim)
	}
	out := make([]string, len(list))
	for i, item := range list {
		var wrong string
		if out[i], wrong = canonical(item); wrong != "" {
			k.fail("%s: %s is not %s", claim, bare(item), wrong)
		}
	}
	return out
}

// whole reads a whole number from 1 to the largest of JavaScript; k and M stand
// for thousands and millions.
func whole(s string) (int64, bool) {
	digits := strings.TrimRight(s, "kM")
	zeros, ok := map[string]string{"": "", "k": "000", "M": "000000"}[s[len(digits):]]
	if !ok || strings.HasPrefix(digits, "+") {
		return 0, false
	}
	n, err := strconv.ParseInt(digits+zeros, 10, 64)
	return n, err == nil && n > 0 && n <= maxWhole
}

// dollars writes an amount of money with at most nine decimals, and no zero at
// its end; the tenth rounds.
func dollars(s string) (string, bool) {
	units, fraction, dotted := strings.Cut(s, ".")
	if !isDigits(units) || dotted && !isDigits(fraction) {
		return "", false
	}
	up := len(fraction) > 9 && fraction[9] >= '5'
	usd, err := tally.ParseUSD(units + "." + (fraction + "000000000")[:9])
	if err != nil {
		return "", false
	}
	if up {
		usd++
	}
	if usd < 1000 || usd > 1_000_000*tally.Dollar { // a millionth of a dollar: less is written with an exponent
		return "", false
	}
	text := usd.String()
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text, true
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// periodOf reads the word for a period.
func periodOf(s string) (tally.Unit, bool) {
	if s == "lifetime" {
		return tally.Total, true
	}
	unit := tally.Unit(s)
	return unit, slices.Contains([]tally.Unit{tally.Minute, tally.Hour, tally.Day, tally.Week, tally.Month, tally.Total}, unit)
}

// canonicalDomain writes a domain as claims have it, or says what it should be.
func canonicalDomain(s string) (domain, wrong string) {
	domain = strings.TrimSuffix(strings.ToLower(s), ".")
	if !isDomain(domain) {
		if strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) {
			return "", "in ASCII: write it as browsers do, with xn--"
		}
		return "", "a host like mysite.com or *.mysite.com"
	}
	return domain, ""
}

func checkedCountry(s string) (code, wrong string) {
	if !geo.IsCountry(s) {
		return "", "a country code of ISO 3166, in capitals"
	}
	return s, ""
}

func checkedModel(s string) (name, wrong string) {
	if s == "" || len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(s) == "" {
		return "", "a name"
	}
	return s, ""
}

func checkedTemplate(s string) (name, wrong string) {
	if !tally.IsTemplateName(s) {
		return "", "the name of a template, like product-questions"
	}
	return s, ""
}

// rawClaims are claims as they are, for people.
func rawClaims(b []byte) json.RawMessage {
	if !json.Valid(b) {
		return nil
	}
	return b
}
