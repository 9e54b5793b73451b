package transport

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/providers"
)

// certified is a TLS configuration of a server on loopback, and those of its
// clients.
func certified() (server, clients *tls.Config) {
	ts := httptest.NewTLSServer(nil) // only for its certificate
	defer ts.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(ts.Certificate())
	return &tls.Config{Certificates: ts.TLS.Certificates}, &tls.Config{RootCAs: trusted}
}

// secure starts a TLS server, and returns the options to reach it.
func secure(t testing.TB, script func(net.Conn, *bufio.Reader)) (*server, Options) {
	t.Helper()
	config, clients := certified()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, l, script)
	return s, Options{BaseURL: "https://" + l.Addr().String() + "/v1", TLS: clients}
}

func TestTLS(t *testing.T) {
	both(t, func(t *testing.T, open func(Options) Transport) {
		states := make(chan tls.ConnectionState, 10)
		s, o := secure(t, func(c net.Conn, in *bufio.Reader) {
			for i := 0; i < 3 && take(in) != nil; i++ {
				states <- c.(*tls.Conn).ConnectionState()
				io.WriteString(c, answered)
			}
		})
		tr := open(o)
		for i := range 6 {
			if status, body, err := ask(tr, post(strings.Repeat("x", 50_000))); status != 200 || body != "hello" || err != nil {
				t.Fatalf("%d: %d %q %v", i, status, body, err)
			}
			state := <-states
			if _, ours := tr.(*either); ours && state.DidResume != (i > 2) {
				t.Errorf("request %d: resumed %v", i, state.DidResume)
			}
			switch i {
			case 0, 3, 4:
				time.Sleep(settled) // until then the upstream is not known to keep connections
			case 2:
				s.left(1)
			}
		}
		if n := s.accepted.Load(); n != 2 {
			t.Errorf("6 requests took %d connections, want 2", n)
		}
		o.TLS = nil
		if _, _, err := ask(open(o), post("hello")); faultOf(err) != providers.Unreachable {
			t.Errorf("a certificate of nobody's: %v", err)
		}
	})
}

// An answer that was decrypted together with the one before it is not taken for the answer
// to the next request. (net/http can take it for that.)
func TestPlantedInTLS(t *testing.T) {
	_, o := secure(t, func(c net.Conn, in *bufio.Reader) {
		for take(in) != nil {
			io.WriteString(c, ok+"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"+strings.Repeat("x", 5000)+strings.Replace(answered, "hello", "plant", 1))
		}
	})
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 3 {
		if status, body, err := ask(tr, post("hello")); status != 200 || body != strings.Repeat("x", 5000) || err != nil {
			t.Errorf("%d %.20q %v", status, body, err)
		}
	}
}

func TestHTTP2Only(t *testing.T) {
	requests := atomic.Int32{}
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "hello over %s", r.Proto)
	}))
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	strict := ts.TLS.Clone() // Go's own server puts up with clients that do not offer HTTP/2
	ts.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c := strict.Clone()
		if !slices.Contains(hello.SupportedProtos, "h2") {
			c.NextProtos = []string{"something else"}
		}
		return c, nil
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(ts.Certificate())
	tr, err := New(Options{BaseURL: ts.URL, TLS: &tls.Config{RootCAs: trusted}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 3 {
		if status, body, err := ask(tr, post("hello")); status != 200 || body != "hello over HTTP/2.0" || err != nil {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
	if requests.Load() != 3 {
		t.Errorf("%d requests arrived, want 3", requests.Load())
	}
}

func TestProxy(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
		if r := take(in); r == nil || r.RequestURI != "http://upstream.example/v1/chat" {
			t.Errorf("the proxy was asked for %+v", r)
		}
		io.WriteString(c, answered)
	})
	tr, err := New(Options{BaseURL: "http://upstream.example/v1", Proxy: func(*http.Request) (*url.URL, error) {
		return &url.URL{Scheme: "http", Host: s.Addr().String()}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if status, body, err := ask(tr, post("hello")); status != 200 || body != "hello" || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
}
