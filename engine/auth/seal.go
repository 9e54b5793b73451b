package auth

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"tallygate/engine/tally"
)

// Sealer encrypts secrets at rest with XChaCha20-Poly1305 under the key in a
// file of mode 0600 beside the store, with the owner's ID as additional data: a
// sealed secret moved to another owner does not open. Backups of the store do
// not contain the file.
// It prints as [redacted].
type Sealer struct {
	aead    cipher.AEAD
	hashKey []byte
}

// Format implements fmt.Formatter, so that no verb shows a key.
func (Sealer) Format(f fmt.State, _ rune) { io.WriteString(f, "[redacted]") }

// CreateSealer writes a new key file. It is for a store in which nothing is
// sealed: what another key has sealed it cannot open.
func CreateSealer(keyFile string) (*Sealer, error) {
	if err := createKeyFile(keyFile); err != nil {
		return nil, tally.Errorf(tally.Unavailable, "key file: %w", err)
	}
	return OpenSealer(keyFile)
}

// OpenSealer reads the key file: NotFound if there is none, Denied if others
// can read it, Corrupt if it holds no key.
func OpenSealer(keyFile string) (*Sealer, error) {
	text, err := os.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tally.Errorf(tally.NotFound, "there is no key file %s", keyFile)
	}
	if err != nil {
		return nil, tally.Errorf(tally.Unavailable, "key file: %w", err)
	}
	if info, err := os.Stat(keyFile); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, tally.Errorf(tally.Denied, "the key file %s can be read by others", keyFile).WithHint("chmod 600 %s", keyFile)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, tally.Errorf(tally.Corrupt, "the key file %s is damaged", keyFile).WithHint("restore it from where you keep a copy; without it the provider keys must be entered again")
	}
	return newSealer(key)
}

func newSealer(key []byte) (*Sealer, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	hashKey, err := hkdf.Key(sha256.New, key, nil, "tallygate keyed hash", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead, hashKey: hashKey}, nil
}

// createKeyFile writes a new key whole or not at all.
func createKeyFile(path string) error {
	var key [chacha20poly1305.KeySize]byte
	rand.Read(key[:])
	text := []byte(base64.StdEncoding.EncodeToString(key[:]) + "\n")
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already once renamed
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in a folder last: after a power cut, a store with
// sealed secrets and no key file could never open them.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seal encrypts a secret of an owner.
func (s *Sealer) Seal(owner tally.ID, plain []byte) tally.Sealed {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, plain, []byte(owner))
}

// Open decrypts a secret of an owner.
func (s *Sealer) Open(owner tally.ID, sealed tally.Sealed) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, tally.Errorf(tally.Corrupt, "a sealed secret is too short")
	}
	nonce, box := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	plain, err := s.aead.Open(nil, nonce, box, []byte(owner))
	if err != nil {
		return nil, tally.Errorf(tally.Corrupt, "a sealed secret of %s does not open with this key file", owner).
			WithHint("the key file belongs to another store; restore the right one, or enter the secret again")
	}
	return plain, nil
}

// Hash is a keyed hash for what must be recognised and not be readable, such
// as the end user of a session: 128 bits in base64url. The scope keeps equal
// values of different owners apart.
func (s *Sealer) Hash(scope tally.ID, value string) string {
	var room [96]byte
	text := strconv.AppendInt(room[:0], int64(len(scope)), 10)
	text = append(append(append(text, ':'), scope...), value...)
	mac := hmac.New(sha256.New, s.hashKey)
	mac.Write(text)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
