package control

import (
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Amount is an amount of US dollars that may be below zero, written "5", "-0.50" or "+5".
type Amount tally.NanoUSD

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Amount) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	text, negative := strings.CutPrefix(s, "-")
	usd, err := tally.ParseUSD(strings.TrimPrefix(text, "+"))
	if err != nil {
		return err
	}
	if *a = Amount(usd); negative {
		*a = -*a
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (a Amount) MarshalText() ([]byte, error) { return []byte(tally.NanoUSD(a).String()), nil }

// AddFunds adds to what a client may spend in advance.
type AddFunds struct {
	Client    string        `json:"client" arg:"1" of:"client" help:"slug or id"`
	Funds     tally.NanoUSD `json:"funds_nano_usd" arg:"1" label:"Paid, $" help:"US dollars, like 50 or 12.50"`
	Reference string        `json:"reference,omitempty" flag:"ref" label:"Reference" help:"=reference"`
	Reason    string        `json:"reason,omitempty" help:"why, for you"`
	Expires   Expiry        `json:"expires,omitempty" help:"date on which what is left of it is taken back, like 2027-01-31, or how long it lasts, like 90d; left out: never"`
}

// AdjustClient changes what a client was charged, without a request.
type AdjustClient struct {
	Client    string          `json:"client" arg:"1" of:"client" help:"slug or id"`
	Credits   Amount          `json:"credits_usd,omitempty" flag:"credits" label:"Charged more, $" help:"US dollars that the client is charged more, or less with a minus, like -5"`
	Cost      Amount          `json:"cost_usd,omitempty" flag:"cost" label:"Paid more, $" help:"US dollars that you pay more, or less with a minus"`
	As        tally.EntryKind `json:"as,omitempty" help:"what it is on the client's statement: adjustment, fee (only more) or discount (only less); default adjustment"`
	Reason    string          `json:"reason" help:"why, for the client to read"`
	Reference string          `json:"reference,omitempty" flag:"ref" label:"Reference" help:"=reference"`
}

// ListEntries selects entries of the book of money.
type ListEntries struct {
	Rows
	Client string          `json:"client,omitempty" of:"client" help:"only of this client"`
	Kind   tally.EntryKind `json:"kind,omitempty" help:"only topup, grant, adjustment, recost, fee, discount or expiry"`
	Since  Since           `json:"since,omitempty" help:"24h, 7d, today, or a date; default: from the beginning"`
	Until  Since           `json:"until,omitempty" help:"a date; default now"`
	Month  Month           `json:"month,omitempty" help:"=month"`
}

// ReverseEntry takes an entry back.
type ReverseEntry struct {
	Entry  string `json:"entry" arg:"1" help:"id of the entry"`
	Reason string `json:"reason,omitempty" help:"why, for the client to read"`
}

// EntryView is an entry of the book of money.
type EntryView struct {
	ID         tally.ID      `json:"id"`
	Seq        uint64        `json:"seq"`
	At         time.Time     `json:"at"`
	Client     tally.ID      `json:"client"`
	ClientSlug string        `json:"client_slug"`       // "" for what no client has sent
	Gateway    string        `json:"gateway,omitempty"` // its slug
	Model      string        `json:"model,omitempty"`
	Credits    tally.NanoUSD `json:"credits_nano_usd,omitempty"` // that the client is charged more
	Cost       tally.NanoUSD `json:"cost_nano_usd,omitempty"`    // that the owner pays more
	tally.Entry
	Balance    tally.NanoUSD `json:"balance_nano_usd"` // what was left of what was paid in advance, once it was made
	ReversedBy tally.ID      `json:"reversed_by,omitempty"`
}

// State says whether the entry was taken back, or takes another one back; "" for most.
func (v *EntryView) State() string {
	switch {
	case v.ReversedBy != "":
		return "reversed"
	case v.Reverses != "":
		return "takes back"
	}
	return ""
}

// The operations on the book of money. Nothing in it is ever changed: an entry that was
// wrong is reversed by another one.
var (
	ClientsTopUp  = Op[AddFunds, EntryView]{"clients.topup", Write, "book what a client has paid in advance; limit it with credits=balance"}
	ClientsGrant  = Op[AddFunds, EntryView]{"clients.grant", Write, "give a client an amount to spend, as if it had been paid in advance"}
	ClientsAdjust = Op[AdjustClient, EntryView]{"clients.adjust", Write, "correct what a client was charged, or charge a fee or a discount"}
	EntriesList   = Op[ListEntries, []EntryView]{"entries.list", Read, "list what changed money without a request, the latest first"}
	EntriesShow   = Op[PickEntry, EntryView]{"entries.show", Read, "show an entry of the book of money"}
	EntriesBack   = Op[ReverseEntry, EntryView]{"entries.reverse", Write, "take an entry back, once, by another one"}
)

// PickEntry picks an entry.
type PickEntry struct {
	ID string `json:"id" arg:"1" help:"id of the entry"`
}

// EntryTable shows entries of the book of money.
var EntryTable = NewTable(Table[*EntryView]{
	Thing: "entry", Make: "tallygate clients topup CLIENT 50",
	ID: func(v *EntryView) string { return string(v.ID) },
	Tone: func(v *EntryView) Tone {
		if v.ReversedBy != "" || v.Reverses != "" {
			return Faint
		}
		return Plain
	},
	Text:   func(v *EntryView) string { return joinLines(string(v.ID), v.ClientSlug, v.Reason, v.Reference) },
	Orders: []string{"at", "client"},
	Columns: []Column[*EntryView]{
		{Name: "id", Spare: 3},
		{Name: "at", Get: func(v *EntryView) Value { return MomentOf(v.At) }},
		{Name: "client", Field: "client_slug"},
		{Name: "kind"},
		{Name: "state", Derived: true, Words: []string{"reversed", "takes back"}, Get: func(v *EntryView) Value { return WordOf(v.State()) }},
		{Name: "funds", Field: "funds_nano_usd", Sum: true, Get: func(v *EntryView) Value { return orNone(MoneyOf(v.Funds)) }},
		{Name: "credits", Field: "credits_nano_usd", Sum: true, Get: func(v *EntryView) Value { return orNone(MoneyOf(v.Credits)) }},
		{Name: "cost", Field: "cost_nano_usd", Sum: true, Spare: 1, Get: func(v *EntryView) Value { return orNone(MoneyOf(v.Cost)) }},
		{Name: "balance", Field: "balance_nano_usd", Spare: 2},
		{Name: "reason", Spare: 4},
		{Name: "reference", Spare: 5},
		{Name: "model", Spare: 7},
		{Name: "day", Spare: 8},
		{Name: "expires", Spare: 6},
		{Name: "reverses", Hidden: true},
		{Name: "reversed_by", Hidden: true},
		{Name: "gateway", Hidden: true},
		{Name: "by", Hidden: true},
	},
})
