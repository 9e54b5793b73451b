// Package engine assembles the gateway: it owns the lifetime of the parts and
// answers every operation of the control plane.
//
// # The picture
//
//	client apps                    owner: commands, screens
//	     │ HTTP                         │ control.Caller
//	     ▼                              ▼
//	engine/gateway  ◄─ assembles ─  engine  ── implements ──►  engine/control
//	 │    │    │                        ├─ what is set, as a file ◄─ engine/config
//	 │    │    └─ engine/auth ─► token  ├─ views ◄─ engine/feed, metrics ◄─ records ─ storage
//	 │    │       engine/gateway ─► providers/dialect/{chat, responses, messages, ollama}
//	 │    └────── engine/route ─► providers/{openai ─► transport, sim}
//	 └─────────── engine/meter ─► storage ◄─ storage/{badgerdb ─► ledger, memory,
//	                                                  pgstore ─► badgerdb, lease ─► ledger}
//
// Everything is said in the words of [tallygate/engine/tally], which imports
// only the standard library. Package storage and package providers are ports:
// their implementations never see the engine, and each has a suite that all of
// them pass (storage/storetest, providers/providertest). Counters live in
// storage/ledger, which decides admission in memory; storage/lease divides their limits
// among several machines, whose database is storage/pgstore's. Package geo tells where a
// visitor's address is, package slug makes short names of names, package forecast tells what
// is likely from what days have used, package billfile reads what providers say they have
// charged, package webhook posts alerts, signed, to an address of the owner's. Package capture
// keeps what a client has really sent, for as long as its owner wants to look. Package demo
// fills a store with an agency that does not exist, for `tallygate demo` and for the tests of
// the interface, which look at this engine and at no imitation. Package cmd/tallygate/process
// opens an engine over a data folder and lets client apps in; package cmd/tallygate/sshd
// lets people in, over ssh. A test in cmd/tallygate holds the direction of every import.
//
// # One request
//
// The gateway's forward reads like this list; each step names its package.
//
//  1. Who asks: the credential's digest is looked up in the catalog, one
//     immutable picture of all entities for the whole request; of an access
//     token the signature, the time, revocation, page and country are checked, in
//     this order (auth, token).
//  2. What is asked: one pass over the raw body finds the few fields of its dialect
//     that matter, what bounds the prompt, and what costs beside tokens; nothing else
//     is decoded or encoded again (providers.Envelope). A page whose token is locked
//     sends its visitor's words, and the request is written anew around them (gateway).
//  3. Who may answer: upstreams in the gateway's order (route), less those whose
//     price for what is asked is not known; of another model if the owner has a rule
//     for budgets that run low. For those that do not speak the caller's dialect the
//     request is written anew in theirs (gateway's form, providers/dialect), and their
//     answer is turned back as it leaves.
//  4. Is there room: the most that the request can use in any of its forms is held on
//     every counter that limits it, all or none, and written down before anything is
//     sent (meter, storage). What only requests in flight hold is waited for, and then
//     everything from step 1 on is looked at anew.
//  5. Ask: the lanes of a course, which are upstreams with an API key each, what is
//     not well last (route); the next one only while nothing has reached the caller
//     (providers). A model that is at a cap is passed over: its caps are charged when
//     it is chosen. One that may have been charged keeps its hold; the next one takes
//     another. Where all have turned the request away at no cost, it goes round again.
//  6. Relay: bytes pass through; usage is read as it passes (providers.Body). A
//     caller that leaves ends the relay, not the call.
//  7. Settle: the hold is replaced by the truth, or by what was held where nobody
//     can tell it, with the record and the rollups, in one act; the last byte of
//     the answer waits for it (meter).
//  8. The store hands settled records to the feed. For whoever follows along the
//     engine turns each into its view, the same that lists and details of requests
//     show. Figures for Prometheus are counted from the same records (metrics). The
//     request's goroutine publishes nothing.
//
// # One change
//
// An operation is declared once in package control, implemented once here and
// called through one client, whether the caller is in this process or not. Package
// control also says how each kind of value is written and read, and which columns
// what is returned has; flags, forms, tables, filters, CSV and JSON come from there.
//
// All changes of the catalog go through [Engine.change]: one at a time, checked
// against the latest picture, stored whole or not at all, then in force. The same
// transaction writes the audit log: who changed what, from which value to which. Each
// entry has the hash of the one before it, so that a missing or changed entry is found,
// and a change can be taken back while nothing else has changed the thing since.
//
// # Several nodes
//
// A store that is a storage.Cluster is shared with the engines of other processes. A change
// that is refused since another node was faster is planned again over what is stored by then,
// so plans have no side effects. A loop puts in force what others have changed. What one node
// does for all, such as sending alerts, is a duty that the store gives for a while; entries
// of the book of money are made under a lock that is such a duty, too. Of alerts each node
// tells those that are its own, and the node whose duty it is all others.
//
// # What an owner is told
//
// Alerts are found by a loop that looks at counters and at what status warns of, never on
// the road of a request, and sent by another one. An alert and the mark that keeps it from
// being told again are stored in one act before it is sent; what came of sending it is
// stored after that. So a crash may send one twice, under the same ID, and loses none. They
// are entities that are no part of the catalog, and leave no trace in the audit log. To look
// at 10,000 limits takes 22 ms, once in five seconds while requests come.
//
//	go test -run '^$' -bench AlertLimits ./engine
//
// # What must never happen
//
// A counter beyond its limit because requests came at the same time, or because of
// what the bytes of a request did not show; less booked than an upstream has
// charged; money that lies idle while requests are refused; a record lost that a
// caller has seen the end of; a hold forgotten by a crash. The store's suite, an
// upstream that goes wrong at random and keeps its own book, a comparison of
// random histories with the memory store, and a loop that kills the real binary
// at random moments each hold a part of this; `tallygate verify` proves it for
// the data at hand.
//
// # What a request costs
//
// CPU time per request, user and system, work that is done later included,
// against floor, a bare tuned httputil.ReverseProxy, on two cores and with
// everything on: key, exact reservation in seven windows, usage, a hold and a
// record written down before anybody is told. Medians; a machine's speed drifts,
// so only the ratio within a run counts, and from one machine to the next that
// differs by a quarter: what is small, as floor is, gains most from a good cache.
//
//	connections                   1      16     64     16, prompts of 32 KB
//	× floor                       1.71   1.38   1.31   0.49
//	per event of a stream         1.27 × floor
//
//	go test -run '^$' -bench Forward -benchtime 5x ./engine/gateway
//
// Responses and messages that pass to an upstream of the same dialect cost what chat
// completions do, per request and per event: the difference is smaller than that of two
// runs.
//
// An access token costs 0.7 µs and one allocation when it was seen lately, 10 µs
// and 20 otherwise, and the keyed hash of the visitor's address 1.6 µs and 9; one
// that nobody signed 4 µs and no disk.
//
//	go test -run '^$' -bench 'Token|Hash' ./engine/auth
//
// To count a request for Prometheus takes 0.3 µs and allocates nothing, on the store's
// goroutine; to read all figures 1 ms.
//
//	go test -run '^$' -bench 'Publish|Write' ./engine/metrics
//
// What costs most is what every proxy pays, the system calls and net/http's
// server (two thirds at 16 connections); the store takes a sixth. The more
// requests come together, the more of them share a transaction. Waiting for more of
// them, profile-guided builds, a rarer collector and Badger's managed mode were
// tried, and none of them helps.
//
// The program as a whole starts in 66 to 97 ms (`serve` to the first answer of
// /readyz), takes 33 MB when idle and about 1 % of a core, most of it Badger's
// compactors, which look 40 times a second whether there is something to do; after
// half a minute at ten thousand requests a second it has 94 MB, a third of that
// mapped files. That is with the desktop's profile, which is the terminal's; serve
// takes the server's, whose caches may have some hundred megabytes. 10,000 idle
// connections cost 0.5 % of a core beside that and 20 kB each. A stream that waits for
// its model keeps 36 kB alive, two thirds of them buffers and stacks of net/http; with
// 8,000 of them serve has 337 MB. When a caller leaves a stream, its upstream is closed
// within 0.2 ms, 99 of 100 within 1 ms, where it is to be closed.
//
//	go test -run '^$' -bench 'Streams|Leaving' -benchtime 1x ./engine/gateway
//
// The health of an upstream with a key is known in 45 ns, and kept up in 60; to order
// three upstreams with three keys each takes 2 µs.
//
//	go test -run '^$' -bench Plot ./engine/route
package engine
