// Package statement makes the statement of what a client owes for a span of time: a pure
// function of what the ledger says, and its text, Markdown and HTML. Amounts are exact to
// the nano-dollar; what is shown of them in hundredths adds up to the total that is shown.
//
// A statement that is closed is kept as it is, so it can be had again byte for byte.
package statement
