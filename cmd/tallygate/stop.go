package main

import (
	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
)

func (a *app) stopCommand() *cobra.Command {
	var in control.Stop
	cmd := &cobra.Command{
		Use: "stop", Short: control.EngineStop.Help, GroupID: groupRun, Args: noArguments,
		Long: `Ends the process that serves the data folder, a tallygate serve or an interface,
and waits until it has ended. Requests under way have 30 seconds to finish; new ones
are refused meanwhile. With --now they are cut off, and settled at what they have
delivered. A service manager may start the process again.`,
		Example: "  tallygate stop\n  tallygate stop --now",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.stop(cmd, in) },
	}
	addFlags(cmd.Flags(), &in)
	return cmd
}

func (a *app) stop(cmd *cobra.Command, in control.Stop) error {
	ctx := cmd.Context()
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	c, err := a.attach(ctx)
	if err != nil {
		return err
	}
	holder := process.ReadHolder(dir)
	out, err := control.EngineStop.Do(ctx, c, in)
	c.close()
	if err != nil {
		return err
	}
	if !a.elsewhere() { // of a process elsewhere the end cannot be seen
		done := a.progress("requests under way may finish")
		err = holder.Ended(ctx, dir)
		done()
		if err != nil {
			return err
		}
	}
	return a.print(func(p *printer) {
		p.say("process %d %s serving %s", out.PID, when(a.elsewhere(), "stops", "has stopped"), out.BaseURL)
		if out.InFlight > 0 {
			p.say("%s under way %s", countOf(out.InFlight, "request was", "requests were"), when(in.Now, "and cut off", "and had time to finish"))
		}
	}, func() any { return out })
}
