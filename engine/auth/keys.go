package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"tallygate/engine/tally"
)

// Keys says where the key of a store is kept: in a file of mode 0600 beside the store, in
// a credential of the service manager, or in the environment. A passphrase may wrap it.
// It prints as [redacted], as the text may be the key.
type Keys struct {
	Path string
	// Given is the text of a key file where it has come another way, and By says for
	// people which; then no file is looked at, and nothing can be written.
	Given, By string
	// Credential is whether Path belongs to a service manager: it is not written, and the
	// manager may have let its group read it.
	Credential bool

	unlocked []byte // derived from the passphrase; nil without one
}

// Format implements fmt.Formatter.
func (Keys) Format(f fmt.State, _ rune) { io.WriteString(f, "[redacted]") }

// String says where the key is kept.
func (k Keys) String() string {
	switch {
	case k.Given != "":
		return k.By
	case k.Credential:
		return "the credential " + k.Path
	}
	return "the key file " + k.Path
}

// ring are the keys of a store.
type ring struct {
	seal   []byte
	before []byte // seal of before, while a rotation has not ended
	hash   []byte // of keyed hashes; nil: derived from seal, which was never replaced
}

// keyMark begins the key in a text that is more than a key alone.
const keyMark = "tallygate-key-1"

// What stands before the key, for who finds the file.
const (
	openNote    = "# The key of a tallygate store: it opens what a copy of the store has sealed.\n"
	wrappedNote = "# The key of a tallygate store, wrapped by a passphrase; without that it opens nothing.\n"
)

// text writes the ring. A key alone is written as it always was, so that earlier versions
// of the program read it.
func (r *ring) text() string {
	if r.before == nil && r.hash == nil {
		return base64.StdEncoding.EncodeToString(r.seal) + "\n"
	}
	return openNote + r.line() + "\n"
}

func (r *ring) line() string {
	words := []string{keyMark, "seal=" + base64.StdEncoding.EncodeToString(r.seal)}
	if r.before != nil {
		words = append(words, "before="+base64.StdEncoding.EncodeToString(r.before))
	}
	if r.hash != nil {
		words = append(words, "hash="+base64.StdEncoding.EncodeToString(r.hash))
	}
	return strings.Join(words, " ")
}

// readKeys reads the text of a key file: a ring, or what wraps one.
func readKeys(text string) (r ring, w *wrapping, ok bool) {
	var words []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	switch {
	case len(words) == 1:
		r.seal, ok = readKey(words[0])
		return r, nil, ok
	case len(words) < 2 || words[0] != keyMark:
		return r, nil, false
	case words[1] == "argon2id":
		w, ok = readWrapping(words[2:])
		return r, w, ok
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		to, known := map[string]*[]byte{"seal": &r.seal, "before": &r.before, "hash": &r.hash}[name]
		if !known || *to != nil {
			return r, nil, false
		}
		if *to, ok = readKey(value); !ok {
			return r, nil, false
		}
	}
	return r, nil, r.seal != nil
}

func readKey(text string) ([]byte, bool) {
	key, err := base64.StdEncoding.DecodeString(text)
	return key, err == nil && len(key) == chacha20poly1305.KeySize
}

// load reads the key where it is kept, wrapped or not.
func (k *Keys) load() (ring, *wrapping, error) {
	text := k.Given
	if text == "" {
		var err error
		if text, err = k.readFile(); err != nil {
			return ring{}, nil, err
		}
	}
	r, w, ok := readKeys(text)
	if !ok {
		return r, w, tally.Errorf(tally.Corrupt, "%s is damaged, or of a later version of tallygate", k.String()).
			WithHint("restore it from where you keep a copy; without it the provider keys must be entered again")
	}
	return r, w, nil
}

