package control

import "log/slog"

// Secret is a credential on its way into the engine. It is written to the
// wire, and printed and logged as [redacted].
type Secret string

func (Secret) String() string   { return "[redacted]" }
func (Secret) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return string(s) }
