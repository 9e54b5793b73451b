package auth

import (
	"crypto/rsa"
	"encoding/base64"
	"strings"

	"golang.org/x/crypto/ssh"

	"tallygate/engine/tally"
)

// longestPublicKey bounds what is read as a key, in bytes: RSA with 16,384 bits has 3 kB.
const longestPublicKey = 8 << 10

// ReadPublicKey reads a public key as OpenSSH writes it, with or without a comment, and
// returns its type and base64, and its fingerprint. What it was given is in no error: it
// may be a private key.
func ReadPublicKey(text string) (key, fingerprint string, err error) {
	const hint = "give the line of a file like ~/.ssh/id_ed25519.pub; to make one: ssh-keygen -t ed25519"
	text = strings.TrimSpace(text)
	switch {
	case strings.Contains(text, "PRIVATE KEY"):
		return "", "", tally.Errorf(tally.Invalid, "that is a private key, which stays where it is").WithHint("%s", hint)
	case text == "":
		return "", "", tally.Errorf(tally.Invalid, "the key is empty").WithHint("%s", hint)
	case strings.ContainsAny(text, "\r\n"):
		return "", "", tally.Errorf(tally.Invalid, "that is more than one line").
			WithHint("each key is somebody: add one at a time")
	case len(text) > longestPublicKey:
		return "", "", tally.Errorf(tally.Invalid, "that is too long for a public key").WithHint("%s", hint)
	}
	read, _, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", "", tally.Errorf(tally.Invalid, "that is not a public key of ssh").WithHint("%s", hint)
	}
	_, certificate := read.(*ssh.Certificate)
	plain, _ := read.(ssh.CryptoPublicKey)
	switch {
	case len(options) > 0:
		return "", "", tally.Errorf(tally.Invalid, "options before a key are not obeyed here").
			WithHint("give the key alone; what it may do is its role")
	case certificate:
		return "", "", tally.Errorf(tally.Invalid, "a certificate is no key").WithHint("%s", hint)
	case read.Type() == "ssh-dss" || read.Type() == ssh.KeyAlgoRSA && tooShort(plain):
		return "", "", tally.Errorf(tally.Invalid, "that key is too weak").WithHint("make another: ssh-keygen -t ed25519")
	}
	return read.Type() + " " + base64.StdEncoding.EncodeToString(read.Marshal()), ssh.FingerprintSHA256(read), nil
}

// tooShort reports whether an RSA key has fewer bits than anybody should rely on.
func tooShort(key ssh.CryptoPublicKey) bool {
	public, ok := key.CryptoPublicKey().(*rsa.PublicKey)
	return !ok || public.N.BitLen() < 2048
}
