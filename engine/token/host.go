package token

import (
	"net/netip"
	"strings"
)

// isDomain reports whether a domain is one that a token can name, in its
// canonical form: a host in lower case, or "*." before one of two labels or more.
func isDomain(s string) bool {
	host, below := strings.CutPrefix(s, "*.")
	if below && !strings.Contains(host, ".") {
		return false // every site below com
	}
	return len(s) <= 253 && isHost(host, false)
}

// isHost reports whether a host's labels are well formed. Underscores are for
// pages that are there, not for domains that an owner names.
func isHost(s string, underscores bool) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && (c != '_' || !underscores) {
				return false
			}
		}
	}
	return true
}

// HostOf returns the host of a page, from what a browser says in Origin or
// Referer: in lower case, without port and without a dot at its end. It is false
// for what is no page of a site: null, files, other schemes, and http except from
// this machine, where a site is developed.
func HostOf(address string) (host string, ok bool) {
	scheme, rest, found := strings.Cut(address, "://")
	secure := strings.EqualFold(scheme, "https")
	if !found || !secure && !strings.EqualFold(scheme, "http") {
		return "", false
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	host = rest
	if end := strings.LastIndexByte(rest, ':'); end >= 0 && !strings.HasSuffix(rest, "]") {
		host = rest[:end]
		if port := rest[end+1:]; len(port) > 5 || !isDigits(port) {
			return "", false
		}
	}
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return host, err == nil && ip.Is6() && ip.Zone() == "" && strings.HasSuffix(inner, "]") && (secure || ip.IsLoopback())
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if len(host) > 253 || !isHost(host, true) || !secure && !isLocal(host) {
		return "", false
	}
	return host, true
}

// isLocal reports whether a host is this machine, by a name that nobody can
// register.
func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// AllowsHost reports whether a list of domains, as tokens have them, has a host
// that [HostOf] returned. "*.mysite.com" is every host below mysite.com and not
// mysite.com.
func AllowsHost(domains []string, host string) bool {
	for _, d := range domains {
		if d == host || strings.HasPrefix(d, "*.") && len(host) > len(d)-1 && strings.HasSuffix(host, d[1:]) {
			return true
		}
	}
	return false
}
