package token

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

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
	claims, err := o.claims(gid, iat, tid)
	if err != nil {
		return "", nil, err
	}
	t, err := read(gid, string(claims)) // what every gateway will make of it
	if err != nil {
		return "", nil, err
	}
	signed := append(base64.RawURLEncoding.AppendEncode(nil, []byte(header)), '.')
	signed = base64.RawURLEncoding.AppendEncode(signed, claims)
	credential := append([]byte(prefix+gid+"."), signed...)
	credential = append(credential, '.')
	return string(base64.RawURLEncoding.AppendEncode(credential, sign([]byte(secretKey), signed))), t, nil
}

// claims writes the claims in their fixed order, without a blank.
func (o *Options) claims(gid string, iat int64, tid string) ([]byte, error) {
	if len(o.AllowedCountries) > 0 && len(o.BlockedCountries) > 0 {
		return nil, tally.Errorf(tally.Invalid, "allowedCountries and blockedCountries contradict each other").WithHint("give one of the two lists")
	}
	w := writer{out: append(append(append([]byte(`{"tid":"`), tid...), `","gid":"`...), gid...)}
	w.out = strconv.AppendInt(append(w.out, `","iat":`...), iat, 10)
	if o.ExpiresIn != 0 {
		if o.ExpiresIn < time.Second || o.ExpiresIn > longest {
			return nil, tally.Errorf(tally.Invalid, "expiresIn is from a second to ten years, not %s", o.ExpiresIn)
		}
		w.out = strconv.AppendInt(append(w.out, `,"exp":`...), iat+int64(o.ExpiresIn/time.Second), 10)
	}
	w.count("requests", o.Requests, "")
	w.count("ipQuota", o.IPQuota, "")
	w.cost(o.Cost)
	if o.Quota != "" {
		kind, amount, _ := strings.Cut(o.Quota, "=")
		if kind != "requests" && kind != "tokens" {
			w.fail("quota: the type is requests or tokens, not %q", kind)
		}
		w.count("quota", amount, kind)
	}
	w.list("domains", o.Domains, canonicalDomain)
	w.list("allowedCountries", o.AllowedCountries, checkedCountry)
	w.list("blockedCountries", o.BlockedCountries, checkedCountry)
	w.list("models", o.Models, checkedModel)
	w.whole("maxOutput", o.MaxOutput)
	return append(w.out, '}'), w.err
}

// writer appends claims until one is wrong.
type writer struct {
	out []byte
	err error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = tally.Errorf(tally.Invalid, format, args...).WithHint("for example --requests 10000/month, --ip-quota 20/day, --cost 10, --quota tokens=1000000/week, --domain mysite.com, --allow-country US, --max-output 4096")
	}
}

// count appends a limit on a whole number.
func (w *writer) count(claim, text, kind string) {
	if text == "" && kind == "" {
		return
	}
	amount, period, cut := strings.Cut(text, "/")
	n, ok := whole(amount)
	if !ok {
		w.fail("%s: the limit is a whole number above 0, not %q", claim, amount)
		return
	}
	if !cut {
		period = "lifetime"
	}
	unit, ok := periodOf(period)
	if !ok {
		w.fail("%s: the period is minute, hour, day, week, month or lifetime, not %q", claim, period)
		return
	}
	w.open(claim)
	if kind != "" {
		w.out = append(append(append(w.out, `"type":"`...), kind...), `",`...)
	}
	w.out = strconv.AppendInt(append(w.out, `"limit":`...), n, 10)
	w.close(unit)
}

// whole appends a whole number.
func (w *writer) whole(claim string, n *int64) {
	switch {
	case n == nil:
	case *n < 1 || *n > maxWhole:
		w.fail("%s: the limit is a whole number above 0, not %d", claim, *n)
	default:
		w.out = strconv.AppendInt(append(append(append(w.out, `,"`...), claim...), `":`...), *n, 10)
	}
}

// cost appends a limit on money.
func (w *writer) cost(text string) {
	if text == "" {
		return
	}
	amount, period, cut := strings.Cut(text, "/")
	number := strings.TrimRight(strings.TrimSpace(amount), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	if currency := strings.TrimSpace(amount)[len(number):]; currency != "" && currency != "USD" && number != "" {
		w.fail("cost: the currency is USD, not %s", currency)
		return
	}
	usd, ok := dollars(strings.TrimSpace(number))
	if !ok {
		w.fail("cost: the limit is a number of dollars above 0 and up to 1,000,000, not %q", amount)
		return
	}
	unit := tally.Total
	if cut {
		if unit, ok = periodOf(period); !ok {
			w.fail("cost: the period is minute, hour, day, week, month or lifetime, not %q", period)
			return
		}
	}
	w.open("cost")
	w.out = append(append(append(w.out, `"limit":`...), usd...), `,"currency":"USD"`...)
	if unit == tally.Total {
		w.out = append(w.out, '}') // that of a cost is its life if none is given
		return
	}
	w.close(unit)
}

func (w *writer) open(claim string) {
	w.out = append(append(append(w.out, `,"`...), claim...), `":{`...)
}

func (w *writer) close(unit tally.Unit) {
	word := string(unit)
	if unit == tally.Total {
		word = "lifetime"
	}
	w.out = append(append(append(w.out, `,"period":"`...), word...), `"}`...)
}

// list appends a list of texts. An empty one of domains means any; of the others
// it would allow nothing, which nobody means.
func (w *writer) list(claim string, list []string, canonical func(string) (string, string)) {
	if list == nil || len(list) == 0 && claim == "domains" {
		return
	}
	if len(list) == 0 {
		w.fail("%s is empty: leave it out to allow any", claim)
		return
	}
	w.out = append(append(append(w.out, `,"`...), claim...), `":[`...)
	for i, item := range list {
		text, wrong := canonical(item)
		if wrong != "" {
			w.fail("%s: %s is not %s", claim, bare(item), wrong)
			return
		}
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.out = appendText(w.out, text)
	}
	w.out = append(w.out, ']')
}

// appendText appends printable ASCII as JavaScript writes it in JSON.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
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

// rawClaims are claims as they are, for people.
func rawClaims(b []byte) json.RawMessage {
	if !json.Valid(b) {
		return nil
	}
	return b
}
