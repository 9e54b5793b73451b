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
		said := do(w, control.AuditUndoable, control.UndoChange{Entry: entry})
		defer func(rev int64) {
			if is := last(w); is.Undoes != said[len(said)-1].Seq || is.Rev == rev {
				t.Errorf("%d was undone, and %+v said", is.Undoes, said)
			}
		}(last(w).Rev)
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
	refused(w, control.AuditUndoable, control.UndoChange{}, tally.Conflict, "used since")
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

// Nothing of JSON is left in what people read of a change, whatever field of which thing it
// is in.
func TestChangesAreSaidInWords(t *testing.T) {
	said := func(field, raw string) string { return valueText(field, json.RawMessage(raw)) }
	for _, tc := range [][3]string{
		{"raises", `[{"metric":"cost","window":"month","by":9000000000,"until":"2026-12-04T00:00:00Z"}]`, "+9 on cost/month until 2026-12-04 00:00 UTC"},
		{"raises", `[]`, "none"}, {"caps", `[{"metric":"requests","window":"minute","max":30}]`, "requests=30/minute"}, {"origins", `["https://a.example","https://b.example"]`, "https://a.example https://b.example"},
		{"aliases", `{"small":"gpt-4.1-mini","big":"gpt-4.1"}`, "big=gpt-4.1 small=gpt-4.1-mini"},
		{"prices", `[{"from":"2026-12-01T00:00:00Z","input_nano_usd":150000000,"pieces_nano_usd":{"search":10000000}}]`, "from=2026-12-01 00:00 UTC input=0.15 search=0.01"},
		{"session_ns", "1800000000000", "30m"}, {"enabled", "true", "true"}, {"markup", "1250", "1250"}, {"note", `"say [\"this\"]"`, `say ["this"]`}, {"token", `{"limits":[]}`, "limits="},
	} {
		if got := said(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%s of %s is %q, want %q", tc[1], tc[0], got, tc[2])
		}
	}
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "cost=50/month")
	do(w, control.ClientsRaise, control.RaiseClient{Client: cl.Slug, RaiseFields: control.RaiseFields{Limit: "cost", By: "9", Until: "friday"}})
	minted := do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{Requests: "3/day"}})
	do(w, control.TokensRevoke, control.RevokeToken{Token: minted.Token})
	entries := do(w, control.AuditList, control.AuditQuery{Limit: 3}).Entries
	for i, want := range []string{"revoked", "minted", "raises: none → +9 on cost/month until "} {
		if got := control.AuditTable.Column("change").Get(&entries[i]).Text; !strings.HasPrefix(got, want) {
			t.Errorf("%s is said as %q, want %q", entries[i].Op, got, want)
		}
	}
}
