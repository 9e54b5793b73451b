package engine

import (
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Public keys that were made for this test.
const (
	keyOfAna = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHuN0WFOTKPl1NpEY7hCHZtCmmcx5RQW2Q9PuFn/OrVF"
	keyOfBob = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMUvQAG40IkIMfLVigDRBTYVXDhsu1XZce8qQWR4oATd"
)

// Guests are added and removed like other things: refused where two could be mistaken for
// each other, in the audit log, and to be undone.
func TestGuests(t *testing.T) {
	w := newWorld(t)
	_, changed := w.engine.Guests()
	ana := do(w, control.SSHAdd, control.AddGuest{Name: "ana", Key: keyOfAna + " ana@laptop", Role: tally.RoleOwner})
	if ana.Key != keyOfAna || changed.Err() == nil {
		t.Errorf("%+v, changed %v", ana, changed.Err())
	}
	refused(w, control.SSHAdd, control.AddGuest{Name: "ANA", Key: keyOfBob, Role: tally.RoleViewer}, tally.Conflict,
		"already")
	refused(w, control.SSHAdd, control.AddGuest{Name: "bob", Key: keyOfAna, Role: tally.RoleViewer}, tally.Conflict,
		"ana comes in by that key already")
	refused(w, control.SSHAdd, control.AddGuest{Name: "bob", Key: keyOfBob, Role: "admin"}, tally.Invalid, "admin")
	refused(w, control.SSHAdd, control.AddGuest{Name: "bob", Key: keyOfBob}, tally.Invalid, "role is missing")
	refused(w, control.SSHAdd, control.AddGuest{Name: " ", Key: keyOfBob, Role: tally.RoleViewer}, tally.Invalid,
		"name is empty")
	refused(w, control.SSHAdd, control.AddGuest{Name: "bob", Key: "-----BEGIN OPENSSH PRIVATE KEY-----",
		Role: tally.RoleViewer}, tally.Invalid, "private key")
	do(w, control.SSHAdd, control.AddGuest{Name: "bob", Key: keyOfBob, Role: tally.RoleViewer})
	if list := do(w, control.SSHList, control.Rows{Filter: "role:viewer"}); len(list) != 1 || list[0].Name != "bob" {
		t.Errorf("%+v", list)
	}
	refused(w, control.SSHRemove, control.Named{Name: "an"}, tally.NotFound, "no guest")
	do(w, control.SSHRemove, control.Named{Name: "Ana"})
	refused(w, control.SSHRemove, control.Named{Name: "ana"}, tally.NotFound, "no guest")
	log := do(w, control.AuditList, control.AuditQuery{Thing: "bob"})
	if len(log.Entries) != 1 || log.Entries[0].Kind != tally.KindGuest || log.Entries[0].Name != "bob" ||
		!strings.Contains(log.Entries[0].Command, "tallygate ssh add bob --key") {
		t.Errorf("%+v", log.Entries)
	}
	do(w, control.AuditUndo, control.UndoChange{})
	if list := do(w, control.SSHList, control.Rows{Filter: "ana"}); len(list) != 1 || list[0].Key != keyOfAna ||
		list[0].Role != tally.RoleOwner {
		t.Errorf("%+v", list)
	}
}
