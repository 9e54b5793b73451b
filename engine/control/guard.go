package control

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"tallygate/engine/tally"
)

// Covers reports whether a right includes what an operation needs.
func (have Need) Covers(need Need) bool { return have == Write || have == Read && need == Read }

// guard refuses what a web page can make a browser send. No client of ours
// sends these headers, and a page whose name was rebound to this machine sends
// its own name as host.
func guard(r *http.Request, anywhere bool) error {
	for _, name := range [...]string{"Origin", "Referer", "Sec-Fetch-Site"} {
		if r.Header.Get(name) != "" {
			return tally.Errorf(tally.Denied, "web pages may not use the control plane (the request has the header %s)", name)
		}
	}
	if !anywhere && !ownHost(r.Host) {
		return tally.Errorf(tally.Denied, "the control plane does not answer to the host %q", r.Host).WithHint("use the host control, localhost or a loopback address")
	}
	return nil
}

// ownHost reports whether a Host header names this machine.
func ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == hostName || host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func readAll(r io.ReadCloser) ([]byte, error) {
	defer r.Close()
	return io.ReadAll(r)
}
