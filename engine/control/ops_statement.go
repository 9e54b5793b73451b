package control

import (
	"tallygate/engine/statement"
	"tallygate/engine/tally"
)

// StatementQuery asks for statements of one client, or of all that owe something.
type StatementQuery struct {
	Client   string   `json:"client,omitempty" arg:"1?" of:"client" help:"slug or id"`
	All      bool     `json:"all,omitempty" help:"all clients that have used or owe something"`
	Month    Month    `json:"month,omitempty" help:"this, last, or one like 2026-11; default this"`
	Since    Since    `json:"since,omitempty" help:"a date, in the place of a month"`
	Until    Since    `json:"until,omitempty" help:"a date; default now"`
	Tag      string   `json:"tag,omitempty" help:"by the values of this tag, too, like project"`
	Currency string   `json:"currency,omitempty" help:"what amounts are said in, like EUR; default as the settings say, else USD"`
	Rate     string   `json:"rate,omitempty" help:"what a US dollar comes to in it, like 0.86; it stands on these statements alone"`
	Tax      *Percent `json:"tax_percent,omitempty" flag:"tax" help:"what is added to the total, like 23; default as the settings say"`
}

// StatementView is a statement, and what of it is for its owner's eyes.
type StatementView struct {
	statement.Statement
	Entry  tally.ID `json:"entry,omitempty"`  // that closed it
	SHA256 string   `json:"sha256,omitempty"` // of what was closed
	// TakenBack is whether a statement that was closed counts no more.
	TakenBack bool `json:"taken_back,omitempty"`
	// Changed is, for a statement that was closed, what the ledger says now of what it has
	// used, if that is another amount.
	Changed *tally.NanoUSD `json:"changed_nano_usd,omitempty"`
	// Cost is what the span has cost the owner, and Margin what is left of the total.
	Cost   tally.NanoUSD `json:"cost_nano_usd"`
	Margin tally.NanoUSD `json:"margin_nano_usd"`
	// Problem is why it could not be closed.
	Problem string `json:"problem,omitempty"`
	Next    string `json:"next,omitempty"` // what to do then
}

// State says whether it is open, closed, or closed and the ledger has changed since.
func (v *StatementView) State() string {
	switch {
	case v.Problem != "":
		return "not closed"
	case v.Number == "":
		return "open"
	case v.TakenBack:
		return "taken back"
	case v.Changed != nil:
		return "changed"
	}
	return "closed"
}

// ListStatements selects closed statements.
type ListStatements struct {
	Rows
	Client string `json:"client,omitempty" of:"client" help:"only of this client"`
	Month  Month  `json:"month,omitempty" help:"only of a month: this, last, or one like 2026-11"`
}

// PickStatement picks a closed statement.
type PickStatement struct {
	Number string `json:"number" arg:"1" help:"number of the statement, like 2026-0007"`
}

// The operations on statements.
var (
	ClientsStatement = Op[StatementQuery, []StatementView]{"clients.statement", Read, "show what clients owe for a month, for them to read"}
	ClientsClose     = Op[StatementQuery, []StatementView]{"clients.close", Write, "close the statements of a month: they get numbers, and stay as they are"}
	StatementsList   = Op[ListStatements, []StatementView]{"statements.list", Read, "list statements that were closed, the latest first"}
	StatementsShow   = Op[PickStatement, StatementView]{"statements.show", Read, "show a statement that was closed"}
)

// StatementTable shows statements for their owner.
var StatementTable = NewTable(Table[*StatementView]{
	Thing: "statement", Make: "tallygate clients statement --all --month last --close",
	ID: func(v *StatementView) string { return v.Number },
	Tone: func(v *StatementView) Tone {
		switch v.State() {
		case "not closed", "changed":
			return Warn
		case "closed":
			return Good
		case "taken back":
			return Faint
		}
		return Plain
	},
	Text:   func(v *StatementView) string { return joinLines(v.Number, v.Client.Slug, v.Client.Name, v.Period.Name) },
	Orders: []string{"number", "client", "total"},
	Columns: []Column[*StatementView]{
		{Name: "number"},
		{Name: "client", Field: "client.slug"},
		{Name: "name", Field: "client.name", Spare: 4},
		{Name: "month", Field: "period.name"},
		{Name: "state", Derived: true, Words: []string{"open", "closed", "changed", "taken back", "not closed"}, Get: func(v *StatementView) Value { return WordOf(v.State()) }},
		{Name: "total", Field: "total_nano_usd", Title: "total USD", Short: "total", Sum: true},
		{Name: "cost", Field: "cost_nano_usd", Sum: true, Spare: 2},
		{Name: "margin", Field: "margin_nano_usd", Sum: true, Spare: 1},
		{Name: "due", Derived: true, Get: func(v *StatementView) Value { return WordOf(v.Owed()) }},
		{Name: "closed", Field: "closed_at", Spare: 3},
		{Name: "sha256", Hidden: true},
	},
})

// StatementLineTable is a statement line by line, for a spreadsheet.
var StatementLineTable = &Table[*StatementLine]{
	Thing: "line",
	Columns: []Column[*StatementLine]{
		{Name: "number", Get: func(l *StatementLine) Value { return WordOf(l.Number) }},
		{Name: "client", Get: func(l *StatementLine) Value { return WordOf(l.Client) }},
		{Name: "month", Get: func(l *StatementLine) Value { return WordOf(l.Month) }},
		{Name: "part", Get: func(l *StatementLine) Value { return WordOf(l.Part) }},
		{Name: "name", Get: func(l *StatementLine) Value { return WordOf(l.Name) }},
		{Name: "day", Get: func(l *StatementLine) Value { return WordOf(l.Day) }},
		{Name: "entry", Get: func(l *StatementLine) Value { return WordOf(l.ID) }},
		{Name: "requests", Get: func(l *StatementLine) Value { return CountOf(l.Requests) }},
		{Name: "input_tokens", Get: func(l *StatementLine) Value { return CountOf(l.Input) }},
		{Name: "output_tokens", Get: func(l *StatementLine) Value { return CountOf(l.Output) }},
		{Name: "credits", Get: func(l *StatementLine) Value { return MoneyOf(l.Exact) }},
		{Name: "amount", Get: func(l *StatementLine) Value { return RateOf(l.Decimal, true) }},
		{Name: "currency", Get: func(l *StatementLine) Value { return WordOf(l.Currency) }},
	},
}

// StatementLine is a line of a statement.
type StatementLine struct {
	Number, Client, Month, Currency string
	Decimal                         tally.NanoUSD // the amount, in billionths of the currency
	statement.Line
}

// StatementLines are the lines of statements.
func StatementLines(list []StatementView) (out []StatementLine) {
	for i := range list {
		v := &list[i]
		for _, l := range v.Lines() {
			out = append(out, StatementLine{v.Number, v.Client.Slug, v.Period.Name, v.Currency, v.Due.Billionths(l.Minor), l})
		}
	}
	return out
}
