package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/idna"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// certificates is the folder in the data folder that keeps automatic certificates.
const certificates = "certificates"

// TLSOptions say with which certificate client apps are served.
type TLSOptions struct {
	Cert, Key string   // files in PEM; "" for none
	Domains   []string // that get certificates by themselves, over ACME
	Email     string   // for the certificate authority
	Directory string   // the authority's; "" is Let's Encrypt
}

// TLS has the certificates in use. Its methods may be called concurrently.
type TLS struct {
	TLSOptions
	pair    atomic.Pointer[tls.Certificate]
	manager *autocert.Manager // nil where certificates are in files

	mu      sync.Mutex
	refused map[string]error // why there is no certificate for a domain, since the authority was last asked
	unread  error            // why the files could not be used when they were last read
}

// OpenTLS reads the certificates, or prepares to get them; nil where there are none to be.
// A certificate that is over, or not of its key, is refused.
func OpenTLS(dir string, o TLSOptions) (*TLS, error) {
	t := &TLS{TLSOptions: o}
	switch {
	case o.Cert != "" && len(o.Domains) > 0:
		return nil, tally.Errorf(tally.Invalid, "certificates are in files or come by themselves, not both").WithHint("give --tls-cert and --tls-key, or --tls-domain")
	case (o.Cert == "") != (o.Key == ""):
		return nil, tally.Errorf(tally.Invalid, "a certificate and its key go together").WithHint("give both --tls-cert and --tls-key")
	case o.Cert != "":
		return t, t.Reload()
	case len(o.Domains) == 0:
		return nil, nil
	}
	t.Domains, t.refused = slices.Clone(o.Domains), make(map[string]error)
	for i, domain := range t.Domains {
		name, err := idna.Lookup.ToASCII(domain) // as it is kept, and asked for
		if err != nil || net.ParseIP(domain) != nil || !strings.Contains(strings.Trim(name, "."), ".") {
			return nil, tally.Errorf(tally.Invalid, "%q is no domain that a certificate can be got for", domain).WithHint("like ai.example.com, without https:// and port; its DNS must lead here")
		}
		t.Domains[i] = strings.TrimSuffix(name, ".")
	}
	t.manager = &autocert.Manager{
		Prompt: autocert.AcceptTOS, Email: o.Email, HostPolicy: autocert.HostWhitelist(t.Domains...),
		Cache:  autocert.DirCache(filepath.Join(dir, certificates)),
		Client: &acme.Client{DirectoryURL: o.Directory, UserAgent: "tallygate", RetryBackoff: retryBackoff},
	}
	return t, nil
}

// retryBackoff is the pause before the nth retry of a question to an authority that is in
// trouble, or wants a new nonce: half a minute in all, so that an owner soon knows. Who has
// asked too often is told at once.
func retryBackoff(n int, _ *http.Request, res *http.Response) time.Duration {
	if n > 6 || res.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return 250 * time.Millisecond << n
}

// Reload reads the files again. On an error the certificate in use stays, and State says why:
// with such files the process does not start again.
func (t *TLS) Reload() error {
	if t.manager != nil {
		return nil
	}
	err := t.read()
	t.mu.Lock()
	t.unread = err
	t.mu.Unlock()
	return err
}

func (t *TLS) read() error {
	const hint = "the files are PEM: the certificate with its chain, and its own key without a passphrase; both readable for this process"
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return tally.Errorf(tally.Invalid, "the certificate %s cannot be used: %w", t.Cert, err).WithHint(hint)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return tally.Errorf(tally.Invalid, "the certificate %s cannot be read: %w", t.Cert, err).WithHint(hint)
		}
	}
	switch now := time.Now(); {
	case now.After(pair.Leaf.NotAfter):
		return tally.Errorf(tally.Invalid, "the certificate %s was valid until %s", t.Cert, pair.Leaf.NotAfter.UTC().Format(time.DateTime)).
			WithHint("renew it, then start again, or send SIGHUP to a process that serves")
	case now.Before(pair.Leaf.NotBefore):
		return tally.Errorf(tally.Invalid, "the certificate %s is valid from %s on", t.Cert, pair.Leaf.NotBefore.UTC().Format(time.DateTime)).
			WithHint("look at the machine's clock: it says %s", now.UTC().Format(time.DateTime))
	}
	t.pair.Store(&pair)
	return nil
}

// config is how connections are made.
func (t *TLS) config() *tls.Config {
	if t.manager != nil {
		c := t.manager.TLSConfig()
		c.GetCertificate = patiently(c.GetCertificate)
		return c
	}
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.pair.Load(), nil }}
}

// certificateFunc is how a server of TLS gets a certificate for a caller.
type certificateFunc = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// patiently does not count against a caller how long an authority takes: without this, who
// comes while a certificate is made is cut off by the deadline of the handshake.
func patiently(get certificateFunc) certificateFunc {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked := time.Now()
		c, err := get(hello)
		if now := time.Now(); now.Sub(asked) > time.Second {
			hello.Conn.SetReadDeadline(now.Add(besidePatience))
			hello.Conn.SetWriteDeadline(now.Add(besidePatience))
		}
		return c, err
	}
}

// pauses are between two rounds of asking an authority in vain, the last for all that follow.
// Let's Encrypt takes five failures an hour for a name; autocert asks nobody for a minute
// after one.
var pauses = []time.Duration{65 * time.Second, 5 * time.Minute, 15 * time.Minute, time.Hour}

