package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// audit pages through every selected entry of the audit log.
func (b *bench) audit(q storage.AuditQuery) (out []tally.AuditEntry) {
	b.Helper()
	for {
		list, next, err := b.AuditLog(ctx, q)
		if err != nil {
			b.Fatalf("audit log: %v", err)
		}
		out = append(out, list...)
		if next == "" {
			return out
		}
		q.After = next
	}
}

// wantChain wants so many entries, which are whole, and returns the latest's hash.
func (b *bench) wantChain(entries uint64) string {
	b.Helper()
	r, err := b.VerifyAudit(ctx)
	if err != nil || !r.OK || r.Entries != entries || len(r.Faults) != 0 {
		b.Errorf("verify the audit log: %+v, %v; want %d entries", r, err, entries)
	}
	return r.Hash
}

// audit: each change has its entry, whoever was refused has none.
func audit(b *bench) {
	b.wantChain(0)
	list := entities()
	var changes []tally.Change
	for _, e := range list {
		c := tally.Put(e, b.now)
		c.Name = "name of " + string(e.Base().ID)
		changes = append(changes, c)
	}
	b.apply(changes...)
	b.wantChain(uint64(len(list)) - 1) // the tombstone has none

	cl := *list[1].(*tally.Client)
	cl.Note, cl.Company, cl.Slug = "<new>", "", "acme-2"
	later := b.now.Add(time.Hour)
	change := tally.Put(&cl, later)
	change.Name = "acme-2"
	if _, err := b.Apply(ctx, tally.Act{At: later, Actor: "uid 8, Interface", Op: "clients.update", Undoes: 2}, change); err != nil {
		b.Fatalf("apply: %v", err)
	}
	stale := cl
	stale.Rev = 1
	_, err := b.Apply(ctx, b.act(), tally.Put(&stale, b.now))
	b.wantCode("a stale change", err, tally.Conflict)
	b.apply(tally.Delete(list[3]))

	log := b.audit(storage.AuditQuery{Limit: 3})
	if len(log) != len(list)+1 {
		b.Fatalf("%d entries: %+v", len(log), log)
	}
	for i, e := range log {
		if e.Seq != uint64(len(log)-i) || e.Hash == "" || i > 0 && log[i-1].Previous != e.Hash {
			b.Errorf("entry %d of %d is %+v", i, len(log), e)
		}
	}
	want := tally.AuditEntry{
		Seq: log[1].Seq, Rev: 2, At: later, Actor: "uid 8, Interface", Op: "clients.update", Action: tally.Changed, Kind: tally.KindClient, ID: "cl_1", Name: "acme-2",
		Fields: []tally.FieldChange{
			{Field: "note", To: json.RawMessage(`"\u003cnew\u003e"`)},
			{Field: "slug", From: json.RawMessage(`"acme"`), To: json.RawMessage(`"acme-2"`)},
		}, Undoes: 2, Previous: log[2].Hash, Hash: log[1].Hash,
	}
	b.wantEqual("the entry of a change", log[1], want)
	was, err := log[1].Before(&cl)
	list[1].Base().Rev, list[1].Base().UpdatedAt = was.Base().Rev, was.Base().UpdatedAt
	b.wantEqual("what was before", []any{was, err}, []any{list[1], nil})

	secret := log[0]
	if secret.Action != tally.Deleted || secret.Kind != tally.KindSecret {
		b.Errorf("the deletion of a secret: %+v", secret)
	}
	for _, e := range log {
		text, _ := json.Marshal(e)
		for _, canary := range []string{"AAEC", "010200", "00ff"} { // of its sealed bytes and its digest
			if strings.Contains(string(text), canary) {
				b.Errorf("an entry tells of a secret: %s", text)
			}
		}
	}
	if _, err := secret.Before(nil); tally.CodeOf(err) != tally.Invalid {
		b.Errorf("a secret comes back: %v", err)
	}

	for what, q := range map[string]storage.AuditQuery{
		"by ID":    {Things: []string{"cl_1"}},
		"by actor": {Actor: "interface"},
		"since":    {Since: later},
		"by name":  {Things: []string{"ACME-2"}},
		"the page": {Limit: 2},
	} {
		list, next, err := b.AuditLog(ctx, q)
		n := map[string]int{"by ID": 2, "the page": 2}[what]
		if err != nil || len(list) != max(n, 1) || (next != "") != (what == "the page") {
			b.Errorf("%s: %d entries, %q, %v", what, len(list), next, err)
		}
	}
	for _, q := range []storage.AuditQuery{{Limit: 1001}, {Limit: -1}, {After: "x"}} {
		_, _, err := b.AuditLog(ctx, q)
		b.wantCode(fmt.Sprintf("%+v", q), err, tally.Invalid)
	}
	if _, err := b.Prune(ctx, storage.Before(later.AddDate(1, 0, 0)), 0); err != nil {
		b.Errorf("prune: %v", err)
	}
	head := b.wantChain(uint64(len(log)))
	if b.subject.Keeps {
		for _, end := range []func(*bench){(*bench).reopen, (*bench).kill} {
			end(b)
			b.wantEqual("the log of a store that was opened again", b.audit(storage.AuditQuery{}), log)
			if again := b.wantChain(uint64(len(log))); again != head {
				b.Errorf("it ends with %s, and did with %s", again, head)
			}
		}
	}
}

// auditLarge: an act may be larger than what a store writes at once.
func auditLarge(b *bench) {
	const n = 700
	var changes []tally.Change
	for i := range n {
		m := &tally.Model{Meta: meta(tally.ID(fmt.Sprintf("m_%d", i))), Provider: "pr_1", Name: strings.Repeat("x", 1000)}
		changes = append(changes, tally.Put(m, b.now))
	}
	b.apply(changes...)
	for i := range changes {
		changes[i] = tally.Delete(changes[i].Entity)
	}
	b.apply(changes...)
	b.wantChain(2 * n)
	if log := b.audit(storage.AuditQuery{Limit: 999}); len(log) != 2*n || log[0].ID != "m_699" {
		b.Errorf("%d entries", len(log))
	}
}
