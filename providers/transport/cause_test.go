package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"tallygate/providers"
)

// A want of descriptors is ours, however the network's packages say it; DNS and TLS are
// called by their names.
func TestCauses(t *testing.T) {
	full := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	for _, x := range []struct {
		err   error
		fault providers.Fault
		says  string
	}{
		{full, providers.NoFiles, "this process has no file descriptors left"},
		{&net.DNSError{Err: "dial udp: " + full.Error(), Name: "up.example"}, providers.NoFiles, "this process"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.ENFILE)}, providers.NoFiles, "this machine"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "up.example", IsNotFound: true}}, providers.Unreachable, "DNS: "},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, providers.Unreachable, "refused"},
	} {
		err := unconnected(t.Context(), t.Context(), x.err, "connection", 0)
		up, ok := errors.AsType[*providers.UpstreamError](err)
		if !ok || up.Fault != x.fault || !up.Free || !strings.Contains(up.Err.Error(), x.says) {
			t.Errorf("%v: %v, want %s, %q", x.err, err, x.fault, x.says)
		}
		s := standardBody{caller: t.Context(), ctx: t.Context()}
		if up, ok := errors.AsType[*providers.UpstreamError](s.headFault(x.err)); !ok || up.Fault != x.fault || !up.Free || !strings.Contains(up.Err.Error(), x.says) {
			t.Errorf("by net/http, %v: %v, want %s, %q", x.err, up, x.fault, x.says)
		}
	}
}

// What the upstream writes is in no cause: it may repeat the key.
func TestCausesRepeatNothing(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		for _, answer := range []string{
			"HTTP/1.1 sk-CANARY\r\n\r\n", "HTTP/1.1 200 OK\r\nsk-CANARY\r\n\r\n", "sk-CANARY\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: sk-CANARY\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: sk-CANARY\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsk-CANARY\r\n",
		} {
			s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
				if take(in) != nil {
					io.WriteString(c, answer)
				}
			})
			res, err := open(Options{BaseURL: "http://" + s.Addr().String()}).RoundTrip(t.Context(), post("hello"))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil || faultOf(err) != providers.BadAnswer || strings.Contains(fmt.Sprint(err), "CANARY") {
				t.Errorf("%q: %v", answer, err)
			}
		}
	})
}

// A certificate that nobody has signed, and a server without TLS, are called so.
func TestCausesOfTLS(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		_, o := secure(t, func(_ net.Conn, in *bufio.Reader) { take(in) })
		o.TLS = nil
		plain := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
			in.Peek(1) // the hello of TLS
			io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n")
		})
		for url, says := range map[string]string{o.BaseURL: "certificate", "https://" + plain.Addr().String(): "TLS: "} {
			if _, _, err := ask(open(Options{BaseURL: url}), post("hello")); faultOf(err) != providers.Unreachable || !strings.Contains(err.Error(), "TLS: ") || !strings.Contains(err.Error(), says) {
				t.Errorf("%v", err)
			}
		}
	})
}

// The best name that an upstream gives a request is kept, if it can be shown.
func TestRequestIDs(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		for lines, want := range map[string]string{
			"X-Other: x": "",
			"CF-RAY: 8f": "8f",
			"cf-ray: 8f\r\nX-Request-Id: a1\r\nrequest-id: b":                 "a1",
			"x-amzn-RequestId: \t c2 ":                                        "c2",
			"X-Request-Id: " + strings.Repeat("x", 129) + "\r\nrequest-id: b": "b",
			"X-Request-Id: a b":                                               "", "X-Request-Id: \xc3\xa4": "",
		} {
			s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
				if take(in) != nil {
					io.WriteString(c, "HTTP/1.1 100 Continue\r\nX-Request-Id: interim\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+lines+"\r\n\r\n")
				}
			})
			res, err := open(Options{BaseURL: "http://" + s.Addr().String()}).RoundTrip(t.Context(), post("hello"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.Status != http.StatusOK || res.RequestID != want {
				t.Errorf("%q: %q, want %q", lines, res.RequestID, want)
			}
		}
	})
}
