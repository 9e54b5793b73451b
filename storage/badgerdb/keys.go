package badgerdb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"tallygate/engine/tally"
)

// The tables, by the first byte of a key:
//
//	u day seq                     records settled on a day, from a sequence number on
//	p side slot                   holds that were opened together
//	r gran family bucket dims     a row of a rollup
//	o family bucket dims          what pruned records contributed to a 15-minute row
//	q family bucket dims          what they contributed to a span of a coarse chunk
//	k kind family bucket dims     like o, of records of a kind that went before their day did
//	f chunk                       the edges of the spans of a chunk of days that is coarse
//	l subject                     when a subject was last used
//	s client member               a session that runs
//	c kind id                     an entity
//	x chunk kind value            records of a chunk name this client, key, token or model
//	d day seq                     what went wrong with attempts of a record
//	a seq                         an entry of the audit log
//	e client id                   an entry of the book of money: its record once more, for good
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
	tableState   = '!'

	tablePresence = 'x'
	tableDetail   = 'd'
	tableAudit    = 'a'

	tableEntry  = 'e'
	tableKind   = 'k'
	tableSpan   = 'q'
	tableCoarse = 'f'
)

var (
	keySchema = []byte("!schema")
	keyState  = []byte("!state")
	keyHolds  = []byte("!holds")
	keyRev    = []byte("!rev")
	keyEras   = []byte("!eras")
	keyAudit  = []byte("!audit")

	keyOpenings = []byte("!openings")
	keyThin     = []byte("!thin")
	keyThinned  = []byte("!thinned")
)

const daySeconds = 24 * 60 * 60

// dayOf is the UTC day of an instant, as a number. All instants before 1970 are of day 0.
func dayOf(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / daySeconds) }

func recordKey(day uint32, seq uint64) []byte { return seqKey(tableRecord, day, seq) }

func detailKey(day uint32, seq uint64) []byte { return seqKey(tableDetail, day, seq) }

func seqKey(table byte, day uint32, seq uint64) []byte {
	k := make([]byte, 13)
	k[0] = table
	binary.BigEndian.PutUint32(k[1:], day)
	binary.BigEndian.PutUint64(k[5:], seq)
	return k
}

func recordDay(day uint32) []byte { return recordKey(day, 0)[:5] }

func detailDay(day uint32) []byte { return detailKey(day, 0)[:5] }

// parseRecordKey reads the key of records.
func parseRecordKey(k []byte) (day uint32, seq uint64, ok bool) {
	if len(k) != 13 || k[0] != tableRecord {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(k[1:]), binary.BigEndian.Uint64(k[5:]), true
}

func holdKey(side uint8, slot uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{tableHold, side}, slot)
}

func useKey(s tally.Subject) []byte { return append([]byte{tableUse}, s...) }

func sessionKey(client tally.ID, member string) []byte {
	return pairKey(tableSession, string(client), member)
}

func entityKey(kind tally.EntityKind, id tally.ID) []byte {
	return pairKey(tableEntity, string(kind), string(id))
}

func entryKey(client, id tally.ID) []byte { return pairKey(tableEntry, string(client), string(id)) }

// pairKey is a key of two texts. A mark that the first text cannot contain ends the first
// text.
func pairKey(table byte, a, b string) []byte {
	k := make([]byte, 0, 4+len(a)+len(b))
	return append(appendEscaped(append(k, table), a), b...)
}

func parsePairKey(k []byte) (a, b string, ok bool) {
	if len(k) == 0 {
		return "", "", false
	}
	a, rest, ok := cutEscaped(k[1:])
	return a, string(rest), ok
}

// appendEscaped appends a text in such a way that its end can be told and the order of keys
// stays: a zero byte becomes 0 255, and 0 1 is the end.
func appendEscaped(k []byte, s string) []byte {
	for i := range len(s) {
		k = append(k, s[i])
		if s[i] == 0 {
			k = append(k, 255)
		}
	}
	return append(k, 0, 1)
}

