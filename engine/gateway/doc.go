// Package gateway is the public plane: what client apps and pages talk to over
// HTTP, in the terms of OpenAI's API.
//
// [Server.forward] is the road of a request that costs something, and reads
// like the list of its steps: who asks, what is asked, who may answer, is there
// room, ask, relay, settle. Each step is a method of [exchange], the state of
// one request; a step that refuses returns a [tally.Refusal], which says to the
// caller who was refused, by which limit, how much was used and until when.
//
// The package decides in which order things happen and what the caller is
// told. Who a credential belongs to is decided in package auth, which upstreams
// may answer in package route, what a request may cost in package meter, and
// what an upstream's bytes mean in package providers.
//
// Requests for moderation, images and sound are no conversations: they are passed on as they
// are, bounded by the piece or by tokens (media.go, passing.go).
//
// A page with a locked token sends its visitor's words, and the request is written anew
// around them (locked.go); a site's own server makes short-lived tokens (mint.go).
//
// For browsers there are also, without a credential, the page at / and the
// JavaScript client below /sdk. Their files are the caller's; which address a
// client talks to is decided here, in site.go.
//
// In front of all that stands the [Door], which lets in as many connections as there are
// files for, and makes those that say nothing leave first (door.go). The bodies of
// requests share a budget of memory, of which nobody has more than a part (body.go). A
// change of the catalog ends the streams of whoever it switches off (switchoff.go).
//
// What upstreams say when they fail is put into new words for callers (words.go): callers
// learn what the upstream says of their request, and nothing of the owner's key and
// money.
//
// Three promises shape the code. What was sent is paid for until it is proven
// free, so a call outlives its caller (call.go) and is booked by what can be known
// of it (book.go). Nothing is sent to an upstream before the most
// it can cost is held, and the last byte of an answer is withheld until its
// record is stored: whoever has seen the end of an answer finds it in the
// records, even if the process was killed in the same instant.
package gateway
