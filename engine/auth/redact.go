package auth

import (
	"regexp"
	"strings"
	"sync"
)

const (
	redacted    = "[redacted]"
	shortestKey = 11
)

// keyForm is what keys of gateways and of providers look like, tokens that are carried in
// a header, signed tokens, and private keys. A private key without an end is one to the end
// of the text.
var keyForm = sync.OnceValue(func() *regexp.Regexp {
	const pem = `[0-9A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----`
	return regexp.MustCompile(`(?:` + clientPrefix + `|` + adminPrefix + `|` + sharePrefix + `|` +
		`(?:\b|_)(?:sk-|gsk_|xai-|hf_|AIza|gh[opsu]_|github_pat_|xox[abops]-))[0-9A-Za-z_-]{12,}` +
		`|\bAKIA[0-9A-Z]{16}\b` +
		`|(?i:\bbearer[ \t]+)[0-9A-Za-z._~+/=-]{16,}` +
		`|\beyJ[0-9A-Za-z_-]{6,}(?:\.[0-9A-Za-z_-]*){2,4}` +
		`|-----BEGIN ` + pem + `(?s:.*?)(?:-----END ` + pem + `|\z)`)
})

// keyMarks are what each of these has in it, in lower case.
var keyMarks = [...]string{clientPrefix, adminPrefix, sharePrefix, "sk-", "bearer", "eyj", "private key", "gsk_", "xai-", "hf_",
	"aiza", "gho_", "ghp_", "ghs_", "ghu_", "github_pat_", "xox", "akia"}

// mayHold tells quickly of nearly every text that it holds no key.
func mayHold(s string) bool {
	if len(s) < shortestKey {
		return false
	}
	s = strings.ToLower(s)
	for _, mark := range keyMarks {
		if strings.Contains(s, mark) {
			return true
		}
	}
	return false
}

// Redact replaces what looks like a key in a text of a caller's that is logged or kept: a key
// that was put into the path, or in the place of a model's name, by mistake.
func Redact(s string) string {
	if !mayHold(s) {
		return s
	}
	return keyForm().ReplaceAllString(s, redacted)
}

// RedactHeader is Redact for a header of a request or an answer; false where nothing of it
// may be kept: it carries a credential by its name.
func RedactHeader(name, value string) (string, bool) {
	name = strings.ToLower(name)
	for _, word := range [...]string{"auth", "key", "token", "secret", "cookie", "credential", "password", "signature"} {
		if strings.Contains(name, word) {
			return "", false
		}
	}
	return Redact(value), true
}
