package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/engine/token"
)

// mint makes an access token of the house's gateway.
func (h *house) mint(t testing.TB, o token.Options) string {
	t.Helper()
	credential, _, err := token.Mint(h.privateKey, o, noon.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return credential
}

// revoke revokes an access token, which a catalog with it then tells.
func (h *house) revoked(credential string) *tally.Catalog {
	t, err := token.Verify(credential, []byte(h.privateKey))
	if err != nil {
		panic(err) // it was just minted
	}
	r := &tally.Revocation{Meta: tally.Meta{ID: tally.ID(t.Name()), CreatedAt: noon}, Gateway: "gw_1"}
	return h.catalog().With(2, tally.Put(r, noon))
}

func TestTokenAdmits(t *testing.T) {
	h := newHouse()
	credential := h.mint(t, token.Options{Requests: "10/day", Domains: []string{"mysite.com"}})
	for range 2 { // checked, then remembered
		p, r := h.verifier.Verify(h.catalog(), credential, "", noon)
		if r != nil || p.Token == nil || !p.Visitor || p.Gateway.ID != "gw_1" || p.Client != nil || len(p.Token.Limits) != 1 || p.Token.Domains[0] != "mysite.com" {
			t.Fatalf("%+v, %v", p, r)
		}
	}
}

// The order of the checks is the protocol's: a token with several faults is
// refused for the first.
func TestTokenRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(h *house)
		option token.Options
		wrong  func(credential string) string
		revoke bool
		status int
		code   string
		says   string
		known  bool
	}{
		{name: "not whole", wrong: func(c string) string { return c[:15] }, status: 401, code: "invalid_api_key", says: "not signed"},
		{name: "no form at all", wrong: func(string) string { return "wlm-abc" }, status: 401, code: "invalid_api_key", says: "incomplete"},
		{name: "of another gateway", wrong: func(c string) string { return "wlm-zzzzzzzzz" + c[len("wlm-abc123xyz"):] }, status: 401, code: "invalid_api_key", says: "gateway zzzzzzzzz, which is not here"},
		{name: "a letter changed", wrong: func(c string) string { return c[:60] + string(c[60]^1) + c[61:] }, status: 401, code: "invalid_api_key", says: "not signed with the private key of gateway abc123xyz"},
		{name: "signed with another key", change: func(h *house) {
			h.privateKey = strings.Replace(h.privateKey, h.privateKey[len(h.privateKey)-4:], "0000", 1)
		}, status: 401, code: "invalid_api_key", says: "not signed"},
		{name: "expired", option: token.Options{ExpiresIn: time.Hour}, status: 401, code: "token_expired", says: "expired on 2026-11-21 12:00 (Europe/Lisbon)", known: true},
		{name: "expired and revoked", option: token.Options{ExpiresIn: time.Minute}, revoke: true, status: 401, code: "token_expired", known: true},
		{name: "revoked", revoke: true, status: 401, code: "token_revoked", says: "was revoked on 2026-11-21 12:00 (Europe/Lisbon)", known: true},
		{name: "revoked, gateway off", revoke: true, change: func(h *house) { h.gateway.Enabled = false }, status: 401, code: "token_revoked", known: true},
		{name: "all revoked since", change: func(h *house) { h.gateway.NotBefore = noon.Add(-time.Minute) }, status: 401, code: "token_revoked", says: "All access tokens of gateway \"Main\" from before 2026-11-21 11:59", known: true},
		{name: "all revoked before", change: func(h *house) { h.gateway.NotBefore = noon.Add(-2 * time.Hour) }},
		{name: "gateway off", change: func(h *house) { h.gateway.Enabled = false }, status: 403, code: "gateway_disabled", says: "switched off", known: true},
		{name: "no tokens wanted", change: func(h *house) { h.gateway.Access = tally.AccessByKey }, status: 403, code: "token_not_accepted", says: "takes no access tokens", known: true},
		{name: "a public gateway's own", change: func(h *house) { h.gateway.Access = tally.AccessPublic }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse()
			if tc.change != nil {
				tc.change(h)
			}
			credential := h.mint(t, tc.option)
			cat := h.catalog()
			if tc.revoke {
				cat = h.revoked(credential)
			}
			if tc.wrong != nil {
				credential = tc.wrong(credential)
			}
			for range 2 {
				p, r := h.verifier.Verify(cat, credential, "", noon)
				if tc.code == "" {
					if r != nil {
						t.Fatal(r)
					}
					continue
				}
				if r == nil || r.Status != tc.status || r.Code != tc.code || !strings.Contains(r.Message, tc.says) || (p != nil) != tc.known {
					t.Fatalf("%+v, %+v", p, r)
				}
				if strings.Contains(r.Message, "eyJ") || strings.Contains(r.Message, h.privateKey) {
					t.Error("the message has the token or the key")
				}
			}
		})
	}
}

