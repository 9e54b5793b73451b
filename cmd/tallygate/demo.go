package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/demo"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// The demo has so many days of history, and so many requests of the last quarter of an
// hour: the charts of what is live begin with something in them.
const (
	demoDays   = 90
	demoLately = 900
)

// demoCommand shows the interface over a throwaway folder of pretend data: a
// season of history, and traffic that goes through the real gateway to the
// pretend upstream. Nothing of it is sent anywhere.
func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "look around with pretend data, which are thrown away", GroupID: groupRun, Args: noArguments,
		Long: `Shows the interface over pretend data: an agency with nine clients, 90 days of
history, and live traffic that the built-in upstream answers. It leaves your own
data alone, sends nothing anywhere, and removes everything when you leave.`,
		Example: "  tallygate demo",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

func (a *app) demo(ctx context.Context) (err error) {
	if !a.interactive() {
		return tally.Errorf(tally.Invalid, "the demo needs a terminal").WithHint("run tallygate demo in a terminal, without --json; for scripts: tallygate init --yes")
	}
	dir, err := os.MkdirTemp("", "tallygate-demo-")
	if err != nil {
		return tally.Errorf(tally.Internal, "make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Any free port: the demo is in nobody's way.
	s, err := a.openSession(ctx, dir, serveOptions{
		listen: "127.0.0.1:0", profile: string(badgerdb.Desktop), durability: string(badgerdb.Normal),
	}, true)
	if err != nil {
		return err
	}
	agency, err := demo.New(demo.Options{Now: time.Now(), Days: demoDays, Share: 1, Lately: demoLately, AtOnce: 64 * runtime.GOMAXPROCS(0), Logger: s.log.Logger})
	if err != nil {
		return err
	}
	s.fill = func(ctx context.Context) error {
		return process.Fill(ctx, s.opts.process(a, dir, s.log.Logger), agency.Fill)
	}
	stop := func() {}
	var traffic sync.WaitGroup
	s.begin = func() {
		var sending context.Context
		sending, stop = context.WithCancel(context.Background())
		traffic.Go(func() { agency.Traffic(sending, s.run.BaseURL()) })
	}
	s.end = func() {
		stop()
		traffic.Wait()
	}
	return s.show(ctx, true)
}
