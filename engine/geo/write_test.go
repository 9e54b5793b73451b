package geo

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
)

// database is what a test wants in a file of MaxMind's format.
type database struct {
	kind       string // database_type
	recordSize int    // bits: 24, 28 or 32
	ipVersion  int
	built      uint32         // seconds since 1970
	networks   map[string]any // by prefix; values are maps, strings and uint32
}

// write makes the file. Prefixes must not overlap.
func write(d database) []byte {
	type node [2]int // a child: 0 for nothing, n>0 for node n, n<0 for record -n-1
	nodes := []node{{}}
	var data []byte
	for _, prefix := range slices.Sorted(maps.Keys(d.networks)) {
		p := netip.MustParsePrefix(prefix)
		bits, skip := p.Addr().AsSlice(), 0
		if d.ipVersion == 6 && p.Addr().Is4() {
			bits, skip = append(make([]byte, 12), bits...), 96
		}
		record := -len(data) - 1
		data = appendValue(data, d.networks[prefix])
		at := 0
		for i := range skip + p.Bits() {
			side := bits[i/8] >> (7 - i%8) & 1
			if i == skip+p.Bits()-1 {
				nodes[at][side] = record
				break
			}
			if nodes[at][side] == 0 {
				nodes = append(nodes, node{})
				nodes[at][side] = len(nodes) - 1
			}
			at = nodes[at][side]
		}
	}
	var out []byte
	for _, n := range nodes {
		var child [2]uint32
		for side, to := range n {
			switch {
			case to == 0:
				child[side] = uint32(len(nodes))
			case to < 0:
				child[side] = uint32(len(nodes) + separator - to - 1)
			default:
				child[side] = uint32(to)
			}
		}
		l, r := child[0], child[1]
		switch d.recordSize {
		case 24:
			out = append(out, byte(l>>16), byte(l>>8), byte(l), byte(r>>16), byte(r>>8), byte(r))
		case 28:
			out = append(out, byte(l>>16), byte(l>>8), byte(l), byte(l>>24)<<4|byte(r>>24), byte(r>>16), byte(r>>8), byte(r))
		case 32:
			out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(out, l), r)
		}
	}
	out = append(out, make([]byte, separator)...)
	out = append(out, data...)
	out = append(out, marker...)
	return appendValue(out, map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(d.built),
		"database_type": d.kind, "description": map[string]any{"en": "made by a test"}, "ip_version": uint16(d.ipVersion),
		"languages": []any{"en"}, "node_count": uint32(len(nodes)), "record_size": uint16(d.recordSize),
	})
}

// appendValue encodes a value. Strings and containers must be short.
func appendValue(out []byte, v any) []byte {
	number := func(kind byte, v uint64) []byte {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], v)
		n := 0
		for n < 8 && b[n] == 0 {
			n++
		}
		if kind > 7 { // an extended kind
			return append(append(out, byte(8-n), kind-7), b[n:]...)
		}
		return append(append(out, kind<<5|byte(8-n)), b[n:]...)
	}
	switch v := v.(type) {
	case string:
		if len(v) >= 29 {
			return append(append(out, 2<<5|29, byte(len(v)-29)), v...)
		}
		return append(append(out, 2<<5|byte(len(v))), v...)
	case uint16:
		return number(5, uint64(v))
	case uint32:
		return number(6, uint64(v))
	case uint64:
		return number(9, v)
	case []any:
		out = append(out, byte(len(v)), 11-7)
		for _, e := range v {
			out = appendValue(out, e)
		}
	case map[string]any:
		out = append(out, 7<<5|byte(len(v)))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = appendValue(appendValue(out, key), v[key])
		}
	}
	return out
}

func iso(code string) map[string]any { return map[string]any{"iso_code": code} }
