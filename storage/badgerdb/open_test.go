package badgerdb

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tallygate/engine/tally"
	"tallygate/storage/backup"
)

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T, dir string)
		want tally.Code
	}{
		{"a folder with something else", func(t *testing.T, dir string) {
			os.Mkdir(dir, 0o700)
			os.WriteFile(dir+"/thesis.txt", []byte("work of years"), 0o600)
		}, tally.Invalid},
		{"a store and something else", func(t *testing.T, dir string) {
			openStore(t, dir).Close()
			os.WriteFile(dir+"/thesis.txt", nil, 0o600)
		}, tally.Invalid},
		{"a folder that others can write", func(t *testing.T, dir string) {
			os.Mkdir(dir, 0o700)
			os.Chmod(dir, 0o777)
		}, tally.Denied},
		{"a folder that others can read", func(t *testing.T, dir string) {
			os.Mkdir(dir, 0o700)
			os.Chmod(dir, 0o750)
		}, tally.Denied},
		{"a file", func(t *testing.T, dir string) { os.WriteFile(dir, nil, 0o600) }, tally.Denied},
		{"the Badger of somebody else", func(t *testing.T, dir string) {
			// 32 bits have no room for the log of two gigabytes that is the default.
			db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil).WithValueLogFileSize(16 << 20))
			if err != nil {
				t.Fatal(err)
			}
			db.Update(func(txn *badger.Txn) error { return txn.Set([]byte("theirs"), nil) })
			db.Close()
			os.Chmod(dir, 0o700)
		}, tally.Corrupt},
		{"a newer schema", func(t *testing.T, dir string) {
			s := openStore(t, dir)
			s.queue.alone(func() error { return s.set(keySchema, []byte{Schema + 1}) })
			s.Close()
		}, tally.Invalid},
		{"no schema", func(t *testing.T, dir string) {
			s := openStore(t, dir)
			s.queue.alone(func() error { return s.set(keySchema, []byte{0}) })
			s.Close()
		}, tally.Corrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "s")
			tc.make(t, dir)
			before := listing(t, dir)
			s, err := Open(ctx, Options{Dir: dir})
			if err == nil {
				s.Close()
			}
			if e := tally.AsError(err); err == nil || e.Code != tc.want || e.Message == "" || e.Code != tally.Denied && e.Hint == "" {
				t.Errorf("%v, want %s and a hint", err, tc.want)
			}
			if tc.want == tally.Invalid && strings.Contains(tc.name, "else") && listing(t, dir) != before {
				t.Errorf("it touched a folder that is not its own:\n%s\nwas\n%s", listing(t, dir), before)
			}
		})
	}
}

// Who opens the folder of a newer program is told which one to install.
func TestNewerSchema(t *testing.T) {
	schemas := fmt.Sprintf("(schema %d); this program reads up to schema %d", Schema+1, Schema)
	for version, want := range map[string][2]string{
		"3.1.4":        {"was written by tallygate 3.1.4 " + schemas, "install tallygate 3.1.4 or newer"},
		"":             {"was written by a newer tallygate " + schemas, "install a newer tallygate"},
		"3\x1b[31mred": {"was written by a newer tallygate " + schemas, "install a newer tallygate"},
	} {
		dir := filepath.Join(t.TempDir(), "s")
		s := openStore(t, dir)
		s.queue.alone(func() error { return s.set(keySchema, append([]byte{Schema + 1}, version...)) })
		s.Close()
		_, err := Open(ctx, Options{Dir: dir})
		if e := tally.AsError(err); err == nil || e.Code != tally.Invalid || e.Message != "the store in "+dir+" "+want[0] || e.Hint != want[1] {
			t.Errorf("%q: %v, %q", version, err, e.Hint)
		}
	}
	// What this program says of itself.
	dir := filepath.Join(t.TempDir(), "s")
	s, err := Open(ctx, Options{Dir: dir, Version: "2.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := schemaOf(t, s); got != string(rune(Schema))+"2.0.1" {
		t.Errorf("it says %q", got)
	}
}

// schemaOf is what a store says of its schema.
func schemaOf(t *testing.T, s *Store) (payload string) {
	t.Helper()
	if err := s.view(func(txn *badger.Txn) error {
		p, err := get(txn, keySchema)
		payload = string(p)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return payload
}

func listing(t *testing.T, dir string) string {
	var out strings.Builder
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			out.WriteString(name + "\n")
		}
		return nil
	})
	return out.String()
}

func TestSecondOpenerIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	s := openStore(t, dir)
	began := time.Now()
	if _, err := Open(ctx, Options{Dir: dir}); tally.CodeOf(err) != tally.InUse {
		t.Errorf("%v, want InUse", err)
	}
	if time.Since(began) < lockPatience {
		t.Error("it did not wait for a process that is being killed")
	}
	// A process that goes away meanwhile is waited for.
	time.AfterFunc(200*time.Millisecond, func() { s.Close() })
	openStore(t, dir)
}

// A disk that is nearly full stops admission; what is under way still settles,
// and the store closes and opens again.
func TestDiskGuard(t *testing.T) {
	var free atomic.Int64
	free.Store(minFree)
	dir := filepath.Join(t.TempDir(), "s")
	options := Options{Dir: dir, Free: func(string) (int64, error) { return free.Load(), nil }}
	s, err := Open(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Store: s, dir: dir, now: noon}
	if _, err := s.Reserve(ctx, w.reservation("req_1")); err != nil {
		t.Fatal(err)
	}
	makeBallast(dir)
	free.Store(minFree - 1)
	s.look()
	if _, err := s.Reserve(ctx, w.reservation("req_2")); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("reserve: %v, want Unavailable", err)
	}
	if st, err := s.Status(ctx); err != nil || st.Admitting || st.FreeBytes != minFree-1 {
		t.Errorf("status: %+v, %v", st, err)
	}
	rec := w.reservation("req_1").Draft
	rec.Outcome = tally.OK
	if err := s.Settle(ctx, tally.Settlement{ID: "req_1", Record: rec}); err != nil {
		t.Errorf("settle: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, ballastName)); err == nil {
		t.Error("the ballast is still there")
	}
	if s, err = Open(ctx, options); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	free.Store(minFree)
	s.look()
	if _, err := s.Reserve(ctx, w.reservation("req_3")); err != nil {
		t.Errorf("reserve with room again: %v", err)
	}
	free.Store(minOpenFree - 1)
	if _, err := Open(ctx, Options{Dir: t.TempDir() + "/s", Free: options.Free}); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("open without room: %v, want Unavailable", err)
	}
}

// What Backup writes, Restore makes a store of.
func TestBackupRestores(t *testing.T) {
	w := full(t)
	var file bytes.Buffer
	info, err := w.Backup(ctx, nil, &file)
	if err != nil {
		t.Fatal(err)
	}
	w.Store.Close()
	w.dir = filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(ctx, Options{Dir: w.dir, chunkBits: 2}, bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, Options{Dir: w.dir, chunkBits: 2}, bytes.NewReader(file.Bytes())); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("restore over a store: %v, want Conflict", err)
	}
	w.start()
	w.orphan()
	w.agree()
	if is, _, err := backup.Check(bytes.NewReader(file.Bytes())); err != nil || is.ID != info.ID || is.Records != info.Records {
		t.Errorf("it says %+v, %v", is, err)
	}
	// The restored store is another one: what the first one has backed up is not its own.
	if _, err := w.Backup(ctx, &info, &bytes.Buffer{}); tally.CodeOf(err) != tally.Conflict {
		t.Errorf("goes on from another store's: %v, want Conflict", err)
	}
}

// Whatever is cut off a backup or changed in it, nothing is restored, and the folder stays
// empty.
func TestDamagedBackups(t *testing.T) {
	t.Parallel()
	w := full(t)
	var file bytes.Buffer
	if _, err := w.Backup(ctx, nil, &file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	for n := 0; n < len(whole); n += 1 + len(whole)/40 {
		flipped := slices.Clone(whole)
		flipped[n] ^= 0x40
		for what, b := range map[string][]byte{"cut at": whole[:n], "changed at": flipped} {
			dir := filepath.Join(t.TempDir(), "s")
			_, err := Restore(ctx, Options{Dir: dir, chunkBits: 2}, bytes.NewReader(b))
			if code := tally.CodeOf(err); code != tally.Corrupt && code != tally.Invalid {
				t.Errorf("%s %d: %v", what, n, err)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s %d: something is left", what, n)
			}
		}
	}
	newer := backup.Info{ID: "bk_x", Schema: Schema + 1, Version: "9.9"}
	file.Reset()
	if out, err := backup.NewWriter(&file, newer); err != nil || out.Close() != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, Options{Dir: t.TempDir() + "/s"}, &file); tally.CodeOf(err) != tally.Invalid || !strings.Contains(tally.AsError(err).Hint, "9.9") {
		t.Errorf("of a newer program: %v", err)
	}
}

