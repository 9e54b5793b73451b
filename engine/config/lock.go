package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"tallygate/engine/tally"
)

// Secrets are what makes providers, gateways and keys work elsewhere as they do here. It
// prints as [redacted].
type Secrets struct {
	Providers map[string][]string `json:"providers,omitempty"` // API keys, by provider
	Gateways  map[string]string   `json:"gateways,omitempty"`  // private keys, by slug
	Keys      []KeySecret         `json:"keys,omitempty"`
	// Tokens and Revoked are of access tokens, which private keys make valid.
	Tokens  []tally.MintedToken `json:"tokens,omitempty"`
	Revoked []tally.Revocation  `json:"revoked,omitempty"`
}

// KeySecret is what a client's key is known by. The key itself is nowhere.
type KeySecret struct {
	Client        string       `json:"client"`
	Label         string       `json:"label"`
	Prefix        string       `json:"prefix"`
	Suffix        string       `json:"suffix"`
	Digest        tally.Digest `json:"digest"`
	Previous      tally.Digest `json:"previous"`
	PreviousUntil time.Time    `json:"previous_until,omitzero"`
}

// Format implements fmt.Formatter, so that no verb shows one.
func (Secrets) Format(f fmt.State, _ rune) { io.WriteString(f, "[redacted]") }

// Lock encrypts secrets for whoever has the identity of a recipient, or a passphrase.
func (s *Secrets) Lock(recipients []string, passphrase string) (string, error) {
	var to []age.Recipient
	for _, text := range recipients {
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil {
			return "", tally.Errorf(tally.Invalid, "%.100q is not a recipient of age", text).
				WithHint("like age1…, which age-keygen prints; the identity AGE-SECRET-KEY-… stays with you")
		}
		to = append(to, r...)
	}
	if (len(to) == 0) == (passphrase == "") {
		return "", tally.Errorf(tally.Invalid, "secrets are encrypted for recipients, or by a passphrase").
			WithHint("tallygate config export --secrets --recipient age1…, or --passphrase")
	}
	if passphrase != "" {
		r, err := age.NewScryptRecipient(passphrase)
		if err != nil {
			return "", tally.Errorf(tally.Invalid, "%w", err)
		}
		r.SetWorkFactor(workFactor)
		to = append(to, r)
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, to...)
	if err == nil {
		if err = json.NewEncoder(w).Encode(s); err == nil {
			err = errors.Join(w.Close(), armored.Close())
		}
	}
	if err != nil {
		return "", tally.Errorf(tally.Internal, "encrypt the secrets: %w", err)
	}
	return out.String(), nil
}

// workFactor is the logarithm of what opening a passphrase costs at most: 256 MiB of memory,
// which is what Lock and age itself take. A file from elsewhere could ask for many times as much.
const workFactor = 18

// Unlock decrypts what Lock has encrypted, with the passphrase, or with identities as
// age-keygen writes them.
func Unlock(locked, passphrase, identities string) (*Secrets, error) {
	var by []age.Identity
	if passphrase != "" {
		id, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return nil, tally.Errorf(tally.Invalid, "%w", err)
		}
		id.SetMaxWorkFactor(workFactor)
		by = append(by, id)
	}
	if identities != "" {
		ids, err := age.ParseIdentities(strings.NewReader(identities))
		if err != nil {
			return nil, tally.Errorf(tally.Invalid, "the identity is none of age").
				WithHint("name a file as age-keygen writes it, with a line AGE-SECRET-KEY-…")
		}
		by = append(by, ids...)
	}
	if len(by) == 0 {
		return nil, tally.Errorf(tally.Denied, "the secrets of the file are encrypted").
			WithHint("--identity FILE or --passphrase opens them; --without-secrets leaves them out")
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(strings.TrimSpace(locked))), by...)
	if err != nil {
		if _, other := errors.AsType[*age.NoIdentityMatchError](err); other {
			return nil, tally.Errorf(tally.Denied, "neither the passphrase nor the identity opens the secrets of the file").
				WithHint("try another one; --without-secrets leaves them out")
		}
		if strings.Contains(err.Error(), "work factor too large") { // age has no other way to say it
			return nil, tally.Errorf(tally.Invalid, "the passphrase of the file takes more memory than is given for it").
				WithHint("encrypt it with a work factor of at most %d, which is what age takes by itself", workFactor)
		}
		return nil, tally.Errorf(tally.Invalid, "the secrets of the file are damaged").
			WithHint("export the file again, or leave them out: --without-secrets")
	}
	var s Secrets
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return nil, tally.Errorf(tally.Invalid, "the secrets of the file are damaged").
			WithHint("export the file again, or leave them out: --without-secrets")
	}
	return &s, nil
}
