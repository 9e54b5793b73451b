package auth

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

func openSealer(t *testing.T, path string) *Sealer {
	t.Helper()
	s, err := OpenSealer(Keys{Path: path})
	if tally.CodeOf(err) == tally.NotFound {
		s, err = CreateSealer(Keys{Path: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	sealed := openSealer(t, path).Seal("prov_1", []byte("sk-upstream"))
	if bytes.Contains(sealed, []byte("sk-upstream")) {
		t.Error("the secret can be read in what is stored")
	}
	plain, err := openSealer(t, path).Open("prov_1", sealed)
	if err != nil || string(plain) != "sk-upstream" {
		t.Errorf("Open = %q, %v; want sk-upstream", plain, err)
	}
}

func TestSealIsDifferentEachTime(t *testing.T) {
	s := openSealer(t, filepath.Join(t.TempDir(), "key"))
	if bytes.Equal(s.Seal("a", []byte("x")), s.Seal("a", []byte("x"))) {
		t.Error("equal secrets are sealed alike: a nonce was used twice")
	}
}

// A secret opens for its owner, whole, under its own key file, and not
// otherwise.
func TestSealedSecretsDoNotOpenElsewhere(t *testing.T) {
	dir := t.TempDir()
	s := openSealer(t, filepath.Join(dir, "key"))
	sealed := s.Seal("prov_1", []byte("sk-upstream"))
	if _, err := s.Open("prov_2", sealed); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("moved to another owner: %v, want corrupt", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open("prov_1", bad); tally.CodeOf(err) != tally.Corrupt {
			t.Errorf("byte %d flipped: %v, want corrupt", i, err)
		}
		if _, err := s.Open("prov_1", sealed[:i]); tally.CodeOf(err) != tally.Corrupt {
			t.Errorf("cut to %d bytes: %v, want corrupt", i, err)
		}
	}
	_, err := openSealer(t, filepath.Join(dir, "other")).Open("prov_1", sealed)
	if tally.CodeOf(err) != tally.Corrupt || tally.AsError(err).Hint == "" {
		t.Errorf("under another key file: %v, want corrupt with a hint", err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	openSealer(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %04o, want 0600", info.Mode().Perm())
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files are left beside it", len(left)-1)
	}
}

func TestBadKeyFiles(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for _, tc := range []struct {
		name, text string
		mode       os.FileMode
		want       tally.Code
	}{
		{"readable by a group", good, 0o640, tally.Denied},
		{"readable by all", good, 0o604, tally.Denied},
		{"writable by others", good, 0o602, tally.Denied},
		{"empty", "", 0o600, tally.Corrupt},
		{"cut", good[:20], 0o600, tally.Corrupt},
		{"too long", good[:43] + good, 0o600, tally.Corrupt},
		{"not base64", strings.Repeat("!", 44), 0o600, tally.Corrupt},
	} {
		if runtime.GOOS == "windows" && tc.want == tally.Denied {
			continue // its files have no such modes
		}
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenSealer(Keys{Path: path})
		if tally.CodeOf(err) != tc.want || tally.AsError(err).Hint == "" {
			t.Errorf("%s: %v, want %s with a hint", tc.name, err, tc.want)
		}
		if text, _ := os.ReadFile(path); string(text) != tc.text {
			t.Errorf("%s: the file was changed", tc.name)
		}
	}
	if _, err := CreateSealer(Keys{Path: filepath.Join(t.TempDir(), "missing", "key")}); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("no folder: %v, want unavailable", err)
	}
}

func TestHash(t *testing.T) {
	dir := t.TempDir()
	s := openSealer(t, filepath.Join(dir, "key"))
	h := s.Hash("cl_1", "+351 912 345 678")
	if again := openSealer(t, filepath.Join(dir, "key")).Hash("cl_1", "+351 912 345 678"); again != h {
		t.Errorf("after a restart the hash is %q, was %q", again, h)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(h); err != nil || len(raw) != 16 {
		t.Errorf("hash = %q, want 128 bits in base64url", h)
	}
	for name, other := range map[string]string{
		"another client":                    s.Hash("cl_2", "+351 912 345 678"),
		"another user":                      s.Hash("cl_1", "+351 912 345 679"),
		"no user":                           s.Hash("cl_1", ""),
		"the scope's end moved to the user": s.Hash("cl_", "1+351 912 345 678"),
		"another key file":                  openSealer(t, filepath.Join(dir, "other")).Hash("cl_1", "+351 912 345 678"),
	} {
		if other == h {
			t.Errorf("%s has the same hash", name)
		}
	}
}

func TestSecretsPrintRedacted(t *testing.T) {
	s, err := newSealer(Keys{Given: "canary"}, ring{seal: make([]byte, 32), hash: []byte("canary")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	private, digest := NewPrivateKey("abc123xyz")
	secret := &tally.Secret{Digest: digest, Previous: digest, Sealed: tally.Sealed("canary")}
	digestText, _ := digest.MarshalText()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{s, *s, s.keys, &s.keys, struct{ S *Sealer }{s}, secret, *secret} {
			out := fmt.Sprintf(format, v)
			for _, canary := range []string{"canary", fmt.Sprintf("%x", "canary"), "99, 97, 110", "99 97 110", private, string(digestText), fmt.Sprintf("%#v", [32]byte(digest))[9:]} {
				if strings.Contains(out, canary) {
					t.Errorf("%s of %T shows %q: %s", format, v, canary, out)
				}
			}
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "sealer", s, "secret", secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "sealer", s)
	if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), string(digestText)) {
		t.Errorf("a log shows it: %s", log.String())
	}
}

func BenchmarkHash(b *testing.B) {
	s, err := newSealer(Keys{}, ring{seal: make([]byte, 32)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Hash("cl_01k0000000000000000000000", "+351 912 345 678")
	}
}

// A fingerprint is the same for the same key, wherever it is kept and however it is wrapped,
// and another one for another key, be it only that of keyed hashes.
func TestPrint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if print, err := Print(Keys{Path: path}); print != "" || err != nil {
		t.Fatalf("of no key file: %q, %v", print, err)
	}
	s := openSealer(t, path)
	first := s.Print()
	if len(first) != 16 || strings.Trim(first, "0123456789abcdef") != "" {
		t.Errorf("a fingerprint is %q, want 16 hexadecimal digits", first)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []Keys{{Path: path}, {Given: string(text), By: "a variable"}} {
		if print, err := Print(k); print != first || err != nil {
			t.Errorf("in %s: %q, %v; want %q", k, print, err, first)
		}
	}
	if other := openSealer(t, filepath.Join(t.TempDir(), "key")).Print(); other == first {
		t.Error("two keys have one fingerprint")
	}
	if err := s.Wrap("canary horse battery staple", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Print(Keys{Path: path}); s.Print() != first || tally.CodeOf(err) != tally.Denied {
		t.Errorf("wrapped: %q, want %q; locked: %v, want denied", s.Print(), first, err)
	}
	if err := s.Rotate(false); err != nil {
		t.Fatal(err)
	}
	sealed := s.Print()
	if err := s.Rotate(true); err != nil {
		t.Fatal(err)
	}
	if sealed == first || s.Print() == sealed {
		t.Error("a fingerprint does not tell of another key of hashes, or of sealing")
	}
}
