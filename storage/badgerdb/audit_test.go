package badgerdb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// noted makes a world with three entries in the audit log.
func noted(t *testing.T) *world {
	w := newWorld(t)
	cl := &tally.Client{Meta: tally.Meta{ID: "cl_1"}, Name: "one"}
	for _, name := range []string{"one", "two", "three"} {
		cl.Name = name
		if _, err := w.Apply(ctx, tally.Act{At: noon, Actor: "uid 7", Op: "test"}, tally.Put(cl, noon)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Whatever becomes of the audit log behind the program's back is found, by the
// verification of the log and by that of the whole store.
func TestAuditLogIsTamperedWith(t *testing.T) {
	for what, damage := range map[string]func(w *world){
		"an entry is changed": func(w *world) {
			w.change(auditKey(2), func(_, payload []byte) []byte { return bytes.Replace(payload, []byte("two"), []byte("2nd"), 1) })
		},
		"an entry is changed with its hash": func(w *world) {
			w.change(auditKey(2), func(_, payload []byte) []byte {
				var e tally.AuditEntry
				json.Unmarshal(payload, &e)
				chain := tally.AuditChain{Seq: 1, Hash: e.Previous}
				forged, _, _ := chain.Append(tally.Act{At: noon, Actor: "uid 9"}, 2, tally.Delete(&tally.Client{}), nil)
				out, _ := json.Marshal(forged)
				return out
			})
		},
		"an entry is gone": func(w *world) { w.change(auditKey(2), func(_, _ []byte) []byte { return nil }) },
		"the last is gone": func(w *world) { w.change(auditKey(3), func(_, _ []byte) []byte { return nil }) },
		"all are gone":     func(w *world) { w.change([]byte{tableAudit}, func(_, _ []byte) []byte { return nil }) },
		"where it ends is changed": func(w *world) {
			w.change(keyAudit, func(_, payload []byte) []byte { return bytes.Replace(payload, []byte(`:3,`), []byte(`:4,`), 1) })
			w.restart()
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := noted(t)
			if r, err := w.VerifyAudit(ctx); err != nil || !r.OK || r.Entries != 3 {
				t.Fatalf("before: %+v, %v", r, err)
			}
			damage(w)
			if r, err := w.VerifyAudit(ctx); err != nil || r.OK || len(r.Faults) == 0 {
				t.Errorf("verify the log: %+v, %v", r, err)
			}
			if r, err := w.Verify(ctx, 0); err != nil || r.OK || r.Faults[0].Kind != "audit" {
				t.Errorf("verify the store: %+v, %v", r, err)
			}
			if strings.Contains(what, "gone") {
				if _, _, err := w.AuditLog(ctx, storage.AuditQuery{}); tally.CodeOf(err) != tally.Corrupt {
					t.Errorf("the log with a gap: %v", err)
				}
			}
		})
	}
}

// A change that is too large for one act is refused with what to do, and nothing of it is
// left.
func TestTooLargeAChange(t *testing.T) {
	t.Parallel()
	w := noted(t)
	var changes []tally.Change
	for i := range 2000 {
		m := &tally.Model{Meta: tally.Meta{ID: tally.ID(fmt.Sprint("m", i))}, Name: strings.Repeat("x", 2000)}
		changes = append(changes, tally.Put(m, noon))
	}
	_, err := w.Apply(ctx, tally.Act{At: noon}, changes...)
	if tally.CodeOf(err) != tally.Invalid || tally.AsError(err).Hint == "" {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if r, err := w.VerifyAudit(ctx); err != nil || !r.OK || r.Entries != 3 {
			t.Errorf("after it: %+v, %v", r, err)
		}
		w.crash()
	}
	w.sound()
}

// A change whose entries do not fit one transaction is whole or not at all, with its
// entries, wherever it fails.
func TestLargeChangeFails(t *testing.T) {
	t.Parallel()
	large := func(prefix string) (changes []tally.Change) {
		for i := range 400 {
			m := &tally.Model{Meta: tally.Meta{ID: tally.ID(fmt.Sprint(prefix, i))}, Name: strings.Repeat("x", 2000)}
			changes = append(changes, tally.Put(m, noon))
		}
		return changes
	}
	for n := 1; n <= 4; n++ {
		w := noted(t)
		commits := w.fail(n, false)
		_, err := w.Apply(ctx, tally.Act{At: noon}, large("a")...)
		if done := commits() < n; done != (err == nil) {
			t.Fatalf("failing at commit %d of %d: %v", n, commits(), err)
		}
		want := uint64(3)
		if err == nil {
			want += 400
		} else if n > 1 && commits() < 2 {
			t.Errorf("it was one transaction")
		}
		for range 2 {
			if r, err := w.VerifyAudit(ctx); err != nil || !r.OK || r.Entries != want {
				t.Errorf("failed at commit %d: %+v, %v; want %d entries", n, r, err, want)
			}
			w.crash()
		}
		w.sound()
		if _, err := w.Apply(ctx, tally.Act{At: noon}, large("b")[:5]...); err != nil {
			t.Fatal(err)
		}
		if r, err := w.VerifyAudit(ctx); err != nil || !r.OK || r.Entries != want+5 {
			t.Errorf("after it: %+v, %v", r, err)
		}
	}
}

// A backup keeps the audit log, and a restored store goes on with that log. A store of an
// older schema begins an empty one.
func TestAuditLogIsRestored(t *testing.T) {
	t.Parallel()
	w := noted(t)
	var backup bytes.Buffer
	if _, err := w.Backup(ctx, nil, &backup); err != nil {
		t.Fatal(err)
	}
	before, err := w.VerifyAudit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(ctx, Options{Dir: dir}, &backup); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir)
	defer s.Close()
	if r, err := s.VerifyAudit(ctx); err != nil || r.Hash != before.Hash || r.Entries != 3 {
		t.Errorf("restored: %+v, %v", r, err)
	}

	k := openStore(t, unpack(t, "testdata/schema2"))
	defer k.Close()
	if r, err := k.VerifyAudit(ctx); err != nil || !r.OK || r.Entries != 0 {
		t.Errorf("of schema 2: %+v, %v", r, err)
	}
	if _, err := k.Apply(ctx, tally.Act{At: noon, Op: "test"}, tally.Put(&tally.Client{Meta: tally.Meta{ID: "cl_new"}}, noon)); err != nil {
		t.Fatal(err)
	}
	if list, _, err := k.AuditLog(ctx, storage.AuditQuery{}); err != nil || len(list) != 1 || list[0].Seq != 1 {
		t.Errorf("its first entry: %+v, %v", list, err)
	}
}
