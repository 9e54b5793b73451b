package pgstore

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// toText writes a string as a text that any database takes: as it is, or in hexadecimal
// behind "\x" where it has bytes that are not text. Different strings are different texts.
func toText(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") && !strings.HasPrefix(s, `\`) {
		return s
	}
	return `\x` + hex.EncodeToString([]byte(s))
}

// fromText reads what toText has written. Anything else comes back as it is.
func fromText(s string) string {
	if digits, ok := strings.CutPrefix(s, `\x`); ok {
		if b, err := hex.DecodeString(digits); err == nil {
			return string(b)
		}
	}
	return s
}
