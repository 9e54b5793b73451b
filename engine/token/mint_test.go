package token

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// vectors are what the JavaScript client is tested with, too.
type vectors struct {
	SecretKey string `json:"secretKey"`
	Tokens    []struct {
		Name, Claims, Token, Tid string
		Iat                      int64
		Options                  map[string]json.RawMessage
	}
	Refused []struct {
		Name, Says string
		Options    map[string]json.RawMessage
	}
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("../../assets/sdk/testdata/tokens.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// optionsOf writes options of JavaScript as an owner would type them; false if
// they are of a kind that cannot be typed, such as true for a number.
func optionsOf(t *testing.T, from map[string]json.RawMessage) (o Options, typed bool) {
	texts := func(raw json.RawMessage) []string {
		var list []any
		if json.Unmarshal(raw, &list) != nil {
			list = []any{""}
			if err := json.Unmarshal(raw, &list[0]); err != nil {
				t.Fatal(err)
			}
		}
		out := []string{}
		for _, item := range list {
			s, ok := item.(string)
			if !ok {
				return []string{""} // what JavaScript makes of it
			}
			out = append(out, s)
		}
		return out
	}
	for name, raw := range from {
		switch name {
		case "secretKey":
		case "expiresIn":
			ms := json.Number("")
			if json.Unmarshal(raw, &ms) != nil || strings.HasPrefix(string(raw), `"`) || string(raw) == "0" {
				return o, false
			}
			n, err := ms.Int64()
			if err != nil {
				return o, false
			}
			o.ExpiresIn = time.Duration(n) * time.Millisecond
			if n > 316e9 {
				o.ExpiresIn = longest + time.Second // beyond what a Duration has room for
			}
		case "domains":
			o.Domains = texts(raw)
		case "allowedCountries":
			o.AllowedCountries = texts(raw)
		case "blockedCountries":
			o.BlockedCountries = texts(raw)
		case "models":
			o.Models = texts(raw)
		case "templates":
			o.Templates = texts(raw)
		case "mints":
			if o.Mints = string(raw) == "true"; !o.Mints {
				return o, false
			}
		case "maxOutput":
			n, err := strconv.ParseInt(string(raw), 10, 64)
			if err != nil {
				return o, false
			}
			o.MaxOutput = &n
		case "requests", "ipQuota", "cost", "quota":
			text, ok := amountOf(raw, name)
			if !ok {
				return o, false
			}
			*map[string]*string{"requests": &o.Requests, "ipQuota": &o.IPQuota, "cost": &o.Cost, "quota": &o.Quota}[name] = text
		default:
			return o, false
		}
	}
	return o, true
}

func amountOf(raw json.RawMessage, claim string) (string, bool) {
	var short string
	if json.Unmarshal(raw, &short) == nil {
		return short, short != ""
	}
	var in struct {
		Limit                  json.RawMessage
		Period, Currency, Type *string
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if raw[0] != '{' {
		in.Limit = raw
	} else if d.Decode(&in) != nil || strings.Contains(string(raw), "null") || in.Currency != nil && claim != "cost" {
		return "", false
	}
	text := string(in.Limit)
	if strings.ContainsAny(text, `"t`) || text == "" {
		return "", false
	}
	if f := json.Number(text); strings.Contains(text, "e") {
		text = map[json.Number]string{"1e-06": "0.000001", "1e-07": "0.0000001"}[f]
	}
	if in.Currency != nil && *in.Currency != "USD" {
		text += " " + *in.Currency
	}
	if in.Period != nil {
		text += "/" + *in.Period
	}
	if claim == "quota" {
		kind := ""
		if in.Type != nil {
			kind = *in.Type
		}
		text = kind + "=" + text
	}
	return text, true
}

// Both ways of minting make the same bytes, and refuse the same with the same
// words.
func TestVectors(t *testing.T) {
	v := readVectors(t)
	for _, tc := range v.Tokens {
		o, typed := optionsOf(t, tc.Options)
		if !typed {
			t.Errorf("%s: cannot be typed", tc.Name)
			continue
		}
		credential, token, err := mint(v.SecretKey, o, tc.Iat, tc.Tid)
		if err != nil {
			t.Errorf("%s: %v", tc.Name, err)
			continue
		}
		if claims, _ := encoding.DecodeString(strings.Split(credential, ".")[2]); string(claims) != tc.Claims {
			t.Errorf("%s:\n got %s\nwant %s", tc.Name, claims, tc.Claims)
		}
		if credential != tc.Token {
			t.Errorf("%s:\n got %s\nwant %s", tc.Name, credential, tc.Token)
		}
		read, err := Verify(tc.Token, []byte(v.SecretKey))
		if err != nil || read.ID != tc.Tid || read.ID != token.ID {
			t.Errorf("%s: read as %+v, %v", tc.Name, read, err)
		}
	}
	untyped := 0
	for _, tc := range v.Refused {
		o, typed := optionsOf(t, tc.Options)
		key := v.SecretKey
		if raw, ok := tc.Options["secretKey"]; ok {
			json.Unmarshal(raw, &key)
		}
		if !typed {
			untyped++
			continue
		}
		if credential, _, err := Mint(key, o, time.Unix(1795600000, 0)); err == nil || !strings.Contains(err.Error(), tc.Says) || tally.AsError(err).Hint == "" && !strings.Contains(tc.Says, "expiresIn") {
			t.Errorf("%s: %q, %v; want an error that says %q", tc.Name, credential, err, tc.Says)
		}
	}
	if untyped > 21 {
		t.Errorf("%d refusals cannot be typed, of %d", untyped, len(v.Refused))
	}
}

// Whatever is minted is read as it was meant.
func TestMintedIsRead(t *testing.T) {
	key := readVectors(t).SecretKey
	rapid.Check(t, func(t *rapid.T) {
		periods := []string{"minute", "hour", "day", "week", "month", "lifetime"}
		n, cents := rapid.Int64Range(1, maxWhole).Draw(t, "n"), rapid.Int64Range(1, 100_000_000).Draw(t, "cents")
		period := rapid.SampledFrom(periods).Draw(t, "period")
		usd := tally.NanoUSD(cents) * tally.Dollar / 100
		o := Options{
			Requests: tally.Group(n), Cost: usd.String() + "/" + period,
			Domains:   rapid.SliceOfN(rapid.SampledFrom([]string{"a.b", "*.a.b", "localhost", "X.Y."}), 0, 3).Draw(t, "domains"),
			MaxOutput: rapid.Ptr(rapid.Int64Range(1, maxWhole), true).Draw(t, "output"),
			ExpiresIn: time.Duration(rapid.Int64Range(1, 316e6).Draw(t, "seconds")) * time.Second,
		}
		o.Requests = strings.ReplaceAll(o.Requests, ",", "") + "/" + period
		now := time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "now"), 5)
		credential, _, err := Mint(key, o, now)
		if err != nil {
			t.Fatal(err)
		}
		token, err := Verify(credential, []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		unit, _ := periodOf(period)
		want := []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: unit}, Max: min(n, tally.MaxCount)}, {Metric: tally.Cost, Window: tally.Window{Unit: unit}, Max: int64(usd)}}
		output := int64(0)
		if o.MaxOutput != nil {
			output = min(*o.MaxOutput, tally.MaxCount)
		}
		if !slices.Equal(token.Limits, want) || token.MaxOutput != output || !token.IssuedAt.Equal(now.Truncate(time.Second)) || !token.ExpiresAt.Equal(now.Truncate(time.Second).Add(o.ExpiresIn)) || len(token.Domains) != len(o.Domains) {
			t.Errorf("%+v of %+v", token, o)
		}
	})
}

