package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// maxCredential is the longest credential that is looked at, in bytes; an
// access token is by far the longest kind.
const maxCredential = 8 << 10

// Credential finds the credential of a request: Authorization: Bearer X, the
// same without the word, x-api-key: X as Anthropic's clients send it, or
// api-key: X as Azure's do. An empty Authorization, or one of another scheme,
// does not hide the others.
func Credential(h http.Header) string {
	scheme, token, cut := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	token = strings.TrimSpace(token)
	switch bearer := strings.EqualFold(scheme, "bearer"); {
	case !bearer && !cut:
		token = scheme
	case !bearer:
		token = "" // meant for a proxy in front of this gateway
	}
	if token == "" {
		token = strings.TrimSpace(h.Get("X-Api-Key"))
	}
	if token == "" {
		token = strings.TrimSpace(h.Get("Api-Key"))
	}
	return token
}

// Verifier tells who holds a credential. It remembers what it had to unseal and
// to check for that, in memory only. Its methods may be called concurrently.
type Verifier struct {
	sealer *Sealer
	keys   sync.Map // *tally.Secret of a gateway → *signingKeys
	tokens seen
}

// NewVerifier makes a Verifier of what sealer has sealed.
func NewVerifier(sealer *Sealer) *Verifier { return &Verifier{sealer: sealer} }

// Verify tells who holds a credential and whether they may send requests now; an
// empty credential from a page, whose origin is given, is a visitor's of a public
// gateway. A refusal of a credential that is known comes with its principal, so
// that it can be counted; of an unknown one with none.
func (v *Verifier) Verify(cat *tally.Catalog, credential, origin string, now time.Time) (*tally.Principal, *tally.Refusal) {
	if len(credential) > maxCredential {
		return nil, unknown("That credential is too long to be one of this gateway.")
	}
	switch {
	case credential == "":
		return public(cat, origin)
	case strings.HasPrefix(credential, tokenPrefix):
		return v.visitor(cat, credential, now)
	case strings.HasPrefix(credential, clientPrefix):
		if !looksLikeClientKey(credential) {
			return nil, unknown("That API key is incomplete or mistyped: its checksum does not match. Copy it again, whole.")
		}
	case !strings.HasPrefix(credential, privatePrefix):
		return nil, unknown("That is not a key of this gateway: its keys start with llm_gw_, its access tokens with wlm-.")
	}
	owner, valid := cat.Owner(DigestOf(credential), now)
	if owner == "" {
		return nil, unknown("This gateway does not know that API key. It may have been deleted or replaced by a new one.")
	}
	if key := cat.Key(owner); key != nil {
		p, refusal := PrincipalOf(cat, key, now)
		if refusal == nil && !valid {
			refusal = replaced(cat, p.Gateway, owner, fmt.Sprintf("key %q of client %q", key.Label, p.Client.Name))
		}
		return p, refusal
	}
	gw := cat.Gateway(owner)
	if gw == nil {
		return nil, unknown("This gateway does not know that private key. Its gateway was deleted.")
	}
	p := &tally.Principal{Gateway: gw}
	if refusal := OfGateway(gw); refusal != nil {
		return p, refusal
	}
	if !valid {
		return p, replaced(cat, gw, owner, fmt.Sprintf("private key of gateway %q", gw.Name))
	}
	return p, nil
}

// replaced refuses the previous credential of an owner after its grace period.
func replaced(cat *tally.Catalog, gw *tally.Gateway, owner tally.ID, what string) *tally.Refusal {
	end := ""
	if until := cat.Secret(owner).PreviousUntil; !until.IsZero() {
		end = " and stopped working on " + tally.Civil(until, cat.Zone(gw.ID))
	}
	return dead(tally.CodeKeyRevoked, fmt.Sprintf("This is the previous %s; it was replaced%s. Use the new one.", what, end))
}

// PrincipalOf is who a client key stands for, and whether they may send
// requests now.
func PrincipalOf(cat *tally.Catalog, key *tally.Key, now time.Time) (*tally.Principal, *tally.Refusal) {
	client := cat.Client(key.Client)
	if client == nil {
		return nil, unknown("This gateway does not know that API key. Its client was deleted.")
	}
	p := &tally.Principal{Gateway: cat.Gateway(client.Gateway), Client: client, Key: key}
	zone := cat.Zone(client.Gateway)
	switch {
	case !key.RevokedAt.IsZero():
		return p, dead(tally.CodeKeyRevoked, fmt.Sprintf("Key %q of client %q was revoked on %s.", key.Label, client.Name,
			tally.Civil(key.RevokedAt, zone)))
	case !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
		return p, dead(tally.CodeKeyExpired, fmt.Sprintf("Key %q of client %q expired on %s.", key.Label, client.Name,
			tally.Civil(key.ExpiresAt, zone)))
	}
	return p, OfClient(p.Gateway, client)
}

// OfClient refuses whoever has a key of a client that is not served now.
func OfClient(gw *tally.Gateway, client *tally.Client) *tally.Refusal {
	switch client.Status {
	case tally.Suspended:
		return forbidden(tally.CodeClientSuspended, fmt.Sprintf("Client %q is suspended by the owner of this gateway.", client.Name))
	case tally.Active:
		return OfGateway(gw)
	}
	return forbidden(tally.CodeClientInactive, fmt.Sprintf("Client %q is inactive.", client.Name))
}

// OfGateway refuses everybody at a gateway that is switched off.
func OfGateway(gw *tally.Gateway) *tally.Refusal {
	if gw == nil {
		return forbidden(tally.CodeGatewayDisabled, "The gateway of this key was deleted.")
	}
	if !gw.Enabled {
		return forbidden(tally.CodeGatewayDisabled, fmt.Sprintf("Gateway %q is switched off by its owner.", gw.Name))
	}
	return nil
}

// AllowsOrigin reports whether a list names an origin, exactly but for case.
func AllowsOrigin(list []string, origin string) bool {
	for _, o := range list {
		if strings.EqualFold(strings.TrimRight(o, "/"), origin) {
			return true
		}
	}
	return false
}

func unknown(message string) *tally.Refusal { return dead(tally.CodeInvalidKey, message) }

func dead(code, message string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusUnauthorized, Type: tally.TypeInvalid, Code: code, Message: message}
}

func forbidden(code, message string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusForbidden, Type: tally.TypePermission, Code: code, Message: message}
}
