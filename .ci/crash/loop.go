package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"tallygate/.ci/proc"
)

// loop is the state of all rounds.
type loop struct {
	options
	rnd  *rand.Rand
	gate *proc.Program

	round        int
	model        string
	keys         []string
	off          time.Duration // how far the program's clock is set off
	steps        int
	acknowledged int
	limited      atomic.Int64
	books        books

	note, nextNote string // the owner's latest change that was acknowledged, and the one after it
}

// clients are customers with a limit on each metric that a minute of load uses
// up, so that callers crowd at the last unit.
var clients = []struct {
	name string
	args []string
}{
	{"by-requests", []string{"--limit", "requests=200/minute", "--limit", "requests=900000/month"}},
	{"by-tokens", []string{"--limit", "tokens=14000/minute", "--limit", "tokens=200k/day"}},
	{"by-cost", []string{"--limit", "cost=0.05/minute", "--limit", "cost=0.4/hour", "--limit", "requests=160/minute"}},
	{"by-credits", []string{"--markup", "20", "--limit", "credits=0.05/minute", "--limit", "tokens=20000/minute"}},
	{"by-sessions", []string{"--session-length", "1m", "--limit", "sessions=30/minute", "--limit", "cost=5/total"}},
	{"by-nothing", []string{"--limit", "requests=1M/month"}},
}

// setUp makes the gateway, its clients with two keys each, and two providers with prices and
// caps of their own.
func (l *loop) setUp(ctx context.Context) error {
	var made struct{ Gateway, Client, Key, Model string }
	if err := l.gate.Ask(ctx, &made, "init", "--yes"); err != nil {
		return err
	}
	l.model = made.Model
	for _, args := range [][]string{
		{"providers", "create", "--name", "spare", "--kind", "sim", "--weight", "1"},
		{"providers", "update", "sim", "--weight", "2"},
		{"models", "update", made.Model, "--provider", "sim", "--price", "input=1", "--price", "output=5", "--price",
			"request=0.000001", "--cap", "requests=900/minute", "--cap", "tokens=54000/minute", "--max-in-flight", "9"},
		{"models", "update", made.Model, "--provider", "spare", "--price", "input=2", "--price", "output=4", "--price",
			"request=0.000001", "--cap", "requests=450/minute", "--cap", "requests=900/day"},
		{"gateways", "update", made.Gateway, "--time-zone", "Australia/Lord_Howe", "--limit", "requests=1600/minute", "--limit", "cost=3/day"},
	} {
		if err := l.gate.Ask(ctx, nil, args...); err != nil {
			return err
		}
	}
	for _, c := range clients {
		if err := l.gate.Ask(ctx, nil, append([]string{"clients", "create", "--name", c.name, "--slug", c.name}, c.args...)...); err != nil {
			return err
		}
		for _, label := range []string{"first", "second"} {
			var key struct{ Key string }
			if err := l.gate.Ask(ctx, &key, "keys", "create", "--client", c.name, "--label", label); err != nil {
				return err
			}
			l.keys = append(l.keys, key.Key)
		}
	}
	return nil
}

// play plays one round: starts, some of which are cut short, an audit of what
// the rounds before have left, load, and a kill.
func (l *loop) play(ctx context.Context) error {
	if err := l.stepClock(); err != nil {
		return err
	}
	for l.rnd.IntN(3) == 0 { // while it recovers
		if err := l.gate.Launch(); err != nil {
			return err
		}
		time.Sleep(time.Duration(l.rnd.IntN(120)) * time.Millisecond)
		l.gate.Kill()
	}
	if err := l.gate.Start(ctx); err != nil {
		return err
	}
	if err := l.audit(ctx); err != nil {
		return err
	}
	load := l.newLoad()
	load.begin(ctx)
	for _, act := range l.plan() {
		select {
		case <-ctx.Done():
			load.end()
			return ctx.Err()
		case <-time.After(time.Until(act.at)):
		}
		if err := act.do(ctx); err != nil {
			load.end()
			return err
		}
	}
	load.end()
	l.acknowledged += len(load.acknowledged)
	l.books.answered, l.books.acknowledged = load.answered, load.acknowledged
	return nil
}

