package config

import (
	"testing"

	"tallygate/engine/tally"
)

// FuzzParse: whatever stands in a file, it is read or refused with what to do, and never
// anything else.
func FuzzParse(f *testing.F) {
	f.Add("tallygate: 1\nsettings:\n  retention_days: 4\n  trusted_proxies: [10.0.0.0/8]\nproviders:\n  p:\n    kind: openai\n    timeout: 90s\n    models:\n      m:\n        caps: [requests=30/minute]\n        prices:\n          - {from: 2026-12-01, input: 1, pieces: {image_high: 0.1}, hours: 22:00-06:00 UTC, source: owner}\n")
	f.Add("tallygate: 1\ngateways:\n  main:\n    aliases: {a: b}\n    clients:\n      c:\n        markup_percent: 12.5\n        session_length: 24h\n        note: |\n          x\n        keys:\n          k: {expires: 90d, limits: [cost=5/month]}\nsecrets: x\n")
	for _, text := range texts {
		f.Add("tallygate: 1\nsettings: " + text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse([]byte(text))
		switch {
		case err == nil && file == nil:
			t.Error("neither a file nor an error")
		case err != nil && (tally.CodeOf(err) != tally.Invalid || tally.AsError(err).Message == ""):
			t.Errorf("%q: %v", text, err)
		}
	})
}