// A backup that goes on from others is restored with them to the store as it was, also
// where records were pruned, holds settled and things deleted in between.
func TestBackupsGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var chain []*bytes.Buffer // the latest first
	var since *backup.Info
	client := &tally.Client{Meta: tally.Meta{ID: "cl_1"}}
	for round := range 3 {
		change := tally.Change{Kind: tally.KindClient, ID: "cl_1", Entity: client}
		if round == 2 {
			change = tally.Change{Kind: tally.KindClient, ID: "cl_1", IfRev: client.Rev}
		}
		if round != 1 {
			if _, err := w.Apply(ctx, tally.Act{At: w.now}, change); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 4 {
			id := tally.ID(fmt.Sprintf("req_%d%d", round, i))
			w.reserve(id)
			if i > 0 {
				w.settle(id)
			}
		}
		w.refuse(tally.ID(fmt.Sprintf("req_%dx", round)))
		if round == 1 {
			w.prune(w.now)
		} else if round == 2 {
			w.settle("req_00") // whose hold the first backup has
		}
		w.now = w.now.Add(24 * time.Hour)
		file := new(bytes.Buffer)
		info, err := w.Backup(ctx, since, file)
		if err != nil {
			t.Fatal(err)
		}
		since, chain = &info, append([]*bytes.Buffer{file}, chain...)
	}
	var from []io.Reader
	for _, b := range chain {
		from = append(from, bytes.NewReader(b.Bytes()))
	}
	if _, err := Restore(ctx, Options{Dir: t.TempDir() + "/s", chunkBits: 2}, from[0]); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("without those before it: %v, want Invalid", err)
	}
	if _, err := Restore(ctx, Options{Dir: t.TempDir() + "/s", chunkBits: 2}, bytes.NewReader(chain[0].Bytes()), bytes.NewReader(chain[2].Bytes())); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("with another one: %v, want Invalid", err)
	}
	from[0] = bytes.NewReader(chain[0].Bytes())
	w.Store.Close()
	w.dir = filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(ctx, Options{Dir: w.dir, chunkBits: 2}, from...); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.orphan()
	w.agree()
}

// What is in memory and on the disk only in part survives a crash at any moment.
func TestCrashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := 0
	next := func() tally.ID {
		id++
		return tally.ID("req_" + string(rune('a'+id/26)) + string(rune('a'+id%26)))
	}
	for round := range 6 {
		for range 7 {
			a, b := next(), next()
			w.reserve(a)
			w.reserve(b)
			w.settle(a)
			if round%2 == 0 {
				w.settle(b)
			}
			w.refuse(next())
			w.now = w.now.Add(7 * time.Minute)
		}
		switch round {
		case 1: // in the middle of a checkpoint
			err := w.queue.alone(func() error {
				w.beginCheckpoint()
				rows := w.checkpoint.rows
				w.checkpoint.rows = rows[:len(rows)/2]
				state := w.checkpoint.state
				w.checkpoint.state = w.saved // as if the rest had not been written
				for i := range w.checkpoint.rows {
					txn := w.db.NewTransaction(true)
					if err := mergeRow(txn, &w.checkpoint.rows[i], state.end.seq); err != nil {
						return err
					}
					if err := txn.Commit(); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		case 2:
			w.queue.alone(w.completeCheckpoint)
		case 3:
			w.queue.alone(w.rejournal)
		case 4: // between the opening balances and the end of a pruned day
			err := w.queue.alone(func() error {
				o, err := w.oldest(dayOf(w.now) + 1)
				if err != nil || o == nil {
					return err
				}
				if err := w.setOpenings(openings{w.openings.to, o.last}); err != nil {
					return err
				}
				rows := map[rowKey]*tally.Sums{}
				for c, sums := range o.sums {
					c.rows(func(k rowKey) {
						if k.family%2 != 0 {
							return
						}
						if rows[k] == nil {
							rows[k] = &tally.Sums{}
						}
						rows[k].Merge(sums)
					})
				}
				for k, sums := range rows {
					txn := w.db.NewTransaction(true)
					if err := mergeRow(txn, &rowDelta{k.opening(), sums}, o.last); err != nil {
						return err
					}
					if err := txn.Commit(); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.crash()
		w.agree()
		if round == 4 {
			w.prune(w.now.Add(48 * time.Hour))
			w.agree()
			w.crash()
			w.agree()
		}
	}
	w.expire()
	w.agree()
	w.restart()
	w.agree()
}
