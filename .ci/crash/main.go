// Command crash kills the real program at random moments, under load, while it
// starts and while it writes checkpoints, steps its clock forth and back, and
// looks after each crash whether anything that was promised is missing:
//
//	go run ./.ci/crash -rounds 40
//
// It builds the program from the tree with a clock that the loop can set
// (proc.Build). With -bin it takes a program that is built
// already, and leaves the clock alone. Each round
//
//   - every answer that a caller saw the end of is recorded once, as ok, and
//     every one that had begun is recorded;
//   - the records are numbered without a gap, and no ID comes twice;
//   - no limit is exceeded in any window, by what records say and by what they
//     say the counters said;
//   - nothing is held once the gateway has looked after what was lost;
//   - the sums that `usage` tells are those of the records, and `verify` finds
//     no fault;
//   - a change of the owner that was acknowledged is there.
//
// A round that fails ends the loop, and keeps the data folder and the log. The
// same -seed plays the same moments, though not to the microsecond.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"tallygate/.ci/proc"
)

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "", "program to kill; built from the tree if empty")
	flag.IntVar(&o.rounds, "rounds", 40, "how many times to kill it under load")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1e6), "of everything random")
	flag.IntVar(&o.callers, "callers", 24, "callers at the same time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

type options struct {
	bin     string
	rounds  int
	seed    uint64
	callers int
}

// run plays all rounds. What is left in the work folder after a failure is for
// people to look at.
func run(ctx context.Context, o options) (err error) {
	work, err := os.MkdirTemp("", "tallygate-crash-")
	if err != nil {
		return err
	}
	begin := time.Now()
	l := &loop{options: o, rnd: rand.New(rand.NewPCG(o.seed, 0)), gate: &proc.Program{Bin: o.bin, Ready: "/readyz",
		Data: filepath.Join(work, "data"), Log: filepath.Join(work, "log")}}
	defer func() {
		l.gate.Kill()
		verdict := "nothing is missing"
		if err != nil {
			verdict = "FAILED"
			err = fmt.Errorf("seed %d, round %d: %w\nthe data and the log are in %s", o.seed, l.round, err, work)
		} else {
			os.RemoveAll(work)
		}
		fmt.Printf("%s: seed %d, %d rounds, %d kills, %d clock steps, %d answers acknowledged, %d records, %d lost, %d refused for a limit, %d faults, %s\n", verdict,
			o.seed, l.round, l.gate.Kills, l.steps, l.acknowledged, l.books.records, l.books.lost, l.limited.Load(), l.books.faults, time.Since(begin).Round(time.Second))
	}()
	if o.bin == "" {
		if err := l.gate.Build(ctx, work, true); err != nil {
			return err
		}
	}
	if l.gate.Address, err = proc.FreeAddress(); err != nil {
		return err
	}
	if err := l.setUp(ctx); err != nil {
		return err
	}
	for l.round = 1; l.round <= o.rounds; l.round++ {
		if err := l.play(ctx); err != nil {
			return err
		}
	}
	l.round = o.rounds
	return l.finish(ctx)
}
