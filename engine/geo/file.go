package geo

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2/mmdbdata"
)

// file is one database.
type file struct {
	tree    *maxminddb.Reader
	records *mmdbdata.Decoder // reads strings where they lie, which tree's own decoding does not
}

// A file has its tree, a separator, its records, and what it says of itself
// behind this marker.
const (
	marker    = "\xab\xcd\xefMaxMind.com"
	separator = 16 // bytes
)

// open makes a database ready for look-ups in content.
func open(content []byte) (*file, error) {
	tree, err := maxminddb.OpenBytes(content, maxminddb.DisableStringCache())
	if err != nil {
		return nil, damaged(err)
	}
	node := tree.Metadata.RecordSize / 4 // bytes
	begin := int(tree.Metadata.NodeCount*node) + separator
	end := bytes.LastIndex(content, []byte(marker))
	return &file{tree, mmdbdata.NewDecoder(content[begin:end], 0)}, nil
}

// check goes through the whole database, as is due to one that came from
// outside. The embedded one is checked by a test instead: going through it
// would bring all of it into memory.
func (f *file) check() error {
	if err := f.tree.Verify(); err != nil {
		return damaged(err)
	}
	if !f.hasCountries() {
		return fmt.Errorf("it names no countries; a country or city file is wanted, and this says it is of type %.50q", f.tree.Metadata.DatabaseType)
	}
	return nil
}

func damaged(err error) error {
	return fmt.Errorf("it is not a whole file in MaxMind's format: %w", err)
}

// hasCountries reports whether a country is among the first networks: a file of
// another kind (ASN, say) would make every visitor unknown. The bound is for
// trees whose branches meet again, which could be walked for ever.
func (f *file) hasCountries() bool {
	n := 0
	for network := range f.tree.Networks() {
		if network.Err() == nil && f.read(uint(network.Offset())) != "" {
			return true
		}
		if n++; n == 100_000 {
			break
		}
	}
	return false
}

func (f *file) info(path string) Info {
	m := f.tree.Metadata
	i := Info{Path: path, Type: m.DatabaseType, Description: m.Description["en"]}
	if m.BuildEpoch > 0 {
		i.Built = time.Unix(int64(m.BuildEpoch), 0).UTC()
	}
	return i
}

func (f *file) country(ip netip.Addr) string {
	if ip.Is6() && f.tree.Metadata.IPVersion == 4 {
		return ""
	}
	found := f.tree.Lookup(ip)
	if !found.Found() {
		return ""
	}
	return f.read(uint(found.Offset()))
}

// read returns the country of the record at an offset, "" if it names none that
// is known. An error inside a record that was checked when it was opened is as
// good as no country.
func (f *file) read(record uint) string {
	fields, err := f.records.CursorAt(record).Map()
	if err != nil {
		return ""
	}
	var next mmdbdata.Cursor
	flat, registered := "", ""
	for {
		key, value, more := fields.Next(next)
		if !more {
			break
		}
		switch string(key) {
		case "country":
			if code := code(value); code != "" {
				return code
			}
		case "country_code":
			flat = code(value)
		case "registered_country":
			registered = code(value)
		}
		if next, err = value.Skip(); err != nil {
			return ""
		}
	}
	if flat != "" {
		return flat
	}
	return registered
}

// code returns the code that a value is, or has under iso_code.
func code(value mmdbdata.Cursor) string {
	kind, err := value.Kind()
	if err != nil {
		return ""
	}
	if kind == mmdbdata.KindString {
		// Unlike ReadString this does not copy.
		text, _, err := value.ReadMapKey()
		if err != nil {
			return ""
		}
		return known(text)
	}
	fields, err := value.Map()
	if err != nil {
		return ""
	}
	var next mmdbdata.Cursor
	for {
		key, value, more := fields.Next(next)
		if !more {
			return ""
		}
		if kind, err := value.Kind(); err == nil && kind == mmdbdata.KindString && string(key) == "iso_code" {
			return code(value)
		}
		if next, err = value.Skip(); err != nil {
			return ""
		}
	}
}
