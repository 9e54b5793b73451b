package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tallygate/engine/tally"
)

// Patience bounds an attempt, from the look-up of the name to the status.
const Patience = 15 * time.Second

const (
	longestURL = 2048
	maxAnswer  = 16 << 10 // of an answer's body, read so that the connection can be used again
	longestAsk = time.Hour
)

// Message is what is posted.
type Message struct {
	ID   string // the same in every attempt
	Body []byte // JSON
}

// Target is where to, and what signs.
type Target struct {
	URL     string
	Secrets []string // the current one first; one before it signs as well
}

// Result is what came of an attempt: OK, or in Said why not, in words without the address.
type Result struct {
	OK   bool
	Said string
	// After is how long the receiver asks to be left alone; 0: it does not.
	After time.Duration
}

// Sender posts messages over a transport.
type Sender struct{ transport http.RoundTripper }

// New makes a sender; without a transport it asks the network, through the environment's
// proxy if there is one.
func New(over http.RoundTripper) *Sender {
	if over == nil {
		over = network()
	}
	return &Sender{over}
}

// Close lets go of connections.
func (s *Sender) Close() { (&http.Client{Transport: s.transport}).CloseIdleConnections() }

// CheckURL says what is wrong with an address to post to, without the address.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "",
		len(s) > longestURL || tally.Unprintable(s):
		return tally.Errorf(tally.Invalid, "that is not an address to post to").
			WithHint("like https://ops.example.com/hook")
	case u.User != nil:
		return tally.Errorf(tally.Invalid, "the address contains a password").
			WithHint("the receiver knows by the signature who sends: see tallygate help alerts")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return refused(ip)
	}
	return nil
}

// Shown is an address without what may be secret in it: "https://hooks.example.com/…".
func Shown(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "…"
	}
	out := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		out += "/…"
	}
	return out
}

// metadata are addresses beside the link-local ones at which clouds keep the secrets of a
// machine.
var metadata = [...]netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192")}

// Prefixes of IPv6 addresses that lead to an IPv4 address, which stands behind them: NAT64,
// addresses that are compatible with IPv4, and 6to4.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	compatible = netip.MustParsePrefix("::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// leadsTo is the address that packets to one come to.
func leadsTo(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.Is6() {
		return ip
	}
	b := ip.As16()
	switch {
	case ip.IsLoopback() || ip.IsUnspecified():
	case nat64.Contains(ip), compatible.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}

// refused says why an address is not asked.
func refused(ip netip.Addr) error {
	ip = leadsTo(ip)
	bad := ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
	for _, m := range metadata {
		bad = bad || ip == m
	}
	if !bad {
		return nil
	}
	return tally.Errorf(tally.Invalid, "%s is not asked: clouds keep the secrets of a machine at such addresses", ip).
		WithHint("post to the receiver's own address")
}

// dialing refuses addresses once their names are looked up.
func dialing(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	return refused(ip)
}

// network is what reaches receivers.
func network() *http.Transport {
	d := &net.Dialer{Timeout: Patience, Control: dialing}
	return &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: d.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: Patience, MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10}
}

// Send makes one attempt.
func (s *Sender) Send(ctx context.Context, to Target, m Message, now time.Time) Result {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(m.Body))
	if err != nil {
		return Result{Said: "its address cannot be used"}
	}
	var signatures []string
	for _, secret := range to.Secrets {
		signature, err := sign(secret, m.ID, now, m.Body)
		if err != nil {
			return Result{Said: tally.AsError(err).Message}
		}
		signatures = append(signatures, signature)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tallygate")
	req.Header.Set(HeaderID, m.ID)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(HeaderSignature, strings.Join(signatures, " "))
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := http.Client{Transport: s.transport, CheckRedirect: stay}
	res, err := client.Do(req)
	if err != nil {
		return Result{Said: why(ctx, err)}
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, maxAnswer) // best effort: the status says it all
	out := Result{OK: res.StatusCode/100 == 2, Said: "status " + strconv.Itoa(res.StatusCode)}
	if res.StatusCode/100 == 3 {
		out.Said += ", which leads elsewhere and is not followed: give the address that it leads to"
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 && !out.OK {
		out.After = min(time.Duration(seconds), longestAsk/time.Second) * time.Second
	}
	return out
}

// why says in words what kept an attempt from an answer. Errors of net/http begin with the
// whole address, so only what is behind that is told.
func why(ctx context.Context, err error) string {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	var ours *tally.Error
	var name *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &ours):
		return ours.Message
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %d s", int(Patience.Seconds()))
	case ctx.Err() != nil:
		return "it was interrupted"
	case errors.As(err, &name):
		return "its name is not found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.As(err, &certificate):
		return "its certificate is not trusted here"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it hung up"
	case errors.As(err, &op):
		return "the network: " + op.Err.Error()
	}
	return "what answers does not speak HTTP" // the error may quote it
}
