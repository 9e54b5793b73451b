package auth

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"

	"tallygate/engine/tally"
)

// Sealer encrypts secrets at rest with XChaCha20-Poly1305 under the key of the
// store ([Keys]), with the owner's ID as additional data: a sealed secret moved to
// another owner does not open. Backups of the store do not contain the key.
// It prints as [redacted].
type Sealer struct {
	keys Keys
	now  *atomic.Pointer[sealing]
}

// sealing is what a sealer works with until its key is replaced.
type sealing struct {
	ring    ring
	wrap    *wrapping     // nil where the key lies open
	aeads   []cipher.AEAD // of the key, and of the one before while a rotation has not ended
	hashKey []byte
}

// Format implements fmt.Formatter, so that no verb shows a key.
func (Sealer) Format(f fmt.State, _ rune) { io.WriteString(f, "[redacted]") }

func newSealer(k Keys, r ring, w *wrapping) (*Sealer, error) {
	s := &Sealer{keys: k, now: &atomic.Pointer[sealing]{}}
	return s, s.use(r, w)
}

// use puts keys in force.
func (s *Sealer) use(r ring, w *wrapping) error {
	next := &sealing{ring: r, wrap: w, hashKey: r.hash}
	for _, key := range [][]byte{r.seal, r.before} {
		if key == nil {
			continue
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return err
		}
		next.aeads = append(next.aeads, aead)
	}
	if next.hashKey == nil {
		var err error
		if next.hashKey, err = hashKeyOf(r.seal); err != nil {
			return err
		}
	}
	s.now.Store(next)
	return nil
}

// hashKeyOf is the key of keyed hashes of a store whose key was never replaced.
func hashKeyOf(seal []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, seal, nil, "tallygate keyed hash", sha256.Size)
}

// printBytes is the length of a fingerprint.
const printBytes = 8

// Print is a fingerprint of the key and of the one of keyed hashes, in 16 hexadecimal digits.
// It tells whether two stores, or two nodes of one, have the same, and nothing else of them.
func (s *Sealer) Print() string {
	now := s.now.Load()
	both := append(bytes.Clone(now.ring.seal), now.hashKey...)
	sum, err := hkdf.Key(sha256.New, both, nil, "tallygate key fingerprint", printBytes)
	if err != nil { // of keys that are too short for a strict build: there are none
		panic(err)
	}
	return hex.EncodeToString(sum)
}

// Print is [Sealer.Print] of the key that is kept there, "" if there is none yet. Errors are
// those of [OpenSealer].
func Print(k Keys) (string, error) {
	s, err := OpenSealer(k)
	if tally.CodeOf(err) == tally.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return s.Print(), nil
}

// Seal encrypts a secret of an owner.
func (s *Sealer) Seal(owner tally.ID, plain []byte) tally.Sealed {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	rand.Read(nonce)
	return s.now.Load().aeads[0].Seal(nonce, nonce, plain, []byte(owner))
}

// Open decrypts a secret of an owner.
func (s *Sealer) Open(owner tally.ID, sealed tally.Sealed) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, tally.Errorf(tally.Corrupt, "a sealed secret is too short")
	}
	nonce, box := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	for _, aead := range s.now.Load().aeads {
		if plain, err := aead.Open(nil, nonce, box, []byte(owner)); err == nil {
			return plain, nil
		}
	}
	return nil, tally.Errorf(tally.Corrupt, "a sealed secret of %s does not open with this key", owner).
		WithHint("the key belongs to another store, or to an earlier state of this one; restore the right one, or enter the secret again")
}

// Hash is a keyed hash for what must be recognised and not be readable, such
// as the end user of a session: 128 bits in base64url. The scope keeps equal
// values of different owners apart.
func (s *Sealer) Hash(scope tally.ID, value string) string {
	var room [96]byte
	text := strconv.AppendInt(room[:0], int64(len(scope)), 10)
	text = append(append(append(text, ':'), scope...), value...)
	mac := hmac.New(sha256.New, s.now.Load().hashKey)
	mac.Write(text)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
