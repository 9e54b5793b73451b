package auth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// house is a gateway with one client, one key and a private key; its fields
// are changed before catalog is called.
type house struct {
	gateway tally.Gateway
	client  tally.Client
	key     tally.Key
	secret  tally.Secret // of key
	private tally.Secret // of gateway

	credential, privateKey string
	sealer                 *Sealer
	verifier               *Verifier
}

func newHouse() *house {
	h := &house{
		gateway: tally.Gateway{Meta: tally.Meta{ID: "gw_1"}, PublicID: "abc123xyz", Name: "Main", TimeZone: "Europe/Lisbon", Enabled: true},
		client:  tally.Client{Meta: tally.Meta{ID: "cl_1"}, Gateway: "gw_1", Name: "Hotel Aurora", Status: tally.Active},
		key:     tally.Key{Meta: tally.Meta{ID: "key_1"}, Client: "cl_1", Label: "bot"},
		secret:  tally.Secret{Meta: tally.Meta{ID: "sec_1"}, Of: "key_1"},
		private: tally.Secret{Meta: tally.Meta{ID: "sec_2"}, Of: "gw_1"},
	}
	h.credential, h.secret.Digest, h.key.Prefix, h.key.Suffix = NewClientKey()
	h.privateKey, h.private.Digest = NewPrivateKey(h.gateway.PublicID)
	var err error
	if h.sealer, err = newSealer(Keys{}, ring{seal: make([]byte, 32)}, nil); err != nil {
		panic(err) // the length is right
	}
	h.private.Sealed = h.sealer.Seal(h.gateway.ID, []byte(h.privateKey))
	h.verifier = NewVerifier(h.sealer)
	return h
}

func (h *house) catalog() *tally.Catalog {
	return tally.NewCatalog(1, []tally.Entity{&h.gateway, &h.client, &h.key, &h.secret, &h.private})
}

