package lease

import (
	"context"
	"math"
	"time"

	"tallygate/engine/tally"
	"tallygate/storage/ledger"
)

// Bank keeps what every node was granted of every counter. Any error of its methods leaves
// open whether they have taken effect.
type Bank interface {
	// Join begins a new epoch of a node, which is above the node's former ones and at least
	// atLeast, and makes 0 the number of its latest operation. Of a node that was forgotten it
	// changes nothing and returns Forgotten.
	Join(ctx context.Context, node string, atLeast int64) (epoch int64, err error)

	// Exchange carries out an operation in one transaction, if the epoch is the node's and
	// the operation's number is the one after the node's latest. Otherwise it changes
	// nothing. The answer tells in any case what stands afterwards, all of one instant.
	Exchange(ctx context.Context, op *Exchange) (Reply, error)

	// Poll returns a node's news, as a rule five times a second. It changes nothing.
	Poll(ctx context.Context, node string) (News, error)

	// Claim answers claims of a node, in their order, and keeps what stands after each
	// ([Claimed.After]). A claim without a request changes nothing. A claim may come twice, and
	// late. It needs no epoch.
	Claim(ctx context.Context, node string, claims []ledger.Claim) ([]Claimed, error)

	// Lent returns the counters of which a node was granted more than it has said to have used,
	// and whose periods are not over.
	Lent(ctx context.Context, node string) ([]tally.Counter, error)
}

// Forgotten is the epoch of a node that was forgotten, in all answers: there is no later one.
const Forgotten = math.MaxInt64

// MetricOf is the metric whose index a bank has kept, [ledger.InFlight] if that is -1.
func MetricOf(index int) tally.Metric {
	if index < 0 {
		return ledger.InFlight
	}
	return tally.Metrics[index]
}

// Exchange is an operation of a node. It must not be changed once it was sent.
type Exchange struct {
	Node      string
	Epoch, Op int64
	Asks      []Ask // each counter once, in an order that is the same for all nodes
}

// Ask is what a node says and wants of a counter. Places, too, are a counter, of the metric
// [ledger.InFlight]; what is taken of them is held, and nothing is used. Have, Least and Want are what the lease
// would be, not what would be added to it, so Have ≤ Least ≤ Want.
type Ask struct {
	tally.Counter
	New   bool  // the bank may not know the counter yet, and then begins it with nothing granted
	Max   int64 // the limit as the node knows it
	Have  int64 // what the node keeps, or has taken: granted in any case
	Least int64 // if there is not so much, the node wants no more than Have
	Want  int64 // what the node has use for now
	Extra int64 // what it would take in advance, at least 0
	Used  int64 // what the node has used of it, for the other nodes
}

// Share is what a node is to be granted if the others have been granted so much, and whether
// the counter is wanted, that is, others should give back what they do not use. The extra
// becomes smaller as the limit comes nearer, so that no node takes what others need.
func (a *Ask) Share(others, nodes int64) (granted int64, wanted bool) {
	avail := tally.AddSat(a.Max, -others)
	granted = tally.AddSat(a.Want, min(a.Extra, max(0, tally.AddSat(avail, -a.Want))/(2*nodes)))
	granted = min(granted, avail)
	if avail < a.Least {
		granted = a.Have
	}
	return max(granted, a.Have), granted < a.Want
}

// Reply is what stands after an exchange.
type Reply struct {
	Epoch, Op int64   // of the node
	Leases    []Lease // one for each Ask; of no meaning unless Epoch and Op are those of the exchange
}

// Lease is what a node was granted of a counter, zero if the bank does not know it.
type Lease struct {
	Granted   int64
	Elsewhere int64 // what the other nodes have said they used, those that are gone included
	Others    int64 // what the other nodes were granted, those that are gone included
}

// Claimed is what a bank knows of a session: which request began it, and when it ends. Both
// are zero if it knows nothing.
type Claimed struct {
	Begun tally.ID
	Ends  time.Time
}

// Ahead is by how much clocks of nodes may differ. A session that ends later than that after
// one which begins now was begun by a clock that was ahead. It would run on for free.
const Ahead = time.Minute

// After is what stands after a claim. A session that runs when the claim's request was
// admitted keeps who began it, and goes on to the claim's end unless that is fixed. If it does
// not run, the request begins it; a claim without a request is answered with nothing.
func (s Claimed) After(c *ledger.Claim) Claimed {
	switch runs := s.Ends.After(c.At) && !s.Ends.After(c.Ends.Add(Ahead)); {
	case !runs && c.Request == "":
		return Claimed{}
	case !runs:
		return Claimed{c.Request, c.Ends}
	case c.Request != "" && !c.Fixed && c.Ends.After(s.Ends):
		s.Ends = c.Ends
	}
	return s
}

// News is what a node is told by a poll.
type News struct {
	Epoch, Op int64           // of the node
	Wanted    []tally.Counter // wanted within the last second, of those the node has a lease on
}
