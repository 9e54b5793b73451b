package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// However a token that names a parent is written, it is never wider than that.
func TestAChildIsNeverWider(t *testing.T) {
	const parent = `{"tid":"p","gid":"abc123xyz","iat":1000,"exp":90000,"requests":{"limit":10,"period":"day"},"ipQuota":{"limit":3,"period":"day"},"domains":["mysite.com"],"allowedCountries":["PT"],"models":["m"],"maxOutput":9,"templates":["a","b"],"mints":true}`
	child := func(more string) string { return `{"tid":"c","gid":"abc123xyz","iat":2000,"exp":5000` + more }
	good, err := Verify(signed(header, child(`,"templates":["a"],"requests":{"limit":2,"period":"day"},"visitor":"anna","parent":`+parent+`}`)), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	if good.Name() != "abc123xyz.p" || good.OwnName() != "abc123xyz.c" || good.Mints || len(good.Templates) != 1 || good.MaxOutput != 9 || good.Models[0] != "m" ||
		good.Domains[0] != "mysite.com" || good.AllowedCountries[0] != "PT" || good.Limits[0].Max != 10 || good.VisitorLimits[0].Max != 3 || len(good.NamedLimits) != 1 || good.NamedLimits[0].Max != 2 {
		t.Errorf("it may do %+v", good)
	}
	nobody, err := Verify(signed(header, child(`,"requests":{"limit":2,"period":"day"},"parent":`+parent+`}`)), []byte(key))
	if err != nil || len(nobody.VisitorLimits) != 1 || nobody.VisitorLimits[0].Max != 2 || nobody.NamedLimits != nil {
		t.Errorf("without a visitor it may do %+v (%v): the narrower of two limits on one counter holds", nobody, err)
	}
	plain := strings.Replace(parent, `,"mints":true`, "", 1)
	for name, tc := range map[string]struct{ claims, says string }{
		"another template":         {child(`,"templates":["c"],"parent":` + parent + `}`), "template"},
		"other pages":              {child(`,"domains":["evil.example"],"parent":` + parent + `}`), "domains"},
		"no pages":                 {child(`,"domains":[],"parent":` + parent + `}`), "domains"},
		"other countries":          {child(`,"blockedCountries":["US"],"parent":` + parent + `}`), "blockedCountries"},
		"other models":             {child(`,"models":["x"],"parent":` + parent + `}`), "models"},
		"longer answers":           {child(`,"maxOutput":99,"parent":` + parent + `}`), "maxOutput"},
		"children of its own":      {child(`,"mints":true,"parent":` + parent + `}`), "mints"},
		"more requests":            {child(`,"requests":{"limit":11,"period":"day"},"parent":` + parent + `}`), "up to 10 requests a day"},
		"more of each address":     {child(`,"ipQuota":{"limit":4,"period":"day"},"parent":` + parent + `}`), "up to 3 requests a day"},
		"longer than its parent":   {`{"tid":"c","gid":"abc123xyz","iat":80000,"exp":90001,"parent":` + parent + `}`, "works for longer"},
		"longer than a day":        {`{"tid":"c","gid":"abc123xyz","iat":2000,"exp":88401,"parent":` + strings.Replace(parent, `"exp":90000,`, "", 1) + `}`, "24 hours"},
		"for ever":                 {`{"tid":"c","gid":"abc123xyz","iat":2000,"parent":` + parent + `}`, "24 hours"},
		"before its parent":        {`{"tid":"c","gid":"abc123xyz","iat":999,"exp":5000,"parent":` + parent + `}`, "before"},
		"as its parent":            {`{"tid":"p","gid":"abc123xyz","iat":2000,"exp":5000,"parent":` + parent + `}`, "the ID"},
		"of one that makes none":   {child(`,"parent":` + plain + `}`), "may not make others"},
		"of another gateway's":     {child(`,"parent":` + strings.Replace(parent, "abc123xyz", "zzz999zzz", 1) + `}`), "gid"},
		"of a child":               {child(`,"parent":{"tid":"q","gid":"abc123xyz","iat":1500,"exp":5000,"parent":` + parent + `}}`), "made of"},
		"of a text":                {child(`,"parent":"p"}`), "object"},
		"of nothing":               {child(`,"parent":null}`), "object"},
		"of two":                   {child(`,"parent":` + plain + `,"parent":` + parent + `}`), "twice"},
		"of two, once in escapes":  {child(`,"parent":` + parent + `,"p\u0061rent":` + plain + `}`), "twice"},
		"a limit twice":            {child(`,"parent":` + strings.Replace(parent, `"mints":true`, `"mints":true,"requests":{"limit":1000}`, 1) + `}`), "twice"},
		"a visitor without parent": {child(`,"visitor":"anna"}`), "visitor"},
		"mints that are no":        {child(`,"mints":false}`), "mints"},
		"mints in a text":          {child(`,"mints":"true"}`), "mints"},
	} {
		if got, err := Verify(signed(header, tc.claims), []byte(key)); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %+v, %v; want %q", name, got, err, tc.says)
		}
	}
}

