package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}

func TestAddressOf(t *testing.T) {
	type h = http.Header
	xff, fwd := "X-Forwarded-For", "Forwarded"
	for _, tc := range []struct {
		name, peer string
		header     h
		want       string
	}{
		{"no proxy", "203.0.113.7:99", h{}, "203.0.113.7"},
		{"a stranger claims to be somebody", "203.0.113.7:99", h{xff: {"198.51.100.1"}, fwd: {"for=198.51.100.1"}, "X-Real-Ip": {"198.51.100.1"}}, "203.0.113.7"},
		{"a proxy that says nothing", "10.0.0.1:99", h{}, "10.0.0.1"},
		{"one proxy", "10.0.0.1:99", h{xff: {"203.0.113.7"}}, "203.0.113.7"},
		{"a proxy in IPv6", "[2001:db8:ffff::1]:99", h{xff: {"203.0.113.7"}}, "203.0.113.7"},
		{"a proxy by a mapped address", "[::ffff:10.0.0.1]:99", h{xff: {"203.0.113.7"}}, "203.0.113.7"},
		{"two proxies", "10.0.0.1:99", h{xff: {"203.0.113.7, 10.0.0.2"}}, "203.0.113.7"},
		{"two lines", "10.0.0.1:99", h{xff: {"203.0.113.7", "10.0.0.2"}}, "203.0.113.7"},
		{"a spoofed chain", "10.0.0.1:99", h{xff: {"198.51.100.1, 203.0.113.7"}}, "203.0.113.7"},
		{"a spoofed line before", "10.0.0.1:99", h{xff: {"198.51.100.1", "203.0.113.7"}}, "203.0.113.7"},
		{"a spoofed trusted address", "10.0.0.1:99", h{xff: {"10.0.0.9, 203.0.113.7, 10.0.0.2"}}, "203.0.113.7"},
		{"all of them trusted", "10.0.0.1:99", h{xff: {"10.0.0.9, 10.0.0.8"}}, "10.0.0.9"},
		{"garbage", "10.0.0.1:99", h{xff: {"hello"}}, "10.0.0.1"},
		{"garbage to the left of a stranger", "10.0.0.1:99", h{xff: {"hello, 203.0.113.7"}}, "203.0.113.7"},
		{"garbage to the right of one", "10.0.0.1:99", h{xff: {"203.0.113.7, hello"}}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1:99", h{xff: {"hello, 10.0.0.2"}}, "10.0.0.2"},
		{"an empty entry", "10.0.0.1:99", h{xff: {"203.0.113.7, "}}, "10.0.0.1"},
		{"with a port", "10.0.0.1:99", h{xff: {"203.0.113.7:4711"}}, "203.0.113.7"},
		{"IPv6", "10.0.0.1:99", h{xff: {"2001:db8::7"}}, "2001:db8::7"},
		{"IPv6 in brackets", "10.0.0.1:99", h{xff: {"[2001:db8::7]"}}, "2001:db8::7"},
		{"IPv6 with a port", "10.0.0.1:99", h{xff: {"[2001:db8::7]:4711"}}, "2001:db8::7"},
		{"IPv4 written as IPv6", "10.0.0.1:99", h{xff: {"::ffff:203.0.113.7"}}, "203.0.113.7"},
		{"a proxy written as IPv6", "10.0.0.1:99", h{xff: {"203.0.113.7, ::ffff:10.0.0.2"}}, "203.0.113.7"},
		{"a zone", "10.0.0.1:99", h{xff: {"fe80::1%eth0"}}, "10.0.0.1"},
		{"no address at all", "10.0.0.1:99", h{xff: {"0.0.0.0"}}, "10.0.0.1"},
		{"Forwarded", "10.0.0.1:99", h{fwd: {"for=203.0.113.7;proto=https;by=10.0.0.1"}}, "203.0.113.7"},
		{"Forwarded, quoted", "10.0.0.1:99", h{fwd: {`proto=https; For="[2001:db8::7]:4711"`}}, "2001:db8::7"},
		{"Forwarded, chain", "10.0.0.1:99", h{fwd: {"for=198.51.100.1, for=203.0.113.7, for=10.0.0.2"}}, "203.0.113.7"},
		{"Forwarded, hidden", "10.0.0.1:99", h{fwd: {"for=203.0.113.7, for=_hidden"}}, "10.0.0.1"},
		{"Forwarded, unknown", "10.0.0.1:99", h{fwd: {"for=unknown"}}, "10.0.0.1"},
		{"Forwarded for nobody", "10.0.0.1:99", h{fwd: {"proto=https"}}, "10.0.0.1"},
		{"headers that disagree", "10.0.0.1:99", h{xff: {"203.0.113.7"}, fwd: {"for=198.51.100.1"}}, "10.0.0.1"},
		{"others that disagree", "10.0.0.1:99", h{fwd: {"for=203.0.113.7"}, "X-Real-Ip": {"198.51.100.2"}}, "10.0.0.1"},
		{"headers that agree", "10.0.0.1:99", h{xff: {"203.0.113.7, 10.0.0.2"}, "X-Real-Ip": {"203.0.113.7"}}, "203.0.113.7"},
		{"X-Real-IP of a proxy behind another", "10.0.0.1:99", h{xff: {"203.0.113.7, 10.0.0.2"}, "X-Real-Ip": {"10.0.0.2"}}, "203.0.113.7"},
		{"a header that nobody can read beside another", "10.0.0.1:99", h{xff: {"hello"}, "X-Real-Ip": {"203.0.113.7"}}, "203.0.113.7"},
		{"NAT64", "[64:ff9b::cb00:7107]:99", h{}, "203.0.113.7"},
		{"a proxy through NAT64", "[64:ff9b::a00:1]:99", h{xff: {"64:ff9b::cb00:7107"}}, "203.0.113.7"},
		{"X-Real-IP alone", "10.0.0.1:99", h{"X-Real-Ip": {"203.0.113.7"}}, "203.0.113.7"},
		{"X-Real-IP twice", "10.0.0.1:99", h{"X-Real-Ip": {"198.51.100.1", "203.0.113.7"}}, "203.0.113.7"},
		{"more hops than there are", "10.0.0.1:99", h{xff: {"203.0.113.7" + strings.Repeat(", 10.0.0.2", 100)}}, "10.0.0.2"},
		{"in memory", "", h{xff: {"203.0.113.7"}}, "invalid IP"},
	} {
		got := addressOf(&http.Request{RemoteAddr: tc.peer, Header: tc.header}, proxies, "")
		if got.String() != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Only the header counts that the owner names.
func TestTrustedHeader(t *testing.T) {
	header := http.Header{"X-Forwarded-For": {"198.51.100.1"}, "Forwarded": {"for=198.51.100.2"}, "X-Real-Ip": {"198.51.100.3"}, "Cf-Connecting-Ip": {"198.51.100.4"}}
	for named, want := range map[string]string{
		"X-Forwarded-For": "198.51.100.1", "Forwarded": "198.51.100.2", "X-Real-Ip": "198.51.100.3", "Cf-Connecting-Ip": "198.51.100.4", "X-None": "10.0.0.1",
	} {
		if got := addressOf(&http.Request{RemoteAddr: "10.0.0.1:99", Header: header}, proxies, named); got.String() != want {
			t.Errorf("%s: %s, want %s", named, got, want)
		}
		if got := addressOf(&http.Request{RemoteAddr: "203.0.113.7:99", Header: header}, proxies, named); got.String() != "203.0.113.7" {
			t.Errorf("%s: a stranger became %s", named, got)
		}
	}
}

// Whatever is sent, a peer that is not trusted is taken for itself, and of a
// trusted one nothing but an entry to the right of every stranger counts.
func FuzzAddressOf(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "1.2.3.4, 10.0.0.2", `for="[::1]:5"`, ",,,", "[", "::ffff:1.2.3.4"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
			header := http.Header{name: {a, b}}
			if got := addressOf(&http.Request{RemoteAddr: "203.0.113.7:1", Header: header}, proxies, ""); got.String() != "203.0.113.7" {
				t.Errorf("%s %q: a stranger became %s", name, a, got)
			}
			last := "198.51.100.9"
			if name == "Forwarded" {
				last = "for=" + last
			}
			header[name] = []string{a, b, last}
			if got := addressOf(&http.Request{RemoteAddr: "10.0.0.1:1", Header: header}, proxies, ""); got.String() != "198.51.100.9" {
				t.Errorf("%s %q %q: %s was let through to the left of a stranger", name, a, b, got)
			}
		}
	})
}
