package badgerdb

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// A search for a rare client would have to look at every record. To avoid that, records are
// taken by chunks of their numbers. A row without content says that some record of a chunk
// names a client, or another thing of nameKinds. A search passes over chunks that have no
// such row. What has nearly as many values as there are records, such as sessions and
// visitors, has no rows: they would take as much room as the records.
//
// The rows are written with checkpoints. A row too many does no harm, and stays when some
// of a chunk's records are pruned. The rows of a chunk go when all of its records are
// pruned.

// chunkBits is how many bits of a record's number its chunk does not tell.
const chunkBits = 12

// name is what records are searched for by.
type name struct {
	kind  byte
	value string
}

// nameKinds are the kinds of names for people, by their code in keys. Those of schema 5 were
// the first four.
var nameKinds = map[byte]string{'c': "client", 'k': "key", 't': "token", 'm': "model",
	'g': "gateway", 'p': "provider", 's': "status", 'f': "first figure of the status", 'o': "outcome", 'e': "code",
	'a': "endpoint", 'x': "tag"}

// numNames is how many names a record has: one of a kind, and some tags.
const numNames = 11 + tally.MaxTags + 1

// namesOf are the names of a record; "" stands for none.
func namesOf(r *tally.Record) [numNames]name {
	status := tally.StatusText(r.Status)
	out := [numNames]name{{'c', string(r.Client)}, {'k', string(r.Key)}, {'t', r.Token}, {'m', r.Model},
		{'g', string(r.Gateway)}, {'p', string(r.Provider)}, {'s', status}, {'f', status[:min(len(status), 1)]},
		{'o', string(r.Outcome)}, {'e', r.Code}, {'a', r.Endpoint}}
	i := 11
	for tags := r.Tags; tags != "" && i < numNames; i++ {
		out[i].kind = 'x'
		out[i].value, tags = tags.Cut()
	}
	return out
}

// namesOfQuery are lists of names: of each list, a record that is asked for has one.
func namesOfQuery(q *storage.RecordQuery) (out [][]name) {
	one := tally.Record{Client: q.Client, Key: q.Key, Token: q.Token, Gateway: q.Gateway, Provider: q.Provider,
		Status: q.Status, Endpoint: q.Endpoint, Tags: tally.Tags(q.Tag)}
	for _, n := range namesOf(&one) {
		if n.value != "" {
			out = append(out, []name{n})
		}
	}
	if 0 < q.Status && q.Status < 10 {
		out = append(out, []name{{'f', strconv.Itoa(q.Status)}})
	}
	var models, outcomes, codes []name
	for _, m := range q.Models {
		models = append(models, name{'m', m})
	}
	for _, o := range q.Outcomes {
		outcomes = append(outcomes, name{'o', string(o)})
	}
	for _, c := range q.Codes {
		codes = append(codes, name{'e', c})
	}
	for _, list := range [][]name{models, outcomes, codes} {
		if len(list) > 0 && !slices.ContainsFunc(list, func(n name) bool { return n.value == "" }) { // what has none has no row
			out = append(out, list)
		}
	}
	return out
}

func chunkKey(chunk uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 48), tablePresence), chunk)
}

func presenceKey(chunk uint64, n name) []byte {
	return append(append(chunkKey(chunk), n.kind), n.value...)
}

func parsePresenceKey(k []byte) (chunk uint64, n name, ok bool) {
	if len(k) < 11 || k[0] != tablePresence || nameKinds[k[9]] == "" {
		return 0, n, false
	}
	return binary.BigEndian.Uint64(k[1:]), name{k[9], string(k[10:])}, true
}

// presence gathers the rows of records that come in their order.
type presence struct {
	bits  uint8
	chunk uint64         // of the latest record
	names [numNames]name // that it was told of last
	told  map[name]name  // of that chunk
	dirty [][]byte       // keys of rows that are to be written
}

func newPresence(bits uint8) presence { return presence{bits: bits, told: map[name]name{}} }

