package geo

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"

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

// check goes through the whole tree and every record once, as is due to a file
// that came from outside. The library's own Verify takes ten times as long for a
// city file, and refuses dumps that do not describe themselves. The embedded
// database is checked by a test instead: going through it would bring all of it
// into memory.
func (f *file) check() error {
	m := f.tree.Metadata
	if m.BinaryFormatMajorVersion != 2 || m.IPVersion != 4 && m.IPVersion != 6 {
		return fmt.Errorf("it is of version %d of MaxMind's format, for IPv%d; version 2 for IPv4 or IPv6 is wanted", m.BinaryFormatMajorVersion, m.IPVersion)
	}
	networks, countries := uint(0), 0
	seen := map[uintptr]bool{}
	for network := range f.tree.Networks(maxminddb.IncludeNetworksWithoutData()) {
		// Branches that meet again could be walked for ever.
		if networks++; networks > 2*(m.NodeCount+1) {
			return damaged(errors.New("its branches meet"))
		}
		if err := network.Err(); err != nil {
			return damaged(err)
		}
		if !network.Found() || seen[network.Offset()] {
			continue
		}
		seen[network.Offset()] = true
		country, err := f.read(uint(network.Offset()))
		if err != nil {
			return damaged(err)
		}
		if country != "" {
			countries++
		}
	}
	if countries == 0 {
		return fmt.Errorf("it names no countries; a country or city file is wanted, and this says it is of type %.50q", m.DatabaseType)
	}
	return nil
}

func damaged(err error) error {
	return fmt.Errorf("it is not a whole file in MaxMind's format: %w", err)
}

func (f *file) info(path string) Info {
	m := f.tree.Metadata
	i := Info{Path: path, Type: printable(m.DatabaseType), Description: printable(m.Description["en"])}
	if m.BuildEpoch > 0 && uint64(m.BuildEpoch) < 1<<36 { // a time that JSON can write
		i.Built = time.Unix(int64(m.BuildEpoch), 0).UTC()
	}
	return i
}

// printable makes what a file says of itself fit for a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	return fmt.Sprintf("%.200s", s)
}

func (f *file) country(ip netip.Addr) string {
	if ip.Is6() && f.tree.Metadata.IPVersion == 4 {
		return ""
	}
	found := f.tree.Lookup(ip)
	if !found.Found() {
		return ""
	}
	country, _ := f.read(uint(found.Offset())) // check has told the owner of errors
	return country
}

// read returns the country of the record at an offset, "" if it names none that
// is known.
func (f *file) read(record uint) (string, error) {
	fields, err := f.records.CursorAt(record).Map()
	if err != nil {
		return "", err
	}
	var next mmdbdata.Cursor
	flat, registered := "", ""
	for {
		key, value, more := fields.Next(next)
		if !more {
			break
		}
		var country string
		switch string(key) {
		case "country":
			if country, err = code(value); country != "" {
				return country, nil
			}
		case "country_code":
			flat, err = code(value)
		case "registered_country":
			registered, err = code(value)
		}
		if err != nil {
			return "", err
		}
		if next, err = value.Skip(); err != nil {
			return "", err
		}
	}
	if flat == "" {
		flat = registered
	}
	return flat, fields.Err()
}

// code returns the code that a value is, or has under iso_code.
func code(value mmdbdata.Cursor) (string, error) {
	kind, err := value.Kind()
	if err != nil {
		return "", err
	}
	switch kind {
	case mmdbdata.KindString:
		text, _, err := value.ReadMapKey() // unlike ReadString this does not copy
		return known(text), err
	case mmdbdata.KindMap:
	default:
		return "", nil
	}
	fields, err := value.Map()
	if err != nil {
		return "", err
	}
	var next mmdbdata.Cursor
	for {
		key, value, more := fields.Next(next)
		if !more {
			return "", fields.Err()
		}
		if string(key) == "iso_code" {
			if kind, err := value.Kind(); err != nil || kind != mmdbdata.KindString {
				return "", err
			}
			return code(value)
		}
		if next, err = value.Skip(); err != nil {
			return "", err
		}
	}
}
