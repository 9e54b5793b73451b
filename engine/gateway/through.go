package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"tallygate/engine/route"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

const (
	mostFields = 24   // that pass on with one request
	longField  = 4096 // bytes of one
)

// fieldsThrough are the fields of the caller's head that an upstream is to read. Those of a
// dialect pass on to upstreams that read the caller's own words. Nothing passes that names
// the caller to somebody: credentials, cookies, organizations, projects.
func (x *exchange) fieldsThrough(t *route.Target) (all []providers.Field) {
	for name, values := range x.r.Header {
		if !x.passesThrough(name, t) || len(all) == mostFields {
			continue
		}
		value := strings.Join(values, ", ")
		if value == "" || len(value) > longField ||
			strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			continue
		}
		if name == "Idempotency-Key" {
			value = x.ownKey(value)
		}
		all = append(all, providers.Field{Name: name, Value: value})
	}
	return all
}

// ownKey is a caller's idempotency key as its own: all callers share the owner's account
// upstream, and one must not be given the answer of another that has chosen the same key.
func (x *exchange) ownKey(key string) string {
	who := string(x.principal.Gateway.ID)
	switch p := x.principal; {
	case p.Client != nil:
		who += "/" + string(p.Client.ID)
	case p.Token != nil:
		who += "/" + p.Token.Name() + "/" + p.IP.String()
	default:
		who += "/" + p.IP.String()
	}
	sum := sha256.Sum256([]byte(who + "\n" + key))
	return hex.EncodeToString(sum[:16])
}

func (x *exchange) passesThrough(name string, t *route.Target) bool {
	switch name {
	case "Traceparent", "Tracestate":
		return true
	case "Anthropic-Version", "Anthropic-Beta":
		return x.form.own && x.form.envelope.Dialect == dialect.Messages
	case "Openai-Beta", "Session-Id", "Thread-Id", "Originator", "X-Client-Request-Id", "Idempotency-Key":
		return x.form.own && x.passesOn()
	}
	if strings.HasPrefix(name, "X-Openai-") || strings.HasPrefix(name, "X-Codex-") {
		return x.form.own && x.passesOn() && !namesSomebody(name)
	}
	return slices.Contains(t.Upstream.Kind.Fields, name)
}

// trace is the trace that the caller's traceparent names: version, trace, span and flags, as
// W3C Trace Context has it. One that is none of these is passed on and not kept.
func (x *exchange) trace() string {
	part := strings.Split(x.r.Header.Get("Traceparent"), "-")
	if len(part) < 4 || len(part[0]) != 2 || part[0] == "ff" || len(part[1]) != 32 || len(part[2]) != 16 {
		return ""
	}
	if strings.Trim(part[1], "0") == "" || strings.Trim(part[1], "0123456789abcdef") != "" {
		return ""
	}
	return part[1]
}

// namesSomebody reports whether a field may say on whose account a request is.
func namesSomebody(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{
		"organization", "project", "account", "key", "auth", "token", "cookie", "secret",
	}, func(word string) bool { return strings.Contains(name, word) })
}
