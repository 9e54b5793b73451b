package tally

import (
	"crypto/rand"
	"time"
)

// ID names an entity or a request: a prefix that tells the kind, "_", and 26
// lower-case Crockford base32 characters that sort by time ("cl_01k…").
type ID string

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewID makes an ID: 48 bits of the time in milliseconds and 80 random bits.
func NewID(prefix string, now time.Time) ID {
	var random [10]byte
	rand.Read(random[:]) // never fails since Go 1.24
	buf := make([]byte, 0, len(prefix)+27)
	buf = append(append(buf, prefix...), '_')
	for ms, shift := uint64(now.UnixMilli()), 45; shift >= 0; shift -= 5 {
		buf = append(buf, crockford[ms>>shift&31])
	}
	for i := 0; i < 10; i += 5 {
		five := uint64(random[i])<<32 | uint64(random[i+1])<<24 | uint64(random[i+2])<<16 | uint64(random[i+3])<<8 | uint64(random[i+4])
		for shift := 35; shift >= 0; shift -= 5 {
			buf = append(buf, crockford[five>>shift&31])
		}
	}
	return ID(buf)
}
