package route

import (
	"cmp"
	"math"
	"slices"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// Lane is one way to have a request answered: an upstream, one of its models and one of
// its API keys.
type Lane struct {
	Target
	Key int // the place of the API key among the provider's

	of, own float64 // scores of its provider among neighbours, and of its key
	tries   bool    // it is the attempt that was let through what is half open
}

// Course is the order in which one request asks. It belongs to one goroutine.
//
// Providers stand in the gateway's order. Neighbours that have a weight share their place:
// each gets its part of the callers. A caller stays with one of them, and with one of its
// API keys, while that is well, since an upstream's cache of prompts is of one account. Who
// gets which is decided by rendezvous hashing (Thaler and Ravishankar, 1998; weighted as by
// Schindelhauer and Schomaker, 2005), so nothing has to be remembered, and when one fails
// only its own callers move.
type Course struct {
	lanes []Lane
	next  int
}

// Plot begins a course over targets in the gateway's order. affinity is the same for
// requests that should stay together; see [Hash]. What is not well comes last.
func (c *Course) Plot(targets []Target, affinity uint64, now time.Time) {
	c.plot(targets, affinity, func(l *Lane, first bool) bool { return l.ready(now, first) })
}

// Look is like Plot, for an owner who only wants to know: nothing is tried by it.
func (c *Course) Look(targets []Target, affinity uint64, now time.Time) {
	c.plot(targets, affinity, func(l *Lane, first bool) bool { return l.looks(now, first) })
}

func (c *Course) plot(targets []Target, affinity uint64, ready func(l *Lane, first bool) bool) {
	c.lanes, c.next = c.lanes[:0], 0
	if len(targets) == 1 && targets[0].Upstream.keys == 1 {
		c.lanes = append(c.lanes, Lane{Target: targets[0]})
		ready(&c.lanes[0], true) // it may be the one that tries
		return
	}
	for i := 0; i < len(targets); {
		end := i + 1
		if targets[i].Upstream.Config.Weight > 0 {
			for end < len(targets) && targets[end].Upstream.Config.Weight > 0 {
				end++
			}
		}
		from := len(c.lanes)
		for _, t := range targets[i:end] {
			of := spread(affinity, t.Upstream.seed, max(t.Upstream.Config.Weight, 1))
			for k := range t.Upstream.keys {
				c.lanes = append(c.lanes, Lane{Target: t, Key: k, of: of, own: spread(affinity, t.Upstream.seed+uint64(k+1), 1)})
			}
		}
		if group := c.lanes[from:]; len(group) > 1 {
			slices.SortFunc(group, func(a, b Lane) int { return cmp.Or(cmp.Compare(b.of, a.of), cmp.Compare(b.own, a.own)) })
		}
		i = end
	}
	var last []Lane
	kept := c.lanes[:0]
	for _, l := range c.lanes {
		if ready(&l, len(kept) == 0) {
			kept = append(kept, l)
		} else {
			last = append(last, l)
		}
	}
	copy(c.lanes[len(kept):], last)
}

// spread is the score of something for an affinity: the chance that it has the highest
// score of several is its part of their weights.
func spread(affinity, seed uint64, weight int) float64 {
	u := (float64(mix(affinity^mix(seed))>>11) + 0.5) / (1 << 53) // in (0, 1)
	return -float64(weight) / math.Log(u)
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Affinity is what keeps requests of one conversation with one upstream and one of its API
// keys, of a principal's conversation that is known by a text: the name of a session or of a
// cache, or how the conversation begins.
func Affinity[T string | []byte](p *tally.Principal, conversation T) uint64 {
	h := Hash(0, string(p.Gateway.ID))
	if p.Client != nil {
		h = Hash(h, string(p.Client.ID))
	}
	return Hash(h, conversation)
}

// Hash adds a text to a hash, which begins with 0 (FNV-1a). It is the same in every process.
func Hash[T string | []byte](h uint64, text T) uint64 {
	h ^= 0xcbf29ce484222325
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return h
}

// Next is the next lane; ok is false at the end.
func (c *Course) Next() (l *Lane, ok bool) {
	if c.next == len(c.lanes) {
		return nil, false
	}
	c.next++
	return &c.lanes[c.next-1], true
}

// Failed leaves out what has failed with the latest lane: the rest of its upstream, or of
// the model there. A failure that is about the API key leaves its other keys.
func (c *Course) Failed(err *providers.UpstreamError) {
	failed := c.lanes[c.next-1]
	of := verdictOn(err).scope
	aboutKey := of == ofKey || of == ofLane || err.Fault == providers.NotHere && err.Status == statusForbidden
	if aboutKey {
		return
	}
	rest := slices.DeleteFunc(c.lanes[c.next:], func(l Lane) bool {
		return l.Upstream == failed.Upstream && (of == ofUpstream || l.Model == failed.Model)
	})
	c.lanes = c.lanes[:c.next+len(rest)]
}

const statusForbidden = 403

// Begin makes a target's lanes the next ones: a place was waited for and got there.
func (c *Course) Begin(t Target, now time.Time) {
	if first := &c.lanes[0]; first.Target != t {
		first.Release(now)
	}
	slices.SortStableFunc(c.lanes, func(a, b Lane) int {
		switch is, other := a.Target == t, b.Target == t; {
		case is && !other:
			return -1
		case other && !is:
			return 1
		}
		return 0
	})
	c.next = 0
}

// Targets are the targets of all lanes, each once, in their order.
func (c *Course) Targets() (all []Target) {
	for _, l := range c.lanes {
		if !slices.Contains(all, l.Target) {
			all = append(all, l.Target)
		}
	}
	return all
}

// Lanes are all lanes in their order, for an owner to look at.
func (c *Course) Lanes() []Lane { return c.lanes }
