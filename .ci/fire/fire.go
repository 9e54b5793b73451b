package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"tallygate/.ci/proc"
)

// fire is the program under test, and its upstreams.
type fire struct {
	options
	rnd  *rand.Rand
	work string
	key  string
	gate *proc.Program
	ups  []*played
	load load
}

// played is an upstream: a process that comes and goes.
type played struct {
	name, address, book string
	price               [2]int64 // of a million tokens each way, in USD
	process             *exec.Cmd
	faults              []span
}

// span is a time in which an upstream was not well.
type span struct {
	what       string
	begin, end time.Time
}

// faults are what befalls an upstream.
var faults = []string{"kill", "stop", "500", "429", "401", "key", "half"}

// setUp starts everything: two upstreams that share their place by weight, with three API
// keys each, and one behind them; each takes thirty requests at the same time.
func (f *fire) setUp(ctx context.Context) (err error) {
	for i, name := range []string{"first", "second", "third"} {
		u := &played{name: name, book: filepath.Join(f.work, name+".book"), price: [...][2]int64{{1, 5}, {2, 10}, {1, 3}}[i]}
		if u.address, err = proc.FreeAddress(); err != nil {
			return err
		}
		f.ups = append(f.ups, u)
		if err := u.start(ctx); err != nil {
			return err
		}
	}
	var made struct{ Gateway, Client, Key string }
	if err := f.gate.Ask(ctx, &made, "init", "--yes", "--limit", "cost=1000/day", "--limit", "requests=10M/day"); err != nil {
		return err
	}
	f.key = made.Key
	if f.gate.Address, err = proc.FreeAddress(); err != nil {
		return err
	}
	if err := f.gate.Start(ctx); err != nil {
		return err
	}
	for k := 1; k <= 3; k++ {
		f.gate.Env = append(f.gate.Env, fmt.Sprintf("FIRE_KEY%d=key-%d", k, k))
	}
	for i, u := range f.ups {
		args := []string{
			"providers", "create", "--name", u.name, "--kind", "custom", "--base-url", "http://" + u.address + "/v1",
			"--connect-timeout", "1s", "--timeout", "2s", "--first-byte-timeout", "1s", "--chunk-timeout", "1s",
			"--max-in-flight", "30",
		}
		for k := 1; k <= 3; k++ {
			args = append(args, "--api-key-env", fmt.Sprint("FIRE_KEY", k))
		}
		if i < 2 {
			args = append(args, "--weight", fmt.Sprint(i+1))
		}
		if err := f.gate.Ask(ctx, nil, args...); err != nil {
			return err
		}
		if err := f.gate.Ask(ctx, nil, "models", "update", "m", "--provider", u.name, "--context-tokens", "8000",
			"--max-output-tokens", "200",
			"--price", fmt.Sprint("input=", u.price[0]), "--price", fmt.Sprint("output=", u.price[1])); err != nil {
			return err
		}
	}
	return nil
}

func (f *fire) end() {
	f.gate.Kill()
	for _, u := range f.ups {
		u.kill()
	}
}

// play asks, and takes upstreams away meanwhile: for two seconds each, with one in between.
func (f *fire) play(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.time)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.load.run(ctx, "http://"+f.gate.Address+"/v1/chat/completions", f.key, f.rate, f.rnd.Uint64())
	}()
	for i := 0; ctx.Err() == nil; i++ {
		proc.Sleep(ctx, time.Second)
		down := f.rnd.Perm(len(f.ups))[:1+f.rnd.IntN(2)]
		for n, at := range down {
			f.ups[at].spoil(faults[(i+n*3)%len(faults)])
		}
		proc.Sleep(ctx, 2*time.Second)
		for _, at := range down {
			f.ups[at].mend(context.WithoutCancel(ctx))
		}
	}
	<-done
}

func (u *played) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	u.process = exec.Command(self, u.address, u.book)
	u.process.Env = append(os.Environ(), upstreamEnv+"="+u.name)
	u.process.Stderr = os.Stderr
	if err := u.process.Start(); err != nil {
		return err
	}
	return proc.Await(ctx, "http://"+u.address+"/v1/models", nil)
}

func (u *played) kill() {
	u.process.Process.Kill()
	u.process.Wait()
}

func (u *played) spoil(what string) {
	u.faults = append(u.faults, span{what: what, begin: time.Now()})
	switch what {
	case "kill":
		u.kill()
	case "stop":
		u.process.Process.Signal(syscall.SIGSTOP)
	default:
		u.mode(what)
	}
}

func (u *played) mend(ctx context.Context) {
	s := &u.faults[len(u.faults)-1]
	var err error
	switch s.what {
	case "kill":
		err = u.start(ctx)
	case "stop":
		err = u.process.Process.Signal(syscall.SIGCONT)
	default:
		err = u.mode("well")
	}
	if err != nil {
		panic(err)
	}
	s.end = time.Now()
}

func (u *played) mode(what string) error {
	r, err := http.Post("http://"+u.address+"/mode/"+what, "", nil)
	if err != nil {
		return err
	}
	return r.Body.Close()
}

// wasWell reports whether nothing befell the upstream in a span of time.
func (u *played) wasWell(begin, end time.Time) bool {
	for _, s := range u.faults {
		if s.begin.Before(end) && (s.end.IsZero() || begin.Before(s.end)) {
			return false
		}
	}
	return true
}
