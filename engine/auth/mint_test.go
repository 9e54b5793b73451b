package auth

import (
	"crypto/sha256"
	"math"
	"regexp"
	"strings"
	"testing"
)

func TestClientKey(t *testing.T) {
	key, digest, prefix, suffix := NewClientKey()
	if !regexp.MustCompile(`^llm_gw_[0-9A-Za-z]{49}$`).MatchString(key) {
		t.Errorf("key = %q, want llm_gw_ and 43+6 of base62", key)
	}
	if digest != sha256.Sum256([]byte(key)) {
		t.Error("the digest is not the SHA-256 of the whole key")
	}
	if prefix != key[:11] || suffix != key[len(key)-4:] {
		t.Errorf("prefix, suffix = %q, %q of %q", prefix, suffix, key)
	}
	if bits := randomLength * math.Log2(62); bits < 256 {
		t.Errorf("a key carries %.1f random bits, want 256", bits)
	}
}

// The format is published: keys that are in use must go on being recognised.
func TestChecksumOfKnownKey(t *testing.T) {
	const body = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
	if got, want := checksum(body), "37cCQ0"; string(got[:]) != want {
		t.Errorf("checksum = %q, want %q", got, want)
	}
}

// Every error a person makes in copying a key is told from an unknown key.
func TestMistypedKeys(t *testing.T) {
	key, _, _, _ := NewClientKey()
	if !looksLikeClientKey(key) {
		t.Fatalf("%q is not recognised", key)
	}
	for i := len(clientPrefix); i < len(key); i++ {
		for _, c := range []byte("0aZ") {
			if typo := key[:i] + string(c) + key[i+1:]; typo != key && looksLikeClientKey(typo) {
				t.Errorf("%q with byte %d replaced passes", key, i)
			}
		}
		if i+1 < len(key) && key[i] != key[i+1] {
			if typo := key[:i] + key[i+1:i+2] + key[i:i+1] + key[i+2:]; looksLikeClientKey(typo) {
				t.Errorf("%q with bytes %d and %d swapped passes", key, i, i+1)
			}
		}
		if looksLikeClientKey(key[:i]) {
			t.Errorf("%q cut to %d bytes passes", key, i)
		}
	}
	if looksLikeClientKey(key + "0") {
		t.Error("a key with something behind it passes")
	}
}

func TestPrivateKey(t *testing.T) {
	id := NewPublicID()
	if !regexp.MustCompile(`^[a-z0-9]{9}$`).MatchString(id) {
		t.Errorf("public id = %q, want nine of a-z0-9", id)
	}
	key, digest := NewPrivateKey(id)
	if !strings.HasPrefix(key, "sk-webllm-gateway-"+id+"-") || len(key) != len("sk-webllm-gateway-")+9+1+43 {
		t.Errorf("private key = %q", key)
	}
	if digest != DigestOf(key) {
		t.Error("the digest is not that of the key")
	}
}

func TestMintingNeverRepeats(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		key, _, _, _ := NewClientKey()
		if seen[key] {
			t.Fatalf("%q was minted twice", key)
		}
		seen[key] = true
	}
}

// A modulo without the redraw would favour the first eight characters of 62 by
// a quarter: χ² over 61 degrees of freedom would be in the thousands. 150 is
// exceeded by chance once in 10⁸ runs.
func TestRandomCharactersAreEven(t *testing.T) {
	const n = 620_000
	var count [256]int
	for _, c := range []byte(random62(n)) {
		count[c]++
	}
	chi, total := 0.0, 0
	for _, c := range []byte(base62) {
		d := float64(count[c]) - n/62
		chi += d * d / (n / 62)
		total += count[c]
	}
	if chi > 150 || total != n {
		t.Errorf("χ² = %.0f over %d of %d characters, want below 150", chi, total, n)
	}
}
