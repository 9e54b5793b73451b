// Command fire asks the real program for answers while it takes its three upstreams away,
// one or two at a time, and gives them back:
//
//	go run ./.ci/fire -for 1m -rate 200
//
// The upstreams are processes of this same program. One is killed, stopped (it takes
// connections and says nothing), or answers with 500, 429 and Retry-After, 401 to every API
// key or to one of them, or half an answer; one is always well. In the end
//
//   - no request is lost that one of them could serve: each was answered whole, unless it was
//     a stream that had begun to reach its caller when its upstream broke;
//   - nobody is charged less than the upstreams have charged for a request, by their own
//     book, and just that where nothing had to be booked at what was held;
//   - each request has one record, nothing is held, and `verify` finds no fault.
//
// With -bin it takes a program that is built already. The same -seed plays the same faults.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"tallygate/.ci/proc"
)

func main() {
	if name := os.Getenv(upstreamEnv); name != "" {
		serveUpstream(name, os.Args[1], os.Args[2])
		return
	}
	var o options
	flag.StringVar(&o.bin, "bin", "", "program to ask; built from the tree if empty")
	flag.DurationVar(&o.time, "for", time.Minute, "how long to ask")
	flag.IntVar(&o.rate, "rate", 200, "requests a second")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1e6), "of everything random")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "fire:", err)
		os.Exit(1)
	}
}

type options struct {
	bin  string
	time time.Duration
	rate int
	seed uint64
}

// run plays it all. What is left in the work folder after a failure is for people to look at.
func run(ctx context.Context, o options) (err error) {
	work, err := os.MkdirTemp("", "tallygate-fire-")
	if err != nil {
		return err
	}
	f := &fire{options: o, rnd: rand.New(rand.NewPCG(o.seed, 0)), work: work, gate: &proc.Program{Bin: o.bin,
		Ready: "/readyz", Data: filepath.Join(work, "data"), Log: filepath.Join(work, "log")}}
	defer func() {
		f.end()
		if err != nil {
			err = fmt.Errorf("seed %d: %w\nthe data, the log and the upstreams' books are in %s", o.seed, err, work)
		} else {
			os.RemoveAll(work)
		}
	}()
	if o.bin == "" {
		if err := f.gate.Build(ctx, work, false); err != nil {
			return err
		}
	}
	if err := f.setUp(ctx); err != nil {
		return err
	}
	f.play(ctx)
	return f.audit(ctx)
}