// What is minted is what every gateway reads, and ends in time.
func TestMintChild(t *testing.T) {
	now := time.Unix(1_795_600_000, 0)
	mintParent := func(o Options) string {
		credential, _, err := Mint(key, o, now)
		if err != nil {
			t.Fatal(err)
		}
		return credential
	}
	parent := mintParent(Options{Mints: true, Requests: "10/day", ExpiresIn: time.Hour, Models: []string{`a<b>&"c" \d`}})
	credential, made, err := MintChild(key, parent, ChildOptions{ExpiresIn: 2 * time.Hour, Cost: "0.10", Visitor: "ünna", Label: "cart"}, time.Time{}, now.Add(time.Minute))
	if err != nil || !made.ExpiresAt.Equal(now.Add(time.Hour).UTC()) || made.Visitor != visitorName(key, "ünna") || made.Models[0] != `a<b>&"c" \d` || len(made.NamedLimits) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	if again, err := Verify(credential, []byte(key)); err != nil || again.OwnName() != made.OwnName() {
		t.Errorf("it reads as %+v, %v", again, err)
	}
	part := strings.Split(credential, ".")[2]
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil || !json.Valid(text) || strings.Contains(string(text), strings.Split(parent, ".")[3]) {
		t.Errorf("it says %s, with what its parent was signed", text)
	}
	if _, made, err := MintChild(key, parent, ChildOptions{ExpiresIn: time.Hour}, now.Add(2*time.Minute), now.Add(time.Minute)); err != nil || !made.ExpiresAt.Equal(now.Add(2*time.Minute).UTC()) {
		t.Errorf("it outlives its key: %+v, %v", made, err)
	}
	var many []string
	for range 330 {
		many = append(many, "a-long-name.mysite.com")
	}
	wide := mintParent(Options{Mints: true, Domains: many[:238]})
	if _, _, err := MintChild(key, wide, ChildOptions{ExpiresIn: time.Hour}, time.Time{}, now); tally.CodeOf(err) != tally.Invalid || !strings.Contains(err.Error(), "8,192") {
		t.Errorf("one is made that no gateway reads: %v", err)
	}
	if _, _, err := Mint(key, Options{Domains: many}, now); tally.CodeOf(err) != tally.Invalid || !strings.Contains(err.Error(), "8,192") {
		t.Errorf("one is made that no gateway reads: %v", err)
	}
	if _, _, err := MintChild(key, credential, ChildOptions{ExpiresIn: time.Hour}, time.Time{}, now); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("a child makes a child: %v", err)
	}
	if _, _, err := MintChild("sk-webllm-gateway-zzz999zzz-1", parent, ChildOptions{ExpiresIn: time.Hour}, time.Time{}, now); err == nil {
		t.Error("the key of another gateway signs")
	}
}
