// Command nodes proves with the real program, and a real PostgreSQL, that several nodes
// together keep every limit exactly:
//
//	go run ./.ci/nodes
//
// Three nodes share a database, 64 callers ask all of them, and what they ask for is
// answered by an upstream of this program's own, which counts. Each round has a client with
// a limit of its own and an event in its middle: a node is killed and comes back, another
// one joins and leaves, the database crashes, the limit is lowered, a limit is added, a key
// is revoked. After each round
//
//   - what the upstream has served is what is recorded, what `usage` tells and what the
//     limit says is used, asked of any node;
//   - the limit is reached exactly, as far as the least request fits, and not exceeded;
//   - nothing is held, every record is in the database, and no node is missed;
//   - `verify` finds no fault.
//
// It builds the program from the tree with a clock that it can set (proc.Build), and plays
// rounds in which nodes have clocks of their own, up to 45 s off, or that jump: no minute has
// more than its limit by the minute's name in the charges, and each node tells whose clock is
// off. If it is given a program that is built already, it leaves clocks alone.
//
// Then it starts nodes that must not start, and looks at what they say. At last it measures
// how often nodes ask the database, what they add to a request's time, and how soon a change
// holds on the others. It tells that and asserts nothing of it.
//
// A round that fails ends it, and keeps the folders of the nodes with their logs. The same
// -seed plays the same rounds. With -heavy there is a limit of 100,000, and the database is
// gone for half a minute.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"tallygate/.ci/proc"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "how many rounds to play, one kind after the other; 0: one of each")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1e6), "of everything random")
	flag.StringVar(&o.only, "only", "", "play rounds of this kind alone")
	flag.BoolVar(&o.heavy, "heavy", false, "play the long rounds, too")
	flag.DurationVar(&o.measure, "measure", 3*time.Second, "for how long to measure each figure; 0: not at all")
	flag.Func("database", "a `SETTING` of the database, like default_transaction_isolation=serializable; repeat",
		func(s string) error { o.settings = append(o.settings, s); return nil })
	flag.Parse()
	if flag.NArg() > 0 {
		var err error
		if o.bin, err = filepath.Abs(flag.Arg(0)); err != nil || flag.NArg() > 1 {
			fmt.Fprintln(os.Stderr, "nodes: say which program: go run ./.ci/nodes BINARY", err)
			os.Exit(2)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		os.Exit(1)
	}
}

type options struct {
	bin     string
	rounds  int
	seed    uint64
	only    string
	heavy   bool
	measure time.Duration

	settings []string // of the database
}

// run plays all rounds. What is left in the work folder after a failure is for people to
// look at.
func run(ctx context.Context, o options) (err error) {
	work, err := os.MkdirTemp("", "tallygate-nodes-")
	if err != nil {
		return err
	}
	begin := time.Now()
	c := &cluster{options: o, work: work, rnd: random(o.seed, 0)}
	played := 0
	defer func() {
		c.close()
		verdict := "exact"
		if err != nil {
			verdict = "FAILED"
			err = fmt.Errorf("seed %d: %w\nthe folders and logs of the nodes are in %s", o.seed, err, work)
		} else {
			os.RemoveAll(work)
		}
		fmt.Printf("%s: seed %d, %d rounds, %d requests served, %d kills, %d crashes of the database, %s\n", verdict,
			o.seed, played, c.up.served.Load(), c.kills, c.crashes, time.Since(begin).Round(time.Second))
	}()
	if c.bin == "" {
		p := proc.Program{}
		if err := p.Build(ctx, work, true); err != nil {
			return err
		}
		c.bin, c.clocks = p.Bin, true
	}
	rounds, err := c.choose()
	if err != nil {
		return err
	}
	if err := c.setUp(ctx); err != nil {
		return err
	}
	for ; len(rounds) > 0; played++ {
		r := next(&rounds)
		at := time.Now()
		said, err := r.play(ctx)
		if err != nil {
			return fmt.Errorf("round %s: %w", r.slug, err)
		}
		fmt.Printf("%-13s %s, %s\n", r.slug, said, time.Since(at).Round(100*time.Millisecond))
	}
	if err := c.refusals(ctx); err != nil {
		return err
	}
	if o.measure == 0 {
		return nil
	}
	return c.measures(ctx)
}
