package main

import (
	"os/exec"
	"path/filepath"
	"time"

	"tallygate/.ci/proc"
)

// node is the program over one data folder.
type node struct {
	*proc.Program
	store string        // the database's URL; "" for a store of its own
	off   time.Duration // how far its clock is set off
}

func (c *cluster) newNode(name, store string) (n *node, err error) {
	n = &node{store: store, Program: &proc.Program{Bin: c.bin, Name: name, Ready: "/healthz", // before it is set up, too
		Data: filepath.Join(c.work, name), Log: filepath.Join(c.work, name+".log"), Env: []string{"NODES_API=key"}}}
	n.Serves = func(cmd *exec.Cmd) {
		cmd.Args = append(cmd.Args, "--drain", "20s")
		if n.store != "" {
			cmd.Args = append(cmd.Args, "--node", n.Name)
			cmd.Env = append(cmd.Env, "TALLYGATE_STORE="+n.store)
		}
	}
	if c.clocks {
		n.Clock = n.Data + ".clock"
		if err := n.SetClock(0); err != nil {
			return nil, err
		}
	}
	n.Address, err = proc.FreeAddress()
	return n, err
}
