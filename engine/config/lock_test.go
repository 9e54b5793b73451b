package config

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// What a passphrase opens is not for the file to make as dear as it likes: the memory would
// be that of the process that serves.
func TestUnlockIsBounded(t *testing.T) {
	var out bytes.Buffer
	r, err := age.NewScryptRecipient("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(10)
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, r)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("{}"))
	w.Close()
	armored.Close()
	if _, err := Unlock(out.String(), "correct horse", ""); err != nil {
		t.Errorf("a cheap one: %v", err)
	}
	var text, dear bytes.Buffer
	if _, err := text.ReadFrom(armor.NewReader(&out)); err != nil {
		t.Fatal(err)
	}
	armored = armor.NewWriter(&dear)
	armored.Write(bytes.Replace(text.Bytes(), []byte(" 10\n"), []byte(" 22\n"), 1))
	armored.Close()
	_, err = Unlock(dear.String(), "correct horse", "")
	if err == nil || !strings.Contains(err.Error(), "more memory") {
		t.Errorf("a dear one: %v", err)
	}
}
