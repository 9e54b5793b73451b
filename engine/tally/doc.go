// Package tally is the vocabulary of tallygate: entities, money, tokens,
// windows, limits, records and errors. Everything else is written in its terms.
//
// It imports the standard library only and does no I/O, so that a store, a
// provider, the control plane and a screen can share its types without sharing
// anything else.
//
// Units. A field's unit is in its type (NanoUSD, time.Duration, UTC time.Time)
// or in its name (…Tokens, …Bytes). No float touches money. Enums are strings
// on disk and on the wire.
//
// How money is bounded. A request is admitted with a [Reservation]: for each
// [Metric] a [Bound] says the most the request can use as a function of its
// output tokens, and each [Charge] names a [Counter] that must have room for
// it. The store answers with a [Grant], the largest output every limit can pay
// for. When the answer is complete a [Settlement] replaces the held bound by
// the truth. What a finished request used of a metric is a function of its
// [Record] alone ([Record.Amounts]), so counters can always be recomputed from
// records.
package tally