// Obtain gets the certificates that are not there, so that nobody who comes has to wait for
// one, and sees to it that all are renewed, also where nobody comes. It returns once all are
// there, or at the end of ctx. It is called once the process serves: the authority looks.
func (t *TLS) Obtain(ctx context.Context, log *slog.Logger) {
	for round := 0; t.manager != nil && !t.obtainAll(log); round++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pauses[min(round, len(pauses)-1)]):
		}
	}
}

// obtainAll asks for each certificate once, and reports whether all are there. An authority
// that is slow for one of them does not keep the others from coming.
func (t *TLS) obtainAll(log *slog.Logger) bool {
	var asking sync.WaitGroup
	var missing atomic.Bool
	for _, domain := range t.Domains {
		asking.Go(func() {
			_, err := t.manager.GetCertificate(&tls.ClientHelloInfo{ServerName: domain,
				// which says that it may be one of ECDSA
				CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
			if t.note(domain, err); err != nil {
				missing.Store(true)
				log.Warn("no certificate has come", "domain", domain, "error", err, "hint", hintFor(err))
			}
		})
	}
	asking.Wait()
	return !missing.Load()
}

// note keeps how asking for a certificate has ended.
func (t *TLS) note(domain string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused[domain] = err
}

// hintFor is what to look at where no certificate comes.
func hintFor(err error) string {
	if refused := (*url.Error)(nil); errors.As(err, &refused) {
		return "this machine must reach the authority, by its name too"
	}
	return "the domain's DNS must lead here, and port 443 be reached from outside, or port 80 with --redirect"
}

// name is the first name that a certificate is for, "" if it has none.
func (t *TLS) name() string {
	if t.manager != nil {
		return t.Domains[0]
	}
	if names := t.pair.Load().Leaf.DNSNames; len(names) > 0 && !strings.HasPrefix(names[0], "*") {
		return names[0]
	}
	return ""
}

// soon is how long before its end a certificate is called one that ends.
const soon = 14 * 24 * time.Hour

// overdue reports whether an automatic certificate should have been renewed: that is tried from
// 30 days before its end on, or at once where it lives for less.
func overdue(leaf *x509.Certificate) bool {
	return time.Until(leaf.NotAfter) < min(26*24*time.Hour, leaf.NotAfter.Sub(leaf.NotBefore)/3)
}

// State describes the certificates for people.
func (t *TLS) State(ctx context.Context) (out []control.Certificate) {
	if t.manager == nil {
		leaf := t.pair.Load().Leaf
		c := control.Certificate{Names: namesOf(leaf), Until: leaf.NotAfter.UTC(), File: t.Cert,
			Ends: time.Until(leaf.NotAfter) < soon}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.unread != nil {
			c.Problem = fmt.Sprintf("the one in use stays, until %s: %s", c.Until.Format(time.DateTime),
				tally.AsError(t.unread).Message)
		}
		return []control.Certificate{c}
	}
	for _, domain := range t.Domains {
		c := control.Certificate{Names: []string{domain}}
		if leaf, err := t.kept(ctx, domain); err != nil {
			c.Problem = err.Error()
		} else {
			c.Until, c.Ends = leaf.NotAfter.UTC(), overdue(leaf)
		}
		out = append(out, c)
	}
	return out
}

// kept is the certificate of a domain that was got already.
func (t *TLS) kept(ctx context.Context, domain string) (*x509.Certificate, error) {
	content, err := t.manager.Cache.Get(ctx, domain)
	if err != nil && !errors.Is(err, autocert.ErrCacheMiss) {
		return nil, err
	}
	if err == nil {
		pair, err := tls.X509KeyPair(content, content)
		if err != nil {
			return nil, err
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil || time.Now().Before(leaf.NotAfter) {
			return leaf, err
		}
	} // one that is over is not served with: it is as if there were none
	t.mu.Lock()
	defer t.mu.Unlock()
	if why := t.refused[domain]; why != nil {
		return nil, fmt.Errorf("none has come, and is asked for again: %w; %s", why, hintFor(why))
	}
	return nil, errors.New("none has come yet: it is being asked for")
}

func namesOf(leaf *x509.Certificate) []string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{leaf.Subject.CommonName}
	}
	return names
}

// redirect answers plain HTTP: what proves a domain to a certificate authority, and else
// that HTTPS is spoken, and at which port. Only what is read by following a link is
// led on: a client app has sent its key in the clear by then, and its owner should know.
func (t *TLS) redirect(port string) http.Handler {
	to := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !t.isOurs(host) {
			http.Error(w, "This is not a host of this gateway.", http.StatusMisdirectedRequest)
			return
		}
		if port != "443" {
			host = net.JoinHostPort(host, port)
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"error":{"message":"This gateway speaks HTTPS only: use https://%s. Replace the key if it was sent here in the clear.","type":"invalid_request_error","param":null,"code":"https_required"}}`+"\n", host)
			return
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
	if t.manager != nil {
		return t.manager.HTTPHandler(to)
	}
	return to
}

// isOurs reports whether a certificate is for a host.
func (t *TLS) isOurs(host string) bool {
	if t.manager != nil {
		return slices.Contains(t.Domains, strings.ToLower(host))
	}
	return t.pair.Load().Leaf.VerifyHostname(host) == nil
}

// WarnKey says what is wrong with the rights of the key's file, "" if nothing is.
func (t *TLS) WarnKey() string {
	if t.manager != nil {
		return ""
	}
	info, err := os.Stat(t.Key)
	if err != nil || info.Mode().Perm()&0o007 == 0 || !hasModes {
		return ""
	}
	return fmt.Sprintf("everybody on this machine may read the key %s: chmod o-rwx", t.Key)
}
