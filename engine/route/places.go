package route

import (
	"context"
	"slices"
	"sync"
)

// places are those of one upstream for requests in flight. The cap is told with
// each call, since the owner may change it while requests are under way.
type places struct {
	mu    sync.Mutex // guards the fields that follow
	taken int
	line  []chan struct{} // of those that wait, in their order
	most  int             // as told last
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

func (p *places) wait(ctx context.Context, most int) bool {
	if p.enter(most) {
		return true
	}
	turn := make(chan struct{}, 1)
	p.mu.Lock()
	p.line = append(p.line, turn)
	p.serve()
	p.mu.Unlock()
	select {
	case <-turn:
		if ctx.Err() == nil {
			return true
		}
		p.leave()
		return false
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.line, turn)
	if i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it was served just now
		p.leave()
	}
	return false
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
		p.line[0] <- struct{}{}
		p.line = p.line[1:]
	}
}
