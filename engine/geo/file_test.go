package geo

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// Every shape that GeoLite2, DB-IP and flat dumps have, in every layout.
func TestShapes(t *testing.T) {
	networks := map[string]any{}
	want := map[string]string{}
	for i, tc := range []struct {
		record any
		want   string
	}{
		{map[string]any{"country": iso("PT")}, "PT"},
		{map[string]any{"country": map[string]any{"geoname_id": uint32(2264397), "iso_code": "PT", "names": map[string]any{"en": "Portugal"}}}, "PT"},
		{map[string]any{"city": map[string]any{"names": map[string]any{"en": "Porto"}}, "continent": map[string]any{"code": "EU"},
			"country": iso("PT"), "registered_country": iso("ES")}, "PT"},
		{map[string]any{"registered_country": iso("AU")}, "AU"},
		{map[string]any{"country": map[string]any{}, "registered_country": iso("AU")}, "AU"},
		{map[string]any{"country_code": "PT"}, "PT"},
		{map[string]any{"country_code": "pt"}, "PT"},
		{map[string]any{"country": "PT"}, "PT"},
		{map[string]any{"country": "Portugal", "country_code": "PT"}, "PT"},
		{map[string]any{"country_code": "PT", "registered_country": iso("ES")}, "PT"},
		{map[string]any{"country": iso("UK")}, "GB"},
		{map[string]any{"country": iso("XK")}, "XK"},
		{map[string]any{"country": iso("EU")}, ""},
		{map[string]any{"country": iso("A1")}, ""},
		{map[string]any{"country": iso("")}, ""},
		{map[string]any{"country": map[string]any{"iso_code": uint32(7)}}, ""},
		{map[string]any{"country": uint32(7)}, ""},
		{map[string]any{"continent": map[string]any{"iso_code": "PT"}}, ""},
		{map[string]any{}, ""},
	} {
		networks[fmt.Sprintf("9.9.%d.0/24", i)] = tc.record
		want[fmt.Sprintf("9.9.%d.1", i)] = tc.want
	}
	for _, size := range []int{24, 28, 32} {
		for _, version := range []int{4, 6} {
			path := filepath.Join(t.TempDir(), "country.mmdb")
			put(t, path, write(database{kind: "Test", recordSize: size, ipVersion: version, networks: networks}))
			db := mustOpen(t, Options{Path: path})
			for address, want := range want {
				if got := db.Country(netip.MustParseAddr(address)); got != want {
					t.Errorf("%d bits, IPv%d: %s is in %q, want %q", size, version, address, got, want)
				}
			}
			for _, outside := range []string{"9.10.0.1", "2a00::1"} {
				if got := db.Country(netip.MustParseAddr(outside)); got != "" {
					t.Errorf("%d bits, IPv%d: %s is in %q", size, version, outside, got)
				}
			}
		}
	}
}

// A file whose parts do not fit together is refused as a whole.
func TestDamaged(t *testing.T) {
	networks := map[string]any{"8.8.8.0/24": map[string]any{"country": iso("PT")}, "9.9.9.0/24": "PT"}
	for name, d := range map[string]database{
		"a record that is no map": {recordSize: 24, ipVersion: 6, networks: networks},
		"IPv5":                    {recordSize: 24, ipVersion: 5, networks: map[string]any{"8.8.8.0/24": networks["8.8.8.0/24"]}},
	} {
		if f, err := open(write(d)); err == nil && f.check() == nil {
			t.Errorf("%s passes", name)
		}
	}
	// The branches of each node of this tree meet in the next one.
	braided := write(database{recordSize: 24, ipVersion: 6, networks: map[string]any{"::/120": map[string]any{"country": iso("PT")}}})
	for at := 0; at < 6*119; at += 6 {
		copy(braided[at+3:at+6], braided[at:at+3])
	}
	f, err := open(braided)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.check(); err == nil || !strings.Contains(err.Error(), "branches meet") {
		t.Errorf("a braided tree: %v", err)
	}
}

// A file that is still being copied has its beginning and not its end.
func TestTruncated(t *testing.T) {
	whole := country("PT")
	for n := range whole {
		if f, err := open(whole[:n]); err == nil && f.check() == nil {
			t.Errorf("%d bytes of %d pass as a whole file", n, len(whole))
		}
	}
}

// FuzzDatabase: whatever an owner's file has in it, opening refuses or look-ups
// answer; nothing panics or hangs.
func FuzzDatabase(f *testing.F) {
	for _, size := range []int{24, 28, 32} {
		for _, version := range []int{4, 6} {
			f.Add(write(database{kind: "Test", recordSize: size, ipVersion: version, networks: map[string]any{
				"8.8.8.0/24": map[string]any{"country": iso("US"), "registered_country": iso("US"), "city": map[string]any{"names": map[string]any{"en": "Here"}}},
				"9.0.0.0/8":  map[string]any{"country_code": "US"},
			}}))
		}
	}
	f.Add(country("US")[:200])
	f.Add(write(database{kind: "\x1b[2J", recordSize: 24, ipVersion: 4, built: 1<<32 - 1, networks: map[string]any{"8.8.8.0/24": map[string]any{"country": iso("US")}}}))
	addresses := []netip.Addr{google, netip.MustParseAddr("9.1.2.3"), netip.MustParseAddr("2a00::1"), netip.MustParseAddr("223.255.255.255")}
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := open(content)
		if err != nil {
			return
		}
		checked := file.check() == nil
		for _, ip := range addresses {
			if code := file.country(ip); checked && code != "" && !IsCountry(code) {
				t.Errorf("%s is in %q", ip, code)
			}
		}
		i := file.info("")
		if _, err := json.Marshal(i); err != nil || strings.ContainsAny(i.Type+i.Description, "\x1b\n") {
			t.Errorf("info %+v cannot be shown: %v", i, err)
		}
	})
}
