// Package meter holds a request's bound before it spends and settles the truth
// after.
//
// [Meter.Admit] turns the limits of gateway, client and key, or of access token and
// visitor's address, into charges, bounds what the request can use, and asks the store to
// hold it; the answer is a [Ticket]. [Ticket.Price] prices an attempt, [Ticket.Settle]
// hands the store the record. A ticket is settled exactly once, whatever happens to the
// request: [Ticket.Close] settles a ticket that nobody settled.
//
// The bound is true because every part of it is: a token is at least one byte,
// so text is at most the bytes of the body and what the chat format adds; pictures
// have a bound of their own and all else the model's context; the output is at most
// the grant, which goes upstream as max_tokens; what is billed by the piece is at most the
// number that is sent; all are priced at the dearest class that the request can cause, with
// the dearest provider that may answer.
//
// A request waits for room if only the holds of others stand in its way (wait.go). The
// length of its client's latest answers is the least output that is worth waiting for
// (lengths.go).
//
// Refusals are counted, not stored one by one: the first of its kind in a
// minute makes a record at once, the rest make one when the minute is over.
package meter