func (k *Keys) readFile() (string, error) {
	text, err := os.ReadFile(k.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", tally.Errorf(tally.NotFound, "there is no key file %s", k.Path)
	case errors.Is(err, fs.ErrPermission):
		return "", tally.Errorf(tally.Denied, "%s may not be read by you", k.String()).
			WithHint("make it yours: chown %d %s", os.Geteuid(), tally.ShellWord(k.Path))
	case err != nil:
		return "", tally.Errorf(tally.Unavailable, "key file: %w", err)
	}
	others := fs.FileMode(0o077)
	if k.Credential {
		others = 0o007
	}
	if info, err := os.Stat(k.Path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&others != 0 {
		return "", tally.Errorf(tally.Denied, "%s can be read by others", k.String()).
			WithHint("chmod 600 %s, and tallygate secrets rotate if somebody may have read it", tally.ShellWord(k.Path))
	}
	return string(text), nil
}

// CreateSealer makes a new key. It is for a store in which nothing is sealed: what
// another key has sealed it cannot open.
func CreateSealer(k Keys) (*Sealer, error) {
	r := ring{seal: newKey()}
	if err := k.write(r.text()); err != nil {
		return nil, err
	}
	return newSealer(k, r, nil)
}

func newKey() []byte {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	return key
}

// OpenSealer reads the key: NotFound if there is none, Denied if others can read it, or if
// it is wrapped and was not unlocked, Corrupt if it is none.
func OpenSealer(k Keys) (*Sealer, error) {
	r, w, err := k.load()
	if err == nil && w != nil {
		if k.unlocked == nil {
			return nil, tally.Errorf(tally.Denied, "%s is wrapped by a passphrase", k.String()).
				WithHint("run it in a terminal, which asks for it, or name a file that has it: --passphrase-file FILE")
		}
		w.key = k.unlocked
		r, err = w.open()
	}
	if err != nil {
		return nil, err
	}
	return newSealer(k, r, w)
}

// write replaces the key file, whole or not at all.
func (k *Keys) write(text string) error {
	if k.Given != "" || k.Credential {
		return tally.Errorf(tally.Invalid, "the key is kept in %s, which tallygate cannot change", k.String()).
			WithHint("stop it, put the key into a file secrets.key of mode 0600 in the data folder, do it there, and bring the file's text back to where it was")
	}
	if err := replaceFile(k.Path, text); err != nil {
		return tally.Errorf(tally.Unavailable, "key file: %w", err).
			WithHint("see that the folder of %s can be written", k.Path)
	}
	return nil
}

func replaceFile(path, text string) error {
	dir, unfinished := filepath.Dir(path), "."+filepath.Base(path)+"-"
	f, err := os.CreateTemp(dir, unfinished+"*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already once renamed
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	// What a process has left that was killed before the line above may have the key open.
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return syncDir(dir)
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

// State says how the key is kept.
func (s *Sealer) State() (where string, wrapped string, rotating bool) {
	now := s.now.Load()
	if now.wrap != nil {
		wrapped = now.wrap.String()
	}
	return s.keys.String(), wrapped, now.ring.before != nil
}

// Rotate replaces the key that seals. Until [Sealer.Rotated] the file has the one before
// as well, so whenever the process is killed, all that is sealed opens. The key of keyed
// hashes stays, as limits of visitors and sessions are counted by those hashes, unless
// they are to begin anew.
func (s *Sealer) Rotate(hashes bool) error {
	now := s.now.Load()
	r := ring{seal: newKey(), before: now.ring.seal, hash: bytes.Clone(now.hashKey)}
	if hashes {
		r.hash = newKey()
	}
	return s.keep(r, now.wrap)
}

// Rotated drops the key of before a rotation: nothing is sealed by it any more.
func (s *Sealer) Rotated() error {
	now := s.now.Load()
	r := now.ring
	r.before = nil
	return s.keep(r, now.wrap)
}

// keep writes keys down, and then puts them in force.
func (s *Sealer) keep(r ring, w *wrapping) error {
	text := r.text()
	if w != nil {
		w = w.around(&r)
		text = w.text()
	}
	if err := s.keys.write(text); err != nil {
		return err
	}
	return s.use(r, w)
}

// handed is what a process that goes on in the place of this one cannot find by itself.
type handed struct {
	Given    string `json:"given,omitempty"`
	By       string `json:"by,omitempty"`
	Unlocked []byte `json:"unlocked,omitempty"`
}

// Hand is what [Keys.Take] needs to open the key in another process, "" if that needs
// nothing. It is as secret as the key.
func (s *Sealer) Hand() string {
	h := handed{Given: s.keys.Given, By: s.keys.By}
	if w := s.now.Load().wrap; w != nil {
		h.Unlocked = w.key
	}
	if h.Given == "" && h.Unlocked == nil {
		return ""
	}
	text, _ := json.Marshal(h) // of texts only
	return string(text)
}

// Take takes over what another process has handed on.
func (k *Keys) Take(text string) error {
	var h handed
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return tally.Errorf(tally.Invalid, "what the process before has handed on is no key").
			WithHint("--inherit is for tallygate itself; start it without")
	}
	if h.Given != "" {
		k.Given, k.By = h.Given, h.By
	}
	k.unlocked = h.Unlocked
	return nil
}
