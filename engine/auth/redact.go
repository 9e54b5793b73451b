package auth

import (
	"regexp"
	"strings"
	"sync"
)

// keyForm is what keys of gateways, and of most providers, look like.
var keyForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:` + clientPrefix + `|` + adminPrefix + `|` + sharePrefix + `|sk-)[0-9A-Za-z_-]{12,}`)
})

// Redact replaces what looks like a key in a text of a caller's that is logged or kept: a key
// that was put into the path, or in the place of a model's name, by mistake.
func Redact(s string) string {
	if !strings.Contains(s, clientPrefix) && !strings.Contains(s, adminPrefix) && !strings.Contains(s, sharePrefix) && !strings.Contains(s, "sk-") {
		return s
	}
	return keyForm().ReplaceAllString(s, "[redacted]")
}
