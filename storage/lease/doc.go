// Package lease divides limits among several nodes, so that each node admits requests from
// memory and all of them together reach a limit exactly. Every node has a ledger of its own
// (storage/ledger). A bank, which is a database, says how much of a limit each node may use:
// the node's lease. A node goes to the bank only when a lease is used up.
//
// It is not for requests: a ledger that has a [Lender] borrows by itself. It has no SQL; who
// implements [Bank] brings that. It does not ship records and does not settle anything.
//
// # The protocol
//
// For one counter, node i has used S and holds H, both in its own journal. Its ledger has an
// allowance A. The bank has granted it g, for the counter's whole period and not in addition
// to an earlier grant. G is the sum of g over all nodes.
//
//  1. Admit. A node admits a request only if S + H + need ≤ A on every counter it is charged
//     on, all or none, under the lock of its ledger.
//  2. Raise. The bank commits a larger g first, then the node raises A to it.
//  3. Lower. The node lowers A first, then it tells the bank what it keeps. It never lowers A
//     below S + H.
//  4. Sum. The bank changes g and G in one transaction.
//  5. Limit. A raise never takes G above the limit. What a node says it has taken is granted
//     in any case: a request that used more than it held has been answered already.
//  6. Fence. A node has one operation at a time under way. It has a number, and the node has
//     an epoch, a new one each time it starts. The bank carries an operation out only if the
//     epoch is the node's and the number is the next one. A node that does not hear what
//     became of an operation sends the very same one again until it does.
//
// From 2, 3 and 6 follows A ≤ g at all times: a raise that was lost is not used, a lowering
// was applied before it was sent, and a copy that comes late finds its number taken or its
// epoch gone. With 1, 4 and 5 follows that the sum of S + H is at most the sum of A, which is
// at most G, which is at most the limit and what was used beyond holds. No clock appears in
// this. All amounts are absolute, so nothing is ever granted twice.
//
// A limit is reached exactly because a node that lacks room makes the bank mark the counter
// as wanted. Every node sees that at its next poll, gives back all that it neither uses nor
// holds (the recall), tells what it has used, and asks for no more than it needs for a
// while. A refusal is final only if what all nodes have said they used leaves no room.
//
// A node that starts has an allowance of nothing and tells the bank at its first use of a
// counter what its journal has taken there, which lowers or raises g. What was lent to a
// node that is gone stays lent until it is back or the period is over: it may be spent.
//
// A limit per minute or hour begins anew with each, so a node asks for the next one of those
// that are in use shortly before it begins.
//
// # Places
//
// How many requests a client may have in flight is divided in the same way: its places are a
// counter that nothing is used of ([ledger.InFlight]). A place that becomes free is as a rule
// taken again at once, so that a node with many would keep them for ever. A node that has
// more places than all others, and hears that they want some, therefore leaves them one that
// becomes free, and does not ask for it with the same exchange. It knows how many the others
// were lent, so it gives up what a lowered cap does not allow any more. The places of models
// and visitors are each node's own.
//
// # Sessions
//
// A session of a member that is not known here takes a unit of the sessions' limit, like any
// new one. When its hold is durable, and before the request goes on, the node claims it at
// the bank, which says who has begun it. If that was another request, the hold's record does
// not count it, and gives the unit back. Were it given back at once, others could use it, and
// the node's journal would have the hold pay all the same after a crash. A claim that came
// before the hold was durable could outlive it, others would join the session, and nobody
// would have paid. As it is, a crash or a bank out of reach counts one session too many,
// never one too few. A node that has no room for a new session asks first whether it runs
// elsewhere. A session that goes on for an eighth longer than the bank knows is claimed again,
// for which nobody waits. A claim needs no epoch and no number: who begins a session is the
// first to claim it, however often and late the claim comes. Sessions that no limit counts
// are not claimed.
//
// # Leaving
//
// A node that leaves lowers its allowances to what is taken and tells the bank. Then it
// admits nothing that is limited, and what it has been granted is what it has used and holds.
//
// # A bank that forgets
//
// A bank that is restored from an earlier state has forgotten grants that nodes may have
// used. A node notices by an epoch or an operation below its own, at its next poll or
// exchange. It then lowers all allowances to nothing, takes a new epoch and tells the bank
// what it has taken. Until all nodes have done so, at most what was forgotten is used beyond
// a limit. A bank that lends nothing for some polls once the first of them has joined anew
// keeps that small. A bank must be as durable as its limits are to be, and a connection must
// not outlive the bank it leads to. Sessions that it has forgotten are counted again.
package lease
