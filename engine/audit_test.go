package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// last is the latest entry of the audit log.
func last(w *world) control.AuditView {
	w.Helper()
	return do(w, control.AuditList, control.AuditQuery{Limit: 1}).Entries[0]
}

func TestAuditLog(t *testing.T) {
	w := newWorld(t)
	w.owner.Program = "interface"
	w.setUp()
	cl, key := w.client("Hotel Aurora", "cost=50/month")
	w.wait(time.Hour)
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, NewSlug: "aurora", ClientFields: control.ClientFields{Limits: edits(t, "cost=80/month", "requests=5/day")}})
	x := last(w)
	uid := os.Getuid()
	if !strings.HasPrefix(x.Actor, "uid ") && uid >= 0 || !strings.HasSuffix(x.Actor, ", interface") || x.Op != "clients.update" || x.Kind != tally.KindClient || x.ID != cl.ID ||
		x.Name != "aurora" || !x.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("the entry is %+v", x)
	}
	if got := strings.Join(x.Text, "; "); got != "limits: cost=50/month → cost=80/month requests=5/day; slug: hotel-aurora → aurora" {
		t.Errorf("it says %q", got)
	}
	if got := do(w, control.AuditList, control.AuditQuery{Thing: "aurora"}).Entries; len(got) != 2 || got[1].Action != tally.Created || got[1].Name != "hotel-aurora" {
		t.Errorf("under its new name it has %+v", got)
	}
	if got := do(w, control.AuditList, control.AuditQuery{Thing: "hotel-aurora/default"}).Entries; len(got) != 2 { // the key and its secret
		t.Errorf("the key has %+v", got)
	}
	if got := do(w, control.AuditList, control.AuditQuery{Since: "30m"}).Entries; len(got) != 1 {
		t.Errorf("in half an hour: %+v", got)
	}
	refused(w, control.ClientsSuspend, control.Named{Name: "nobody"}, tally.NotFound)
	if got := last(w).Seq; got != x.Seq {
		t.Errorf("a refused change has entry %d", got)
	}
	if r := do(w, control.AuditVerify, control.None{}); !r.OK || r.Entries != x.Seq || r.Hash != x.Hash {
		t.Errorf("verify: %+v", r)
	}
	all, err := json.Marshal(do(w, control.AuditList, control.AuditQuery{Limit: 1000}))
	if err != nil {
		t.Fatal(err)
	}
	secret := w.engine.catalog.Load().Secret(key.ID)
	digest, _ := secret.Digest.MarshalText()
	if strings.Contains(string(all), key.Key) || strings.Contains(string(all), string(digest)) || !strings.Contains(string(all), "[redacted]") {
		t.Error("the audit log tells secrets")
	}
}

func TestUndo(t *testing.T) {
	w := newWorld(t)
	refused(w, control.AuditUndo, control.UndoChange{}, tally.NotFound)
	w.setUp()
	cl, _ := w.client("Aurora", "cost=50/month")
	show := func() control.ClientView { return do(w, control.ClientsShow, control.Named{Name: string(cl.ID)}) }
	update := func(f control.ClientFields) {
		t.Helper()
		do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: f})
	}
	undo := func(entry string) []control.AuditView {
		t.Helper()
		out := do(w, control.AuditUndo, control.UndoChange{Entry: entry})
		w.consistent()
		return out
	}
	seq := func() string { return fmt.Sprint(last(w).Seq) }

	// Several undone in turn, the latest first; and an undoing undone.
	update(control.ClientFields{Note: to("first")})
	first := seq()
	update(control.ClientFields{Note: to("second"), Limits: edits(t, "cost=80/month")})
	if got := undo(""); len(got) != 1 || show().Note != "first" || show().Limits[0].Max != 50e9 {
		t.Errorf("undone %+v: %+v", got, show().Client)
	}
	redo := last(w)
	if redo.Op != "audit.undo" || redo.Undoes == 0 {
		t.Errorf("an undoing is %+v", redo)
	}
	refused(w, control.AuditUndo, control.UndoChange{Entry: first}, tally.Conflict, "changed since")
	undo(seq())
	if show().Note != "second" {
		t.Errorf("redone it has %q", show().Note)
	}

	// What is gone comes back as it was, if it has no secret.
	do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Keyless"), Note: to("mine")}})
	before := do(w, control.ClientsShow, control.Named{Name: "keyless"})
	do(w, control.ClientsDelete, control.Named{Name: "keyless"})
	undo("")
	if after := do(w, control.ClientsShow, control.Named{Name: "keyless"}); after.ID != before.ID || after.Note != "mine" || !after.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("back is %+v", after.Client)
	}
	if name := w.engine.catalog.Load().Deleted(before.ID); name != "" {
		t.Errorf("it is remembered as deleted: %q", name)
	}
	do(w, control.ClientsDelete, control.Named{Name: "keyless"})
	gone := seq()
	do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Keyless")}})
	refused(w, control.AuditUndo, control.UndoChange{Entry: gone}, tally.Conflict, "another client")
	undo("") // the new one, which nobody has used
	refused(w, control.ClientsShow, control.Named{Name: "keyless"}, tally.NotFound)

	// What cannot be.
	do(w, control.ClientsDelete, control.Named{Name: cl.Slug})
	refused(w, control.AuditUndo, control.UndoChange{}, tally.Invalid, "secrets")
	used, key := w.client("Borealis")
	made := do(w, control.AuditList, control.AuditQuery{Thing: used.Slug}).Entries[0]
	refused(w, control.AuditUndo, control.UndoChange{Entry: fmt.Sprint(made.Seq)}, tally.Conflict, "needs it")
	w.served(key.Key, "sim-small")
	refused(w, control.AuditUndo, control.UndoChange{}, tally.Conflict, "used since")
	do(w, control.KeysRotate, control.RotateKey{PickKey: control.PickKey{Key: string(key.ID)}})
	refused(w, control.AuditUndo, control.UndoChange{}, tally.Invalid, "secrets")
	do(w, control.KeysRevoke, control.PickKey{Key: string(key.ID)})
	refused(w, control.AuditUndo, control.UndoChange{}, tally.Invalid, "for good")
	refused(w, control.AuditUndo, control.UndoChange{Entry: "9999"}, tally.NotFound)
	refused(w, control.AuditUndo, control.UndoChange{Entry: "x"}, tally.Invalid)
	w.consistent()
	if r, err := w.store.VerifyAudit(context.Background()); err != nil || !r.OK {
		t.Errorf("verify: %+v, %v", r, err)
	}
}
