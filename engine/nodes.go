package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// oneNode is the error of operations on nodes where there is one.
func oneNode() error {
	return tally.Errorf(tally.NotFound, "this gateway has one node, with a store of its own").
		WithHint("several share one by: tallygate serve --store postgres://HOST/DATABASE; see tallygate help nodes")
}

// nodes are those that share the store, by name.
func (e *Engine) nodes(ctx context.Context) ([]control.NodeView, error) {
	list, err := e.cluster.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	now := e.opts.Clock() // the machine's, as the nodes tell it
	for i := range list {
		if list[i].Me {
			now = now.Add(-list[i].Clock) // as the database's, by which nodes are heard
		}
	}
	out := make([]control.NodeView, 0, len(list))
	for i := range list {
		out = append(out, viewNode(&list[i], now))
	}
	e.peers.Store(new(slices.Clone(out)))
	return out, nil
}

// nodesAlone is what the database told last of the nodes, and since when it does not answer.
func (e *Engine) nodesAlone(since time.Time) (out []control.NodeView, known bool) {
	last := e.peers.Load()
	if last == nil {
		return nil, false
	}
	out = slices.Clone(*last)
	for i := range out {
		if v := &out[i]; v.Me {
			v.Faults = append(slices.Clip(v.Faults), outSince(since, commonCalendar(e.catalog.Load(), since).Zone)+
				"; this is what it told last, of all nodes")
		}
	}
	return out, true
}

func viewNode(n *storage.Node, now time.Time) control.NodeView {
	v := control.NodeView{
		Name: n.Name, Me: n.Me, State: string(n.State), Host: n.Host, Version: n.Version, Joined: n.Joined, Heard: n.Heard,
		Clock: n.Clock, Records: n.Records, Unshipped: n.Unshipped, Shipped: n.Shipped, Holds: n.Holds, Exchanges: n.Exchanges,
		Requests: n.Requests, Faults: n.Faults,
	}
	if !n.Heard.IsZero() {
		v.Silent = max(now.Sub(n.Heard), 0)
	}
	for m, amount := range n.Lent {
		if amount != 0 {
			if v.Lent == nil {
				v.Lent = map[tally.Metric]int64{}
			}
			v.Lent[tally.Metric(m)] = amount
		}
	}
	return v
}

