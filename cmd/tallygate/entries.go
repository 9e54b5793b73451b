package main

import (
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
)

func (a *app) entryCommands() *cobra.Command {
	return family(groupOwn, "entries", "the book of money: what was paid, given, corrected or charged without a request",
		list(verb[control.ListEntries, []control.EntryView]{
			op:      control.EntriesList,
			example: "  tallygate entries list --client hotel-aurora\n  tallygate entries list --month 2026-11 --kind topup",
		}, control.EntryTable).command(a),
		verb[control.PickEntry, control.EntryView]{
			op:      control.EntriesShow,
			example: "  tallygate entries show en_01kb3vp8",
			show: func(p *printer, _ *control.PickEntry, out *control.EntryView) {
				thing(p, control.EntryTable, out, control.None{})
			},
		}.command(a),
		verb[control.ReverseEntry, control.EntryView]{
			op:      control.EntriesBack,
			example: "  tallygate entries reverse en_01kb3vp8 --reason \"booked twice\"",
			show: func(p *printer, _ *control.ReverseEntry, out *control.EntryView) {
				p.say("took back %s: entry %s", out.Reverses, out.ID)
			},
		}.command(a),
	)
}

func showFunds(p *printer, _ *control.AddFunds, out *control.EntryView) { showBooked(p, out) }

// showBooked says what an entry has changed.
func showBooked(p *printer, out *control.EntryView) {
	var parts []string
	if out.Funds != 0 {
		parts = append(parts, out.Funds.Display()+" in advance")
	}
	if out.Credits != 0 {
		parts = append(parts, out.Credits.Display()+" of credits")
	}
	if out.Cost != 0 {
		parts = append(parts, out.Cost.Display()+" of cost")
	}
	p.say("booked for client %s: %s, entry %s", out.ClientSlug, strings.Join(parts, " and "), out.ID)
}
