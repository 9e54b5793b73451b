package control

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a credential on its way into the engine. JSON carries it, for that
// is the wire; it is printed and logged as [redacted].
type Secret string

const redacted = "[redacted]"

// Format implements fmt.Formatter, so that no verb shows it, not even a wrong
// one.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

func (Secret) String() string { return redacted }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return string(s) }
