package badgerdb

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// A checkpoint brings rollups, last uses, sessions and presence up to the latest record,
// and says so last. It is written in slices between the transactions of requests, so that
// no request waits long. Each row says itself how far it counts, so a crash between two
// slices does no harm. Recovery counts the records behind the latest complete checkpoint.

// When a checkpoint is due. The more records there are behind the latest one, the longer
// recovery takes: about a microsecond and a half for each record. The rarer checkpoints
// are, the fewer bytes they write.
const (
	checkpointEvery   = 5 // seconds
	checkpointRecords = 20_000
	checkpointSheet   = 2048 // combinations
)

// sliceEntries is how many entries a slice writes.
const sliceEntries = 200

// checkpoint is one that is being written.
type checkpoint struct {
	state    state // what is true when it is complete
	rows     []rowDelta
	uses     []ledger.Use
	sessions []ledger.Session
	presence [][]byte // keys
}

type rowDelta struct {
	key  []byte
	sums *tally.Sums
}

// state is what the store knows of itself.
type state struct {
	end    position // rollups and the rest count up to here, at least
	pruned pruned
	seen   time.Time
}

// pruned says which records are gone for good.
type pruned struct {
	seq uint64 // the latest of them
	day uint32 // the day after theirs
}

func (e *encoder) state(x *state) {
	e.b = append(e.b, stateVersion)
	e.uint(x.end.seq)
	e.time(x.end.settledAt)
	e.uint(x.pruned.seq)
	e.uint(uint64(x.pruned.day))
	e.time(x.seen)
}

func decodeState(payload []byte) (x state, err error) {
	d := decoder{b: payload}
	d.version(stateVersion)
	x.end.seq, x.end.settledAt = d.uint(), d.time()
	x.pruned.seq, x.pruned.day, x.seen = d.uint(), uint32(d.uint()), d.time()
	return x, d.end("the state of the store")
}

// keepUp does what is due between batches: it writes the journal of holds, and a slice of a
// checkpoint.
func (s *Store) keepUp(tick bool) {
	if s.journal.slot >= s.journal.limit {
		s.complain("the journal of holds was not renewed; it is tried again", s.rejournal())
	}
	if tick {
		s.stuck = false
		s.ticks++
	}
	behind := s.end.seq - s.saved.end.seq
	due := s.ticks >= checkpointEvery && (behind > 0 || s.ledger.Seen().After(s.saved.seen)) ||
		behind >= checkpointRecords || len(s.fresh) >= checkpointSheet
	if s.checkpoint == nil && due {
		s.beginCheckpoint()
	}
	if s.checkpoint == nil || s.stuck {
		return
	}
	err := s.checkpointSlice()
	s.stuck = err != nil // until the next second
	s.complain("rollups were not written; they are kept and tried again", err)
}

// beginCheckpoint takes what is to be written. What comes after that is for the next
// checkpoint.
func (s *Store) beginCheckpoint() {
	rows := map[rowKey]*tally.Sums{}
	of := s.coarse.Load()
	for c, sums := range s.fresh {
		s.coarsening.disturbed = s.coarsening.disturbed || c.bucket/chunkQuarters == s.coarsening.chunk
		c.rows(func(k rowKey) {
			of.places(k, func(at rowKey) {
				if rows[at] == nil {
					rows[at] = &tally.Sums{}
				}
				rows[at].Merge(sums)
			})
		})
	}
	c := &checkpoint{state: state{s.end, s.pruned, s.ledger.Seen()}}
	for k, x := range rows {
		c.rows = append(c.rows, rowDelta{k.bytes(), x})
	}
	slices.SortFunc(c.rows, func(a, b rowDelta) int { return bytes.Compare(a.key, b.key) })
	c.uses, c.sessions = s.ledger.Changed()
	c.presence, s.presence.dirty = s.presence.dirty, nil
	clear(s.fresh)
	s.checkpoint, s.ticks = c, 0
}

