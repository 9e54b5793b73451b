package control

import (
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// AuditTable shows entries of the audit log, the latest first.
var AuditTable = NewTable(Table[*AuditView]{
	Thing: "change",
	ID:    func(v *AuditView) string { return strconv.FormatUint(v.Seq, 10) },
	Tone: func(v *AuditView) Tone {
		if v.Undoes != 0 {
			return Faint
		}
		return Plain
	},
	Columns: []Column[*AuditView]{
		{Name: "entry", Field: "seq", Get: func(v *AuditView) Value { return CountOf(int64(v.Seq)) }},
		{Name: "at", Get: func(v *AuditView) Value { return MomentOf(v.At) }},
		{Name: "actor", Spare: 1, Get: func(v *AuditView) Value { return WordOf(v.Actor) }},
		{Name: "operation", Field: "op", Spare: 2, Get: func(v *AuditView) Value { return WordOf(v.Op) }},
		{Name: "thing", Field: "kind", Get: func(v *AuditView) Value { return WordOf(v.Kind) }},
		{Name: "name", Get: func(v *AuditView) Value { return WordOf(v.Name) }},
		{Name: "change", Get: func(v *AuditView) Value {
			if v.Action != tally.Changed {
				return WordOf(v.What())
			}
			return WordOf(strings.Join(v.Text, "; "))
		}},
		{Name: "command", Hidden: true},
		{Name: "hash", Hidden: true, Get: func(v *AuditView) Value { return WordOf(v.Hash) }},
	},
	Orders: []string{"at"},
})