// A token from the future would outlive the revocation of all tokens. Clocks may be
// a little apart.
func TestTokensFromTheFuture(t *testing.T) {
	h := newHouse()
	at := func(iat int64) string {
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		signed := part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(fmt.Sprintf(`{"tid":"t","gid":"abc123xyz","iat":%d}`, iat))
		mac := hmac.New(sha256.New, []byte(h.privateKey))
		mac.Write([]byte(signed))
		return "wlm-abc123xyz." + signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	for _, tc := range []struct {
		name string
		iat  int64
		says string // "" if it works
	}{
		{"of now", noon.Unix(), ""},
		{"4:59 ahead", noon.Add(4*time.Minute + 59*time.Second).Unix(), ""},
		{"5:00 ahead", noon.Add(5 * time.Minute).Unix(), ""},
		{"5:01 ahead", noon.Add(5*time.Minute + time.Second).Unix(), "issued on 2026-11-21 12:05 (Europe/Lisbon), which has not come yet"},
		{"years ahead", noon.AddDate(3, 0, 0).Unix(), "issued on 2029-11-21"},
		{"4:59 ahead, in milliseconds", noon.Add(4*time.Minute + 59*time.Second).UnixMilli(), ""},
		{"5:01 ahead, in milliseconds", noon.Add(5*time.Minute + time.Second).UnixMilli(), "which has not come yet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			credential := at(tc.iat)
			for range 2 { // checked, then remembered
				p, r := h.verifier.Verify(h.catalog(), credential, "", noon)
				if p == nil || (r == nil) != (tc.says == "") {
					t.Fatalf("%+v, %v", p, r)
				}
				if r != nil && (r.Status != 401 || r.Code != tally.CodeInvalidKey || !strings.Contains(r.Message, tc.says)) {
					t.Errorf("%+v", r)
				}
			}
			if _, r := h.verifier.Verify(h.catalog(), credential, "", noon.AddDate(4, 0, 0)); r != nil {
				t.Errorf("once its time has come: %v", r)
			}
		})
	}
}

// What is remembered must not outlive what vouches for it.
func TestRememberedTokenDies(t *testing.T) {
	h := newHouse()
	credential := h.mint(t, token.Options{ExpiresIn: 2 * time.Hour})
	cat := h.catalog()
	verify := func(cat *tally.Catalog, at time.Time) string {
		_, r := h.verifier.Verify(cat, credential, "", at)
		if r == nil {
			return ""
		}
		return r.Code
	}
	if got := verify(cat, noon); got != "" {
		t.Fatal(got)
	}
	if got := verify(cat, noon.Add(time.Hour)); got != "token_expired" {
		t.Errorf("at its end: %q", got)
	}
	if got := verify(h.revoked(credential), noon); got != "token_revoked" {
		t.Errorf("revoked: %q", got)
	}
	rotated := h.private // with a grace of ten minutes
	rotated.SealedBefore, rotated.PreviousUntil = rotated.Sealed, noon.Add(10*time.Minute)
	key, digest := NewPrivateKey(h.gateway.PublicID)
	rotated.Digest, rotated.Sealed = digest, h.sealer.Seal("gw_1", []byte(key))
	cat = cat.With(2, tally.Put(&rotated, noon))
	for at, want := range map[time.Duration]string{0: "", 10*time.Minute - 1: "", 10 * time.Minute: "invalid_api_key"} {
		if got := verify(cat, noon.Add(at)); got != want {
			t.Errorf("%s after rotation: %q, want %q", at, got, want)
		}
	}
	again := rotated // and at once
	again.SealedBefore, again.PreviousUntil = nil, time.Time{}
	if got := verify(cat.With(3, tally.Put(&again, noon)), noon); got != "invalid_api_key" {
		t.Errorf("after rotation without a grace: %q", got)
	}
}

