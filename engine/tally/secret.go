package tally

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

const redacted = "[redacted]"

// Sealed is a secret encrypted at rest; it prints as [redacted].
type Sealed []byte

// Format implements fmt.Formatter, for every verb.
func (Sealed) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Sealed) LogValue() slog.Value { return slog.StringValue(redacted) }

// Digest is the SHA-256 of a credential; it prints as [redacted].
type Digest [32]byte

// Format implements fmt.Formatter, for every verb.
func (Digest) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Digest) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes the digest in hex, for the store. No control operation
// returns a Secret.
func (d Digest) MarshalText() ([]byte, error) { return hexEncode(d[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(b []byte) error { return hexDecode(d[:], b) }

// Secret holds what must not be read back: the digest of a client key or a
// private key, a sealed upstream key or a sealed private key. Its owner has
// one; no operation returns it.
type Secret struct {
	Meta
	Of            ID        `json:"of"`
	Digest        Digest    `json:"digest"`
	Previous      Digest    `json:"previous"`
	PreviousUntil time.Time `json:"previous_until,omitzero"` // the previous one works until then
	Sealed        Sealed    `json:"sealed,omitempty"`
	SealedBefore  Sealed    `json:"sealed_before,omitempty"` // the previous private key, for tokens it signed
}

// Kind implements Entity.
func (*Secret) Kind() EntityKind { return KindSecret }

// Format implements fmt.Formatter: behind a pointer and with a wrong verb, fmt
// would not ask the fields.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "secret of %s %s", s.Of, redacted) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
