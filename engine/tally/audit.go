package tally

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Act says whose act a change of entities is.
type Act struct {
	At    time.Time
	Actor string // as the transport of the operation knows the caller: "uid 1000, command line"
	Op    string // the operation: "clients.update"
	// Command is the command line that would do it, without secrets; "" if nobody knows.
	Command string
	// Undoes is the Seq of the first entry of the act that this one takes back; 0 if
	// it takes back none.
	Undoes uint64
}

// AuditAction is what an act has done to an entity.
type AuditAction string

// The actions.
const (
	Created AuditAction = "created"
	Changed AuditAction = "changed"
	Deleted AuditAction = "deleted"
)

// AuditEntry is one change of one entity, as the audit log keeps it. The entries of
// one act have the same Rev and follow each other.
type AuditEntry struct {
	Seq    uint64        `json:"seq"` // from 1, without a gap
	Rev    int64         `json:"rev"` // the revision that the change has left
	At     time.Time     `json:"at"`
	Actor  string        `json:"actor"`
	Op     string        `json:"op"`
	Action AuditAction   `json:"action"`
	Kind   EntityKind    `json:"kind"`
	ID     ID            `json:"id"`
	Name   string        `json:"name"` // what people called it then
	Fields []FieldChange `json:"changes,omitempty"`
	Undoes uint64        `json:"undoes,omitempty"`
	// Command is the command line that does the same, without secrets.
	Command string `json:"command,omitempty"`
	// Previous is the Hash of the entry before, "" in the first. Hash is the SHA-256,
	// in hex, of Previous and the JSON of this entry without the two.
	Previous string `json:"previous,omitempty"`
	Hash     string `json:"hash,omitempty"`
}

// FieldChange is a field of an entity's JSON before and after a change; empty where
// there is none. Secrets are "[redacted]" in both.
type FieldChange struct {
	Field string          `json:"field"`
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
}

// AuditChain is where the audit log ends.
type AuditChain struct {
	Seq  uint64 `json:"seq"`  // of the latest entry; 0: there is none
	Hash string `json:"hash"` // of the latest entry
}

// Append makes the entry of a change and moves the end of the chain to it. old is
// what the change replaces, nil if there was nothing. What is not audited has no entry:
// then ok is false.
func (c *AuditChain) Append(act Act, rev int64, ch Change, old Entity) (e AuditEntry, ok bool, err error) {
	if !ch.Kind.Audited() {
		return e, false, nil
	}
	text := func(s string) string { return strings.ToValidUTF8(s, "�") } // JSON would not read back as it was
	e = AuditEntry{
		Seq: c.Seq + 1, Rev: rev, At: act.At.Round(0).UTC(), Actor: text(act.Actor), Op: text(act.Op), Action: Changed,
		Kind: ch.Kind, ID: ID(text(string(ch.ID))), Name: text(ch.Name), Undoes: act.Undoes, Command: text(act.Command), Previous: c.Hash,
	}
	switch {
	case old == nil:
		e.Action = Created
	case ch.Entity == nil:
		e.Action = Deleted
	}
	if e.Fields, err = fieldChanges(ch.Kind, old, ch.Entity); err != nil {
		return e, false, err
	}
	e.Hash = e.sum()
	c.Seq, c.Hash = e.Seq, e.Hash
	return e, true, nil
}

// Follow moves the end of the chain to an entry that was read, Corrupt if it is not
// the next one as it was written.
func (c *AuditChain) Follow(e *AuditEntry) error {
	switch {
	case e.Seq != c.Seq+1:
		return Errorf(Corrupt, "entry %d of the audit log follows %d", e.Seq, c.Seq)
	case e.Previous != c.Hash:
		return Errorf(Corrupt, "entry %d of the audit log does not continue the one before", e.Seq)
	case e.Hash != e.sum():
		return Errorf(Corrupt, "entry %d of the audit log was changed", e.Seq)
	}
	c.Seq, c.Hash = e.Seq, e.Hash
	return nil
}

func (e AuditEntry) sum() string {
	previous := e.Previous
	e.Previous, e.Hash = "", ""
	canonical, err := json.Marshal(e)
	if err != nil {
		return "" // a value that is no JSON: the hash of no entry
	}
	h := sha256.New()
	h.Write([]byte(previous))
	h.Write(canonical)
	return hex.EncodeToString(h.Sum(nil))
}

// fieldChanges compares the JSON of two entities of a kind, field by field. Both may
// be nil. Revisions and the time of the change are the entry's own.
func fieldChanges(kind EntityKind, old, next Entity) ([]FieldChange, error) {
	from, err := fieldsOf(kind, old)
	if err != nil {
		return nil, err
	}
	to, err := fieldsOf(kind, next)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(from)
	maps.Copy(all, to)
	var out []FieldChange
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == "id" || name == "rev" || name == "updated_at" || bytes.Equal(from[name], to[name]) {
			continue
		}
		f := FieldChange{Field: name, From: from[name], To: to[name]}
		if kind == KindSecret && name != "of" && name != "previous_until" && name != "created_at" {
			f.From, f.To = hidden(f.From), hidden(f.To)
		}
		out = append(out, f)
	}
	return out, nil
}

func hidden(value json.RawMessage) json.RawMessage {
	if value == nil {
		return nil
	}
	return json.RawMessage(`"` + redacted + `"`)
}

func fieldsOf(kind EntityKind, e Entity) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	if e == nil {
		return out, nil
	}
	b, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return nil, Errorf(Internal, "compare a %s: %w", kind, err)
	}
	return out, nil
}

// Before returns the entity as it was before an entry's change; now is what it is,
// nil if it is deleted. The result is nil if the change has created it. Secrets
// cannot be had back: that is Invalid.
func (e *AuditEntry) Before(now Entity) (Entity, error) {
	if e.Action == Created {
		return nil, nil
	}
	if e.Kind == KindSecret {
		return nil, Errorf(Invalid, "the audit log does not keep secrets").WithHint("issue another key, or enter it again")
	}
	fields, err := fieldsOf(e.Kind, now)
	if err != nil {
		return nil, err
	}
	for _, f := range e.Fields {
		if f.From == nil {
			delete(fields, f.Field)
			continue
		}
		fields[f.Field] = f.From
	}
	fields["id"], _ = json.Marshal(e.ID)
	var was Entity
	b, err := json.Marshal(fields)
	if err == nil {
		was, err = ReadEntity(e.Kind, b)
	}
	if err != nil {
		return nil, Errorf(Corrupt, "entry %d of the audit log cannot be read", e.Seq).WithHint("run tallygate audit verify")
	}
	return was, nil
}

// AuditReport is what a verification of the audit log found.
type AuditReport struct {
	OK      bool   `json:"ok"`
	Entries uint64 `json:"entries"` // that there should be
	// Hash is of the latest entry: who has noted an earlier one elsewhere can tell
	// whether the log still contains it.
	Hash   string  `json:"hash"`
	Faults []Fault `json:"faults"`
}
