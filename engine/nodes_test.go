package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/feed"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// What one node changes is in force on the others within a second, by itself: a client is
// served there, and a key that was revoked is refused.
func TestNodesFollow(t *testing.T) {
	_, list := newNodes(t, "n1", "n2")
	a, b := list[0], list[1]
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { b.engine.Run(ctx) })

	within := func(what string, is func() bool) {
		t.Helper()
		for late := time.Now().Add(time.Second); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("%s a second later", what)
			}
		}
	}
	before := b.engine.feed.Last()
	key := a.setUp().Key
	within("a client of another node is refused", func() bool {
		return b.chat(key,
			"sim-small").status == http.StatusOK
	})
	if b.engine.feed.Last() == before {
		t.Error("nobody who looks on is told")
	}
	keys := do(b, control.KeysList, control.ListKeys{})
	do(a, control.KeysRevoke, control.PickKey{Key: string(keys[0].ID)})
	within("a revoked key works", func() bool { return b.chat(key, "sim-small").status == http.StatusUnauthorized })
	b.consistent()
}

// Of many who want the same name on several nodes at once, one gets it, and the others hear
// that it is taken; names that differ are all given, though every change conflicts.
func TestNodesReplan(t *testing.T) {
	_, list := newNodes(t, "n1", "n2", "n3")
	list[0].setUp()
	race := func(call func(w *world, i int) error) (won int) {
		var wg sync.WaitGroup
		results := make([]error, len(list))
		for i, w := range list {
			wg.Go(func() { results[i] = call(w, i) })
		}
		wg.Wait()
		for _, err := range results {
			if err == nil {
				won++
			} else if e := tally.AsError(err); e.Code != tally.Conflict ||
				!strings.Contains(e.Message, "taken") && !strings.Contains(e.Message, "there is") {
				t.Errorf("%s: %s", e.Code, e.Message)
			}
		}
		return won
	}
	create := func(w *world, slug, name string) error {
		_, err := control.ClientsCreate.Do(t.Context(), w.owner, control.CreateClient{Slug: slug,
			ClientFields: control.ClientFields{Name: &name}})
		return err
	}
	for round := range 20 {
		slug := fmt.Sprint("aurora-", round)
		if won := race(func(w *world, i int) error {
			return create(w, slug, fmt.Sprint("Aurora ", round,
				i))
		}); won != 1 {
			t.Fatalf("%d nodes made client %s", won, slug)
		}
		if won := race(func(w *world, i int) error {
			return create(w, "", fmt.Sprint("Other ", round,
				i))
		}); won != len(list) {
			t.Fatalf("%d of %d clients were made", won, len(list))
		}
	}
	for _, w := range list {
		w.follows()
		w.consistent()
	}
}

// A plan that is made again leaves nothing of the first behind: what is made names only what
// is stored, and is in the answer.
func TestNodesReplanLeavesNothing(t *testing.T) {
	_, list := newNodes(t, "n1", "n2")
	a, b := list[0], list[1]
	a.setUp()
	b.follows()
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	// Revision tells each that it is behind only after its plan was made once.
	for i, act := range []func(){
		func() { b.provider("up", u, upstreamKey) },
		func() {
			do(b, control.GatewaysCreate,
				control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}})
		},
		func() {
			do(b, control.ConfigApply, control.ApplyConfig{Text: "tallygate: 1\nproviders: {up2: {kind: sim}}"})
		},
		func() { do(b, control.SettingsSet, control.SettingsFields{RetentionDays: to(9)}) },
		func() { b.client("Borealis", "cost=5/month") },
	} {
		a.client(fmt.Sprint("in between ", i))
		b.engine.known.Store(b.node.Revision()) // it has not heard of that
		act()
		a.follows()
		for _, w := range list {
			w.consistent()
		}
	}
	if got := do(a, control.ProvidersShow, control.Named{Name: "up"}); got.Models != 1 {
		t.Errorf("the provider has %d models, want 1", got.Models)
	}
}