// cutEscaped takes a text off the front.
func cutEscaped(k []byte) (s string, rest []byte, ok bool) {
	var out []byte
	for i := 0; i < len(k); i++ {
		switch {
		case k[i] != 0:
			out = append(out, k[i])
		case i+1 == len(k):
			return "", nil, false
		case k[i+1] == 255:
			out = append(out, 0)
			i++
		case k[i+1] == 1:
			return string(out), k[i+2:], true
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}

// Granularities of rollups, from the finest.
const (
	quarters = iota
	hours
	days
	spans // between edges of civil days, in chunks of days that are coarse; named by their first quarters
	grans
)

// granSeconds are their lengths.
var granSeconds = [grans]int64{15 * 60, 60 * 60, daySeconds, 15 * 60}

// rowKey names a row of a rollup.
type rowKey struct {
	gran   uint8
	family uint8
	bucket uint32 // since 1970, in units of the granularity
	dim    tally.Dim
}

// at is the row of a coarser granularity that a 15-minute row is part of.
func (k rowKey) at(gran uint8) rowKey {
	k.bucket = uint32(int64(k.bucket) * granSeconds[k.gran] / granSeconds[gran])
	k.gran = gran
	return k
}

// bytes is the key in the store.
func (k rowKey) bytes() []byte {
	out := make([]byte, 0, 10+len(k.dim[0])+len(k.dim[1]))
	return k.tail(append(out, tableRollup, k.gran))
}

// opening is the key of the row's opening balance.
func (k rowKey) opening() []byte { return k.tail([]byte{tableOpening}) }

func (k rowKey) tail(out []byte) []byte {
	out = append(out, k.family)
	out = binary.BigEndian.AppendUint32(out, k.bucket)
	return append(appendEscaped(out, k.dim[0]), k.dim[1]...)
}

// prefix is what the keys of a family's rows in one bucket begin with; or, if first is
// given, the keys of those rows whose first part is that.
func (k rowKey) prefix(first string) []byte {
	out := append(make([]byte, 0, 16+len(first)), tableRollup, k.gran, k.family)
	out = binary.BigEndian.AppendUint32(out, k.bucket)
	if first != "" {
		out = appendEscaped(out, first)
	}
	return out
}

// parseRowTail reads what tail wrote.
func parseRowTail(k []byte) (r rowKey, ok bool) {
	if len(k) < 5 {
		return r, false
	}
	r.family, r.bucket = k[0], binary.BigEndian.Uint32(k[1:])
	first, second, ok := cutEscaped(k[5:])
	r.dim = tally.Dim{first, string(second)}
	return r, ok
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
	return nil, corrupt("the value of %s is damaged", keyText(key))
}

func corrupt(format string, args ...any) error {
	return tally.Errorf(tally.Corrupt, format, args...).WithHint("run tallygate verify; restore a backup (tallygate backup restore BACKUPS --to NEW-DIR)")
}

// keyText is a key for people.
func keyText(k []byte) string {
	if day, seq, ok := parseRecordKey(k); ok {
		return "records " + time.Unix(int64(day)*daySeconds, 0).UTC().Format(time.DateOnly) + " from " + tally.Group(int64(seq))
	}
	if r, ok := parseRowKey(k); ok {
		return r.String()
	}
	if chunk, n, ok := parsePresenceKey(k); ok {
		return fmt.Sprintf("%s %s in the chunk %d of records", nameKinds[n.kind], n.value, chunk)
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

// String names a row for people: "client cl_1 2026-11-21T14:15 15m".
func (k rowKey) String() string {
	name := "subject"
	if int(k.family) < len(tally.Families) {
		name = string(tally.Families[k.family])
	}
	for _, part := range k.dim {
		if part != "" {
			name += " " + part
		}
	}
	at := time.Unix(int64(k.bucket)*granSeconds[k.gran], 0).UTC().Format("2006-01-02T15:04")
	return name + " " + at + " " + [grans]string{"15m", "1h", "1d", "span"}[k.gran]
}
