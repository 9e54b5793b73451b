package auth

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/engine/token"
)

const tokenPrefix = "wlm-"

// signingKeys are the private keys of a gateway, unsealed: the one in force, and
// the one before it while that still signs.
type signingKeys struct {
	current, previous []byte
}

// visitor tells who holds an access token. The checks come in the order of the
// protocol: signature, time, revocation; then what the owner has switched off.
func (v *Verifier) visitor(cat *tally.Catalog, credential string, now time.Time) (*tally.Principal, *tally.Refusal) {
	gid, ok := token.GatewayOf(credential)
	if !ok {
		return nil, unknown("That access token is incomplete: it looks like wlm-, the gateway's id, a dot and three parts. Copy it again, whole.")
	}
	gw := cat.GatewayByPublicID(gid)
	if gw == nil {
		return nil, unknown(fmt.Sprintf("That access token is for gateway %s, which is not here.", gid))
	}
	p := &tally.Principal{Gateway: gw, Visitor: true}
	t, err := v.token(cat.Secret(gw.ID), credential, now)
	switch tally.CodeOf(err) {
	case "":
		p.Token = t
	case tally.Invalid: // signed by the owner, so it is counted on the gateway
		return p, unknown("This access token cannot be used: " + tally.AsError(err).Message + ". Its owner must mint another one.")
	case tally.Denied:
		return nil, unknown(fmt.Sprintf("That access token was not signed with the private key of gateway %s, or it was changed. A new one must be minted.", gid))
	default:
		return nil, &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeInternal, Message: "The gateway cannot check access tokens: " + tally.AsError(err).Message + "."}
	}
	return p, OfToken(cat, p, now)
}

// OfToken refuses a visitor whose access token does not work now.
func OfToken(cat *tally.Catalog, p *tally.Principal, now time.Time) *tally.Refusal {
	gw, t := p.Gateway, p.Token
	zone := cat.Zone(gw.ID)
	switch {
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return dead(tally.CodeTokenExpired, fmt.Sprintf("Access token %s of gateway %q expired on %s.", t.ID, gw.Name,
			tally.Civil(t.ExpiresAt, zone)))
	case now.Before(t.NotBefore):
		return dead(tally.CodeInvalidKey, fmt.Sprintf("Access token %s of gateway %q works from %s.", t.ID, gw.Name,
			tally.Civil(t.NotBefore, zone)))
	case token.IssuedAhead(t, now):
		return dead(tally.CodeInvalidKey, fmt.Sprintf("Access token %s of gateway %q says that it was issued on %s, which has not come yet. It must be minted anew, by a clock that is right.", t.ID, gw.Name, tally.Civil(t.IssuedAt, zone)))
	}
	for _, name := range [...]string{t.OwnName(), t.Name()} { // a short-lived one ends with its parent
		if r := cat.Revocation(name); r != nil {
			_, id := tally.SplitTokenName(name)
			return dead(tally.CodeTokenRevoked, fmt.Sprintf("Access token %s of gateway %q was revoked on %s.", id, gw.Name,
				tally.Civil(r.CreatedAt, zone)))
		}
	}
	if t.IssuedBefore(gw.NotBefore) {
		return dead(tally.CodeTokenRevoked, fmt.Sprintf("All access tokens of gateway %q from before %s were revoked.",
			gw.Name, tally.Civil(gw.NotBefore, zone)))
	}
	if refusal := OfGateway(gw); refusal != nil {
		return refusal
	}
	if gw.Access == tally.AccessByKey {
		return forbidden(tally.CodeTokenRefused, fmt.Sprintf("Gateway %q takes no access tokens: its access mode is key.", gw.Name))
	}
	return nil
}

// MintChild makes a short-lived token of one that [Verifier.Verify] has found good, for a
// site's server. It lasts no longer than the key that has signed its parent.
func (v *Verifier) MintChild(cat *tally.Catalog, gw *tally.Gateway, parent string, o token.ChildOptions, now time.Time) (string, *tally.AccessToken, error) {
	secret := cat.Secret(gw.ID)
	keys, err := v.signing(secret)
	if err != nil {
		return "", nil, err
	}
	until := time.Time{}
	if _, err := token.Verify(parent, keys.current); tally.CodeOf(err) == tally.Denied { // the previous key has signed it
		until = secret.PreviousUntil
	}
	return token.MintChild(string(keys.current), parent, o, until, now)
}

