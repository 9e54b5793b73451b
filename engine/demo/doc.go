// Package demo is an agency that does not exist, with the clients, the keys, the
// website and the history that a real one would have. `tallygate demo` shows it, and
// the tests of the interface look at it.
//
// Nothing of it is made up behind the engine's back: what there is was made by
// operations of the control plane ([Agency.Fill]), the history goes through the port of
// the store, past the same limits as live requests, and live traffic is sent to the
// public plane ([Agency.Traffic]). The same time and the same options make the same
// requests; only what the engine draws at random, its IDs and keys, differs.
//
//   - agency.go has who there is, and what their traffic is like
//   - fill.go makes the entities
//   - history.go makes up requests, and store.go writes them down
//   - visitors.go has the visitors of the website
//   - traffic.go sends what is live
package demo
