package control

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// NodeStates are what a node can be: live, or it has left, or it was not heard for long.
var NodeStates = []string{"live", "left", "gone"}

// NodeView is one of the processes that share a store.
type NodeView struct {
	Name    string `json:"name"`
	Me      bool   `json:"me,omitempty"` // the one that answers
	State   string `json:"state"`        // of NodeStates
	Host    string `json:"host"`
	Version string `json:"version"`
	// Joined and Heard are by the database's clock.
	Joined time.Time     `json:"joined"`
	Heard  time.Time     `json:"heard"`
	Silent time.Duration `json:"silent_ns"` // since it was heard
	Clock  time.Duration `json:"clock_ns"`  // how far its clock was ahead of the database's
	// Records is how many it has shipped, Unshipped how many the database does not have.
	Records   int64 `json:"records"`
	Unshipped int64 `json:"unshipped"`
	// Shipped is before when, by its clock, all that it has settled is in the database.
	Shipped time.Time `json:"shipped"`
	Holds   int       `json:"holds"`
	// Lent is what of limits it was lent and has not told to have used, in the metric's unit.
	Lent map[tally.Metric]int64 `json:"lent,omitempty"`
	// Exchanges is how often it asked for leases since its start, Requests how many it was
	// asked to admit.
	Exchanges int64    `json:"exchanges"`
	Requests  int64    `json:"requests"`
	Faults    []string `json:"faults,omitempty"`
}

// ForgetNode says which node is never to come back.
type ForgetNode struct {
	Node    string `json:"node" arg:"1" of:"node" help:"name of the node, as nodes has it"`
	Stopped bool   `json:"stopped,omitempty" help:"it has stopped for certain, though it was heard within the last ten minutes"`
}

// The operations on the nodes that share a store.
var (
	NodesList = Op[Rows, []NodeView]{"nodes.list", Read,
		"list the nodes that share the store: when they were heard, and what they hold"}
	NodesForget = Op[ForgetNode, NodeView]{"nodes.forget", Write,
		"free what a node was lent whose folder is lost, for good: it must never come back"}
)

// NodeTable shows nodes.
var NodeTable = NewTable(Table[*NodeView]{
	Thing: "node", Signs: true,
	ID:   func(v *NodeView) string { return v.Name },
	Tone: (*NodeView).Tone,
	Columns: []Column[*NodeView]{
		{Name: "name", Title: "node"},
		{Name: "state", Words: NodeStates},
		{Name: "heard", Get: func(v *NodeView) Value { return WordOf(v.HeardText()) }, Derived: true},
		{Name: "heard at", Field: "heard", Hidden: true},
		{Name: "version", Spare: 4},
		{Name: "host", Spare: 3},
		{Name: "clock", Spare: 2, Get: func(v *NodeView) Value { return WordOf(v.ClockText()) }, Derived: true},
		{Name: "records", Hidden: true},
		{Name: "unshipped", NoZero: true},
		{Name: "holds", Hidden: true},
		{Name: "exchanges", Hidden: true},
		{Name: "requests", Hidden: true},
		{Name: "lent", Spare: 1, Get: func(v *NodeView) Value { return WordOf(LentText(v.Lent)) }, Derived: true},
	},
	Orders: []string{"name", "unshipped"},
})

// clockWorthy is how far a clock is off before that is told.
const clockWorthy = 2 * time.Second

// Tone is how a node stands.
func (v *NodeView) Tone() Tone {
	switch {
	case v.State == "left":
		return Faint
	case v.State == "gone":
		return Bad
	case len(v.Faults) > 0 || v.Silent >= nodeSilence || v.ClockOff():
		return Warn
	}
	return Good
}

// nodeSilence is for how long a node is not heard before that is told.
const nodeSilence = time.Minute

// IsSilent reports whether a node should have been heard.
func (v *NodeView) IsSilent() bool { return v.State != "left" && v.Silent >= nodeSilence }

// ClockOff reports whether its clock is far from the database's.
func (v *NodeView) ClockOff() bool { return v.State == "live" && v.Clock.Abs() >= clockWorthy }

// HeardText says how long ago it was heard, and whether it is the one that answers.
func (v *NodeView) HeardText() string {
	switch {
	case v.Me:
		return "answers you"
	case v.Heard.IsZero():
		return "never"
	}
	return Ago(v.Silent) + " ago"
}

// ClockText says how far its clock is off: "12 s ahead", "ok".
func (v *NodeView) ClockText() string {
	switch off := v.Clock.Abs().Round(time.Second); {
	case !v.ClockOff():
		return "ok"
	case v.Clock > 0:
		return off.String() + " ahead"
	default:
		return off.String() + " behind"
	}
}

// LentText says what was lent: "$0.42, 1,200 tokens"; "" for nothing.
func LentText(lent map[tally.Metric]int64) string {
	var out []string
	for _, m := range tally.Metrics {
		n := lent[m]
		switch {
		case n == 0:
		case m == tally.Cost:
			out = append(out, m.Format(n))
		case m == tally.Credits:
			out = append(out, m.Format(n)+" of credits")
		case m == tally.Balance:
			out = append(out, m.Format(n)+" paid in advance")
		default:
			out = append(out, m.Format(n)+" "+string(m))
		}
	}
	return strings.Join(out, ", ")
}

// Lost says what is given up when the node is forgotten.
func (v *NodeView) Lost() string {
	var out []string
	if n := v.Unshipped; n > 0 {
		out = append(out, fmt.Sprintf("%s of its records that the database does not have", tally.Group(n)))
	}
	if n := v.Holds; n > 0 {
		out = append(out, fmt.Sprintf("what %d of its requests held when it was last heard", n))
	}
	return cmp.Or(strings.Join(out, " and "), "what it has served since it was last heard")
}
