package auth

import (
	"strings"
	"time"

	"tallygate/engine/tally"
)

// NewShareSecret mints the secret of a link to a client's own page. The hint is what may be
// shown of it later.
func NewShareSecret() (secret string, d tally.Digest, hint string) {
	secret = sharePrefix + random62(randomLength)
	return secret, DigestOf(secret), secret[:len(sharePrefix)+4] + "…" + secret[len(secret)-4:]
}

// VerifyShare finds the link of a secret. One that has expired, was revoked or never was is
// refused in the same words.
func VerifyShare(cat *tally.Catalog, secret string, now time.Time) (*tally.Share, *tally.Refusal) {
	if len(secret) == len(sharePrefix)+randomLength && strings.HasPrefix(secret, sharePrefix) {
		if of, valid := cat.Owner(DigestOf(secret), now); valid {
			if s := cat.Share(of); s != nil && s.Works(now) && cat.Client(s.Client) != nil {
				return s, nil
			}
		}
	}
	return nil, unknown("This link does not work, or no longer does. Ask whoever sent it to you for a new one.")
}
