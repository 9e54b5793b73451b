package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"tallygate/engine/feed"
	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/memory"
)

// database is what nodes share: a store, and what it knows of them.
type database struct {
	*memory.Store

	mu     sync.Mutex // guards the fields that follow, and that one node changes at a time
	rev    int64
	print  string
	list   []storage.Node
	duties map[string]given
	others []tally.Record    // of nodes that are not in list
	held   []storage.HoldSum // what they say in turn that they hold
	asked  int               // how often for others
	gone   error             // it is out of reach
	since  time.Time
}

type given struct {
	to    string
	until time.Time
}

// node is the store as one node has it.
type node struct {
	*database
	name string
	seen int64 // the revision that it was given last; guarded by database.mu
}

var _ storage.Cluster = (*node)(nil)

func (n *node) Load(ctx context.Context) ([]tally.Entity, int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone != nil {
		return nil, 0, n.gone
	}
	entities, rev, err := n.Store.Load(ctx)
	if err == nil {
		n.seen, n.rev = rev, rev
	}
	return entities, rev, err
}

// answers is nil while a read can be answered.
func (n *node) answers(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if storage.IsOwn(ctx) {
		return nil
	}
	return n.gone
}

func (n *node) Usage(ctx context.Context, counters ...tally.Counter) ([]tally.Usage, error) {
	if err := n.answers(ctx); err != nil {
		return nil, err
	}
	return n.Store.Usage(ctx, counters...)
}

func (n *node) LastUsed(ctx context.Context, subjects ...tally.Subject) ([]time.Time, error) {
	if err := n.answers(ctx); err != nil {
		return nil, err
	}
	return n.Store.LastUsed(ctx, subjects...)
}

func (n *node) Holds(ctx context.Context, q storage.HoldQuery) (storage.HoldSum, error) {
	if err := n.answers(ctx); err != nil {
		return storage.HoldSum{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.held) == 0 {
		return n.Store.Holds(ctx, q)
	}
	out := n.held[0]
	n.held = n.held[1:]
	return out, nil
}

func (n *node) Records(ctx context.Context, q storage.RecordQuery) ([]tally.Record, string, error) {
	if err := n.answers(ctx); err != nil {
		return nil, "", err
	}
	return n.Store.Records(ctx, q)
}

func (n *node) Series(ctx context.Context, of ...storage.SeriesQuery) ([]storage.Point, error) {
	if err := n.answers(ctx); err != nil {
		return nil, err
	}
	return n.Store.Series(ctx, of...)
}

// Entries are no node's own. It takes as long as a database does: what was read may be old once
// it has come.
func (n *node) Entries(ctx context.Context, q storage.EntryQuery) ([]tally.Record, error) {
	n.mu.Lock()
	gone := n.gone
	n.mu.Unlock()
	if gone != nil {
		return nil, gone
	}
	out, err := n.Store.Entries(ctx, q)
	time.Sleep(2 * time.Millisecond)
	return out, err
}

func (n *node) Apply(ctx context.Context, by tally.Act, changes ...tally.Change) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone != nil {
		return 0, n.gone
	}
	if n.seen != n.rev {
		return 0, tally.Errorf(tally.Conflict, "another node was faster")
	}
	rev, err := n.Store.Apply(ctx, by, changes...)
	if err == nil {
		n.seen, n.rev = rev, rev
	}
	return rev, err
}

func (n *node) Me() string { return n.name }

func (n *node) Revision() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rev
}

func (n *node) Duty(_ context.Context, name string, hold time.Duration) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone != nil {
		return false, n.gone
	}
	now := time.Now()
	if x := n.duties[name]; x.to != n.name && now.Before(x.until) {
		return false, nil
	}
	n.duties[name] = given{n.name, now.Add(hold)}
	return true, nil
}

func (n *node) Others(_ context.Context, _ time.Time, after storage.Mark, most int) ([]tally.Record,
	storage.Mark, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	from := max(int(after["far"]), len(n.others)-most)
	return slices.Clone(n.others[from:]), storage.Mark{"far": uint64(len(n.others))}, n.gone
}

func (n *node) Nodes(context.Context) ([]storage.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := slices.Clone(n.list)
	for i := range out {
		out[i].Me = out[i].Name == n.name
	}
	return out, n.gone
}

func (n *node) ForgetNode(_ context.Context, name string, stopped bool) (storage.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.list, func(x storage.Node) bool { return x.Name == name })
	if i < 0 {
		return storage.Node{}, tally.Errorf(tally.NotFound, "there is no node %q", name)
	}
	was := n.list[i]
	if was.State == storage.NodeLive && !stopped {
		return was, tally.Errorf(tally.Conflict, "node %q was heard a moment ago", name)
	}
	n.list = slices.Delete(n.list, i, i+1)
	return was, nil
}

func (n *node) KeepKey(_ context.Context, print string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.print != "" && n.print != print {
		return tally.Errorf(tally.Denied, "the nodes have another key file")
	}
	n.print = print
	return nil
}

func (n *node) Reach() (time.Time, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.since, n.gone
}

// leave takes the database out of reach, or brings it back.
func (d *database) leave(since time.Time, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since, d.gone = since, cause
}

// newNodes are engines over one store, with one key file. They look at what others have
// changed when [world.follows] says so.
func newNodes(t *testing.T, names ...string) (db *database, list []*world) {
	t.Helper()
	dir := t.TempDir()
	events := feed.New(256)
	db = &database{Store: memory.New(events.Publish), duties: map[string]given{}}
	for _, name := range names {
		w := &world{TB: t, log: &lockedBuffer{}, now: noon, store: db.Store, node: &node{database: db, name: name}}
		if err := w.start(events, dir, false); err != nil {
			t.Fatal(err)
		}
		db.list = append(db.list, storage.Node{Name: name, Host: "h", Version: "1.2.3", State: storage.NodeLive, Heard: noon})
		list = append(list, w)
	}
	return db, list
}

// follows has a node look at what others have changed.
func (w *world) follows() {
	w.Helper()
	if err := w.engine.followNodes(w.Context()); err != nil {
		w.Fatal(err)
	}
}