func TestCredential(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header map[string]string
		want   string
	}{
		{"bearer", map[string]string{"Authorization": "Bearer X"}, "X"},
		{"bearer in another case", map[string]string{"Authorization": "bEARER X"}, "X"},
		{"more blanks", map[string]string{"Authorization": "  Bearer   X  "}, "X"},
		{"without the word", map[string]string{"Authorization": "X"}, "X"},
		{"Anthropic's header", map[string]string{"X-Api-Key": " X "}, "X"},
		{"Azure's header", map[string]string{"Api-Key": "X"}, "X"},
		{"Authorization first", map[string]string{"Authorization": "Bearer X", "X-Api-Key": "Y", "Api-Key": "Z"}, "X"},
		{"empty bearer does not hide a key", map[string]string{"Authorization": "Bearer ", "X-Api-Key": "Y"}, "Y"},
		{"a proxy's own password does not hide a key", map[string]string{"Authorization": "Basic dXNlcjpwYXNz", "Api-Key": "Z"}, "Z"},
		{"another scheme alone", map[string]string{"Authorization": "Basic dXNlcjpwYXNz"}, ""},
		{"the word alone", map[string]string{"Authorization": "Bearer"}, ""},
		{"nothing", nil, ""},
	} {
		h := http.Header{}
		for k, v := range tc.header {
			h.Set(k, v)
		}
		if got := Credential(h); got != tc.want {
			t.Errorf("%s: Credential = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestVerifyAdmits(t *testing.T) {
	h := newHouse()
	cat := h.catalog()
	p, refusal := h.verifier.Verify(cat, h.credential, "", noon)
	if refusal != nil || p.Key != cat.Key("key_1") || p.Client != cat.Client("cl_1") || p.Gateway != cat.Gateway("gw_1") {
		t.Errorf("client key: %+v, %v; want the key with its client and gateway", p, refusal)
	}
	p, refusal = h.verifier.Verify(cat, h.privateKey, "", noon)
	if refusal != nil || p.Key != nil || p.Client != nil || p.Gateway != cat.Gateway("gw_1") {
		t.Errorf("private key: %+v, %v; want the gateway alone", p, refusal)
	}
}

// Every refusal says in words who was refused, why, and since when. A known
// credential comes with its principal, so that the refusal is counted.
func TestVerifyRefuses(t *testing.T) {
	stranger, _, _, _ := NewClientKey()
	for _, tc := range []struct {
		name       string
		change     func(h *house)
		credential string // "" means the house's key
		status     int
		kind, code string
		message    string
		known      bool
	}{
		{name: "nothing sent", credential: " ", status: 401, code: "invalid_api_key",
			message: "No API key was sent. Send it as Authorization: Bearer llm_gw_…"},
		{name: "another service's key", credential: "sk-proj-123", status: 401, code: "invalid_api_key",
			message: "That is not a key of this gateway: its keys start with llm_gw_, its access tokens with wlm-."},
		{name: "mistyped", credential: "llm_gw_123", status: 401, code: "invalid_api_key",
			message: "That API key is incomplete or mistyped: its checksum does not match. Copy it again, whole."},
		{name: "unknown", credential: stranger, status: 401, code: "invalid_api_key",
			message: "This gateway does not know that API key. It may have been deleted or replaced by a new one."},
		{name: "unknown private key", credential: "sk-webllm-gateway-abc123xyz-1", status: 401, code: "invalid_api_key",
			message: "This gateway does not know that API key. It may have been deleted or replaced by a new one."},
		{name: "too long", credential: "llm_gw_" + strings.Repeat("x", 9000), status: 401, code: "invalid_api_key",
			message: "That credential is too long to be one of this gateway."},
		{name: "client deleted", change: func(h *house) { h.client.ID = "cl_2" }, status: 401, code: "invalid_api_key",
			message: "This gateway does not know that API key. Its client was deleted."},
		{name: "revoked", change: func(h *house) { h.key.RevokedAt = noon.Add(-time.Hour) }, status: 401, code: "key_revoked", known: true,
			message: `Key "bot" of client "Hotel Aurora" was revoked on 2026-11-21 11:00 (Europe/Lisbon).`},
		{name: "expired at this instant", change: func(h *house) { h.key.ExpiresAt = noon }, status: 401, code: "key_expired", known: true,
			message: `Key "bot" of client "Hotel Aurora" expired on 2026-11-21 12:00 (Europe/Lisbon).`},
		{name: "in summer time", change: func(h *house) { h.key.ExpiresAt = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) }, status: 401, code: "key_expired", known: true,
			message: `Key "bot" of client "Hotel Aurora" expired on 2026-07-01 01:00 (Europe/Lisbon).`},
		{name: "suspended", change: func(h *house) { h.client.Status = tally.Suspended }, status: 403, kind: "permission_error", code: "client_suspended", known: true,
			message: `Client "Hotel Aurora" is suspended by the owner of this gateway.`},
		{name: "inactive", change: func(h *house) { h.client.Status = tally.Inactive }, status: 403, kind: "permission_error", code: "client_inactive", known: true,
			message: `Client "Hotel Aurora" is inactive.`},
		{name: "no status at all", change: func(h *house) { h.client.Status = "" }, status: 403, kind: "permission_error", code: "client_inactive", known: true,
			message: `Client "Hotel Aurora" is inactive.`},
		{name: "gateway off", change: func(h *house) { h.gateway.Enabled = false }, status: 403, kind: "permission_error", code: "gateway_disabled", known: true,
			message: `Gateway "Main" is switched off by its owner.`},
		{name: "gateway off, private key", change: func(h *house) { h.gateway.Enabled = false; h.credential = h.privateKey }, status: 403, kind: "permission_error", code: "gateway_disabled", known: true,
			message: `Gateway "Main" is switched off by its owner.`},
		{name: "gateway deleted", change: func(h *house) { h.gateway.ID = "gw_2" }, status: 403, kind: "permission_error", code: "gateway_disabled", known: true,
			message: `The gateway of this key was deleted.`},
		{name: "private key of a deleted gateway", change: func(h *house) { h.gateway.ID = "gw_2"; h.credential = h.privateKey }, status: 401, code: "invalid_api_key",
			message: "This gateway does not know that private key. Its gateway was deleted."},
		{name: "replaced without grace", change: func(h *house) { replace(h, &h.secret, time.Time{}) }, status: 401, code: "key_revoked", known: true,
			message: `This is the previous key "bot" of client "Hotel Aurora"; it was replaced. Use the new one.`},
		{name: "replaced, grace over at this instant", change: func(h *house) { replace(h, &h.secret, noon) }, status: 401, code: "key_revoked", known: true,
			message: `This is the previous key "bot" of client "Hotel Aurora"; it was replaced and stopped working on 2026-11-21 12:00 (Europe/Lisbon). Use the new one.`},
		{name: "private key replaced, grace over", change: func(h *house) { h.credential = h.privateKey; replace(h, &h.private, noon) }, status: 401, code: "key_revoked", known: true,
			message: `This is the previous private key of gateway "Main"; it was replaced and stopped working on 2026-11-21 12:00 (Europe/Lisbon). Use the new one.`},
		{name: "revoked before anything else", change: func(h *house) {
			h.key.RevokedAt = noon
			h.key.ExpiresAt = noon
			h.client.Status = tally.Suspended
			h.gateway.Enabled = false
		},
			status: 401, code: "key_revoked", known: true,
			message: `Key "bot" of client "Hotel Aurora" was revoked on 2026-11-21 12:00 (Europe/Lisbon).`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse()
			if tc.change != nil {
				tc.change(h)
			}
			credential := h.credential
			if tc.credential != "" {
				credential = strings.TrimSpace(tc.credential)
			}
			p, r := h.verifier.Verify(h.catalog(), credential, "", noon)
			if r == nil {
				t.Fatalf("it was admitted: %+v", p)
			}
			if tc.kind == "" {
				tc.kind = tally.TypeInvalid
			}
			if r.Status != tc.status || r.Type != tc.kind || r.Code != tc.code {
				t.Errorf("refusal is %d %s %s, want %d %s %s", r.Status, r.Type, r.Code, tc.status, tc.kind, tc.code)
			}
			if r.Message != tc.message {
				t.Errorf("message\n got %s\nwant %s", r.Message, tc.message)
			}
			if (p != nil) != tc.known {
				t.Errorf("principal = %+v, want one: %v", p, tc.known)
			}
			if strings.Contains(r.Message, credential) && len(credential) > 12 {
				t.Error("the message repeats the credential")
			}
		})
	}
}

