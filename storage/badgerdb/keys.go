package badgerdb

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"tallygate/engine/tally"
)

// The tables, by the first byte of a key:
//
//	u day seq                     a record
//	p id                          an open hold
//	r gran family bucket dims     a row of a rollup
//	o family bucket dims          what pruned records contributed to a 15-minute row
//	l subject                     when a subject was last used
//	s client \0 member            a session that runs
//	c kind \0 id                  an entity
//	! name                        what the store knows of itself
//
// Numbers are big-endian, so keys sort by them. Every value ends with a CRC of
// its key and payload: a flipped bit, or a value under another key, is noticed.
const (
	tableRecord  = 'u'
	tableHold    = 'p'
	tableRollup  = 'r'
	tableOpening = 'o'
	tableUse     = 'l'
	tableSession = 's'
	tableEntity  = 'c'
)

var (
	keySchema = []byte("!schema")
	keyState  = []byte("!state")
	keyRev    = []byte("!rev")
)

const daySeconds = 24 * 60 * 60

// dayOf is the UTC day of an instant, as a number.
func dayOf(t time.Time) uint32 { return uint32(t.Unix() / daySeconds) }

func recordKey(day uint32, seq uint64) []byte {
	k := make([]byte, 13)
	k[0] = tableRecord
	binary.BigEndian.PutUint32(k[1:], day)
	binary.BigEndian.PutUint64(k[5:], seq)
	return k
}

func recordDay(day uint32) []byte { return recordKey(day, 0)[:5] }

// parseRecordKey reads a record's key.
func parseRecordKey(k []byte) (day uint32, seq uint64, ok bool) {
	if len(k) != 13 || k[0] != tableRecord {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(k[1:]), binary.BigEndian.Uint64(k[5:]), true
}

func holdKey(id tally.ID) []byte { return append([]byte{tableHold}, id...) }

func useKey(s tally.Subject) []byte { return append([]byte{tableUse}, s...) }

func sessionKey(client tally.ID, member string) []byte {
	k := append([]byte{tableSession}, client...)
	return append(append(k, 0), member...)
}

func entityKey(kind tally.EntityKind, id tally.ID) []byte {
	k := append([]byte{tableEntity}, kind...)
	return append(append(k, 0), id...)
}

// Granularities of rollups, from the finest.
const (
	quarters = iota
	hours
	days
	grans
)

// granSeconds are their lengths.
var granSeconds = [grans]int64{15 * 60, 60 * 60, daySeconds}

// rowKey names a row of a rollup.
type rowKey struct {
	gran   uint8
	family uint8
	bucket uint32 // since 1970, in units of the granularity
	dim    tally.Dim
}

// bytes is the key in the store. The second part of dim comes last, so it needs
// no end mark.
func (r rowKey) bytes() []byte {
	k := make([]byte, 0, 8+len(r.dim[0])+len(r.dim[1]))
	k = append(k, tableRollup, r.gran)
	return r.tail(k)
}

// opening is the key of the row's opening balance.
func (r rowKey) opening() []byte { return r.tail([]byte{tableOpening}) }

func (r rowKey) tail(k []byte) []byte {
	k = append(k, r.family)
	k = binary.BigEndian.AppendUint32(k, r.bucket)
	k = append(k, r.dim[0]...)
	k = append(k, 0)
	return append(k, r.dim[1]...)
}

// prefix is what the keys of a family's rows in one bucket begin with, or of
// those with one first part.
func (r rowKey) prefix(first string) []byte {
	r.dim = tally.Dim{}
	k := r.bytes()
	k = k[:len(k)-1]
	if first != "" {
		k = append(append(k, first...), 0)
	}
	return k
}

// parseRowTail reads what tail wrote.
func parseRowTail(k []byte) (r rowKey, ok bool) {
	if len(k) < 6 {
		return r, false
	}
	r.family, r.bucket = k[0], binary.BigEndian.Uint32(k[1:])
	for i, c := range k[5:] {
		if c == 0 {
			r.dim = tally.Dim{string(k[5 : 5+i]), string(k[6+i:])}
			return r, true
		}
	}
	return r, false
}

func parseRowKey(k []byte) (r rowKey, ok bool) {
	if len(k) < 2 || k[0] != tableRollup || k[1] >= grans {
		return r, false
	}
	r, ok = parseRowTail(k[2:])
	r.gran = k[1]
	return r, ok
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal ends a payload with its CRC.
func seal(key, payload []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
	return binary.BigEndian.AppendUint32(payload, sum)
}

// unseal returns the payload of a value if its CRC is right.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) >= 4 {
		payload := value[:len(value)-4]
		sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
		if binary.BigEndian.Uint32(value[len(payload):]) == sum {
			return payload, nil
		}
	}
	return nil, tally.Errorf(tally.Corrupt, "the value of %s is damaged", keyText(key)).WithHint("run tallygate verify; restore a backup")
}

// keyText is a key for people.
func keyText(k []byte) string {
	if day, seq, ok := parseRecordKey(k); ok {
		return "record " + time.Unix(int64(day)*daySeconds, 0).UTC().Format(time.DateOnly) + "/" + tally.Group(int64(seq))
	}
	out := make([]byte, 0, len(k))
	for _, c := range k {
		if c < ' ' || c > '~' {
			c = '.'
		}
		out = append(out, c)
	}
	return string(out)
}
