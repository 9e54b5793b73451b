package token

import "testing"

func TestHostOf(t *testing.T) {
	for _, tc := range []struct{ address, host string }{ // "": no page of a site
		{"https://mysite.com", "mysite.com"},
		{"https://MySite.COM", "mysite.com"},
		{"HTTPS://mysite.com:8443", "mysite.com"},
		{"https://mysite.com.", "mysite.com"},
		{"https://mysite.com:", ""},
		{"https://mysite.com:99999999", ""},
		{"https://mysite.com:80a", ""},
		{"https://mysite.com/path?x=https://evil.example#y", "mysite.com"},
		{"https://mysite.com?x", "mysite.com"},
		{"https://my_site.example", "my_site.example"},
		{"https://xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"https://bücher.example", ""}, // a browser writes xn--
		{"https://mysite.com@evil.example", ""},
		{"https://user:pw@mysite.com", ""},
		{"https://mysite.com\\@evil.example", ""},
		{"https://mysite.com%2eevil.example", ""},
		{"https://mysite.com..", ""},
		{"https://.mysite.com", ""},
		{"https://my site.com", ""},
		{"https://mysite.com\n", ""},
		{"https://", ""},
		{"https:mysite.com", ""},
		{"mysite.com", ""},
		{"null", ""},
		{"", ""},
		{"file:///home/me/index.html", ""},
		{"chrome-extension://abcdefgh", ""},
		{"data:text/html,x", ""},
		{"http://mysite.com", ""}, // anybody between may change it
		{"http://localhost", "localhost"},
		{"http://localhost:3000", "localhost"},
		{"http://app.localhost:3000", "app.localhost"},
		{"http://localhost.evil.example", ""},
		{"http://127.0.0.1:5173", "127.0.0.1"},
		{"http://127.9.9.9", "127.9.9.9"},
		{"http://127.0.0.1.evil.example", ""},
		{"http://192.168.1.5", ""},
		{"https://192.168.1.5", "192.168.1.5"},
		{"http://[::1]:3000", "[::1]"},
		{"http://[::2]", ""},
		{"https://[2001:db8::1]:8443", "[2001:db8::1]"},
		{"https://[2001:db8::1", ""},
		{"https://[mysite.com]", ""},
		{"https://[::1%25eth0]", ""},
	} {
		host, ok := HostOf(tc.address)
		if ok != (tc.host != "") || ok && host != tc.host {
			t.Errorf("HostOf(%q) = %q, %v; want %q", tc.address, host, ok, tc.host)
		}
	}
}

func TestAllowsHost(t *testing.T) {
	domains := []string{"mysite.com", "*.wild.com"}
	for host, want := range map[string]bool{
		"mysite.com": true, "www.mysite.com": false, "notmysite.com": false, "mysite.com.evil.com": false, "mysite.co": false,
		"wild.com": false, "a.wild.com": true, "a.b.wild.com": true, "notwild.com": false, "a.wild.com.evil.com": false, ".wild.com": false,
	} {
		if got := AllowsHost(domains, host); got != want {
			t.Errorf("AllowsHost(%q) = %v, want %v", host, got, want)
		}
	}
}
