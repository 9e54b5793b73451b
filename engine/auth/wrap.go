package auth

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"tallygate/engine/tally"
)

// wrapping is a ring sealed under a key that argon2id makes of a passphrase. Its numbers
// are written beside it, so that others may become usual.
type wrapping struct {
	memory, passes uint32 // memory is in KiB
	lanes          uint8
	salt, box      []byte
	key            []byte // nil until it is unlocked
}

// usual are the second numbers that RFC 9106 recommends, for machines with little memory.
var usual = wrapping{memory: 64 << 10, passes: 3, lanes: 4}

// Bounds on the numbers that are read: a file must not make the program take all there is.
const (
	mostMemory = 1 << 20 // KiB
	mostPasses = 64
	saltBytes  = 16
)

// shortestPassphrase is in bytes. What is shorter is guessed by who has the file.
const shortestPassphrase = 8

// String says how it is wrapped.
func (w *wrapping) String() string {
	return fmt.Sprintf("a passphrase, by argon2id with %d MiB and %d passes", w.memory>>10, w.passes)
}

// head is what is known before the passphrase, which the box is bound to.
func (w *wrapping) head() string {
	return fmt.Sprintf("%s argon2id memory=%d passes=%d lanes=%d salt=%s", keyMark, w.memory, w.passes, w.lanes,
		base64.StdEncoding.EncodeToString(w.salt))
}

func (w *wrapping) text() string {
	return wrappedNote + w.head() + " box=" + base64.StdEncoding.EncodeToString(w.box) + "\n"
}

func readWrapping(words []string) (*wrapping, bool) {
	fields := map[string]string{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		fields[name] = value
	}
	w := &wrapping{}
	number := func(name string, most uint64) uint64 {
		n, err := strconv.ParseUint(fields[name], 10, 32)
		if err != nil || n > most {
			return 0
		}
		return n
	}
	w.memory, w.passes = uint32(number("memory", mostMemory)), uint32(number("passes", mostPasses))
	w.lanes = uint8(number("lanes", 255))
	var errs [2]error
	w.salt, errs[0] = base64.StdEncoding.DecodeString(fields["salt"])
	w.box, errs[1] = base64.StdEncoding.DecodeString(fields["box"])
	return w, len(words) == 5 && len(fields) == 5 && errs == [2]error{} &&
		w.memory > 0 && w.passes > 0 && w.lanes > 0 &&
		len(w.salt) == saltBytes && len(w.box) > chacha20poly1305.NonceSizeX
}

// by derives the key of a passphrase.
func (w *wrapping) by(passphrase []byte) []byte {
	return argon2.IDKey(passphrase, w.salt, w.passes, w.memory, w.lanes, chacha20poly1305.KeySize)
}

// around is the wrapping of a ring under the same passphrase.
func (w *wrapping) around(r *ring) *wrapping {
	next := *w
	aead, err := chacha20poly1305.NewX(w.key)
	if err != nil {
		panic("auth: " + err.Error()) // of a key of another length
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	next.box = aead.Seal(nonce, nonce, []byte(r.line()), []byte(w.head()))
	return &next
}

// open opens the box with the key; Denied if that is another's.
func (w *wrapping) open() (ring, error) {
	aead, err := chacha20poly1305.NewX(w.key)
	if err != nil {
		return ring{}, err
	}
	nonce, box := w.box[:chacha20poly1305.NonceSizeX], w.box[chacha20poly1305.NonceSizeX:]
	line, err := aead.Open(nil, nonce, box, []byte(w.head()))
	if err != nil {
		return ring{}, tally.Errorf(tally.Denied, "the passphrase is wrong, or the key file was changed").
			WithHint("try it again; if it is lost: move the key file away, tallygate serve --forget-secrets, then enter the provider keys again")
	}
	r, _, ok := readKeys(string(line))
	if !ok {
		return r, tally.Errorf(tally.Corrupt, "what the passphrase opens is no key").
			WithHint("restore the key file from where you keep a copy")
	}
	return r, nil
}

// Unlock opens a key that is wrapped with the passphrase that ask gets. Where none is
// needed nobody is asked. A key that is not there is none that is wrapped.
func (k *Keys) Unlock(ask func() ([]byte, error)) error {
	_, w, err := k.load()
	if tally.CodeOf(err) == tally.NotFound || err == nil && (w == nil || k.unlocked != nil) {
		return nil
	}
	if err != nil {
		return err
	}
	passphrase, err := ask()
	if err != nil {
		return err
	}
	w.key = w.by(passphrase)
	if _, err := w.open(); err != nil {
		return err
	}
	k.unlocked = w.key
	return nil
}

// Wrap wraps the key by a passphrase. One that is wrapped already needs its current
// passphrase, else nothing is done, and the error is Denied.
func (s *Sealer) Wrap(passphrase, current string) error {
	if len(passphrase) < shortestPassphrase {
		return tally.Errorf(tally.Invalid, "the passphrase is shorter than %d characters", shortestPassphrase).
			WithHint("four or five words that have nothing to do with each other are easy to keep and hard to guess")
	}
	now := s.now.Load()
	if err := now.wrap.knows(current); err != nil {
		return err
	}
	w := usual
	w.salt = make([]byte, saltBytes)
	rand.Read(w.salt)
	w.key = w.by([]byte(passphrase))
	return s.keep(now.ring, &w)
}

// Unwrap writes the key down as it is.
func (s *Sealer) Unwrap(current string) error {
	now := s.now.Load()
	if now.wrap == nil {
		return tally.Errorf(tally.Conflict, "no passphrase wraps the key").WithHint("see: tallygate secrets status")
	}
	if err := now.wrap.knows(current); err != nil {
		return err
	}
	return s.keep(now.ring, nil)
}

// knows refuses another passphrase than the one that wraps.
func (w *wrapping) knows(passphrase string) error {
	if w == nil {
		return nil
	}
	tried := *w
	tried.key = w.by([]byte(passphrase))
	_, err := tried.open()
	return err
}
