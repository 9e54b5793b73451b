package gateway

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how many forwarders of one request are looked at.
const maxHops = 32

// forwarders are the headers in which proxies name whom they forward for, the usual
// one first.
var forwarders = [...]string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"}

// addressOf is where a request comes from: its connection's peer or, where that
// is a proxy that the owner trusts, whom the proxy names. Who comes over a Unix socket is
// a proxy on this machine, and is believed. It is the zero address for a request in
// memory.
//
// A proxy writes one of the headers and may let pass what its caller has made up in
// another. So only the one counts that the owner names. Where the owner names none
// and two of them tell of different strangers, nobody knows which to believe, and the
// peer counts.
func addressOf(r *http.Request, trusted []netip.Prefix, named string) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		if v, _ := r.Context().Value(visitKey{}).(*visit); v == nil || !v.local {
			return netip.Addr{}
		}
		ap, trusted = netip.AddrPortFrom(thisMachine.Addr(), 0), append(trusted[:len(trusted):len(trusted)], thisMachine)
	}
	peer := unmapped(ap.Addr().WithZone(""))
	if !isTrusted(peer, trusted) {
		return peer
	}
	if named != "" {
		return forwardedFor(r.Header, named, peer, trusted)
	}
	at := peer
	for _, name := range forwarders {
		ip := forwardedFor(r.Header, name, peer, trusted)
		stranger := !isTrusted(ip, trusted)
		switch {
		case at == peer, stranger && isTrusted(at, trusted):
			at = ip
		case stranger && at != ip:
			return peer
		}
	}
	return at
}

var thisMachine = netip.MustParsePrefix("127.0.0.1/32")

// nat64 is the prefix under which networks that have only IPv6 write addresses of IPv4.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// unmapped is an address of IPv4 as such, however it is written.
func unmapped(ip netip.Addr) netip.Addr {
	if nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip.Unmap()
}

func isTrusted(ip netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// forwardedFor reads whom trusted proxies have forwarded a request for. Each of
// them adds its own caller at the right, so the entries are read from there as
// far as the one who wrote them is trusted: whatever stands further left, the
// caller may have made up. An entry that cannot be read ends the reading, too.
func forwardedFor(h http.Header, name string, peer netip.Addr, trusted []netip.Prefix) netip.Addr {
	read, lines := hop, h[name]
	switch {
	case name == "Forwarded":
		read = forwardedHop
	case name == "X-Real-Ip" && len(lines) > 1:
		lines = lines[len(lines)-1:] // it is set, not added to
	}
	at, hops := peer, 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			var entry string
			if cut := strings.LastIndexByte(rest, ','); cut >= 0 {
				rest, entry = rest[:cut], rest[cut+1:]
			} else {
				entry, more = rest, false
			}
			ip, ok := read(strings.TrimSpace(entry))
			if !ok || hops == maxHops {
				return at
			}
			if at = ip; !isTrusted(ip, trusted) {
				return at
			}
		}
	}
	return at
}

// hop reads an address, maybe with a port: 203.0.113.7, 203.0.113.7:4711,
// 2001:db8::7, [2001:db8::7] or [2001:db8::7]:4711.
func hop(s string) (netip.Addr, bool) {
	if len(s) > 64 {
		return netip.Addr{}, false
	}
	var ip netip.Addr
	var err error
	switch inner, bracketed := strings.CutPrefix(s, "["); {
	case bracketed && strings.HasSuffix(inner, "]"):
		ip, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	case bracketed || strings.Count(s, ":") == 1:
		var ap netip.AddrPort
		ap, err = netip.ParseAddrPort(s)
		ip = ap.Addr()
	default:
		ip, err = netip.ParseAddr(s)
	}
	ip = unmapped(ip)
	return ip, err == nil && ip.Zone() == "" && !ip.IsUnspecified()
}

// forwardedHop reads the address in an element of Forwarded (RFC 7239): the value
// of for, which may be quoted. A hidden or unknown one is no address.
func forwardedHop(s string) (netip.Addr, bool) {
	for pair := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			if inner, quoted := strings.CutPrefix(value, `"`); quoted && strings.HasSuffix(inner, `"`) {
				value = strings.TrimSuffix(inner, `"`)
			}
			return hop(value)
		}
	}
	return netip.Addr{}, false
}
