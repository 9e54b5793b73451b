package geo

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/assets"
)

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// country is a database in which one network is in one country.
func country(code string) []byte {
	return write(database{kind: "Test-Country", recordSize: 24, ipVersion: 6, built: uint32(epoch.Unix()),
		networks: map[string]any{"8.8.8.0/24": map[string]any{"country": iso(code)}}})
}

var google = netip.MustParseAddr("8.8.8.8")

func embedded(t testing.TB) []byte {
	t.Helper()
	content, err := assets.Countries()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func given(content []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return content, nil }
}

// about is what package assets says of the database.
func about(t testing.TB) (i Info) {
	t.Helper()
	if err := json.Unmarshal(assets.CountriesAbout, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// What cannot be unpacked knows no country, and takes nobody along.
func TestBrokenEmbedded(t *testing.T) {
	for _, content := range [][]byte{nil, []byte("no database")} {
		if got := mustOpen(t, Options{Embedded: given(content)}).Country(google); got != "" {
			t.Errorf("%q knows %q", content, got)
		}
	}
}

func mustOpen(t testing.TB, o Options) *DB {
	t.Helper()
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestEmbedded(t *testing.T) {
	content := embedded(t)
	f, err := open(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.check(); err != nil {
		t.Error(err) // Open trusts it
	}
	db := mustOpen(t, Options{Embedded: given(content), About: about(t)})
	for address, want := range map[string]string{
		"8.8.8.8": "US", "81.2.69.142": "GB", "2a00:1450:4001::1": "IE",
		"::ffff:81.2.69.142": "GB", // the same visitor on a dual-stack socket
		"":                   "", "0.0.0.0": "", "127.0.0.1": "", "::1": "", "::ffff:127.0.0.1": "",
		"10.1.2.3": "", "172.16.0.1": "", "192.168.1.1": "", "::ffff:10.1.2.3": "", "fd00::1": "",
		"169.254.1.1": "", "fe80::1": "", "fe80::1%eth0": "", "2a00:1450:4001::1%eth0": "",
		"224.0.0.1": "", "255.255.255.255": "", "ff02::1": "", "::": "",
	} {
		ip, _ := netip.ParseAddr(address)
		if got := db.Country(ip); got != want {
			t.Errorf("%q is in %q, want %q", address, got, want)
		}
	}
	i := db.Info()
	if own := f.info(""); i != own { // what stands beside the packed file is what it says
		t.Errorf("geo/country.json says %+v, the database %+v", i, own)
	}
	if i.Path != "" || i.Problem != nil || i.Built.IsZero() || !strings.Contains(i.Description, "IPFire") {
		t.Errorf("info %+v", i)
	}
	for days, want := range map[int]bool{0: false, 179: false, 181: true} {
		if got := i.Old(i.Built.AddDate(0, 0, days)); got != want {
			t.Errorf("old after %d days: %v", days, got)
		}
	}
	if !(Info{}).Old(epoch) {
		t.Error("a database that does not say when it was built counts as new")
	}
}

func put(t testing.TB, path string, content []byte) {
	t.Helper()
	// Written beside and moved into place, as updaters do.
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	db := mustOpen(t, Options{Path: path, Embedded: given(country("US"))})
	expect := func(what, want string, broken bool) {
		t.Helper()
		if got := db.Country(google); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		if i := db.Info(); (i.Problem != nil) != broken {
			t.Errorf("%s: problem %v", what, i.Problem)
		}
	}
	reload := func(want, fails bool) {
		t.Helper()
		if got, err := db.Reload(); got != want || (err != nil) != fails {
			t.Errorf("reload: %v, %v", got, err)
		}
		if got, err := db.Reload(); got || err != nil {
			t.Errorf("reload of the same: %v, %v", got, err)
		}
	}
	expect("the owner's file is missing", "US", true)
	reload(false, false)

	put(t, path, country("PT"))
	reload(true, false)
	expect("the owner's file", "PT", false)
	if i := db.Info(); i.Path != path || i.Type != "Test-Country" || !i.Built.Equal(epoch) {
		t.Errorf("info %+v", i)
	}

	put(t, path, country("ES")) // of the same size
	reload(true, false)
	expect("a newer file", "ES", false)

	put(t, path, country("FR")[:300])
	reload(false, true)
	expect("a truncated file", "ES", true)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	reload(false, true)
	expect("no file", "ES", true)

	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	reload(false, true)
	expect("a folder", "ES", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}

	put(t, path, write(database{kind: "Test-ASN", recordSize: 24, ipVersion: 6, networks: map[string]any{
		"8.8.8.0/24": map[string]any{"autonomous_system_number": uint32(15169)}}}))
	if _, err := db.Reload(); err == nil || !strings.Contains(err.Error(), "Test-ASN") {
		t.Errorf("a file without countries: %v", err)
	}
	expect("a file without countries", "ES", true)

	put(t, path, country("FR"))
	reload(true, false)
	expect("a good file again", "FR", false)
}

func TestOpenRefuses(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.mmdb")
	put(t, broken, []byte("no database"))
	for name, o := range map[string]Options{
		"nothing":        {},
		"a missing file": {Path: broken + "x"},
		"a broken file":  {Path: broken},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
}

// Look-ups go on while the file is replaced over and over.
func TestLookupsDuringReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	files := [2][]byte{country("PT"), country("ES")}
	put(t, path, files[0])
	db := mustOpen(t, Options{Path: path})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := db.Country(google); got != "PT" && got != "ES" {
					t.Errorf("in between, the country is %q", got)
					return
				}
			}
		})
	}
	for i := range 100 {
		put(t, path, files[i%2])
		if _, err := db.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func TestIsCountry(t *testing.T) {
	if len(countries) != 2*250 {
		t.Errorf("%d countries, want the 249 of ISO 3166-1 and XK", len(countries)/2)
	}
	for i := 0; i < len(countries); i += 2 {
		code := countries[i : i+2]
		if !IsCountry(code) {
			t.Errorf("%s is not found: the list is not in order", code)
		}
		if i > 0 && code <= countries[i-2:i] {
			t.Errorf("%s is not after %s", code, countries[i-2:i])
		}
	}
	for _, code := range []string{"", "U", "USA", "us", "UK", "EU", "AN", "ZZ", "A1", "\x01\x02", "ÄÖ"} {
		if IsCountry(code) {
			t.Errorf("%q is a country", code)
		}
	}
}

// Tokens are minted outside this program, too, and name the same countries.
func TestCountriesOfTokens(t *testing.T) {
	content, err := os.ReadFile("../../assets/sdk/testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Countries string }
	if err := json.Unmarshal(content, &vectors); err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(vectors.Countries, " ", ""); got != countries {
		t.Errorf("tokens can name %s", got)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	db := mustOpen(t, Options{Embedded: given(embedded(t))})
	v6 := netip.MustParseAddr("2a00:1450:4001::1")
	if n := testing.AllocsPerRun(100, func() { db.Country(google); db.Country(v6) }); n != 0 {
		t.Errorf("%v allocations per look-up", n)
	}
}

// On a busy core of a virtual machine: 190 ns for IPv4 and 300 ns for IPv6,
// no allocation.
func BenchmarkCountry(b *testing.B) {
	db := mustOpen(b, Options{Embedded: given(embedded(b))})
	for name, ip := range map[string]netip.Addr{"IPv4": google, "IPv6": netip.MustParseAddr("2a00:1450:4001::1")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				db.Country(ip)
			}
		})
	}
}
