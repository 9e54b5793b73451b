package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

const key = "sk-webllm-gateway-abc123xyz-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"

// minimal are claims that are enough.
const minimal = `"tid":"tok_1","gid":"abc123xyz","iat":1795600000`

// signed is a token with any header and claims, signed as it should be.
func signed(header, claims string) string {
	text := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString([]byte(claims))
	return "wlm-abc123xyz." + text + "." + signature(key, text)
}

// signature is made here by hand, so that a library that signs otherwise is found
// out.
func signature(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return encoding.EncodeToString(mac.Sum(nil))
}

func withClaims(more string) string { return signed(header, "{"+minimal+more+"}") }

func TestForgeries(t *testing.T) {
	good := withClaims("")
	parts := strings.Split(strings.TrimPrefix(good, "wlm-"), ".") // gid, header, claims, signature
	join := func(head, claims, signature string) string {
		return "wlm-abc123xyz." + head + "." + claims + "." + signature
	}
	enc := func(s string) string { return encoding.EncodeToString([]byte(s)) }
	b384 := hmac.New(sha512.New384, []byte(key))
	b384.Write([]byte(enc(`{"alg":"HS384"}`) + "." + parts[2]))
	tampered := enc(strings.Replace("{"+minimal+"}", "1795600000", "1895600000", 1))
	for name, credential := range map[string]string{
		"alg none, no signature":         join(enc(`{"alg":"none"}`), parts[2], ""),
		"alg none, the old signature":    join(enc(`{"alg":"none"}`), parts[2], parts[3]),
		"HS384":                          join(enc(`{"alg":"HS384"}`), parts[2], encoding.EncodeToString(b384.Sum(nil))),
		"tampered":                       join(parts[1], tampered, parts[3]),
		"no signature":                   join(parts[1], parts[2], ""),
		"half a signature":               join(parts[1], parts[2], parts[3][:22]),
		"signature with padding":         good + "=",
		"signature and more":             good + ".x",
		"signature with other last bits": good[:len(good)-1] + string(alphabetAfter(good[len(good)-1])),
		"two parts":                      "wlm-abc123xyz." + parts[1] + "." + parts[2],
		"another gateway's name before":  "wlm-zzz123xyz" + good[len("wlm-abc123xyz"):] + "x",
		"no prefix":                      good[len("wlm-abc123xyz."):],
		"a long gateway id":              "wlm-abc123xyzz" + good[len("wlm-abc123xyz"):],
		"capitals in the gateway id":     "wlm-ABC123XYZ" + good[len("wlm-abc123xyz"):],
		"huge":                           withClaims(`,"name":"` + strings.Repeat("x", maxLength) + `"`),
		"nothing":                        "",
		"only dots":                      "wlm-abc123xyz....",
		"signed with the empty key":      join(parts[1], parts[2], signature("", parts[1]+"."+parts[2])),
		"signed with the gateway's id":   join(parts[1], parts[2], signature("abc123xyz", parts[1]+"."+parts[2])),
		"signed with the public half":    join(enc(`{"alg":"RS256"}`), parts[2], strings.Repeat("A", 342)),
	} {
		if token, err := Verify(credential, []byte(key)); tally.CodeOf(err) != tally.Denied {
			t.Errorf("%s: %+v, %v", name, token, err)
		}
	}
	if _, err := Verify(good, []byte(key)); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(good, []byte(key[:len(key)-1])); tally.CodeOf(err) != tally.Denied {
		t.Error("another key opens it:", err)
	}
}

// alphabetAfter is a character that differs only in the bits that base64 does
// not use at the end of 32 bytes.
func alphabetAfter(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)+1]
}

