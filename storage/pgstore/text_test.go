package pgstore

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"gateway/gw_1":   "gateway/gw_1",
		"Grüße 世界":       "Grüße 世界",
		`a\x00`:          `a\x00`,
		`\x00`:           `\x5c783030`,
		`\`:              `\x5c`,
		"a\x00b":         `\x610062`,
		"\xff\xfe":       `\xfffe`,
		"client/caf\xe9": `\x636c69656e742f636166e9`,
	} {
		if got := toText(in); got != want {
			t.Errorf("toText(%q) = %q, want %q", in, got, want)
		}
		if got := fromText(want); got != in {
			t.Errorf("fromText(%q) = %q, want %q", want, got, in)
		}
	}
	if got := fromText(`\xyz`); got != `\xyz` {
		t.Errorf("what is not hexadecimal is read as %q", got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("gateway/gw", "\x00")
	f.Add(`\x00`, `\x5c783030`)
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := toText(a), toText(b)
		if !utf8.ValidString(x) || strings.Contains(x, "\x00") {
			t.Errorf("%q becomes %q", a, x)
		}
		if fromText(x) != a || (x == y) != (a == b) {
			t.Errorf("%q and %q become %q and %q", a, b, x, y)
		}
	})
}
