package badgerdb

// Records that are settled in one transaction and on one day lie together in a block, under
// the sequence number of the first: Badger spends as much on a small value as on a large
// one. Sequence numbers are dense, so a block does not hold them. Blocks that do not join
// prove that records were lost.

// block is the records of one value.
type block struct {
	day     uint32
	first   uint64
	n       int     // records that it has numbers for
	entries []entry // those that are not gone
	thin    *thin   // says which are; nil for those that are not there at all
}

func (b *block) last() uint64 { return b.first + uint64(b.n) - 1 }

// blockHead begins the value of a block.
func (e *encoder) blockHead() {
	e.forget()
	e.b = append(e.b, blockVersion)
}

// open checks a value and decodes its records, whose charges are to be filled. What the
// records point to stays valid; the list of records is used again by the next call.
func (b *block) open(key, value []byte) error {
	var ok bool
	b.entries, b.n = b.entries[:0], 0
	if b.day, b.first, ok = parseRecordKey(key); !ok {
		return corrupt("records have a malformed key")
	}
	payload, err := unseal(key, value)
	if err != nil {
		return err
	}
	d := decoder{b: payload, all: string(payload)}
	d.version(blockVersion)
	for len(d.b) > 0 {
		b.entries = append(b.entries, entry{})
		x := &b.entries[len(b.entries)-1]
		d.entry(x)
		b.n++
		if x.Seq = b.last(); x.gone || b.thin.gone(&x.Record, b.day) {
			b.entries = b.entries[:len(b.entries)-1]
		}
	}
	if d.failed || b.n == 0 {
		return corrupt("%s cannot be read", keyText(key))
	}
	return nil
}
