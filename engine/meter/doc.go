// Package meter holds a request's bound before it spends and settles the truth
// after.
//
// [Meter.Admit] turns the limits of gateway, client and key, or of access token
// and visitor's address, into charges,
// bounds what the request can use, and asks the store to hold it; the answer is
// a [Ticket]. [Ticket.Settle] prices what was used and hands the store the
// record. A ticket is settled exactly once, whatever happens to the request:
// [Ticket.Close] settles one that nobody did.
//
// The bound is true because every part of it is: a token is at least one byte,
// so the input is at most the bytes of the body and what the chat format adds;
// the output is at most the grant, which goes upstream as max_tokens; both are
// priced at the dearest class of the dearest provider that may answer.
//
// Refusals are counted, not stored one by one: the first of its kind in a
// minute makes a record at once, the rest make one when the minute is over.
package meter
