package control

import "tallygate/engine/tally"

// AuditQuery selects entries of the audit log, the latest first.
type AuditQuery struct {
	Thing string `json:"thing,omitempty" arg:"1?" help:"only of this thing: slug, name, label or id"`
	Actor string `json:"actor,omitempty" help:"only by this actor, or a part of it: uid 1000, interface, command line"`
	Since Since  `json:"since,omitempty" help:"24h, 7d, or a date; default: from the beginning"`
	Limit int    `json:"limit,omitempty" help:"=rows" min:"1"`
	After string `json:"after,omitempty" help:"=after"`
}

// AuditView is an entry of the audit log.
type AuditView struct {
	tally.AuditEntry
	// Text says what has changed, a field each: "limits: cost=50/month → cost=80/month".
	Text []string `json:"text"`
}

// What says what has been done to the thing, in a word: of an access token that it
// was minted or revoked, else the action.
func (v *AuditView) What() string {
	switch {
	case v.Action == tally.Created && v.Kind == tally.KindRevocation:
		return "revoked"
	case v.Action == tally.Created && v.Kind == tally.KindMinted:
		return "minted"
	}
	return string(v.Action)
}

// AuditPage is a page of entries; Next is empty on the last.
type AuditPage struct {
	Entries []AuditView `json:"entries"`
	Next    string      `json:"next,omitempty"`
}

// UndoChange takes back an act.
type UndoChange struct {
	Entry string `json:"entry,omitempty" arg:"1?" help:"number of an entry of the audit log; left out: the latest change that was not undone"`
}

// The operations on the audit log.
var (
	AuditList   = Op[AuditQuery, AuditPage]{"audit.list", Read, "list who changed what, the latest first"}
	AuditVerify = Op[None, tally.AuditReport]{"audit.verify", Read, "prove that no entry of the audit log is missing or was changed"}
	// AuditUndoable answers with the entries that [AuditUndo] would take back, the latest
	// first, and refuses what that would refuse.
	AuditUndoable = Op[UndoChange, []AuditView]{"audit.undoable", Read, "show what taking back a change would take back"}
	// AuditUndo answers with the entries that were taken back.
	AuditUndo = Op[UndoChange, []AuditView]{"audit.undo", Write, "take back a change, if nothing else has changed the thing since"}
)
