package main

import (
	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) auditCommands() *cobra.Command {
	return family(groupSee, "audit", "who changed what, and a proof that nobody has changed that",
		verb[control.AuditQuery, control.AuditPage]{
			op: control.AuditList, slow: "searching",
			example: "  tallygate audit list\n  tallygate audit list hotel-aurora --since 7d --actor interface",
			show: func(p *printer, _ *control.AuditQuery, out *control.AuditPage) {
				rows(p, control.AuditTable, out.Entries, "no changes")
			},
			write:  writes(control.AuditTable, func(out *control.AuditPage) []control.AuditView { return out.Entries }),
			asJSON: func(out *control.AuditPage) any { return out.Entries },
			aside: func(out *control.AuditPage) string {
				return when(out.Next == "", "", "for more: --after "+out.Next)
			},
		}.command(a),
		verb[control.None, tally.AuditReport]{
			op: control.AuditVerify, slow: "following the audit log",
			example: "  tallygate audit verify",
			show: func(p *printer, _ *control.None, out *tally.AuditReport) {
				for _, f := range out.Faults {
					p.say("%s: %s", f.Subject, f.Message)
				}
				if out.OK {
					p.say("the audit log is whole: %s entries, the latest with hash %s", tally.Group(int64(out.Entries)), out.Hash)
				}
			},
			verdict: func(out *tally.AuditReport) error {
				if out.OK {
					return nil
				}
				return tally.Errorf(tally.Corrupt, "the audit log is not as it was written").WithHint("compare it with a backup")
			},
		}.command(a),
		a.undoCommand(""),
	)
}

// undoCommand stands beside the audit log, and among what an owner does.
func (a *app) undoCommand(group string) *cobra.Command {
	return verb[control.UndoChange, []control.AuditView]{
		op: control.AuditUndo, group: group, asks: asksUndo,
		example: "  tallygate undo\n  tallygate audit undo 17 --yes",
		show: func(p *printer, _ *control.UndoChange, out *[]control.AuditView) {
			p.say("undone:")
			rows(p, control.AuditTable, *out, "")
		},
	}.command(a)
}
