package badgerdb

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// A search for a rare client would look at every record there is. So that it
// need not, records are taken by chunks of their numbers, and a row of no content
// says that some record of a chunk names a client, key, token or model: a search
// passes over chunks that have no such row.
//
// The rows are written with checkpoints. A row too many does no harm, and stays
// when some of a chunk's records are pruned; those of whole chunks go with them.

// chunkBits is how many bits of a record's number its chunk does not tell.
const chunkBits = 12

// name is what records are searched for by.
type name struct {
	kind  byte
	value string
}

// nameKinds are the kinds of names for people, by their code in keys.
var nameKinds = map[byte]string{'c': "client", 'k': "key", 't': "token", 'm': "model"}

func namesOf(client, key tally.ID, token, model string) [4]name {
	return [4]name{{'c', string(client)}, {'k', string(key)}, {'t', token}, {'m', model}}
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
	chunk uint64            // of the latest record
	told  map[name]struct{} // of that chunk
	dirty [][]byte          // keys of rows that are to be written
}

func newPresence(bits uint8) presence { return presence{bits: bits, told: map[name]struct{}{}} }

func (p *presence) add(r *tally.Record) {
	if chunk := r.Seq >> p.bits; chunk != p.chunk {
		p.chunk = chunk
		clear(p.told)
	}
	for _, n := range namesOf(r.Client, r.Key, r.Token, r.Model) {
		if n.value == "" {
			continue
		}
		if _, told := p.told[n]; !told {
			n.value = strings.Clone(n.value) // it may be a part of something large
			p.told[n] = struct{}{}
			p.dirty = append(p.dirty, presenceKey(p.chunk, n))
		}
	}
}

// search tells which chunks have no record that a query asks for.
type search struct {
	txn    *badger.Txn
	bits   uint8
	behind uint64 // records up to here have their rows
	first  uint64 // the first chunk that has any
	names  []name

	known  uint64 // one more than the chunk that was asked for last
	absent bool   // from it
}

// search returns nil for a query that names nothing that rows tell of. Behind
// must have been read before the transaction began.
func (s *Store) search(txn *badger.Txn, q *storage.RecordQuery, behind uint64) *search {
	list := namesOf(q.Client, q.Key, q.Token, q.Model)
	names := slices.DeleteFunc(list[:], func(n name) bool { return n.value == "" })
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

// without reports whether none of the records first to last is asked for.
// Where in doubt it says no, and they are looked at.
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
		x.absent = slices.ContainsFunc(x.names, func(n name) bool {
			_, err := x.txn.Get(presenceKey(chunk, n))
			return errors.Is(err, badger.ErrKeyNotFound)
		})
	}
	return x.absent
}

// before returns the latest number before a record's chunk that may be asked for,
// 0 if there is none. That costs less than to look which records there are.
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
