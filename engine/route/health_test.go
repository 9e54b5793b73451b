package route

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// walk is the order in which a request would ask for model m now: "a1 b1 b2", a provider
// and the place of its key.
func (n *net) walk(affinity uint64) string {
	n.t.Helper()
	targets, refusal := n.router.Plan(n.cat, n.principal(), "m", noon)
	if refusal != nil {
		n.t.Fatal(refusal)
	}
	var c Course
	c.Plot(targets, affinity, time.Now())
	var out []string
	for {
		l, ok := c.Next()
		if !ok {
			return strings.Join(out, " ")
		}
		out = append(out, fmt.Sprintf("%s%d", l.Upstream.Config.Name, l.Key+1))
	}
}

// ends reports how an attempt at model m of a provider has ended.
func (n *net) ends(provider tally.ID, key int, err *providers.UpstreamError) {
	u := (*n.router.live.Load())[provider]
	l := Lane{Target: Target{u, n.cat.ModelsOf(provider, "m")[0]}, Key: key}
	l.Report(err, time.Now())
}

func (n *net) want(order string) {
	n.t.Helper()
	if got := n.walk(0); got != order {
		n.t.Errorf("asked in the order %s, want %s; %+v", got, order, n.router.Health("a", time.Now()))
	}
}

var (
	away = &providers.UpstreamError{Fault: providers.Unreachable, Free: true}
	hung = &providers.UpstreamError{Fault: providers.TimedOut}
	down = &providers.UpstreamError{Fault: providers.ServerError, Status: 500, Free: true}
	busy = &providers.UpstreamError{Fault: providers.Busy, Status: 429, RetryAfter: 20 * time.Second, Free: true}
)

// What fails again and again is asked last for a while; then one attempt at a time tries it,
// and the time doubles as long as those fail too.
func TestCooling(t *testing.T) {
	for name, err := range map[string]*providers.UpstreamError{"away": away, "hung": hung, "down": down} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNet(t).use()
				first := verdictOn(err).first
				n.want("a1 b1")
				n.ends("a", 0, err)
				n.ends("a", 0, err)
				n.want("a1 b1")
				n.ends("a", 0, &providers.UpstreamError{Fault: providers.Gone}) // says nothing
				n.ends("a", 0, &providers.UpstreamError{Fault: providers.NoFiles, Free: true})
				n.ends("a", 0, err)
				for i := range 3 {
					cool := first << i
					n.want("b1 a1")
					time.Sleep(cool - time.Millisecond)
					n.want("b1 a1")
					time.Sleep(time.Millisecond)
					n.want("a1 b1") // the one that tries
					n.want("b1 a1") // the others
					n.ends("a", 0, err)
				}
				time.Sleep(first << 3)
				n.want("a1 b1")
				n.ends("a", 0, nil)
				n.want("a1 b1")
				if h := n.router.Health("a", time.Now()); h != nil {
					t.Errorf("one that answers is called %+v", h)
				}
				n.ends("a", 0, err)
				n.want("a1 b1") // it begins anew
			})
		})
	}
}

// An attempt that tries, and of which nothing is ever heard, does not keep others away for
// good; and nobody tries who would ask another upstream first.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t).use()
		for range 3 {
			n.ends("b", 0, down)
		}
		time.Sleep(time.Minute)
		for range 3 {
			n.want("a1 b1")
		}
		if h := n.router.Health("b", time.Now()); len(h) != 1 || h[0].State != HalfOpen {
			t.Errorf("%+v", h)
		}
		for range 3 {
			n.ends("a", 0, down)
		}
		n.want("b1 a1") // tries b
		n.want("a1 b1") // both cool: the gateway's order counts
		time.Sleep(probeTime)
		n.ends("a", 0, down)
		n.want("b1 a1")
	})
}

