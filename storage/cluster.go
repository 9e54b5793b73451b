package storage

import (
	"context"
	"time"

	"tallygate/engine/tally"
)

// Cluster is what a store tells that several processes, the nodes, have in common. Each node
// opens it with a folder of its own. All of them see the same entities, records and usage,
// and share all limits.
//
// Names are unique over all entities, and the engine sees to that by what it has loaded. So
// Apply is a Conflict, too, if the latest revision is not the one that Load or Apply has
// returned to this node last: another node has changed something since.
//
// Every node's engine calls Expire, for its own holds, Prune, Coarsen and Forget, of which the
// first to come that far does what is common, and each night Verify. Backup by itself is
// called on one node at a time.
//
// An entry of the book of money is among the Entries of every node once Enter has returned:
// the engine looks at all before it makes the next one.
type Cluster interface {
	Store
	// Me is the name of this node.
	Me() string
	// Revision is the revision of the latest change of entities that this node has heard of,
	// be it by Load or Apply, a fifth of a second old at most while the nodes' database is in
	// reach. It waits for nothing.
	Revision() int64
	// Duty asks for a duty that one node has at a time, like "alerts". If it is true this node
	// has it until hold is over from when Duty was called, and no other; asked again in that
	// time it has it for as long from then on. False: another node has it. With a hold of 0
	// the node gives it back. Unavailable while the nodes' database is out of reach.
	Duty(ctx context.Context, name string, hold time.Duration) (bool, error)
	// Others returns what other nodes have settled, as far as the database has it, the oldest
	// first: beginning with a nil mark the latest of those admitted since an instant, and then,
	// with the mark that the call before has returned, the latest that came since. It is most
	// records at a time, so a reader who is slower misses some. Record.Node is set.
	Others(ctx context.Context, from time.Time, after Mark, most int) ([]tally.Record, Mark, error)
	// Nodes lists the nodes that are not forgotten, by name.
	Nodes(ctx context.Context) ([]Node, error)
	// ForgetNode frees what a node was lent and cannot return, since its folder is lost. It must
	// never come back: what its folder says of requests since it was last heard is lost, and
	// may have been spent. Its records stay. NotFound if there is no such node, a Conflict if
	// it was heard within the last ten minutes, unless the owner says that it has stopped.
	ForgetNode(ctx context.Context, name string, stopped bool) (Node, error)
	// KeepKey tells the fingerprint of this node's key file, for nodes that come after it.
	// Denied if the nodes have another key file.
	KeepKey(ctx context.Context, print string) error
	// Reach says since when the nodes' database is out of reach, and why; zero if it is not.
	Reach() (since time.Time, cause error)
}

// Mark says up to which of each other node's records a reader has come.
type Mark map[string]uint64

// NodeState says whether a node takes part.
type NodeState string

// The states. One that has left, or is gone, may come back with its folder, but for one that
// was forgotten.
const (
	NodeLive NodeState = "live"
	NodeLeft NodeState = "left" // it has shipped and returned all, and its folder may be deleted
	NodeGone NodeState = "gone" // it was not heard for ten minutes
)

// Node is one of the processes that share a store.
type Node struct {
	Name    string    `json:"name"`
	Me      bool      `json:"me,omitempty"` // the one that answers
	Host    string    `json:"host"`
	Version string    `json:"version"`
	State   NodeState `json:"state"`
	Joined  time.Time `json:"joined"`
	Heard   time.Time `json:"heard"` // when it was last heard, by the database's clock
	// Clock is how far the node's clock was ahead of the database's then.
	Clock   time.Duration `json:"clock_ns"`
	Records int64         `json:"records"` // that it has shipped
	// Unshipped is how many of its records the database did not have then.
	Unshipped int64 `json:"unshipped"`
	// Shipped is since when, by the node's clock, all that it has settled was shipped.
	Shipped time.Time `json:"shipped"`
	Holds   int       `json:"holds"`
	// Lent is what of limits it was lent and had not told to have used, in the metric's unit: some
	// seconds before it was heard, or of a node that is forgotten, what is free again.
	Lent map[string]int64 `json:"lent,omitempty"`
	// Exchanges is how often it asked for leases since it started, and Requests how many it
	// was asked to admit.
	Exchanges int64    `json:"exchanges"`
	Requests  int64    `json:"requests"`
	Faults    []string `json:"faults,omitempty"` // what its owner should know: "the database does not sync"
}
