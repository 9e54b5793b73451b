package engine

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestTrustedHeader(t *testing.T) {
	w := newWorld(t)
	for in, want := range map[string]string{"x-real-ip": "X-Real-Ip", " CF-Connecting-IP ": "Cf-Connecting-Ip", "none": "", "": ""} {
		if got := do(w, control.SettingsSet, control.SettingsFields{TrustedHeader: &in}); got.TrustedHeader != want {
			t.Errorf("%q became %q, want %q", in, got.TrustedHeader, want)
		}
	}
	refused(w, control.SettingsSet, control.SettingsFields{TrustedHeader: to("X-Real IP: me")}, tally.Invalid, "not the name of a header")
}

func TestTrustedProxies(t *testing.T) {
	w := newWorld(t)
	got := do(w, control.SettingsSet, control.SettingsFields{TrustedProxies: to([]string{"127.0.0.1", " 10.0.0.0/8", "2001:db8::/32", "127.0.0.1/32"})})
	if want := "127.0.0.1/32 10.0.0.0/8 2001:db8::/32"; strings.Join(got.TrustedProxies, " ") != want {
		t.Errorf("%q, want %q", got.TrustedProxies, want)
	}
	if n := len(w.engine.catalog.Load().TrustedProxies); n != 3 {
		t.Errorf("%d networks are in force", n)
	}
	for text, says := range map[string]string{
		"proxy.local": "not an address", "0.0.0.0/0": "everybody", "::/0": "everybody", "10.1.2.3/8": "the network is 10.0.0.0/8",
		"::ffff:10.0.0.0/104": "not an address", "fe80::1%eth0": "not an address", "": "not an address",
	} {
		refused(w, control.SettingsSet, control.SettingsFields{TrustedProxies: &[]string{text}}, tally.Invalid, says)
	}
	if got := do(w, control.SettingsSet, control.SettingsFields{TrustedProxies: &[]string{}}); len(got.TrustedProxies) != 0 {
		t.Errorf("not cleared: %q", got.TrustedProxies)
	}
}

// The owner's country database is in use at once and read again when it
// changes; one that has gone bad is told of, and the built-in one goes on.
func TestCountryFile(t *testing.T) {
	w, _ := site(t)
	embedded := w.withCountries()
	someone := netip.MustParseAddr("8.8.8.8")
	if got := w.engine.country(someone); got != "US" {
		t.Fatalf("the built-in database says %q", got)
	}
	path := filepath.Join(t.TempDir(), "own.mmdb")
	for _, in := range []string{path, "own.mmdb"} {
		refused(w, control.SettingsSet, control.SettingsFields{CountryFile: to(in)}, tally.Invalid, "country")
	}
	if err := os.WriteFile(path, embedded, 0o600); err != nil {
		t.Fatal(err)
	}
	do(w, control.SettingsSet, control.SettingsFields{CountryFile: to(path)})
	status := do(w, control.EngineStatus, control.None{}).Countries
	if status.Path != path || status.Type == "" || status.Built.IsZero() || status.Problem != "" || w.engine.country(someone) != "US" {
		t.Errorf("%+v", status)
	}
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.reloadCountries(t.Context()); err == nil {
		t.Error("a broken file was read without a word")
	}
	if s := do(w, control.EngineStatus, control.None{}); s.Countries.Problem == "" || !warns(s, path) || w.engine.country(someone) != "US" {
		t.Errorf("%+v, warnings %+v", s.Countries, s.Warnings)
	}
	w.engine.openCountries(path) // as at the next start
	if s := do(w, control.EngineStatus, control.None{}).Countries; s.Path != "" || s.Problem == "" || w.engine.country(someone) != "US" {
		t.Errorf("%+v", s)
	}
	do(w, control.SettingsSet, control.SettingsFields{CountryFile: to("none")})
	if s := do(w, control.EngineStatus, control.None{}).Countries; s.Path != "" || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

// An old database is told of where somebody goes by countries.
func TestOldCountries(t *testing.T) {
	w, _ := site(t)
	w.withCountries()
	w.wait(3 * 365 * 24 * time.Hour)
	says := func() bool {
		return warns(do(w, control.EngineStatus, control.None{}), "country database is from")
	}
	if says() {
		t.Error("nobody goes by countries")
	}
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "site", GatewayFields: control.GatewayFields{BlockedCountries: to([]string{"ru"})}})
	if !says() {
		t.Error("an old database is not told of")
	}
}
