package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

var at = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// The published example of Standard Webhooks, so that libraries of others verify what we
// sign.
func TestSign(t *testing.T) {
	got, err := sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want || err != nil {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if _, err := sign("whsec_???", "a", at, nil); tally.CodeOf(err) != tally.Corrupt {
		t.Errorf("a damaged secret: %v", err)
	}
	if a, b := NewSecret(), NewSecret(); a == b || len(a) != len("whsec_")+44 {
		t.Errorf("secrets %q and %q", a, b)
	}
}

// What is posted is what was signed, under the same ID, by the new and the old secret.
func TestSend(t *testing.T) {
	secrets := []string{NewSecret(), NewSecret()}
	var got http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	s := New(nil)
	defer s.Close()
	if r := s.Send(t.Context(), Target{server.URL + "/hook?key=1", secrets}, Message{"alert_1", []byte(`{"a":1}`)}, at); !r.OK || r.Said != "status 200" {
		t.Fatalf("%+v", r)
	}
	if string(body) != `{"a":1}` || got.Get("Content-Type") != "application/json" || got.Get(HeaderTimestamp) != strconv.FormatInt(at.Unix(), 10) {
		t.Errorf("body %s, headers %v", body, got)
	}
	signatures := strings.Fields(got.Get(HeaderSignature))
	if len(signatures) != 2 {
		t.Fatalf("signatures %q", signatures)
	}
	for i, secret := range secrets { // as a receiver does it
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		mac := hmac.New(sha256.New, key)
		io.WriteString(mac, got.Get(HeaderID)+"."+got.Get(HeaderTimestamp)+"."+string(body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signatures[i] != want {
			t.Errorf("signature %d is %s, want %s", i, signatures[i], want)
		}
	}
}

// A receiver that says no, sends elsewhere, talks without end or is not there fails the
// attempt, in words that contain nothing of the address's path nor of what it says.
func TestSendFails(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	handler := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, tc := range []struct {
		name, url, said string
		after           time.Duration
	}{
		{"an error", handler(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			io.WriteString(w, "canary: no room")
		}), "status 500", 0},
		{"too many", handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
		}), "status 429", 90 * time.Second},
		{"a redirect", handler(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}), "status 307, which leads elsewhere", 0},
		{"nobody", gone.URL, "nothing listens there", 0},
		{"no HTTP", handler(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(conn, "canary hello\r\n\r\n")
				conn.Close()
			}
		}), "does not speak HTTP", 0},
		{"metadata by its number", "http://169.254.169.254", "is not asked", 0},
		{"metadata in IPv6", "http://[fd00:ec2::254]", "is not asked", 0},
		{"metadata as IPv4 in IPv6", "http://[::ffff:169.254.169.254]", "is not asked", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := New(nil)
			defer s.Close()
			r := s.Send(t.Context(), Target{tc.url + "/canary", []string{NewSecret()}}, Message{ID: "alert_1"}, at)
			if r.OK || !strings.Contains(r.Said, tc.said) || strings.Contains(r.Said, "canary") || r.After != tc.after {
				t.Errorf("%+v, want %q", r, tc.said)
			}
		})
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Who does not answer is waited for as long as Patience says, and who goes on talking too.
func TestSendSlowly(t *testing.T) {
	slowly := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := New(roundTrip(slowly)).Send(context.Background(), Target{"http://127.0.0.1/canary", []string{NewSecret()}}, Message{ID: "a"}, at)
		if took := time.Since(began); r.OK || r.Said != "no answer within 15 s" || took != Patience {
			t.Errorf("%+v after %s", r, took)
		}
	})
	endless := func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(zeros{})}, nil
	}
	if r := New(roundTrip(endless)).Send(t.Context(), Target{"http://127.0.0.1", []string{NewSecret()}}, Message{ID: "a"}, at); !r.OK {
		t.Errorf("%+v", r)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestCheckURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://ops.example.com/hook?x=1": true, "http://127.0.0.1:5678/webhook": true, "http://10.0.0.7": true,
		"": false, "ops.example.com": false, "ftp://x": false, "https://u:p@x": false, "https://x/#y": false, "https://x/\x1b": false,
		"http://169.254.169.254/latest": false, "http://[fe80::1]/": false, "http://[64:ff9b::a9fe:a9fe]/": false, "http://[::a9fe:a9fe]/": false, "http://[2002:a9fe:a9fe::1]/": false, "http://168.63.129.16/": false, "http://[::1]:8080/": true, "http://0.0.0.0/": false, "https://" + strings.Repeat("x", 3000): false,
	} {
		err := CheckURL(url)
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && len(url) > 20 && strings.Contains(err.Error(), url) {
			t.Errorf("the error repeats the address: %v", err)
		}
	}
	if ip := netip.MustParseAddr("192.168.1.7"); refused(ip) != nil {
		t.Error("private addresses are refused")
	}
}

func TestShown(t *testing.T) {
	for url, want := range map[string]string{
		"https://hooks.example.com/services/T0/canary": "https://hooks.example.com/…", "http://127.0.0.1:9": "http://127.0.0.1:9",
		"https://x.example/?key=canary": "https://x.example/…", "https://x.example/": "https://x.example",
	} {
		if got := Shown(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// No address, however odd, brings its path or its query to light, or gets past the check
// for those of clouds.
func FuzzShown(f *testing.F) {
	f.Add("hooks.example.com", "services/T0/B0/xyz")
	f.Add("127.0.0.1:80", "?key=1")
	f.Fuzz(func(t *testing.T, host, path string) {
		const canary = "QcanaryQ"
		if strings.Contains(host, canary) || strings.ContainsAny(host, "/?#\\") {
			return
		}
		url := "https://" + host + "/" + path + canary
		if CheckURL(url) == nil && strings.Contains(Shown(url), canary) {
			t.Errorf("%q is shown as %q", url, Shown(url))
		}
	})
}
