package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// kind is a kind of round.
type kind struct {
	name   string
	who    string                              // the callers that matter: visitors or sessions
	limits string                              // flags of the client
	max    int64                               // what may be used of its limit, as unit counts
	unit   func(*record) int64                 // nil: requests
	output int64                               // tokens that a request asks for; 0: a few
	rest   int64                               // of a caller after an answer, in milliseconds
	delay  int64                               // of the upstream, in milliseconds
	heavy  bool                                // it takes long
	clocks bool                                // it needs clocks that can be set
	event  func(context.Context, *round) error // nil: one of events
	alone  func(context.Context, *round) error // plays all of it
	after  func(*round, *books) error          // what is asserted beside
}

var kinds = []kind{
	{name: "one", limits: "--limit requests=1/total", max: 1, delay: 300},
	{name: "ten", limits: "--limit requests=10/total", max: 10, delay: 300},
	{name: "thousand", limits: "--limit requests=1000/total", max: 1000, delay: 100},
	{name: "tokens", limits: "--limit tokens=100000/total", max: 100_000, unit: tokens, output: 60, delay: 60},
	{name: "cost", limits: "--limit cost=0.2/total", max: 200_000_000, unit: cost, output: 40, delay: 60},
	// With the rest, nodes know of the change long before the limit is reached.
	{name: "lowered", limits: "--limit requests=1M/total", max: 900, delay: 100, rest: 200, event: limited},
	{name: "added", limits: "--limit cost=1000/total", max: 900, delay: 100, rest: 200, event: limited},
	{name: "revoked", limits: "--limit requests=900/total", max: 900, delay: 100, event: revoke},
	{name: "visitors", who: "visitors", delay: 20, after: threeEach},
	{name: "sessions", who: "sessions", limits: "--session-length 2h --limit sessions=100/total", delay: 20,
		alone: sessions, after: hundredSessions},
	{name: "forgotten", limits: "--limit requests=900/total", max: 900, delay: 100, event: forget},
	{name: "restored", limits: "--limit requests=900/total", max: 900, delay: 100, event: restored,
		after: toldOf},
	{name: "in-flight", limits: "--max-in-flight 7 --limit requests=300/total", max: 300, delay: 60,
		after: fullHouse},
	{name: "outage", limits: "--limit requests=1M/total", delay: 20, alone: outage},
	{name: "minute", limits: "--limit requests=60/minute", delay: 20, rest: 200, alone: overTheMinute,
		after: fullMinutes},
	{name: "clocks", limits: "--limit requests=60/minute --limit requests=170/total", max: 170, delay: 20, rest: 200,
		clocks: true, alone: offMinutes, after: offMinutesKept},
	{name: "jumps", limits: "--limit requests=60/minute", delay: 20, rest: 200, clocks: true,
		event: jump, alone: offMinutes, after: offMinutesKept},
	{name: "jumps-visitors", who: "visitors", delay: 20, clocks: true, event: jumps, after: threeEach},
	{name: "jumps-sessions", who: "sessions", limits: "--session-length 1m --limit sessions=100/total", max: 100,
		unit: begun, delay: 20, clocks: true, event: jumps, alone: sessions},
	{name: "jumps-cost", limits: "--limit cost=0.2/total", max: 200_000_000, unit: cost, output: 40, delay: 60,
		clocks: true, event: jumps},
	{name: "many", limits: "--limit requests=100000/total", max: 100_000, heavy: true},
	{name: "long", limits: "--limit requests=3000/total", max: 3000, delay: 100, heavy: true, event: crashForLong},
}

func tokens(r *record) int64 { return r.Tokens.Input + r.Tokens.Output }
func cost(r *record) int64   { return r.Cost }

// used is what a record counts of the limit.
func (k *kind) used(r *record) int64 {
	if k.unit == nil {
		return r.Count
	}
	return k.unit(r)
}

// choose makes the rounds that are played.
func (c *cluster) choose() (out []*round, err error) {
	var of []*kind
	for i := range kinds {
		k := &kinds[i]
		if k.name == c.only || c.only == "" && (c.heavy || !k.heavy) && (c.clocks || !k.clocks) {
			of = append(of, k)
		}
	}
	switch {
	case len(of) == 0:
		return nil, fmt.Errorf("there are no rounds of the kind %s", c.only)
	case of[0].clocks && !c.clocks:
		return nil, fmt.Errorf("rounds of the kind %s need a program that is built here: name none", c.only)
	}
	for i := range cmp.Or(c.rounds, len(of)) {
		k := of[i%len(of)]
		out = append(out, &round{kind: k, c: c, number: i + 1, slug: fmt.Sprintf("%s-%d", k.name, i+1)})
	}
	return out, nil
}

// next takes the next round away: the first, or one that plays over the end of a minute if
// there need not be waited for that.
func next(rounds *[]*round) *round {
	soon := minuteLeft() > soonest && minuteLeft() < 3*soonest
	i := max(0, slices.IndexFunc(*rounds, func(r *round) bool { return r.name == "minute" && soon }))
	r := (*rounds)[i]
	*rounds = slices.Delete(*rounds, i, i+1)
	return r
}

func random(seed uint64, of int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(of))) }