func (e *Engine) listNodes(ctx context.Context, in control.Rows) ([]control.NodeView, error) {
	if e.cluster == nil {
		return nil, oneNode()
	}
	list, err := e.nodes(ctx)
	if since, _ := e.cluster.Reach(); err != nil && !since.IsZero() {
		if last, known := e.nodesAlone(since); known {
			list, err = last, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return control.Select(control.NodeTable, list, in, commonCalendar(e.catalog.Load(), e.clock()))
}

// forgetNode frees what a node was lent, and answers with how it stood.
func (e *Engine) forgetNode(ctx context.Context, in control.ForgetNode) (control.NodeView, error) {
	if e.cluster == nil {
		return control.NodeView{}, oneNode()
	}
	name := strings.TrimSpace(in.Node)
	list, err := e.nodes(ctx)
	if err != nil {
		return control.NodeView{}, err
	}
	i := slices.IndexFunc(list, func(v control.NodeView) bool { return v.Name == name })
	switch {
	case i < 0:
		var names []string
		for i := range list {
			names = append(names, list[i].Name)
		}
		return control.NodeView{}, missing("node", name, names, "")
	case list[i].Me:
		return control.NodeView{}, tally.Errorf(tally.Invalid, "%s is the node that answers you", name).
			WithHint("stop it: tallygate stop; one that has stopped has returned all, and need not be forgotten")
	}
	was, err := e.cluster.ForgetNode(context.WithoutCancel(ctx), name, in.Stopped)
	if err != nil {
		return control.NodeView{}, err
	}
	e.peers.Store(new(slices.Concat(list[:i], list[i+1:])))
	actor, _, _ := control.Acting(ctx)
	e.log.Info("a node was forgotten", "node", name, "by", actor)
	out := viewNode(&was, list[i].Heard)
	out.Silent = list[i].Silent
	if err := e.forgetMarks(ctx, name); err != nil {
		return out, err
	}
	return out, e.noteSettings(ctx)
}

// forgetMarks ends what a node had told of itself.
func (e *Engine) forgetMarks(ctx context.Context, node string) error {
	c, now := e.catalog.Load(), e.clock()
	return e.keepAlerts(ctx, now, func(a *alerts) (run alertRun, _ error) {
		for id, m := range a.marks {
			if m.Alert != "" && strings.HasSuffix(string(id), onNode+node) {
				e.over(c, m, now, &run)
			}
		}
		return run, nil
	})
}

// noteSettings writes into the audit log that somebody has done what changes no entity.
func (e *Engine) noteSettings(ctx context.Context) error {
	return e.act(ctx, func(c *tally.Catalog, by *tally.Act) ([]tally.Change, error) {
		s := storedSettings(c)
		if s.Rev == 0 {
			return []tally.Change{tally.Put(&s, by.At)}, nil
		}
		return []tally.Change{{Kind: s.Kind(), ID: s.ID, Entity: &s, IfRev: s.Rev}}, nil
	})
}

// How much a node may lag behind before its owner is told.
const unshippedWorthy = 10_000 // records

// nodeWarnings are what an owner should know of the nodes.
func (e *Engine) nodeWarnings(ctx context.Context, c *tally.Catalog, now time.Time) ([]control.Warning, error) {
	_, out, err := e.nodesNow(ctx, c, now)
	return out, err
}

// nodesNow are the nodes, and what an owner should know of them. Where the database is out of
// reach nobody is asked.
func (e *Engine) nodesNow(ctx context.Context, c *tally.Catalog,
	now time.Time) ([]control.NodeView, []control.Warning, error) {
	if e.cluster == nil {
		return nil, nil, nil
	}
	if since, cause := e.cluster.Reach(); !since.IsZero() {
		return nil, []control.Warning{noDatabase(since, cause, commonCalendar(c, now).Zone)}, nil
	}
	list, err := e.nodes(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []control.Warning
	for i := range list {
		out = append(out, nodeTroubles(&list[i])...)
	}
	return list, out, nil
}

// outOfReach reports whether the nodes' database does not answer.
func (e *Engine) outOfReach() bool {
	if e.cluster == nil {
		return false
	}
	since, _ := e.cluster.Reach()
	return !since.IsZero()
}

// orOwn lets an operation that only looks tell of this node alone while the nodes' database is
// out of reach, where people read that it does. What is owed is never told so.
func orOwn[In, Out any](e *Engine, look func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		out, err := look(ctx, in)
		if tally.CodeOf(err) != tally.Unavailable || !e.outOfReach() {
			return out, err
		}
		since, _ := e.cluster.Reach()
		own, failed := look(storage.Own(ctx), in)
		if failed != nil || !control.Aside(ctx, outSince(since, commonCalendar(e.catalog.Load(), since).Zone)+
			"; sums are this node's own, limits as it last heard of them, and balances are not shown") {
			return out, err
		}
		return own, nil
	}
}

func outSince(since time.Time, zone *time.Location) string {
	return "the nodes' database is out of reach since " + since.In(zone).Format("15:04")
}

// noDatabase tells of a database that does not answer.
func noDatabase(since time.Time, cause error, zone *time.Location) control.Warning {
	w := control.Warning{Kind: control.WarnReach, Gravity: control.Bad, Since: since,
		Sentence: "The nodes' database is out of reach since " + since.In(zone).Format("15:04"),
		Detail:   "requests go on with what this node was lent; nothing can be changed, and the figures here are this node's own",
	}
	if cause != nil {
		w.Sentence += ": " + strings.TrimSuffix(tally.AsError(cause).Message, ".")
	}
	return w
}

// nodeTroubles tells of one node.
func nodeTroubles(v *control.NodeView) (out []control.Warning) {
	add := func(about string, gravity control.Tone, sentence, detail, next string) {
		of := control.Thing{Kind: "node", ID: tally.ID(v.Name + about), Name: v.Name}
		out = append(out, control.Warning{Kind: control.WarnNodes, Gravity: gravity, Thing: of, Sentence: sentence,
			Detail: detail, Next: next})
	}
	const look = "tallygate nodes"
	if v.IsSilent() {
		lent, next := control.LentText(v.Lent), look
		detail := "it has stopped, or does not reach the database"
		if lent != "" {
			detail = lent + " of limits that it was lent can be used by nobody until it is back"
			if v.State == string(storage.NodeGone) {
				next = control.CommandLine(control.NodesForget.Name, control.ForgetNode{Node: v.Name})
				detail += ", or is forgotten"
			}
		}
		add("", control.Warn, "Node "+v.Name+" was not heard for "+heardSpan(v.Silent), detail, next)
	}
	if v.ClockOff() {
		add(" clock", control.Warn, "The clock of node "+v.Name+" is "+v.ClockText()+" of the database's",
			"limits by the minute, hour and day begin by each node's own; a minute off, it admits nothing", look)
	}
	if v.Unshipped >= unshippedWorthy {
		add(" records", control.Warn,
			"Node "+v.Name+" has "+tally.Group(v.Unshipped)+" records that are not shipped",
			"they are safe in its folder, and missing in what the others show", look)
	}
	for _, fault := range v.Faults {
		add(" "+fault, control.Bad, "Node "+v.Name+": "+fault, "", look)
	}
	return out
}

// heardSpan writes how long a node is silent: "3 min", "2 h".
func heardSpan(d time.Duration) string {
	switch {
	case d < time.Hour:
		return tally.Group(int64(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return tally.Group(int64(d/time.Hour)) + " h"
	}
	return tally.Group(int64(d/(24*time.Hour))) + " days"
}

// Conditions that each node has of its own, and what the mark of one is called by.
var nodesOwn = map[tally.AlertKind]bool{tally.AlertDisk: true, tally.AlertBackup: true, tally.AlertBooks: true,
	tally.AlertStorm: true}

const onNode = " on node "

// onNode is the mark of a condition that is this node's own.
func (e *Engine) onNode(of tally.ID) tally.ID {
	if e.cluster == nil {
		return of
	}
	return of + onNode + tally.ID(e.cluster.Me())
}

// ofNode names the node in conditions that are its own, and leaves the others to the node
// whose duty they are, unless this one has it.
func (e *Engine) ofNode(list []condition, duty bool) (out []condition) {
	if e.cluster == nil {
		return list
	}
	for _, x := range list {
		switch me := e.cluster.Me(); {
		case nodesOwn[x.kind] || x.Kind == control.WarnReach:
			x.of, x.Sentence = e.onNode(x.of), "Node "+me+": "+x.Sentence
			if x.Thing == (control.Thing{}) {
				x.Thing = control.Thing{Kind: "node", Name: me}
			}
		case !duty:
			continue
		}
		out = append(out, x)
	}
	return out
}

// tellsOf reports whether this node says when the condition of a mark is over: one of its
// own, or with the duty one that is no node's.
func (e *Engine) tellsOf(mark tally.ID) bool {
	if e.cluster == nil {
		return true
	}
	i := strings.LastIndex(string(mark), onNode)
	if i < 0 {
		return e.alerts.duty.has()
	}
	return string(mark[i+len(onNode):]) == e.cluster.Me()
}
