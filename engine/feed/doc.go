// Package feed tells what happens in the engine while it happens: a bounded
// ring of events for readers that follow along, and a ring of seconds for
// charts.
//
// The store's writer hands over records once they are durable ([Feed.Publish]
// is a storage.Hook), so nothing is told that a crash could take back. Nothing
// here ever waits for a reader: one that falls behind the ring is told so with
// a GapEvent and goes on with what is kept.
package feed