// An attempt that tried what is half open and tells nothing of it, since it was not made, its
// caller left, or its request was refused, leaves the next one to try.
func TestProbesThatTellNothing(t *testing.T) {
	for name, tell := range map[string]func(l *Lane){
		"not made":        func(l *Lane) { l.Release(time.Now()) },
		"the caller left": func(l *Lane) { l.Report(&providers.UpstreamError{Fault: providers.Gone}, time.Now()) },
		"refused": func(l *Lane) {
			l.Report(&providers.UpstreamError{Fault: providers.Refused, Status: 400, Free: true}, time.Now())
		},
		"another trouble": func(l *Lane) { l.Report(down, time.Now()) },
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newNet(t).use()
			for range 2 {
				n.ends("a", 0, busy)
			}
			time.Sleep(time.Minute)
			targets, _ := n.router.Plan(n.cat, n.principal(), "m", noon)
			var c Course
			c.Plot(targets, 7, time.Now())
			lane, _ := c.Next()
			if lane.Upstream.Config.Name != "a" {
				t.Fatalf("%s: asks %s first", name, lane.Upstream.Config.Name)
			}
			n.want("b1 a1") // while it is tried
			tell(lane)
			n.want("a1 b1")
		})
	}
}

// One that asks to be left alone is, for as long as it says, but not for ever; and only for
// what it has said it of.
func TestAskedToBeLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t)
		n.keys["a"] = []string{"one", "two"}
		n.use()
		order := n.walk(0)
		first := int(order[1] - '1')
		n.ends("a", first, busy)
		want := fmt.Sprintf("a%d b1 a%d", 2-first, first+1)
		n.want(want)
		time.Sleep(20*time.Second - time.Nanosecond)
		n.want(want)
		time.Sleep(time.Nanosecond)
		n.want(order)
		long := *busy
		long.RetryAfter = 24 * time.Hour
		n.ends("a", first, &long)
		time.Sleep(longestQuiet - time.Second)
		n.want(want)
		time.Sleep(time.Second)
		n.want(order)
		n.ends("a", first, nil)

		// What one caller has asked for, and cannot have, is no reason to leave it alone.
		for _, fault := range []providers.Fault{providers.Refused, providers.NotHere, providers.TooLarge} {
			n.ends("a", first, &providers.UpstreamError{Fault: fault, Status: 429, RetryAfter: time.Minute})
			n.want(order)
		}

		// A key that is refused is set aside at once, and only that.
		n.ends("a", first, &providers.UpstreamError{Fault: providers.BadKey, Status: 401, Free: true})
		n.want(want)
		h := n.router.Health("a", time.Now())
		if len(h) != 1 || h[0].Key != first+1 || h[0].Model != "" || h[0].Cause != providers.BadKey || h[0].Status != 401 || h[0].State != Cooling || !h[0].Until.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("%+v", h)
		}

		// An overloaded model is with every key.
		n.ends("a", 1-first, &providers.UpstreamError{Fault: providers.Busy, Status: 503, RetryAfter: time.Second})
		if got := n.walk(0); !strings.HasPrefix(got, "b1") {
			t.Error(got)
		}
	})
}

// What is mended has a new start.
func TestChangedProvidersAreWell(t *testing.T) {
	n := newNet(t).use()
	for range 3 {
		n.ends("a", 0, away)
	}
	n.providers[0].Rev++
	n.use()
	if h := n.router.Health("a", time.Now()); h != nil || strings.Contains(n.log.String(), "ERROR") {
		t.Errorf("it is %+v still: %s", h, &n.log)
	}
}

