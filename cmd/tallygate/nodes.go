package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
)

// nodeCommands are about the nodes that share a store. Without one of them they are listed.
func (a *app) nodeCommands() *cobra.Command {
	all := list(verb[control.Rows, []control.NodeView]{
		op:      control.NodesList,
		example: "  tallygate nodes list\n  tallygate nodes list --sort -unshipped --json",
		aside:   func(out *[]control.NodeView) string { return faultsOf(*out) },
	}, control.NodeTable).command(a)
	cmd := family(groupSee, "nodes", "the nodes that share a store, with serve --store", all,
		verb[control.ForgetNode, control.NodeView]{
			op:      control.NodesForget,
			example: "  tallygate nodes forget fra-2\n  tallygate nodes forget fra-2 --stopped --yes",
			asks:    asksForgetNode,
			show: func(p *printer, _ *control.ForgetNode, out *control.NodeView) {
				p.say("%s is forgotten: its records stay, and its folder must never be served again", out.Name)
				if lent := control.LentText(out.Lent); lent != "" {
					p.say("free again, of limits that it was lent: %s", lent)
				}
			},
		}.command(a),
	)
	cmd.RunE, cmd.Example = all.RunE, "  tallygate nodes\n  tallygate nodes forget fra-2"
	return cmd
}

// faultsOf says below the list what is wrong with nodes.
func faultsOf(list []control.NodeView) string {
	var out []string
	for i := range list {
		for _, fault := range list[i].Faults {
			out = append(out, list[i].Name+": "+fault)
		}
	}
	return strings.Join(out, "\n")
}

func asksForgetNode(ctx context.Context, c control.Caller, in *control.ForgetNode) (string, error) {
	nodes, err := control.NodesList.Do(ctx, c, control.Rows{})
	if err != nil {
		return "", err
	}
	for i := range nodes {
		v := &nodes[i]
		if v.Name != in.Node || v.Me {
			continue
		}
		frees := "It holds nothing of any limit."
		if lent := control.LentText(v.Lent); lent != "" {
			frees = "Free again of limits that it was lent: " + lent + ", a part of which it may have spent."
		}
		return fmt.Sprintf("Forget node %s, %s: it must never come back with its folder. %s\n"+
			"Lost for good: %s. This cannot be undone.",
			v.Name, heardWords(v), frees, v.Lost()), nil
	}
	return "", nil // the operation says what is wrong with the name
}

// heardWords say when a node was heard.
func heardWords(v *control.NodeView) string {
	if v.Heard.IsZero() {
		return "which was never heard"
	}
	return "last heard " + control.Ago(v.Silent) + " ago"
}