func TestAmountsPeopleType(t *testing.T) {
	key := readVectors(t).SecretKey
	for _, tc := range []struct {
		o    Options
		want string // the claim; or the error, if it does not begin with a quote
	}{
		{Options{Requests: "10k/month"}, `"requests":{"limit":10000,"period":"month"}`},
		{Options{Quota: "tokens=2M/week"}, `"quota":{"type":"tokens","limit":2000000,"period":"week"}`},
		{Options{Cost: "10 USD"}, `"cost":{"limit":10,"currency":"USD"}`},
		{Options{Cost: "10EUR/day"}, "the currency is USD, not EUR"},
		{Options{Cost: "ten"}, "the limit is a number of dollars"},
		{Options{Requests: "10/fortnight"}, `the period is minute, hour, day, week, month or lifetime, not "fortnight"`},
		{Options{Requests: "9007199254740992k"}, "requests: the limit"},
		{Options{Quota: "5/day"}, "quota: the type"},
		{Options{Requests: "-5k"}, "requests: the limit"},
		{Options{Requests: "+5"}, "requests: the limit"},
		{Options{ExpiresIn: time.Millisecond}, "expiresIn"},
	} {
		credential, _, err := Mint(key, tc.o, time.Unix(1795600000, 0))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			claims, _ := encoding.DecodeString(strings.Split(credential, ".")[2])
			got = string(claims)
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %s, want %s", tc.o, got, tc.want)
		}
	}
}
