package engine

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// Whatever is paid, used, corrected, taken back and expired: what is left of all funds is
// the balance, and none is below zero or above what it was.
func TestFunds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []tally.Record
		var balance int64
		at := noon
		for i := range rapid.IntRange(1, 12).Draw(t, "entries") {
			balance += rapid.Int64Range(-5, 300).Draw(t, "used")
			at = at.Add(time.Hour)
			r := tally.Record{ID: tally.ID(rune('a' + i)), At: at, Client: "cl_1", Entry: &tally.Entry{}}
			money := func(what string, least, most int64) tally.NanoUSD {
				return tally.NanoUSD(rapid.Int64Range(least, most).Draw(t, what))
			}
			switch kind := rapid.SampledFrom(tally.EntryKinds).Draw(t, "kind"); kind {
			case tally.TopUp, tally.Gift:
				r.Entry.Kind, r.Entry.Funds = kind, money("funds", 1, 500)
				if days := rapid.IntRange(0, 3).Draw(t, "days"); days > 0 {
					r.Entry.Expires = at.AddDate(0, 0, days)
				}
			case tally.Expiry:
				r.Entry.Kind, r.Entry.Funds = kind, -money("expired", 1, 500)
				if len(entries) > 0 {
					r.Entry.Reverses = rapid.SampledFrom(entries).Draw(t, "of").ID
				}
			default:
				r.Entry.Kind, r.Credits = kind, money("credits", -100, 100)
				if len(entries) > 0 && rapid.Bool().Draw(t, "back") {
					of := rapid.SampledFrom(entries).Draw(t, "reverses")
					r.Entry.Reverses, r.Entry.Funds, r.Credits = of.ID, -of.Entry.Funds, -of.Credits
				}
			}
			change := r.Amounts().Of(tally.Balance)
			balance += change
			r.Charges = []tally.Charged{{Used: balance, Amount: change}}
			entries = append(entries, r)
		}
		balance += rapid.Int64Range(0, 300).Draw(t, "used at last")
		f := fundsOf(entries, balance)
		all, next, _ := f.left()
		if all != tally.NanoUSD(-balance) {
			t.Fatalf("%d left, and the balance is %d: %+v", all, balance, f)
		}
		for _, x := range f.list {
			if x.left < 0 || x.of != nil && x.left > x.of.Entry.Funds || next > all+f.debt {
				t.Fatalf("%+v, %d next", x, next)
			}
		}
	})
}
