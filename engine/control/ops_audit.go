package control

import "tallygate/engine/tally"

// AuditQuery selects entries of the audit log, the latest first.
type AuditQuery struct {
	Thing string `json:"thing,omitempty" arg:"1?" help:"only of this thing: slug, name, label or id"`
	Actor string `json:"actor,omitempty" help:"only by this actor, or a part of it: uid 1000, interface, command line"`
	Since Since  `json:"since,omitempty" help:"24h, 7d, or a date; default: from the beginning"`
	Limit int    `json:"limit,omitempty" help:"how many, at most 1000; default 50"`
	After string `json:"after,omitempty" help:"cursor: continue after an earlier page"`
}

// AuditView is an entry of the audit log.
type AuditView struct {
	tally.AuditEntry
	// Text says what has changed, a field each: "limits: cost=50/month → cost=80/month".
	Text []string `json:"text"`
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
	// AuditUndo answers with the entries that were taken back.
	AuditUndo = Op[UndoChange, []AuditView]{"audit.undo", Write, "take back a change, if nothing else has changed the thing since"}
)
