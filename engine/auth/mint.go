package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"strings"

	"tallygate/engine/tally"
)

const (
	clientPrefix  = "llm_gw_"
	privatePrefix = "sk-webllm-gateway-"
	adminPrefix   = "tga_"
	sharePrefix   = "tgs_"
	randomLength  = 43 // ⌈256 / log2 62⌉
	sumLength     = 6  // ⌈32 / log2 62⌉
	base62        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewClientKey mints a client key. The prefix and suffix are what may be shown
// of it later.
func NewClientKey() (key string, d tally.Digest, prefix, suffix string) {
	body := random62(randomLength)
	sum := checksum(body)
	key = clientPrefix + body + string(sum[:])
	return key, DigestOf(key), key[:len(clientPrefix)+4], key[len(key)-4:]
}

// NewAdminToken mints a token for the control plane. The hint is what may be shown of it later.
func NewAdminToken() (token string, d tally.Digest, hint string) {
	token = adminPrefix + random62(randomLength)
	return token, DigestOf(token), token[:len(adminPrefix)+4] + "…" + token[len(token)-4:]
}

// NewPrivateKey mints the private key of the gateway with a public ID.
func NewPrivateKey(publicID string) (key string, d tally.Digest) {
	key = privatePrefix + publicID + "-" + random62(randomLength)
	return key, DigestOf(key)
}

// GatewayOf is the public ID of the gateway that a private key is of.
func GatewayOf(key string) (publicID string, ok bool) {
	rest, ok := strings.CutPrefix(key, privatePrefix)
	publicID, body, _ := strings.Cut(rest, "-")
	return publicID, ok && len(body) == randomLength
}

// NewPublicID makes the public ID of a gateway: nine of a-z and 0-9.
func NewPublicID() string { return randomOf(base62[:10]+base62[36:], 9) }

// DigestOf is how a credential is stored and looked up.
func DigestOf(credential string) tally.Digest {
	var room [64]byte // for a client key on the stack
	return sha256.Sum256(append(room[:0], credential...))
}

func random62(n int) string { return randomOf(base62, n) }

// randomOf draws n characters of an alphabet evenly: a random byte that would
// favour its first characters is drawn again.
func randomOf(alphabet string, n int) string {
	out := make([]byte, 0, n)
	limit := 256 - 256%len(alphabet)
	var random [64]byte
	for len(out) < n {
		rand.Read(random[:]) // never fails since Go 1.24
		for _, b := range random {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// checksum is the CRC-32 of the random part in base62, most significant first.
func checksum(body string) (out [sumLength]byte) {
	var room [randomLength]byte
	sum := crc32.ChecksumIEEE(append(room[:0], body...))
	for i := sumLength - 1; i >= 0; i-- {
		out[i] = base62[sum%62]
		sum /= 62
	}
	return out
}

// looksLikeClientKey reports whether a credential has the form and the
// checksum of a client key.
func looksLikeClientKey(s string) bool {
	body, ok := strings.CutPrefix(s, clientPrefix)
	if !ok || len(body) != randomLength+sumLength {
		return false
	}
	sum := checksum(body[:randomLength])
	return string(sum[:]) == body[randomLength:]
}