// replace makes the house's credential the previous one of its owner.
func replace(h *house, s *tally.Secret, until time.Time) {
	s.Previous, s.PreviousUntil = s.Digest, until
	_, s.Digest, _, _ = NewClientKey()
}

func TestReplacedKeyWorksUntilItsGraceEnds(t *testing.T) {
	h := newHouse()
	replace(h, &h.secret, noon.Add(time.Nanosecond))
	replace(h, &h.private, noon.Add(time.Nanosecond))
	cat := h.catalog()
	for _, credential := range []string{h.credential, h.privateKey} {
		if p, r := h.verifier.Verify(cat, credential, "", noon); r != nil || p.Gateway == nil {
			t.Errorf("a nanosecond before: refused: %v", r)
		}
		if _, r := h.verifier.Verify(cat, credential, "", noon.Add(time.Nanosecond)); r == nil {
			t.Error("at its end: admitted")
		}
	}
}

// Whatever is sent, only the two credentials that exist are let in, and no
// answer repeats what was sent.
func FuzzVerify(f *testing.F) {
	h := newHouse()
	cat := h.catalog()
	for _, s := range []string{"", h.credential, h.privateKey, h.credential[:55], "llm_gw_", "sk-webllm-gateway-", "Bearer", "wlm-abc.def", "\x00", "llm_gw_\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, r := h.verifier.Verify(cat, s, "", noon)
		if (r == nil) != (s == h.credential || s == h.privateKey) {
			t.Errorf("Verify(%q) = %+v, %v", s, p, r)
		}
		if r != nil && (p != nil || r.Status != 401 || r.Code != tally.CodeInvalidKey) {
			t.Errorf("Verify(%q) = %+v, %+v", s, p, r)
		}
	})
}

func FuzzCredential(f *testing.F) {
	for _, s := range []string{"Bearer X", "bearer", "Basic X", " ", "X", "Bearer  X Y", "\tBearer\tX"} {
		f.Add(s, s, s)
	}
	f.Add("\t", " BeArer", "0")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		got := Credential(http.Header{"Authorization": {a}, "X-Api-Key": {b}, "Api-Key": {c}})
		if got != strings.TrimSpace(got) || strings.EqualFold(got, "bearer") && strings.TrimSpace(b) != got && strings.TrimSpace(c) != got && !strings.Contains(a, " ") {
			t.Errorf("Credential(%q, %q, %q) = %q", a, b, c, got)
		}
		if !strings.Contains(a, got) && !strings.Contains(b, got) && !strings.Contains(c, got) {
			t.Errorf("Credential(%q, %q, %q) = %q, which nobody sent", a, b, c, got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := newHouse()
	cat := h.catalog()
	unknown, _, _, _ := NewClientKey()
	for name, credential := range map[string]string{"known": h.credential, "unknown": unknown, "foreign": "sk-proj-0123456789"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.verifier.Verify(cat, credential, "", noon)
			}
		})
	}
}
