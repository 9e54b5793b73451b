package tui_test

import (
	"testing"

	"tallygate/engine/control"
	"tallygate/tui/tuitest"
)

// The money of a client is its statement, month by month; one that is over is closed from
// there, once.
func TestMoneyOfAClient(t *testing.T) {
	for _, size := range []string{"120x36", "80x24", "200x50"} {
		tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
			clients := tuitest.Do(t, d.World, control.ClientsList, control.Listing{Rows: control.Rows{Sort: "cost"}})
			slug := clients[0].Slug
			this := tuitest.Do(t, d.World, control.ClientsStatement, control.StatementQuery{Client: slug, Month: "this"})[0]
			last := tuitest.Do(t, d.World, control.ClientsStatement, control.StatementQuery{Client: slug, Month: "last"})[0]
			d.Press("3").Ticks(2).Press("$").Ticks(2).Expect("Money of "+clients[0].Name, this.Period.Name+", open: "+this.Owed(), "Statement so far")
			d.Press("c").Expect("not over")
			d.Press("right").Expect(this.Period.Name)
			d.Press("left").Ticks(2).Expect(last.Period.Name + ", open")
			d.Press("c").Expect("Close "+last.Period.Name).Press("tab", "enter").Ticks(2)
			d.Expect("Closed as statement 2026-0001", "Statement 2026-0001", last.Period.Name+", closed: ")
			d.Press("c").ExpectNot("Close " + last.Period.Name)
			if list := tuitest.Do(t, d.World, control.StatementsList, control.ListStatements{}); len(list) != 1 || list[0].Total != last.Total {
				t.Errorf("closed: %+v", list)
			}
			d.Press("esc").ExpectNot("Money of")
		})
	}
}
