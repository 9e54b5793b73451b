package auth

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

const passphrase = "correct horse battery staple"

func said(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A wrapped key file opens with its passphrase and no other, shows nothing of the key, and
// seals and hashes as before.
func TestWrappedKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	s := openSealer(t, path)
	plain := readText(t, path)
	sealed, hash := s.Seal("prov_1", []byte("sk-upstream")), s.Hash("cl_1", "ana")
	if err := s.Wrap("short", ""); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("a short passphrase: %v", err)
	}
	left := filepath.Join(filepath.Dir(path), ".key-123") // by a process that was killed
	if err := os.WriteFile(left, []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Wrap(passphrase, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the key still lies open beside the wrapped one")
	}
	key := strings.TrimSpace(plain)
	raw, _ := base64.StdEncoding.DecodeString(key)
	text := readText(t, path)
	for what, secret := range map[string]string{"the key": key, "the key's bytes": string(raw), "the passphrase": passphrase} {
		if strings.Contains(text, secret) {
			t.Errorf("the file has %s:\n%s", what, text)
		}
	}
	if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	k := Keys{Path: path}
	if _, err := OpenSealer(k); tally.CodeOf(err) != tally.Denied || !strings.Contains(tally.AsError(err).Hint, "--passphrase-file") {
		t.Errorf("without a passphrase: %v", err)
	}
	if err := k.Unlock(said("another one")); tally.CodeOf(err) != tally.Denied || tally.AsError(err).Hint == "" || strings.Contains(err.Error(), "another") {
		t.Errorf("with a wrong passphrase: %v", err)
	}
	if err := k.Unlock(said(passphrase)); err != nil {
		t.Fatal(err)
	}
	again, err := OpenSealer(k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Open("prov_1", sealed)
	if err != nil || string(got) != "sk-upstream" || again.Hash("cl_1", "ana") != hash {
		t.Errorf("opened %q, %v", got, err)
	}
	// Another passphrase needs the current one.
	if err := again.Wrap("a second passphrase", "a wrong one"); tally.CodeOf(err) != tally.Denied {
		t.Errorf("wrapped anew without the current passphrase: %v", err)
	}
	if err := again.Wrap("a second passphrase", passphrase); err != nil {
		t.Fatal(err)
	}
	if err := again.Unwrap(passphrase); tally.CodeOf(err) != tally.Denied {
		t.Errorf("unwrapped by the passphrase of before: %v", err)
	}
	if err := again.Unwrap("a second passphrase"); err != nil {
		t.Fatal(err)
	}
	if now := readText(t, path); now != plain {
		t.Errorf("unwrapped, the file is %q, and was %q", now, plain)
	}
	if err := again.Unwrap(""); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("unwrapped twice: %v", err)
	}
}

// Every change of a byte of a wrapped file is refused, and none makes the program take all
// memory there is.
func TestChangedWrapping(t *testing.T) {
	w := wrapping{memory: 64, passes: 1, lanes: 1, salt: make([]byte, saltBytes)}
	w.key = w.by([]byte(passphrase))
	text := w.around(&ring{seal: newKey()}).text()
	start := strings.Index(text, keyMark)
	for i := start; i < len(text)-1; i++ {
		changed := []byte(text)
		changed[i] ^= 1
		k := Keys{Given: string(changed), By: "a test"}
		if err := k.Unlock(said(passphrase)); err == nil && k.unlocked != nil {
			t.Errorf("%q at %d was taken for %q", changed[i], i, text[i])
		}
	}
	for _, line := range []string{"memory=4194304", "passes=4000000000", "lanes=256", "memory=0", "lanes=0"} {
		name, _, _ := strings.Cut(line, "=")
		at := strings.Index(text, name+"=")
		end := at + strings.IndexByte(text[at:], ' ')
		if _, _, ok := readKeys(text[:at] + line + text[end:]); ok {
			t.Errorf("%s is taken", line)
		}
	}
}

