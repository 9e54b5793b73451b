package badgerdb

import (
	"cmp"
	"context"
	"reflect"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/ledger"
)

// An entry of the book of money is a record like any other, so counters, rollups, recovery
// and backups know nothing of it. It is written once more under its client, where it
// outlives its record and is found without a search.

// bookVersion is that of a record alone: its sequence number and all of it.
const bookVersion = 1

// Enter implements storage.Meter.
func (s *Store) Enter(ctx context.Context, r tally.Record) (tally.Record, error) {
	if err := cmp.Or(s.usable(ctx), tally.CheckEntry(&r), s.fit()); err != nil {
		return r, err
	}
	j := s.queue.newJob(jobEnter)
	booked := *r.Entry
	booked.Expires = ledger.UTC(booked.Expires)
	j.entry.Record = tally.Record{ID: r.ID, At: ledger.UTC(r.At), Gateway: r.Gateway, Client: r.Client, Model: r.Model,
		Outcome: r.Outcome, Cost: r.Cost, Credits: r.Credits, Entry: &booked}
	j.entered = &r
	err := s.queue.do(j)
	return r, err
}

// enter counts a job's entry in the ledger, and says if it must not. Nothing else is in the
// batch: what an entry gives back is there for the next request once the entry is durable.
func (s *Store) enter(j *job) error {
	r := &j.entry.Record
	err := s.db.View(func(txn *badger.Txn) error {
		key := entryKey(r.Client, r.ID)
		payload, err := get(txn, key)
		if err == nil && payload != nil && !s.phantoms[string(key)] {
			err = tally.Errorf(tally.Conflict, "entry %s is booked already", r.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	if r.Client != "" {
		if err := s.adopt([]tally.Counter{r.BalanceCounter()}); err != nil {
			return err
		}
	}
	j.entry.stray = true // nobody was admitted for it, and it counts on its subjects
	return s.ledger.Enter(r)
}

// setEntry writes an entry under its client.
func setEntry(txn *badger.Txn, x *entry) error {
	var e encoder
	e.alone(x)
	key := entryKey(x.Client, x.ID)
	return txn.Set(key, seal(key, e.b))
}

// alone writes a record that no other one is before.
func (e *encoder) alone(x *entry) {
	e.forget()
	e.b = append(e.b, bookVersion)
	e.uint(x.Seq)
	e.entry(x)
}

func (d *decoder) alone() (x entry) {
	d.version(bookVersion)
	format := d.format
	d.format = blockVersion
	seq := d.uint()
	if !d.failed && format == bookVersion {
		d.entry(&x)
	}
	x.Seq = seq
	return x
}

func decodeBooked(key, payload []byte) (x entry, err error) {
	d := decoder{b: payload}
	x = d.alone()
	x.fill()
	if err := d.end(keyText(key)); err != nil {
		return x, err
	}
	if x.Entry == nil || string(entryKey(x.Client, x.ID)) != string(key) {
		return x, corrupt("%s is not the entry of its key", keyText(key))
	}
	return x, nil
}

// Entries implements storage.History.
func (s *Store) Entries(ctx context.Context, q storage.EntryQuery) ([]tally.Record, error) {
	_, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	prefix := []byte{tableEntry}
	if q.Client != "" {
		prefix = entryKey(q.Client, "")
	}
	var out []tally.Record
	err = s.db.View(func(txn *badger.Txn) error {
		return each(txn, prefix, func(key, payload []byte) error {
			x, err := decodeBooked(key, payload)
			if err == nil && q.Match(&x.Record) {
				out = append(out, x.Record)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	tally.Order(out, func(a, b tally.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

// bookCheck proves that the book has what the records have, and takes nothing back twice.
type bookCheck struct {
	seen map[string]tally.Record // entries among the records that are there, by their keys
	back map[string]bool         // what was reversed
}

// saw notes a record that is an entry.
func (c *bookCheck) saw(x *entry) {
	if x.Entry != nil {
		x.fill()
		c.seen[string(entryKey(x.Client, x.ID))] = x.Record
	}
}

// check compares an entry of the book with its record.
func (c *bookCheck) check(v *verifier, key, payload []byte) error {
	x, err := decodeBooked(key, payload)
	if err != nil {
		return err
	}
	r, is := c.seen[string(key)]
	delete(c.seen, string(key))
	switch {
	case is && !reflect.DeepEqual(r, x.Record):
		v.fault("entry", string(x.ID), "the book does not say of it what its record says")
	case !is && x.Seq > v.pruned.seq && x.Seq <= v.end.seq:
		v.fault("entry", string(x.ID), "its record %d is missing", x.Seq)
	}
	if of := x.Entry.Reverses; of != "" && x.Entry.Kind != tally.Expiry { // which may come in parts
		if at := string(entryKey(x.Client, of)); c.back[at] {
			v.fault("entry", string(x.ID), "it takes back %s, which was taken back before", of)
		} else {
			c.back[at] = true
		}
	}
	return nil
}

// missing tells of entries that only their records know.
func (c *bookCheck) missing(v *verifier) {
	for _, r := range c.seen {
		v.fault("entry", string(r.ID), "it is missing in the book")
	}
}
