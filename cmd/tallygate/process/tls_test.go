package process

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

// writePair writes a certificate for localhost and its key.
func writePair(t *testing.T, dir string, serial int64, from, until time.Time) (TLSOptions, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	o := TLSOptions{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for path, block := range map[string]*pem.Block{o.Cert: {Type: "CERTIFICATE", Bytes: der}, o.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return o, parsed
}

// A certificate is changed while connections come, and one that cannot be used leaves the
// one in use.
func TestCertificateIsReadAgain(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	o, first := writePair(t, dir, 1, now.Add(-time.Hour), now.Add(time.Hour))
	s, err := OpenTLS(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = s.config()
	server.StartTLS()
	defer server.Close()
	serial := func(trusted ...*x509.Certificate) int64 {
		t.Helper()
		roots := x509.NewCertPool()
		for _, c := range trusted {
			roots.AddCert(c)
		}
		c, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{ServerName: "localhost", RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	_, second := writePair(t, dir, 2, now.Add(-time.Hour), now.Add(90*24*time.Hour))
	if n := serial(first, second); n != 1 {
		t.Errorf("before a reload certificate %d is shown", n)
	}
	if err := s.Reload(); err != nil || serial(first, second) != 2 {
		t.Errorf("after it %d, %v", serial(first, second), err)
	}
	if is := s.State(t.Context()); len(is) != 1 || is[0].Ends || is[0].Names[0] != "localhost" {
		t.Errorf("state %+v", is)
	}
	if err := os.WriteFile(o.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); tally.CodeOf(err) != tally.Invalid || serial(first, second) != 2 {
		t.Errorf("what is no certificate: %v, shown %d", err, serial(first, second))
	}
	if is := s.State(t.Context())[0]; !strings.Contains(is.Problem, "cannot be used") || is.Until.IsZero() {
		t.Errorf("nobody is told that it is no certificate: %+v", is)
	}
	writePair(t, dir, 3, now.Add(-time.Hour), now.Add(time.Hour))
	if err := s.Reload(); err != nil || s.State(t.Context())[0].Problem != "" {
		t.Errorf("it is well again: %v, %+v", err, s.State(t.Context()))
	}
}

// What cannot serve is refused at once, with what to do.
func TestCertificatesThatAreRefused(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	for name, tc := range map[string]struct {
		options func() TLSOptions
		want    string
	}{
		"one that is over": {func() TLSOptions {
			o, _ := writePair(t, t.TempDir(), 1, now.Add(-2*time.Hour), now.Add(-time.Hour))
			return o
		}, "was valid until"},
		"one of tomorrow": {func() TLSOptions {
			o, _ := writePair(t, t.TempDir(), 1, now.Add(time.Hour), now.Add(2*time.Hour))
			return o
		}, "is valid from"},
		"another's key": {func() TLSOptions {
			o, _ := writePair(t, t.TempDir(), 1, now.Add(-time.Hour), now.Add(time.Hour))
			other, _ := writePair(t, t.TempDir(), 1, now.Add(-time.Hour), now.Add(time.Hour))
			return TLSOptions{Cert: o.Cert, Key: other.Key}
		}, "private key does not match"},
		"no file":      {func() TLSOptions { return TLSOptions{Cert: dir + "/none", Key: dir + "/none"} }, "cannot be used"},
		"half a pair":  {func() TLSOptions { return TLSOptions{Cert: dir + "/none"} }, "go together"},
		"both ways":    {func() TLSOptions { return TLSOptions{Cert: "a", Key: "b", Domains: []string{"ai.example.com"}} }, "not both"},
		"an address":   {func() TLSOptions { return TLSOptions{Domains: []string{"192.0.2.1"}} }, "no domain"},
		"a whole URL":  {func() TLSOptions { return TLSOptions{Domains: []string{"https://ai.example.com"}} }, "no domain"},
		"a wild name":  {func() TLSOptions { return TLSOptions{Domains: []string{"*.example.com"}} }, "no domain"},
		"a plain name": {func() TLSOptions { return TLSOptions{Domains: []string{"server"}} }, "no domain"},
	} {
		_, err := OpenTLS(dir, tc.options())
		if e := tally.AsError(err); e == nil || e.Code != tally.Invalid || !strings.Contains(e.Message, tc.want) || e.Hint == "" {
			t.Errorf("%s: %v, want %q with a hint", name, err, tc.want)
		}
	}
}

// Where no certificate comes, the owner reads what the authority has said, and for which name.
func TestNoCertificateComes(t *testing.T) {
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many of yours"}`)
	}))
	defer authority.Close()
	dir := t.TempDir()
	s, err := OpenTLS(dir, TLSOptions{Domains: []string{"Bücher.Example.com."}, Directory: authority.URL})
	if err != nil {
		t.Fatal(err)
	}
	problem := func() string {
		is := s.State(t.Context())
		if len(is) != 1 || is[0].Names[0] != "xn--bcher-kva.example.com" {
			t.Fatalf("state %+v", is)
		}
		return is[0].Problem
	}
	if got := problem(); !strings.Contains(got, "is being asked for") {
		t.Errorf("at first: %q", got)
	}
	var log strings.Builder
	if s.obtainAll(slog.New(slog.NewTextHandler(&log, nil))) {
		t.Error("all are there")
	}
	if got := problem(); !strings.Contains(got, "too many of yours") || !strings.Contains(got, "DNS") {
		t.Errorf("then: %q", got)
	}
	if !strings.Contains(log.String(), "too many of yours") || !strings.Contains(log.String(), "domain=xn--bcher-kva.example.com") {
		t.Errorf("log %s", &log)
	}
	// One that is over, of a process that was not there for months, is none.
	old, _ := writePair(t, dir, 1, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	key, _ := os.ReadFile(old.Key)
	cert, _ := os.ReadFile(old.Cert)
	if err := s.manager.Cache.Put(t.Context(), "xn--bcher-kva.example.com", append(key, cert...)); err != nil {
		t.Fatal(err)
	}
	if got := problem(); !strings.Contains(got, "too many of yours") {
		t.Errorf("beside one that is over: %q", got)
	}
}

// An authority that does not answer for one domain does not keep the others from being asked for.
func TestADomainHangs(t *testing.T) {
	asked := make(chan string, 2)
	var both sync.WaitGroup
	both.Add(2)
	s, err := OpenTLS(t.TempDir(), TLSOptions{Domains: []string{"a.example.com", "b.example.com"}, Directory: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	s.manager.HostPolicy = func(_ context.Context, host string) error {
		asked <- host
		both.Done()
		both.Wait() // forever, if they are asked for one after the other
		return errors.New("refused")
	}
	done := make(chan bool)
	go func() { done <- s.obtainAll(slog.New(slog.DiscardHandler)) }()
	select {
	case all := <-done:
		if all || len(asked) != 2 {
			t.Errorf("all are there: %v; %d were asked for", all, len(asked))
		}
	case <-time.After(10 * time.Second):
		t.Error("one waits for the other")
	}
}

// deadlines is a connection of which only the deadlines matter.
type deadlines struct {
	net.Conn
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; return nil }

// Who comes while a certificate is being made has the whole time for the handshake behind that.
func TestAuthorityTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, takes := range []time.Duration{0, 40 * time.Second} {
			got := patiently(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { time.Sleep(takes); return nil, nil })
			c := &deadlines{}
			got(&tls.ClientHelloInfo{Conn: c})
			var want time.Time
			if takes > 0 {
				want = time.Now().Add(besidePatience)
			}
			if c.read != want || c.write != want {
				t.Errorf("after %v: read until %v, write until %v, want %v", takes, c.read, c.write, want)
			}
		}
	})
}

// Plain HTTP leads on who follows a link, and warns who has sent a key.
func TestRedirect(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	o, _ := writePair(t, dir, 1, now.Add(-time.Hour), now.Add(time.Hour))
	s, err := OpenTLS(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, host, port string
		status             int
		to                 string
	}{
		{"GET", "localhost:80", "443", 308, "https://localhost/a?b=c"},
		{"GET", "localhost", "8443", 308, "https://localhost:8443/a?b=c"},
		{"POST", "localhost", "443", 403, ""},
		{"GET", "evil.example", "443", 421, ""},
	} {
		r := httptest.NewRequest(tc.method, "http://"+tc.host+"/a?b=c", nil)
		w := httptest.NewRecorder()
		s.redirect(tc.port).ServeHTTP(w, r)
		if w.Code != tc.status || w.Header().Get("Location") != tc.to {
			t.Errorf("%s %s: %d to %q", tc.method, tc.host, w.Code, w.Header().Get("Location"))
		}
	}
}

// Sockets of a service manager and of a parent are taken over; a Unix socket that nobody
// serves any more is replaced, and one that is served is not.
func TestSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	address := "unix:" + path
	ln, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(address); tally.CodeOf(err) != tally.InUse {
		t.Errorf("a socket that is served: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	again, err := Addresses{ForApps: address, ForRedirect: ""}.Open("", func(string) (string, bool) { return "", false })
	if err != nil || len(again) != 1 {
		t.Fatalf("one that a process has left: %v, %v", again, err)
	}
	if url := baseURL(again[ForApps], nil); url != address {
		t.Errorf("is reached at %q", url)
	}
	again.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(address); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("a file in its place: %v", err)
	}
	for _, text := range []string{"apps", "apps=x", "apps=1", "3"} {
		if _, err := (Addresses{}).Open(text, nil); tally.CodeOf(err) != tally.Invalid {
			t.Errorf("--inherit %s: %v", text, err)
		}
	}
}
