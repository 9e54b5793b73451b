package route

import (
	"context"
	"slices"
	"sync"
)

// places counts the requests in flight at one upstream. The cap is passed with each call,
// because the owner may change it while requests are under way.
type places struct {
	mu    sync.Mutex // guards the fields that follow
	taken int
	line  []*turn // of those that wait, in their order
	most  int     // as told last
}

// turn is a request that waits for a place at any of several upstreams.
type turn struct {
	came chan int // gets the number of each that has a place for it, once each
	n    int      // of this upstream
}

func (p *places) enter(most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = most
	if !p.free() || len(p.line) > 0 {
		return false
	}
	p.taken++
	return true
}

func (p *places) free() bool { return p.most <= 0 || p.taken < p.most }

func (p *places) join(t *turn, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = most
	p.line = append(p.line, t)
	p.serve()
}

// quit takes a turn out of the line; false if it had its place already.
func (p *places) quit(t *turn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.line, t)
	if i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
	}
	return i >= 0
}

func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.serve()
}

// serve hands free places to those that wait.
func (p *places) serve() {
	for len(p.line) > 0 && p.free() {
		p.taken++
		p.line[0].came <- p.line[0].n
		p.line = p.line[1:]
	}
}

// WaitAny waits for a place at any of the targets' upstreams, first come first served at
// each, and returns the target's index; -1 if ctx ends before.
func WaitAny(ctx context.Context, targets []Target) int {
	came := make(chan int, len(targets))
	turns := make([]*turn, len(targets))
	for i, t := range targets {
		turns[i] = &turn{came, i}
		t.Upstream.places.join(turns[i], t.Upstream.Config.MaxInFlight)
	}
	got := -1
	select {
	case got = <-came:
	case <-ctx.Done():
	}
	for i, t := range targets {
		if i != got && !t.Upstream.places.quit(turns[i]) {
			targets[<-came].Upstream.places.leave()
		}
	}
	if got >= 0 && ctx.Err() != nil {
		targets[got].Upstream.places.leave()
		return -1
	}
	return got
}