// Neighbours with a weight share the callers by it; a caller stays where it is, and only
// those move whose upstream is not well. Others keep their place in the order.
func TestWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t)
		n.provider("c")
		n.model("m", "c")
		n.providers[0].Weight, n.providers[1].Weight = 3, 1
		n.use()
		const callers = 4000
		before := make([]string, callers)
		first := map[string]int{}
		for i := range before {
			before[i] = n.walk(Hash(0, fmt.Sprint(i)))
			first[before[i][:2]]++
			if !strings.HasSuffix(before[i], "c1") {
				t.Fatalf("the one without a weight is asked earlier: %s", before[i])
			}
		}
		if a := first["a1"]; a < callers*70/100 || a > callers*80/100 || first["b1"] != callers-a {
			t.Errorf("%v of %d callers, want three quarters at a", first, callers)
		}
		for range 3 {
			n.ends("b", 0, down)
		}
		for i := range before {
			if now := n.walk(Hash(0, fmt.Sprint(i))); now != "a1 c1 b1" {
				t.Fatalf("%s has become %s", before[i], now)
			}
		}
	})
}

// Callers are spread over the keys of a provider, and each stays with its own.
func TestKeysAreSpread(t *testing.T) {
	n := newNet(t)
	n.providers, n.models = n.providers[:1], n.models[:1]
	n.keys["a"] = []string{"one", "two", "three"}
	n.use()
	first := map[string]int{}
	for i := range 3000 {
		h := Hash(0, fmt.Sprint(i))
		order := n.walk(h)
		if order != n.walk(h) || len(order) != len("a1 a2 a3") {
			t.Fatal(order)
		}
		first[order[:2]]++
	}
	for key, k := range first {
		if k < 900 || k > 1100 {
			t.Errorf("%d of 3000 callers begin with %s", k, key)
		}
	}
}

// What fails tells which of the rest is not worth asking.
func TestFailedLeavesOut(t *testing.T) {
	n := newNet(t)
	n.keys["a"] = []string{"one", "two"}
	n.use()
	targets, _ := n.router.Plan(n.cat, n.principal(), "m", noon)
	for _, x := range []struct {
		err  *providers.UpstreamError
		rest int
	}{{away, 1}, {down, 1}, {hung, 1}, {busy, 2}, {&providers.UpstreamError{Fault: providers.BadKey, Status: 401}, 2},
		{&providers.UpstreamError{Fault: providers.NotHere, Status: 404}, 1}, {&providers.UpstreamError{Fault: providers.NotHere, Status: 403}, 2}} {
		var c Course
		c.Plot(targets, 0, noon)
		c.Next()
		c.Failed(x.err)
		rest := 0
		for _, ok := c.Next(); ok; _, ok = c.Next() {
			rest++
		}
		if rest != x.rest {
			t.Errorf("after %v, %d are left, want %d", x.err, rest, x.rest)
		}
	}
}

// BenchmarkPlot is what a decision costs: the health of each lane, and the order of them.
//
//	go test -run '^$' -bench Plot ./engine/route
func BenchmarkPlot(b *testing.B) {
	for _, x := range []struct {
		name            string
		providers, keys int
	}{{"one", 1, 1}, {"two", 2, 1}, {"three with three keys", 3, 3}} {
		b.Run(x.name, func(b *testing.B) {
			n := newNet(b)
			n.provider("c")
			n.model("m", "c")
			n.providers, n.models = n.providers[:x.providers], n.models[:x.providers]
			for _, p := range n.providers {
				n.keys[p.ID] = make([]string, x.keys)
			}
			n.use()
			targets, _ := n.router.Plan(n.cat, n.principal(), "m", noon)
			var c Course
			b.ReportAllocs()
			for b.Loop() {
				c.Plot(targets, 7, noon)
			}
		})
	}
	b.Run("a decision", func(b *testing.B) {
		n := newNet(b).use()
		targets, _ := n.router.Plan(n.cat, n.principal(), "m", noon)
		l := Lane{Target: targets[0]}
		for b.Loop() {
			if !l.ready(noon, true) {
				b.Fatal("it is not well")
			}
		}
	})
	b.Run("a report", func(b *testing.B) {
		n := newNet(b).use()
		targets, _ := n.router.Plan(n.cat, n.principal(), "m", noon)
		l := Lane{Target: targets[0]}
		for b.Loop() {
			l.Report(nil, noon)
		}
	})
}