// An owner is told by one node of what all see, and by each of what is its own; what one has
// told another one knows, and can acknowledge.
func TestNodesAlert(t *testing.T) {
	db, list := newNodes(t, "n1", "n2")
	a, b := list[0], list[1]
	key := a.setUp().Key
	b.follows()
	do(a, control.ClientsUpdate, control.UpdateClient{Client: "default",
		ClientFields: control.ClientFields{Limits: edits(t, "requests=1/month")}})
	b.follows()
	b.served(key, "sim-small")
	db.mu.Lock()
	db.list = append(db.list, storage.Node{Name: "n9", State: storage.NodeGone, Heard: noon.Add(-time.Hour),
		Lent: map[string]int64{"cost": int64(42 * tally.Dollar / 100)}})
	db.mu.Unlock()
	for _, w := range list {
		if err := w.engine.watchAlerts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a.follows()
	b.follows()
	told := do(b, control.AlertsList, control.ListAlerts{})
	var got []string
	for _, x := range told {
		got = append(got, x.Sentence+" | "+x.Next)
	}
	all := strings.Join(got, "\n")
	if len(told) != 2 || !strings.Contains(all, "Node n9 was not heard for 1 h | tallygate nodes forget n9") ||
		!strings.Contains(all, "default") {
		t.Fatalf("told:\n%s", all)
	}
	do(b, control.AlertsAck, control.AckAlerts{All: true})
	do(a, control.AlertsAck, control.AckAlerts{ID: string(told[0].ID)}) // it knows of it at once
	a.follows()
	if open := do(a, control.AlertsList, control.ListAlerts{Open: true}); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}

	db.leave(noon, tally.Errorf(tally.Unavailable, "connection refused"))
	for _, w := range list {
		w.log.reset()
		w.wait(time.Minute)
		w.engine.watchAlerts(t.Context()) // nothing is kept
		if said := w.log.String(); !strings.Contains(said,
			"Node "+w.node.name+": The nodes' database is out of reach since") {
			t.Errorf("%s says: %s", w.node.name, said)
		}
	}
	s := do(a, control.EngineStatus, control.None{})
	if len(s.Warnings) == 0 || s.Warnings[0].Kind != control.WarnReach ||
		!strings.Contains(s.Warnings[0].Sentence, "connection refused") || s.Clients != 1 {
		t.Errorf("status without the database: %+v", s)
	}
	if a.engine.ready() != nil {
		t.Error("a node that can serve is not ready")
	}
}

// Without the database people are told what this node has by itself, and that it is that. A
// program that would not read that gets no figures, and nobody is told what is owed.
func TestFiguresOfOneNode(t *testing.T) {
	db, list := newNodes(t, "n1", "n2")
	a := list[0]
	key := a.setUp().Key
	a.served(key, "sim-small")
	client := do(a, control.ClientsList, control.Listing{})[0].Slug
	db.leave(noon, tally.Errorf(tally.Unavailable, "connection refused"))

	refused(a, control.ClientsList, control.Listing{}, tally.Unavailable, "connection refused")
	refused(a, control.UsageShow, control.UsageQuery{}, tally.Unavailable, "connection refused")
	var said string
	a.owner.Aside = func(sentence string) { said = sentence }
	for name, requests := range map[string]func() int64{
		"clients list": func() int64 { return do(a, control.ClientsList, control.Listing{})[0].Month.Requests },
		"clients show": func() int64 { return do(a, control.ClientsShow, control.Named{Name: client}).Month.Requests },
		"keys list":    func() int64 { return do(a, control.KeysList, control.ListKeys{})[0].Month.Requests },
		"usage":        func() int64 { return do(a, control.UsageShow, control.UsageQuery{}).Total.Requests },
		"requests":     func() int64 { return int64(len(do(a, control.RequestsList, control.RequestQuery{}).Requests)) },
	} {
		said = ""
		if n := requests(); n != 1 || !strings.Contains(said, "out of reach since 12:07; sums are this node's own") {
			t.Errorf("%s: %d requests, and beside that: %q", name, n, said)
		}
	}
	refused(a, control.ClientsStatement, control.StatementQuery{Client: client}, tally.Unavailable, "connection refused")
	if s := do(a, control.EngineStatus, control.None{}); s.Last24Hours.Requests != 1 || s.Month.Requests != 1 {
		t.Errorf("status has %d requests of 24 hours and %d of the month", s.Last24Hours.Requests, s.Month.Requests)
	}
	db.leave(time.Time{}, nil)
	said = ""
	if do(a, control.ClientsList, control.Listing{}); said != "" {
		t.Errorf("with the database: %q", said)
	}
}