// Until a rotation has ended, what either key has sealed opens; after it, what the new one
// has. Hashes stay unless they are to change.
func TestRotatedKeys(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "key")
		s := openSealer(t, path)
		if wrapped {
			if err := s.Wrap(passphrase, ""); err != nil {
				t.Fatal(err)
			}
		}
		reopen := func() *Sealer {
			k := Keys{Path: path}
			err := k.Unlock(said(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			s, err := OpenSealer(k)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		before, hash := s.Seal("a", []byte("x")), s.Hash("a", "ana")
		if err := s.Rotate(false); err != nil {
			t.Fatal(err)
		}
		after := s.Seal("a", []byte("y"))
		for name, s := range map[string]*Sealer{"at once": s, "after a restart": reopen()} {
			for box, want := range map[string]string{string(before): "x", string(after): "y"} {
				if got, err := s.Open("a", tally.Sealed(box)); err != nil || string(got) != want {
					t.Errorf("%s: %q, %v", name, got, err)
				}
			}
			if _, _, rotating := s.State(); !rotating || s.Hash("a", "ana") != hash {
				t.Errorf("%s: rotating %v, hash %q", name, rotating, s.Hash("a", "ana"))
			}
		}
		if err := s.Rotated(); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]*Sealer{"at once": s, "after a restart": reopen()} {
			if _, err := s.Open("a", before); tally.CodeOf(err) != tally.Corrupt {
				t.Errorf("%s: the key before still opens: %v", name, err)
			}
			if got, err := s.Open("a", after); err != nil || string(got) != "y" || s.Hash("a", "ana") != hash {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if err := s.Rotate(true); err != nil || s.Hash("a", "ana") == hash {
			t.Errorf("hashes stay: %v", err)
		}
	}
}

// A key that comes from elsewhere is used and never written; a process that goes on gets
// what it cannot find.
func TestGivenKeys(t *testing.T) {
	dir := t.TempDir()
	s := openSealer(t, filepath.Join(dir, "key"))
	box := s.Seal("a", []byte("x"))
	text := readText(t, filepath.Join(dir, "key"))
	if s.Hand() != "" {
		t.Error("a key that lies open is handed on")
	}
	for _, k := range []Keys{{Given: text, By: "the environment"}, {Path: filepath.Join(dir, "key"), Credential: true}} {
		given, err := OpenSealer(k)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := given.Open("a", box); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
		for what, err := range map[string]error{"rotate": given.Rotate(false), "wrap": given.Wrap(passphrase, "")} {
			if tally.CodeOf(err) != tally.Invalid || tally.AsError(err).Hint == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if readText(t, filepath.Join(dir, "key")) != text {
			t.Error("the file was written")
		}
		next := Keys{Path: filepath.Join(dir, "none")}
		if k.Given == "" {
			continue
		}
		if err := next.Take(given.Hand()); err != nil {
			t.Fatal(err)
		}
		if s, err := OpenSealer(next); err != nil || !bytes.Equal(s.now.Load().ring.seal, given.now.Load().ring.seal) {
			t.Errorf("handed on: %v", err)
		}
	}
	if err := s.Wrap(passphrase, ""); err != nil {
		t.Fatal(err)
	}
	next := Keys{Path: filepath.Join(dir, "key")}
	if err := next.Take(s.Hand()); err != nil {
		t.Fatal(err)
	}
	if err := next.Unlock(func() ([]byte, error) { t.Error("the passphrase is asked for"); return nil, nil }); err != nil {
		t.Error(err)
	}
	handed, err := OpenSealer(next)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := handed.Open("a", box); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzKeys: no text is taken for a key that would be written in another way than it opens.
func FuzzKeys(f *testing.F) {
	r := ring{seal: make([]byte, 32), hash: make([]byte, 32)}
	f.Add(r.text())
	f.Add((&ring{seal: make([]byte, 32)}).text())
	w := wrapping{memory: 64, passes: 1, lanes: 1, salt: make([]byte, saltBytes), key: make([]byte, 32)}
	f.Add(w.around(&r).text())
	f.Fuzz(func(t *testing.T, text string) {
		r, w, ok := readKeys(text)
		switch {
		case !ok:
		case w != nil:
			if again, is, ok := readKeys(w.text()); !ok || is.head() != w.head() || again.seal != nil {
				t.Errorf("%q is read as %q", text, w.text())
			}
		default:
			if again, _, ok := readKeys(r.text()); !ok || again.line() != r.line() {
				t.Errorf("%q is read as %q", text, r.text())
			}
		}
	})
}