// A flood of different good tokens is remembered only so far.
func TestMemoryOfTokensIsBounded(t *testing.T) {
	var s seen
	for i := range 5 * maxSeen {
		s.remember(strings.Repeat("x", i%7)+time.Duration(i).String(), verified{})
	}
	if n := len(s.young) + len(s.old); n > 2*maxSeen {
		t.Errorf("%d tokens are remembered, want at most %d", n, 2*maxSeen)
	}
}

func TestPublicGateways(t *testing.T) {
	shop := &tally.Gateway{Meta: tally.Meta{ID: "gw_2"}, Name: "Shop", Access: tally.AccessPublic, Enabled: true, Origins: []string{"https://shop.example"}}
	blog := &tally.Gateway{Meta: tally.Meta{ID: "gw_3"}, Name: "Blog", Access: tally.AccessPublic, Enabled: true, Origins: []string{"https://blog.example"}}
	off := &tally.Gateway{Meta: tally.Meta{ID: "gw_4"}, Name: "Off", Access: tally.AccessPublic}
	closed := &tally.Gateway{Meta: tally.Meta{ID: "gw_5"}, Name: "Closed", Access: tally.AccessByToken, Enabled: true}
	for _, tc := range []struct {
		name     string
		gateways []tally.Entity
		origin   string
		want     tally.ID // "" refuses
	}{
		{"none", []tally.Entity{closed, off}, "https://shop.example", ""},
		{"the only one", []tally.Entity{closed, off, shop}, "", "gw_2"},
		{"the one of the page", []tally.Entity{shop, blog}, "https://blog.example", "gw_3"},
		{"no page of theirs", []tally.Entity{shop, blog}, "https://evil.example", ""},
		{"no page", []tally.Entity{shop, blog}, "", ""},
	} {
		p, r := NewVerifier(nil).Verify(tally.NewCatalog(1, tc.gateways), "", tc.origin, noon)
		switch {
		case tc.want == "" && (r == nil || r.Status != 401 || p != nil):
			t.Errorf("%s: %+v, %+v", tc.name, p, r)
		case tc.want != "" && (r != nil || p.Gateway.ID != tc.want || !p.Visitor || p.Token != nil):
			t.Errorf("%s: %+v, %+v", tc.name, p, r)
		}
	}
}

// A token that is remembered, one that is checked, and a flood of forgeries.
func BenchmarkToken(b *testing.B) {
	h := newHouse()
	cat := h.catalog()
	good := h.mint(b, token.Options{Requests: "10000/month", IPQuota: "100/day",
		Cost: "50", Domains: []string{"mysite.com", "*.mysite.com"}, AllowedCountries: []string{"US", "CA", "GB"}, ExpiresIn: 90 * 24 * time.Hour})
	forged := good[:len(good)-4] + "AAAA"
	page := Page{Origin: "https://beta.mysite.com"}
	check := func(b *testing.B, credential string, forget, want bool) {
		b.ReportAllocs()
		for b.Loop() {
			if forget {
				clear(h.verifier.tokens.young)
			}
			p, r := h.verifier.Verify(cat, credential, page.Origin, noon)
			if r == nil {
				p.Country = "CA"
				if r = CheckPage(p, page); r == nil {
					r = CheckCountry(p)
				}
			}
			if (r == nil) != want {
				b.Fatal(r)
			}
		}
	}
	b.Run("remembered", func(b *testing.B) { check(b, good, false, true) })
	b.Run("first", func(b *testing.B) { check(b, good, true, true) })
	b.Run("forged", func(b *testing.B) { check(b, forged, false, false) })
	b.Run("unknown gateway", func(b *testing.B) { check(b, "wlm-zzzzzzzzz"+good[13:], false, false) })
}
