package tui_test

import (
	"slices"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/tuitest"
)

// One key acts on all that are marked, after one question; what fails does not keep the
// rest from being done, and is said.
func TestMarkedThingsAreChangedTogether(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Press("3", "*", "*").Expect("2 marked")
		first := clientsOf(d)
		d.Press("s").Expect("Suspend 2 clients?").Press("right", "enter").Expect("Done: suspend ").ExpectNot("marked")
		d.Ticks(4)
		if n := suspended(d); n != suspendedOf(first)+2 {
			t.Errorf("%d clients are suspended, want two more than %d", n, suspendedOf(first))
		}
		d.Press("home", "*", "*", "s").Expect("Activate 2 clients?").Press("right", "enter").Expect("Done: activate ")
		d.Press("*", "*", "e").Expect("Limits of 2 clients").Type("requests=7/day").Press("ctrl+s").Expect("Done: Set ")
		d.Ticks(4)
		with := 0
		for _, c := range clientsOf(d) {
			if slices.ContainsFunc(c.LimitStates, func(l control.LimitState) bool { return l.Text == "requests=7/day" }) {
				with++
			}
		}
		if with != 2 {
			t.Errorf("%d clients have the limit, want 2", with)
		}
		d.Press("esc", "4", "*", "*", "d").Expect("Revoke 2 keys?").Type("yes").Press("tab").Press("right").Press("enter").Expect("not its name")
		d.Press("esc", "esc").ExpectNot("marked")
	})
}

// clientsOf are the clients as the engine has them.
func clientsOf(d *tuitest.Driver) []control.ClientView {
	return tuitest.Do(d.T, d.World, control.ClientsList, control.Listing{})
}

func suspended(d *tuitest.Driver) int { return suspendedOf(clientsOf(d)) }

func suspendedOf(clients []control.ClientView) (n int) {
	for i := range clients {
		if clients[i].Status == tally.Suspended {
			n++
		}
	}
	return n
}
