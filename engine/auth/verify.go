package auth

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// maxCredential is the longest credential that is looked at, in bytes; an
// access token is by far the longest kind.
const maxCredential = 8 << 10

// Credential finds the credential of a request: Authorization: Bearer X,
// x-api-key: X as Anthropic's clients send it, or api-key: X as Azure's do.
func Credential(h http.Header) string {
	if a := h.Get("Authorization"); a != "" {
		if len(a) > 7 && strings.EqualFold(a[:7], "bearer ") {
			return strings.TrimSpace(a[7:])
		}
		return strings.TrimSpace(a)
	}
	if k := h.Get("X-Api-Key"); k != "" {
		return strings.TrimSpace(k)
	}
	return strings.TrimSpace(h.Get("Api-Key"))
}

// Verify tells who holds a credential and whether they may send requests now.
// A refusal of a credential that is known comes with its principal, so that it
// can be counted; of an unknown one with none.
func Verify(cat *tally.Catalog, credential string, now time.Time) (*tally.Principal, *tally.Refusal) {
	if len(credential) > maxCredential {
		return nil, unknown("That credential is too long to be one of this gateway.")
	}
	switch {
	case credential == "":
		return nil, unknown("No API key was sent. Send it as Authorization: Bearer llm_gw_…")
	case strings.HasPrefix(credential, clientPrefix):
		if !looksLikeClientKey(credential) {
			return nil, unknown("That API key is incomplete or mistyped: its checksum does not match. Copy it again, whole.")
		}
	case !strings.HasPrefix(credential, privatePrefix):
		return nil, unknown("That is not a key of this gateway: its keys start with llm_gw_.")
	}
	owner, valid := cat.Owner(DigestOf(credential), now)
	if owner == "" {
		return nil, unknown("This gateway does not know that API key. It may have been deleted or replaced by a new one.")
	}
	if key := cat.Key(owner); key != nil {
		p, refusal := PrincipalOf(cat, key, now)
		if refusal == nil && !valid {
			refusal = dead(tally.CodeKeyRevoked, fmt.Sprintf("This is the previous key %q of client %q; it was replaced and its grace period is over. Use the new one.", key.Label, p.Client.Name))
		}
		return p, refusal
	}
	gw := cat.Gateway(owner)
	if gw == nil || !valid {
		return nil, unknown("This gateway does not know that private key. It may have been replaced by a new one.")
	}
	p := &tally.Principal{Gateway: gw}
	return p, gatewayRefusal(gw)
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
		return p, dead(tally.CodeKeyRevoked, fmt.Sprintf("Key %q of client %q was revoked on %s.", key.Label, client.Name, day(key.RevokedAt, zone)))
	case !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
		return p, dead(tally.CodeKeyExpired, fmt.Sprintf("Key %q of client %q expired on %s.", key.Label, client.Name, day(key.ExpiresAt, zone)))
	case client.Status == tally.Suspended:
		return p, forbidden(tally.CodeClientSuspended, fmt.Sprintf("Client %q is suspended by the owner of this gateway.", client.Name))
	case client.Status != tally.Active:
		return p, forbidden(tally.CodeClientInactive, fmt.Sprintf("Client %q is inactive.", client.Name))
	}
	return p, gatewayRefusal(p.Gateway)
}

func gatewayRefusal(gw *tally.Gateway) *tally.Refusal {
	if gw == nil {
		return forbidden(tally.CodeGatewayDisabled, "The gateway of this key was deleted.")
	}
	if !gw.Enabled {
		return forbidden(tally.CodeGatewayDisabled, fmt.Sprintf("Gateway %q is switched off by its owner.", gw.Name))
	}
	return nil
}

// CheckOrigin refuses a page that may not use the principal's key. Where no
// origins are listed every caller is let through, and pages get no CORS
// headers.
func CheckOrigin(p *tally.Principal, origin string) *tally.Refusal {
	if origin == "" || p.Client == nil || len(p.Client.Origins) == 0 || AllowsOrigin(p.Client.Origins, origin) {
		return nil
	}
	return forbidden(tally.CodeOrigin, fmt.Sprintf("Client %q may not be used from pages of %s.", p.Client.Name, origin))
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

func day(t time.Time, zone *time.Location) string {
	return fmt.Sprintf("%s (%s)", t.In(zone).Format("2006-01-02 15:04"), zone)
}

func unknown(message string) *tally.Refusal { return dead(tally.CodeInvalidKey, message) }

func dead(code, message string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusUnauthorized, Type: tally.TypeInvalid, Code: code, Message: message}
}

func forbidden(code, message string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusForbidden, Type: tally.TypePermission, Code: code, Message: message}
}