// token returns an access token whose signature is good. A remembered token stays good as
// long as its gateway's secret is the same; one that the previous private key has signed,
// until that key stops working.
func (v *Verifier) token(secret *tally.Secret, credential string, now time.Time) (*tally.AccessToken, error) {
	if known, ok := v.tokens.find(credential); ok && known.secret == secret && (known.until.IsZero() || now.Before(known.until)) {
		return known.token, nil
	}
	keys, err := v.signing(secret)
	if err != nil {
		return nil, err
	}
	found := verified{secret: secret}
	found.token, err = token.Verify(credential, keys.current)
	if tally.CodeOf(err) == tally.Denied && keys.previous != nil && now.Before(secret.PreviousUntil) {
		found.until = secret.PreviousUntil
		found.token, err = token.Verify(credential, keys.previous)
	}
	if err != nil {
		return nil, err
	}
	v.tokens.remember(strings.Clone(credential), found) // not with the whole head of the request
	return found.token, nil
}

// signing unseals the private keys of a gateway, once for each secret.
func (v *Verifier) signing(secret *tally.Secret) (*signingKeys, error) {
	if secret == nil || len(secret.Sealed) == 0 {
		return nil, tally.Errorf(tally.Unavailable, "this gateway has no private key any more").WithHint("tallygate gateways rotate")
	}
	if keys, ok := v.keys.Load(secret); ok {
		return keys.(*signingKeys), nil
	}
	keys := &signingKeys{}
	var err error
	if keys.current, err = v.sealer.Open(secret.Of, secret.Sealed); err != nil {
		return nil, err
	}
	if len(secret.SealedBefore) > 0 {
		if keys.previous, err = v.sealer.Open(secret.Of, secret.SealedBefore); err != nil {
			return nil, err
		}
	}
	v.keys.Range(func(old, _ any) bool { // a replaced secret is never asked for again
		if old.(*tally.Secret).Of == secret.Of {
			v.keys.Delete(old)
		}
		return true
	})
	v.keys.Store(secret, keys)
	return keys, nil
}

// verified is an access token with what vouches for it.
type verified struct {
	token  *tally.AccessToken
	secret *tally.Secret
	until  time.Time // zero: as long as the secret is in force
}

// maxSeen is how many access tokens are remembered for sure, at most 8 KiB each
// and half a kilobyte as a rule.
const maxSeen = 10_000

// seen remembers the access tokens that were used lately. What has not been
// asked for while maxSeen others came is forgotten. Only tokens with a good
// signature get in, so a flood of others does not push them out.
type seen struct {
	mu         sync.Mutex // guards the fields that follow
	young, old map[string]verified
}

func (s *seen) find(credential string) (verified, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.young[credential]; ok {
		return found, true
	}
	found, ok := s.old[credential]
	if ok {
		s.add(credential, found)
	}
	return found, ok
}

func (s *seen) remember(credential string, found verified) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(credential, found)
}

// Tokens are the access tokens of a gateway that were used lately and whose
// signature is still good, by name, without the short-lived ones of others: of two with one name the one that ends later.
func (v *Verifier) Tokens(cat *tally.Catalog, gw *tally.Gateway) map[string]*tally.AccessToken {
	secret := cat.Secret(gw.ID)
	out := map[string]*tally.AccessToken{}
	v.tokens.mu.Lock()
	defer v.tokens.mu.Unlock()
	for _, some := range []map[string]verified{v.tokens.old, v.tokens.young} {
		for _, found := range some {
			t := found.token
			if other := out[t.Name()]; found.secret == secret && t.Parent == "" && (other == nil || t.ExpiresAt.After(other.ExpiresAt)) {
				out[t.Name()] = t
			}
		}
	}
	return out
}

// PrivateKey unseals the private key of a gateway, to sign with.
func (v *Verifier) PrivateKey(cat *tally.Catalog, gw *tally.Gateway) ([]byte, error) {
	keys, err := v.signing(cat.Secret(gw.ID))
	if err != nil {
		return nil, err
	}
	return keys.current, nil
}

// Read returns an access token of a gateway if its signature is good: Denied if
// it is not, Invalid if it cannot be used all the same.
func (v *Verifier) Read(cat *tally.Catalog, gw *tally.Gateway, credential string, now time.Time) (*tally.AccessToken, error) {
	return v.token(cat.Secret(gw.ID), credential, now)
}

func (s *seen) add(credential string, found verified) {
	if s.young == nil || len(s.young) >= maxSeen {
		s.old, s.young = s.young, map[string]verified{}
	}
	s.young[credential] = found
}