// A token that its owner has signed is refused if a part of it cannot be
// followed: it is never taken for one that allows more.
func TestMalformedClaims(t *testing.T) {
	for name, tc := range map[string]struct{ credential, says string }{
		"alg none, signed":        {signed(`{"alg":"none"}`, "{"+minimal+"}"), "only HS256"},
		"alg in small letters":    {signed(`{"alg":"hs256"}`, "{"+minimal+"}"), "only HS256"},
		"RS256, signed with HMAC": {signed(`{"alg":"RS256","typ":"JWT"}`, "{"+minimal+"}"), `says alg "RS256"`},
		"no alg":                  {signed(`{"typ":"JWT"}`, "{"+minimal+"}"), "only HS256"},
		"two algs":                {signed(`{"alg":"none","alg":"HS256"}`, "{"+minimal+"}"), "twice"},
		"crit":                    {signed(`{"alg":"HS256","crit":["x"]}`, "{"+minimal+"}"), `asks for "crit"`},
		"a header that is a list": {signed(`["HS256"]`, "{"+minimal+"}"), "header is not written in JSON"},
		"claims that are a list":  {signed(header, `[1]`), "its claims: it is not written in JSON"},
		"claims in a string":      {signed(header, `"{}"`), "its claims"},
		"claims and more":         {signed(header, "{"+minimal+"}{}"), "after top-level value"},
		"no tid":                  {signed(header, `{"gid":"abc123xyz","iat":1}`), "tid is missing"},
		"no iat":                  {signed(header, `{"tid":"a","gid":"abc123xyz"}`), "iat is missing"},
		"no gid":                  {signed(header, `{"tid":"a","iat":1}`), "gid names gateway"},
		"another gid":             {signed(header, `{"tid":"a","gid":"zzz123xyz","iat":1}`), "gid names gateway zzz123xyz"},
		"a tid with a slash":      {signed(header, `{"tid":"a/b","gid":"abc123xyz","iat":1}`), "tid"},
		"a tid without end":       {signed(header, `{"tid":"`+strings.Repeat("a", 65)+`","gid":"abc123xyz","iat":1}`), "tid"},
		"unknown claim":           {withClaims(`,"aud":"x"`), "claim aud is not known"},
		"nested deeply":           {withClaims(`,"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000)), "not known"},
		"exp twice":               {withClaims(`,"exp":1,"exp":9999999999`), "twice"},
		"exp twice, one escaped":  {withClaims(`,"exp":1,"\u0065xp":9999999999`), "twice"},
		"exp in words":            {withClaims(`,"exp":"2027-01-01"`), "exp is not a number"},
		"exp below zero":          {withClaims(`,"exp":-1`), "exp is no time"},
		"exp zero":                {withClaims(`,"exp":0`), "exp is no time"},
		"exp null":                {withClaims(`,"exp":null`), "exp"},
		"exp with an exponent":    {withClaims(`,"exp":1e12`), "exp is no time"},
		"exp beyond all":          {withClaims(`,"exp":99999999999999999999`), "exp is no time"},
		"requests zero":           {withClaims(`,"requests":{"limit":0,"period":"day"}`), "requests has no limit"},
		"requests below zero":     {withClaims(`,"requests":{"limit":-5}`), "requests has no limit"},
		"requests in part":        {withClaims(`,"requests":{"limit":1.5}`), "requests has no limit"},
		"requests in a text":      {withClaims(`,"requests":{"limit":"5"}`), "requests has a limit that is not a number"},
		"requests with exponent":  {withClaims(`,"requests":{"limit":1e3}`), "requests has no limit"},
		"requests null":           {withClaims(`,"requests":null`), "requests"},
		"requests true":           {withClaims(`,"requests":true`), "requests"},
		"requests bare":           {withClaims(`,"requests":5`), "requests"},
		"requests empty":          {withClaims(`,"requests":{}`), "requests has no limit"},
		"requests per year":       {withClaims(`,"requests":{"limit":5,"period":"year"}`), `period that is "year"`},
		"requests in dollars":     {withClaims(`,"requests":{"limit":5,"currency":"USD"}`), "currency that is not known"},
		"requests, limit twice":   {withClaims(`,"requests":{"limit":5,"limit":500}`), "twice"},
		"cost in euros":           {withClaims(`,"cost":{"limit":5,"currency":"EUR"}`), "only USD"},
		"cost in small letters":   {withClaims(`,"cost":{"limit":5,"currency":"usd"}`), "only USD"},
		"cost of nothing":         {withClaims(`,"cost":{"limit":0.0000000001}`), "cost has no limit"},
		"quota of dollars":        {withClaims(`,"quota":{"type":"dollars","limit":5}`), "quota has no type"},
		"quota of money":          {withClaims(`,"quota":{"type":"cost","limit":5}`), "quota has no type"},
		"requests without words":  {withClaims(`,"requests":{"limit":5,"period":""}`), `period that is ""`},
		"exp in capitals":         {withClaims(`,"EXP":1`), "EXP is not known"},
		"quota of nothing":        {withClaims(`,"quota":{"limit":5}`), "quota has no type"},
		"domain with a scheme":    {withClaims(`,"domains":["https://mysite.com"]`), "domains has"},
		"domain of all":           {withClaims(`,"domains":["*"]`), "domains has"},
		"domain of all .com":      {withClaims(`,"domains":["*.com"]`), "domains has"},
		"domain of a number":      {withClaims(`,"domains":[5]`), "domains is not a list of texts"},
		"domains in an object":    {withClaims(`,"domains":{}`), "domains is not a list"},
		"both lists":              {withClaims(`,"allowedCountries":["US"],"blockedCountries":["CN"]`), "contradict"},
		"no country":              {withClaims(`,"allowedCountries":[]`), "allowedCountries is empty"},
		"no such country":         {withClaims(`,"allowedCountries":["XX"]`), "allowedCountries has"},
		"block no such country":   {withClaims(`,"blockedCountries":["XX"]`), "blockedCountries has"},
		"no model":                {withClaims(`,"models":[]`), "models is empty"},
		"bad UTF-8":               {withClaims(",\"models\":[\"\xff\"]"), "not written in UTF-8"},
		"a control character":     {withClaims(",\"models\":[\"a\nb\"]"), "not written in JSON: invalid character '\\n'"},
		"no output":               {withClaims(`,"maxOutput":0`), "maxOutput is not a whole number above 0"},
		"output below zero":       {withClaims(`,"maxOutput":-1`), "maxOutput is not a whole number above 0"},
		"output in part":          {withClaims(`,"maxOutput":1.5`), "maxOutput is not a whole number above 0"},
		"output with exponent":    {withClaims(`,"maxOutput":1e3`), "maxOutput is not a whole number above 0"},
		"output in a text":        {withClaims(`,"maxOutput":"5"`), "maxOutput is not a number"},
		"output null":             {withClaims(`,"maxOutput":null`), "maxOutput is not a number"},
		"output like a limit":     {withClaims(`,"maxOutput":{"limit":5}`), "maxOutput is not a number"},
		"output twice":            {withClaims(`,"maxOutput":5,"maxOutput":500`), "twice"},
		"a comma too many":        {withClaims(`,`), ""},
		"a number with a zero":    {withClaims(`,"exp":01`), "not written in JSON: invalid character '1'"},
	} {
		token, err := Verify(tc.credential, []byte(key))
		if tally.CodeOf(err) != tally.Invalid || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %+v, %v; want %q", name, token, err, tc.says)
		}
	}
}

// What others mint is read as they mean it.
func TestOthersClaims(t *testing.T) {
	day := tally.Window{Unit: tally.Day}
	total := tally.Window{Unit: tally.Total}
	at := func(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
	for _, tc := range []struct {
		claims string
		want   func(*tally.AccessToken) bool
	}{
		{`,"exp":1800000000000`, func(t *tally.AccessToken) bool { return t.ExpiresAt.Equal(at(1800000000)) }},
		{`,"exp":1500000000999`, func(t *tally.AccessToken) bool { return t.ExpiresAt.Equal(at(1500000000)) }}, // long ago, and not in the year 49501
		{`,"exp":1800000000.9`, func(t *tally.AccessToken) bool { return t.ExpiresAt.Equal(at(1800000000)) }},
		{`,"nbf":1800000000.1`, func(t *tally.AccessToken) bool { return t.NotBefore.Equal(at(1800000001)) }},
		{`,"nbf":1800000000001`, func(t *tally.AccessToken) bool { return t.NotBefore.Equal(at(1800000001)) }},
		{`,"requests":{"limit":5.0,"period":"day"}`, func(t *tally.AccessToken) bool {
			return t.Limits[0] == tally.Limit{Metric: tally.Requests, Window: day, Max: 5}
		}},
		{`,"requests":{"limit":5}`, func(t *tally.AccessToken) bool { return t.Limits[0].Window == total }},
		{`,"requests":{"limit":5,"period":"total"}`, func(t *tally.AccessToken) bool { return t.Limits[0].Window == total }},
		{`,"requests":{"limit":99999999999999999999999}`, func(t *tally.AccessToken) bool { return t.Limits[0].Max == tally.MaxCount }},
		{`,"cost":{"limit":50.0,"currency":"USD"}`, func(t *tally.AccessToken) bool {
			return t.Limits[0] == tally.Limit{Metric: tally.Cost, Window: total, Max: int64(50 * tally.Dollar)}
		}},
		{`,"cost":{"limit":0.0000000019}`, func(t *tally.AccessToken) bool { return t.Limits[0].Max == 1 }}, // never more than it says
		{`,"cost":{"limit":999999999999999999999}`, func(t *tally.AccessToken) bool { return t.Limits[0].Max == int64(tally.MaxMoney) }},
		{`,"requests":{"limit":9,"period":"day"},"quota":{"type":"requests","limit":5,"period":"day"}`, func(t *tally.AccessToken) bool { return len(t.Limits) == 2 && t.Limits[1].Max == 5 }},
		{`,"ipQuota":{"limit":5,"period":"day"}`, func(t *tally.AccessToken) bool { return len(t.Limits) == 0 && t.VisitorLimits[0].Max == 5 }},
		{`,"domains":[]`, func(t *tally.AccessToken) bool { return len(t.Domains) == 0 }},
		{`,"domains":"MySite.com."`, func(t *tally.AccessToken) bool { return slices.Equal(t.Domains, []string{"mysite.com"}) }},
		{`,"blockedCountries":["cn"]`, func(t *tally.AccessToken) bool { return slices.Equal(t.BlockedCountries, []string{"CN"}) }},
		{`,"maxOutput":5.0`, func(t *tally.AccessToken) bool { return t.MaxOutput == 5 }},
		{`,"maxOutput":99999999999999999999999`, func(t *tally.AccessToken) bool { return t.MaxOutput == tally.MaxCount }},
		{``, func(t *tally.AccessToken) bool { return t.MaxOutput == 0 }},
		{`,"iss":"me","sub":"you","jti":"1","name":"\ud83c\udf89"`, func(t *tally.AccessToken) bool { return true }},
	} {
		token, err := Verify(withClaims(tc.claims), []byte(key))
		if err != nil || !tc.want(token) {
			t.Errorf("%s: %+v, %v", tc.claims, token, err)
		}
	}
}

func TestInspectExplains(t *testing.T) {
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	mint := func(o Options) string {
		credential, _, err := Mint(key, o, now)
		if err != nil {
			t.Fatal(err)
		}
		return credential
	}
	full := mint(Options{Requests: "10000/month", IPQuota: "1/hour", Cost: "10", Quota: "tokens=5M/week", Domains: []string{"a.com", "*.a.com", "b.com"},
		AllowedCountries: []string{"US"}, Models: []string{"m"}, MaxOutput: new(int64(4096)), ExpiresIn: 90 * 24 * time.Hour})
	got := Inspect(full, []byte(key), now)
	want := []string{"up to 10,000 requests a month", "up to $10.00 in all", "up to 5,000,000 tokens a week", "each visitor's address: up to 1 requests an hour",
		"pages of a.com, *.a.com and b.com", "visitors from US", "models m", "answers of up to 4,096 tokens", "issued on 2026-11-26 09:00 UTC, works until 2027-02-24 09:00 UTC, for 90 days"}
	if !slices.Equal(got.Lines, want) || len(got.Faults) != 0 || got.Signature != SignatureValid || !json.Valid(got.Claims) {
		t.Errorf("%q\n%q %s", got.Lines, got.Faults, got.Signature)
	}
	for _, tc := range []struct{ credential, key, signature, fault string }{
		{full, "", SignatureUnchecked, ""},
		{full, key + "x", SignatureWrong, "not signed with this private key"},
		{mint(Options{ExpiresIn: time.Second}), key, SignatureValid, "it expired on 2026-11-26"},
		{withClaims(`,"nbf":1999999999`), key, SignatureValid, "it works only from 2033"},
		{signed(header, fmt.Sprintf(`{"tid":"a","gid":"abc123xyz","iat":%d}`, now.Add(7*time.Minute).Unix())), key, SignatureValid, "it was issued on 2026-11-26 09:07 UTC, which has not come yet"},
		{withClaims(`,"cost":{"limit":0}`), key, SignatureValid, "its claim cost has no limit"},
		{signed(`{"alg":"none"}`, "{"+minimal+"}"), key, SignatureValid, `says alg "none"`},
		{key, "", SignatureUnchecked, "must stay secret"},
		{"llm_gw_abc", "", SignatureUnchecked, "the key of a client"},
		{full[len("wlm-abc123xyz."):], "", SignatureUnchecked, "without wlm-"},
		{"hello", "", SignatureUnchecked, "not an access token"},
	} {
		got := Inspect(tc.credential, []byte(tc.key), now.Add(time.Minute))
		if got.Signature != tc.signature || !strings.Contains(strings.Join(got.Faults, "\n"), tc.fault) || tc.fault == "" && len(got.Faults) > 0 {
			t.Errorf("%.40s: %s, %q; want %s, %q", tc.credential, got.Signature, got.Faults, tc.signature, tc.fault)
		}
	}
}

// Whatever comes, nothing is let in that was not signed, and nothing that was
// signed is read as more than it says.
func FuzzVerify(f *testing.F) {
	f.Add(withClaims(""), false)
	f.Add(`{`+minimal+`,"requests":{"limit":5,"period":"day"},"cost":{"limit":1.5}}`, true)
	f.Add(`{`+minimal+`,"exp":1800000000000,"domains":["*.a.b"],"ipQuota":{"limit":2},"maxOutput":5}`, true)
	f.Fuzz(func(t *testing.T, text string, sign bool) {
		if !sign {
			if token, err := Verify(text, []byte("sk-webllm-gateway-abc123xyz-never")); err == nil {
				t.Fatalf("let in: %+v", token)
			}
			Inspect(text, nil, time.Now())
			return
		}
		token, err := Verify(signed(header, text), []byte(key))
		if err != nil {
			return
		}
		// What another reader of JSON finds must be what was read.
		type limit struct{ Limit json.Number }
		var c struct {
			Tid, Gid                       string
			Exp, MaxOutput                 json.Number
			Requests, Quota, Cost, IPQuota *limit
			Domains                        any
			Models, AllowedCountries       []string
		}
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatalf("%s: read, and is no JSON: %v", text, err)
		}
		n := 0
		for _, l := range []*limit{c.Requests, c.Quota, c.Cost} {
			if l != nil {
				n++
			}
		}
		if token.ID != c.Tid || token.Gateway != c.Gid || len(token.Limits) != n || (len(token.VisitorLimits) == 1) != (c.IPQuota != nil) ||
			(c.Exp != "") == token.ExpiresAt.IsZero() || (c.MaxOutput != "") != (token.MaxOutput > 0) || len(c.Models) != len(token.Models) || len(c.AllowedCountries) != len(token.AllowedCountries) {
			t.Errorf("%s: %+v", text, token)
		}
		for _, l := range slices.Concat(token.Limits, token.VisitorLimits) {
			if l.Max <= 0 || l.Warn || l.Metric.Index() < 0 {
				t.Errorf("%s: limit %+v", text, l)
			}
		}
	})
}

func FuzzHostOf(f *testing.F) {
	for _, s := range []string{"https://mysite.com", "http://localhost:3000/x", "null", "https://[::1]:5", "https://a@b", "file:///x", "https://a..b", "HTTPS://A.B.:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, ok := HostOf(s)
		if !ok {
			return
		}
		if host == "" || host != strings.ToLower(host) || strings.ContainsAny(host, "/@?#\\ \t\n") || !strings.Contains(strings.ToLower(s), host) {
			t.Errorf("HostOf(%q) = %q", s, host)
		}
		if AllowsHost([]string{"mysite.com", "*.mysite.com"}, host) && host != "mysite.com" && !strings.HasSuffix(host, ".mysite.com") {
			t.Errorf("%q of %q is let through", host, s)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	good := withClaims(`,"exp":1899999999,"requests":{"limit":10000,"period":"month"},"ipQuota":{"limit":100,"period":"day"},"cost":{"limit":50,"currency":"USD"},"domains":["mysite.com","*.mysite.com"],"allowedCountries":["US","CA","GB"]`)
	forged := fmt.Sprint(good[:len(good)-4], "AAAA")
	for name, credential := range map[string]string{"good": good, "forged": forged} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Verify(credential, []byte(key))
			}
		})
	}
}