// act is something that happens during a round.
type act struct {
	at time.Time
	do func(context.Context) error
}

// plan says what happens under load, in order: perhaps a step of the clock or a
// change by the owner, and at last the end. Half of the kills aim at a
// checkpoint, which comes about each second after the start.
func (l *loop) plan() []act {
	now := time.Now()
	end := now.Add(time.Duration(150+l.rnd.IntN(1350)) * time.Millisecond)
	if l.rnd.IntN(2) == 0 {
		seconds := time.Duration(now.Sub(l.gate.Started)/time.Second) + 1 + time.Duration(l.rnd.IntN(2))
		end = l.gate.Started.Add(seconds*time.Second + time.Duration(l.rnd.IntN(60)-20)*time.Millisecond)
	}
	var out []act
	at := func(share float64) time.Time { return now.Add(time.Duration(share * float64(end.Sub(now)))) }
	if l.rnd.IntN(3) == 0 {
		out = append(out, act{at(0.4), func(context.Context) error { return l.stepClock() }})
	}
	switch l.rnd.IntN(6) {
	case 0: // killed, perhaps, in the middle of an owner's change
		out = append(out, act{end, l.changeAndKill})
	case 1:
		out = append(out, act{at(0.7), l.change}, act{end, func(context.Context) error { return l.gate.Stop() }})
	default:
		out = append(out, act{at(0.7), l.change}, act{end, func(context.Context) error { l.gate.Kill(); return nil }})
	}
	return out
}

// stepClock sets the program's clock forth or back, or leaves it. Behind what
// it has seen its time stands still, and no window opens twice.
func (l *loop) stepClock() error {
	if l.gate.Clock == "" {
		return nil
	}
	switch l.rnd.IntN(6) {
	case 0, 1:
		l.off += time.Duration(20+l.rnd.IntN(100)) * time.Second
	case 2:
		l.off += time.Duration(l.rnd.IntN(100)) * time.Minute
	case 3:
		l.off -= time.Duration(l.rnd.IntN(40)) * time.Minute
	default:
		return nil
	}
	l.steps++
	return l.gate.SetClock(l.off)
}

// change makes a change of the owner, and remembers that it was acknowledged.
func (l *loop) change(ctx context.Context) error {
	l.nextNote = fmt.Sprintf("round %d", l.round)
	if err := l.gate.Ask(ctx, nil, "clients", "update", "by-nothing", "--note", l.nextNote); err != nil {
		return err
	}
	l.note = l.nextNote
	return nil
}

// changeAndKill kills the program while it makes a change.
func (l *loop) changeAndKill(ctx context.Context) error {
	l.nextNote = fmt.Sprintf("round %d", l.round)
	done := make(chan error, 1)
	note := l.nextNote
	go func() { done <- l.gate.Ask(ctx, nil, "clients", "update", "by-nothing", "--note", note) }()
	time.Sleep(time.Duration(l.rnd.IntN(60)) * time.Millisecond)
	l.gate.Kill()
	if <-done == nil {
		l.note = note
	}
	return nil
}

// finish audits the last round, and once more when nothing serves.
func (l *loop) finish(ctx context.Context) error {
	if err := l.gate.Start(ctx); err != nil {
		return err
	}
	if err := l.audit(ctx); err != nil {
		return err
	}
	if err := l.gate.Stop(); err != nil {
		return err
	}
	if err := l.books.proven(ctx, l.gate); err != nil {
		return err
	}
	if l.acknowledged < 10*l.rounds {
		return fmt.Errorf("only %d answers in %d rounds: too few to prove anything", l.acknowledged, l.rounds)
	}
	return nil
}
