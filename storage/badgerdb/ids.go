package badgerdb

import "encoding/binary"

// crockford is the alphabet of IDs.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// crockfordValue tells what a character of the alphabet stands for, 255 for
// others.
var crockfordValue = func() (v [256]byte) {
	for i := range v {
		v[i] = 255
	}
	for i := range len(crockford) {
		v[crockford[i]] = byte(i)
	}
	return v
}()

// idDigits is how many characters an ID has behind its prefix, and idBytes what
// they come to.
const (
	idDigits = 26
	idBytes  = 16
)

// id writes a text that is most often an ID. An ID is written as its 128 bits instead of
// its 26 characters, and the lowest bit of the length tells so.
func (e *encoder) id(s string) {
	prefix := len(s) - idDigits - 1
	if prefix < 0 || s[prefix] != '_' || crockfordValue[s[prefix+1]] > 7 {
		e.plain(s)
		return
	}
	var hi, lo uint64
	for i := prefix + 1; i < len(s); i++ {
		v := crockfordValue[s[i]]
		if v == 255 {
			e.plain(s)
			return
		}
		hi, lo = hi<<5|lo>>59, lo<<5|uint64(v)
	}
	e.uint(uint64(prefix)<<1 | 1)
	e.b = append(e.b, s[:prefix]...)
	e.b = binary.BigEndian.AppendUint64(e.b, hi)
	e.b = binary.BigEndian.AppendUint64(e.b, lo)
}

func (e *encoder) plain(s string) {
	e.uint(uint64(len(s)) << 1)
	e.b = append(e.b, s...)
}

// id reads what the encoder's id wrote, and appends it to d.ids.
func (d *decoder) id() {
	n := d.uint()
	packed := n&1 == 1
	n >>= 1
	need := n
	if packed {
		need += idBytes
	}
	if need > uint64(len(d.b)) {
		d.fail()
		return
	}
	d.ids = append(d.ids, d.b[:n]...)
	if packed {
		hi, lo := binary.BigEndian.Uint64(d.b[n:]), binary.BigEndian.Uint64(d.b[n+8:])
		at := len(d.ids)
		d.ids = append(d.ids, "_00000000000000000000000000"...)
		for i := len(d.ids) - 1; i > at; i-- {
			d.ids[i] = crockford[lo&31]
			hi, lo = hi>>5, lo>>5|hi<<59
		}
	}
	d.b = d.b[need:]
}