func (p *presence) add(r *tally.Record) {
	if chunk := r.Seq >> p.bits; chunk != p.chunk {
		p.chunk, p.names = chunk, [numNames]name{}
		clear(p.told)
	}
	for i, n := range namesOf(r) {
		if n.value == "" || n == p.names[i] {
			continue
		}
		kept, told := p.told[n]
		if !told {
			kept = name{n.kind, strings.Clone(n.value)} // it may be a part of something large, or of a buffer
			p.told[kept] = kept
			p.dirty = append(p.dirty, presenceKey(p.chunk, kept))
		}
		p.names[i] = kept
	}
}

// search tells which chunks have no record that a query asks for.
type search struct {
	txn    *badger.Txn
	bits   uint8
	behind uint64 // records up to here have their rows
	first  uint64 // the first chunk that has any
	names  [][]name

	known  uint64 // one more than the chunk that was asked for last
	absent bool   // from it
}

// search returns nil for a query that names nothing that rows tell of. behind must have
// been read before the transaction began.
func (s *Store) search(txn *badger.Txn, q *storage.RecordQuery, behind uint64) *search {
	names := namesOfQuery(q)
	if len(names) == 0 {
		return nil
	}
	x := &search{txn: txn, bits: s.opts.chunkBits, behind: behind, names: names}
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tablePresence}})
	defer it.Close()
	if it.Rewind(); it.Valid() {
		x.first, _, _ = parsePresenceKey(it.Item().Key())
	}
	return x
}

// without reports whether no record from first to last is asked for. Where in doubt it
// returns false, and the records are looked at.
func (x *search) without(first, last uint64) bool {
	if last|(1<<x.bits-1) > x.behind {
		return false
	}
	for chunk := last >> x.bits; x.lacks(chunk); chunk-- {
		if chunk == first>>x.bits {
			return true
		}
	}
	return false
}

func (x *search) lacks(chunk uint64) bool {
	if x.known != chunk+1 {
		x.known = chunk + 1
		isThere := func(n name) bool {
			_, err := x.txn.Get(presenceKey(chunk, n))
			return !errors.Is(err, badger.ErrKeyNotFound)
		}
		x.absent = slices.ContainsFunc(x.names, func(list []name) bool { return !slices.ContainsFunc(list, isThere) })
	}
	return x.absent
}

// before returns the latest number before a record's chunk that may be asked for, 0 if
// there is none. That costs less than looking which records there are.
func (x *search) before(seq uint64) uint64 {
	for chunk := seq >> x.bits; chunk > x.first; {
		if chunk--; !x.lacks(chunk) {
			return (chunk+1)<<x.bits - 1
		}
	}
	return 0
}

// outlived are the prefixes of the rows of chunks whose records are all pruned.
func (s *Store) outlived() (out [][]byte, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{tablePresence}})
		defer it.Close()
		end := (s.pruned.seq + 1) >> s.opts.chunkBits // the first chunk that stays
		for it.Rewind(); it.Valid(); {
			chunk, _, ok := parsePresenceKey(it.Item().Key())
			if !ok {
				return corrupt("a row of presence has a malformed key")
			}
			if chunk >= end {
				return nil
			}
			out = append(out, chunkKey(chunk))
			it.Seek(chunkKey(chunk + 1))
		}
		return nil
	})
	return out, err
}

// present looks whether a record is found by whom it names, once all records of
// its chunk are read.
func (v *verifier) present(r *tally.Record) {
	if r.Seq>>v.presence.bits != v.presence.chunk {
		v.checkPresent()
	}
	v.presence.add(r)
}

func (v *verifier) checkPresent() {
	for _, key := range v.presence.dirty {
		if payload, err := get(v.txn, key); err == nil && payload == nil {
			v.fault("presence", keyText(key), "a search would not find its records")
		}
	}
	v.presence.dirty = v.presence.dirty[:0]
}