// Two nodes that alert at once both are kept.
func TestNodesAlertAtOnce(t *testing.T) {
	_, list := newNodes(t, "n1", "n2")
	var wg sync.WaitGroup
	for i, w := range list {
		wg.Go(func() {
			for j := range 10 {
				about := fmt.Sprint(i, " ", j)
				if err := w.engine.Alert(t.Context(), Told{Kind: tally.AlertBooks, About: about,
					Gravity: control.Bad, Sentence: about}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, w := range list {
		w.follows()
		if n := len(do(w, control.AlertsList, control.ListAlerts{})); n != 20 {
			t.Errorf("%s knows of %d alerts, want 20", w.node.name, n)
		}
	}
}

// Nodes have one key file. Who has another one is refused, and one that was made for nothing
// is not left behind.
func TestNodesShareAKey(t *testing.T) {
	db, list := newNodes(t, "n1")
	dir := t.TempDir()
	w := &world{TB: t, log: &lockedBuffer{}, now: noon, store: db.Store, node: &node{database: db, name: "n2"}}
	for range 2 { // the second would find the key of the first
		err := w.start(feed.New(8), dir, false)
		if tally.CodeOf(err) != tally.Denied || !strings.Contains(err.Error(), "another key file") {
			t.Fatalf("a node with a key of its own: %v", err)
		}
	}
	list[0].setUp()
	err := w.start(feed.New(8), dir, false)
	if e := tally.AsError(err); e.Code != tally.Denied || !strings.Contains(e.Hint,
		"copy secrets.key of another node") {
		t.Errorf("a node without a key, where something is sealed: %v (%s)", e, e.Hint)
	}
	refused(list[0], control.SecretsRotate, control.RotateSecrets{}, tally.Invalid, "of all nodes", "secrets wrap")
}

func TestNodesOperations(t *testing.T) {
	single := newWorld(t)
	refused(single, control.NodesList, control.Rows{}, tally.NotFound, "one node", "serve --store")
	refused(single, control.NodesForget, control.ForgetNode{Node: "n2"}, tally.NotFound, "one node")

	db, list := newNodes(t, "n1", "n2")
	a := list[0]
	a.setUp()
	db.mu.Lock()
	for i := range db.list {
		db.list[i].Heard = noon.Add(-3 * time.Second) // the database is 3 s behind
		db.list[i].Clock = 3 * time.Second
	}
	n2 := &db.list[1]
	n2.Heard, n2.Clock, n2.Unshipped = noon.Add(-183*time.Second), 12*time.Second, 12_000
	n2.Faults = []string{"the database does not sync"}
	n2.Lent = map[string]int64{"tokens": 1200, "cost": int64(tally.Dollar / 2)}
	db.mu.Unlock()
	got := do(a, control.NodesList, control.Rows{Sort: "name"})
	if len(got) != 2 || !got[0].Me || got[1].Me || got[1].Silent != 3*time.Minute {
		t.Fatalf("nodes: %+v", got)
	}
	if text := control.LentText(got[1].Lent); text != "1,200 tokens, $0.50" {
		t.Errorf("lent: %q", text)
	}
	db.leave(noon, errors.New("connection refused"))
	last := do(a, control.NodesList, control.Rows{Sort: "name"})
	if len(last) != 2 || last[1].Unshipped != 12_000 || len(last[1].Faults) != 1 ||
		!strings.Contains(strings.Join(last[0].Faults, " "), "out of reach since") {
		t.Errorf("without the database: %+v", last)
	}
	db.leave(time.Time{}, nil)
	if again := do(a, control.NodesList, control.Rows{Sort: "name"}); len(again[0].Faults) != 0 {
		t.Errorf("once it is back: %+v", again)
	}
	var says []string
	status := do(a, control.EngineStatus, control.None{})
	if len(status.Nodes) != 2 {
		t.Errorf("status has the nodes %+v", status.Nodes)
	}
	for _, w := range status.Warnings {
		if w.Kind == control.WarnNodes {
			says = append(says, w.Sentence)
		}
	}
	for _, want := range []string{"Node n2 was not heard for 3 min",
		"The clock of node n2 is 12s ahead of the database's",
		"Node n2 has 12,000 records that are not shipped", "Node n2: the database does not sync",
		"The clock of node n1 is 3s ahead of the database's"} {
		if !slices.Contains(says, want) {
			t.Errorf("status does not say %q: %q", want, says)
		}
	}
	refused(a, control.NodesForget, control.ForgetNode{Node: "n1"}, tally.Invalid, "answers you", "tallygate stop")
	refused(a, control.NodesForget, control.ForgetNode{Node: "n3"}, tally.NotFound, "n3")
	refused(a, control.NodesForget, control.ForgetNode{Node: "n2"}, tally.Conflict, "heard a moment ago")
	if was := do(a, control.NodesForget, control.ForgetNode{Node: "n2", Stopped: true}); was.Name != "n2" ||
		was.Lent[tally.Cost] == 0 {
		t.Errorf("what was forgotten: %+v", was)
	}
	db.leave(noon, errors.New("connection refused"))
	alone := do(a, control.NodesList, control.Rows{})
	db.leave(time.Time{}, nil)
	if left := do(a, control.NodesList, control.Rows{}); len(left) != 1 || len(alone) != 1 {
		t.Errorf("%d nodes are left, without the database %d", len(left), len(alone))
	}
	log := do(a, control.AuditList, control.AuditQuery{Limit: 1})
	if x := log.Entries[0]; x.Op != "nodes.forget" || !strings.Contains(x.Command, "nodes forget n2") {
		t.Errorf("the audit log has %q %q", x.Op, x.Command)
	}
}

// A month is not closed when what another node has held of it is held no more: its record may not
// have come yet.
func TestClosingWaitsForNodes(t *testing.T) {
	db, list := newNodes(t, "n1", "n2")
	w := list[0]
	w.setUp()
	cl, _ := w.client("Aurora", "credits=30/month")
	w.wait(32 * 24 * time.Hour)
	db.held = []storage.HoldSum{{Count: 1}}
	refused(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"}, tally.Conflict,
		"1 request is", "in a minute")
	for i := range db.list {
		db.list[i].Shipped = time.Now().Add(time.Hour)
	}
	do(w, control.ClientsClose, control.StatementQuery{Client: cl.Slug, Month: "last"})
}