// checkpointSlice writes some more of a checkpoint. With the last slice it writes that the
// checkpoint is complete.
func (s *Store) checkpointSlice() error {
	c, n := s.checkpoint, 0
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	rows, uses, sessions, presence := c.rows, c.uses, c.sessions, c.presence
	for ; len(rows) > 0 && n < sliceEntries; n++ {
		if err := mergeRow(txn, &rows[0], c.state.end.seq); tally.CodeOf(err) == tally.Corrupt {
			// The row stays damaged, so that whoever asks for it is told. The other rows
			// are brought up.
			s.log.Error("a rollup is damaged and not brought up", "err", err)
		} else if err != nil {
			return err
		}
		rows = rows[1:]
	}
	for ; len(uses) > 0 && n < sliceEntries; n++ {
		if err := putUse(txn, uses[0]); err != nil {
			return err
		}
		uses = uses[1:]
	}
	for ; len(sessions) > 0 && n < sliceEntries; n++ {
		if err := putSession(txn, sessions[0]); err != nil {
			return err
		}
		sessions = sessions[1:]
	}
	for ; len(presence) > 0 && n < sliceEntries; n++ {
		if err := txn.Set(presence[0], seal(presence[0], nil)); err != nil {
			return cannotWrite(err)
		}
		presence = presence[1:]
	}
	complete := n < sliceEntries
	if complete {
		var e encoder
		e.state(&c.state)
		if err := txn.Set(keyState, seal(keyState, e.b)); err != nil {
			return cannotWrite(err)
		}
	}
	if err := s.commit(txn); err != nil {
		return cannotWrite(err)
	}
	s.slicesWritten.Add(1)
	c.rows, c.uses, c.sessions, c.presence = rows, uses, sessions, presence
	if complete {
		s.saved, s.checkpoint = c.state, nil
		s.durable.Store(s.saved.end.seq)
		s.ledger.Sweep(s.saved.seen, maxAccounts)
	}
	return nil
}

// maxAccounts is how many subjects stay in memory though they are not in use.
const maxAccounts = 50_000

// completeCheckpoint brings everything up to the latest record, and returns when all of it
// is written.
func (s *Store) completeCheckpoint() error {
	if err := s.finishCheckpoint(); err != nil {
		return err
	}
	s.beginCheckpoint()
	return s.finishCheckpoint()
}

// finishCheckpoint writes the rest of a checkpoint that is under way.
func (s *Store) finishCheckpoint() error {
	for s.checkpoint != nil {
		if err := s.checkpointSlice(); err != nil {
			return err
		}
	}
	return nil
}

// mergeRow adds to a row, unless the row counts that far already.
func mergeRow(txn *badger.Txn, d *rowDelta, through uint64) error {
	var x row
	if err := readRow(txn, d.key, &x); err != nil {
		return err
	}
	if x.through >= through {
		return nil
	}
	x.sums.Merge(d.sums)
	e := encoder{b: make([]byte, 0, 128)}
	e.sums(through, &x.sums)
	if err := txn.Set(d.key, seal(d.key, e.b)); err != nil {
		return cannotWrite(err)
	}
	return nil
}

func putUse(txn *badger.Txn, u ledger.Use) error {
	key := useKey(u.Subject)
	if !u.Met {
		kept, err := readUse(txn, u.Subject)
		if err != nil {
			return err
		}
		u.At, u.Stray = later(u.At, kept.At), u.Stray || kept.Stray
	}
	var e encoder
	e.time(u.At)
	stray := byte(0)
	if u.Stray {
		stray = 1
	}
	e.b = append(e.b, stray)
	return txn.Set(key, seal(key, e.b))
}

// readUse reads when a subject was last used; the zero time if it never was.
func readUse(txn *badger.Txn, s tally.Subject) (ledger.Use, error) {
	u := ledger.Use{Subject: s, Met: true}
	payload, err := get(txn, useKey(s))
	if err != nil || payload == nil {
		return u, err
	}
	u.At, u.Stray, err = decodeUse(payload)
	return u, err
}

func decodeUse(payload []byte) (at time.Time, stray bool, err error) {
	d := decoder{b: payload}
	at, stray = d.time(), d.byte() == 1
	return at, stray, d.end("a last use")
}

func putSession(txn *badger.Txn, x ledger.Session) error {
	key := sessionKey(x.Client, x.Member)
	if x.Over {
		return txn.Delete(key)
	}
	var e encoder
	e.time(x.Ends)
	return txn.Set(key, seal(key, e.b))
}

// get reads a value, nil if there is none.
func get(txn *badger.Txn, key []byte) (payload []byte, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(key, err)
	}
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, unreadable(key, err)
	}
	return unseal(key, v)
}

func unreadable(key []byte, err error) error {
	return tally.Errorf(tally.Corrupt, "read %s: %w", keyText(key), err).WithHint("run tallygate verify; restore a backup (tallygate backup restore BACKUPS --to NEW-DIR)")
}
