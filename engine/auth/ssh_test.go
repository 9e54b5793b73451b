package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tallygate/engine/tally"
)

func publicLine(t *testing.T, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func TestReadPublicKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	line := publicLine(t, public)
	for _, text := range []string{line, line + " ana@laptop", "  " + line + "\r\n"} {
		key, print, err := ReadPublicKey(text)
		if err != nil || key != line || !strings.HasPrefix(print, "SHA256:") {
			t.Errorf("%q: %q, %q, %v", text, key, print, err)
		}
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(pem.EncodeToMemory(block))
	for what, text := range map[string]string{
		"nothing": "", "a private key": secret, "its middle": strings.Split(secret,
			"\n")[2], "two": line + "\n" + line, "a word": "ssh-ed25519",
		"an option": `command="rm" ` + line, "long": "ssh-rsa " + strings.Repeat("A",
			longestPublicKey), "weak": publicLine(t, &weak.PublicKey),
		"another type": strings.Replace(line, "ssh-ed25519", "ssh-rsa", 1),
	} {
		_, _, err := ReadPublicKey(text)
		e := tally.AsError(err)
		if err == nil || e.Code != tally.Invalid || e.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
		if part := strings.Split(secret, "\n")[2]; strings.Contains(e.Message+e.Hint, part) {
			t.Errorf("%s: the error repeats it", what)
		}
	}
}
