package transport

import (
	"slices"
	"sync"
	"time"
)

// pool keeps idle connections. The one that was used last is used next: it is
// the least likely to have been closed, and the others can grow old.
//
// Some upstreams close a connection right behind an answer without having said so. The news
// takes a moment, and a request that is sent meanwhile is lost. It arrives at nobody, or at
// somebody who does not read it any more, and which of the two cannot be told. So a
// connection is used again at once only if the upstream has shown that it keeps
// connections, and no connection was found closed early for a while.
//
// Otherwise a connection is used again only when the news of its end would have come. No
// more connections are kept than that takes: each holds a file, and a burst of callers
// would leave as many as it made.
type pool struct {
	mu     sync.Mutex // guards the fields that follow
	idle   []*conn    // the longest idle first
	timer  *time.Timer
	closed bool
	kept   bool      // a connection has served twice since one was last found closed
	wary   time.Time // until then kept does not suffice
}

const (
	// settled is how long the news of a connection's end may take, behind the answer.
	settled = 100 * time.Millisecond
	// early is how long an upstream that keeps connections keeps one at least.
	early = time.Second
	// waryFor is how long an upstream that closes early is remembered.
	waryFor = 10 * time.Minute
	// inDoubt is how many connections are kept while they cannot be used at once.
	inDoubt = 2
)

// get returns a connection that can be used, nil if there is none.
func (p *pool) get() *conn {
	now := time.Now()
	for {
		p.mu.Lock()
		next, doubt := len(p.idle)-1, p.doubts(now)
		if doubt {
			next = min(next, 0) // the longest idle
		}
		if next < 0 || doubt && now.Sub(p.idle[0].idleSince) < settled {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[next]
		p.idle = slices.Delete(p.idle, next, next+1)
		p.mu.Unlock()
		if c.alive(now) {
			return c
		}
		if c.abort(); !c.expired(now) {
			p.lost(now.Sub(c.idleSince) < early)
		}
	}
}

// doubts reports whether the upstream may have closed what it has just used; with mu held.
func (p *pool) doubts(now time.Time) bool { return !p.kept || now.Before(p.wary) }

// lost notes that the upstream has closed a connection that was kept; soon is whether it
// was closed right behind an answer.
func (p *pool) lost(soon bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept = false; soon {
		p.wary = time.Now().Add(waryFor)
	}
}

// put keeps a connection for the next request.
func (p *pool) put(c *conn) {
	c.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = p.kept || c.served
	c.served = true
	most := maxIdle
	if p.doubts(c.idleSince) {
		most = inDoubt
	}
	if p.closed || len(p.idle) >= most {
		c.abort()
		return
	}
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(idleTimeout, p.sweep)
	} else if len(p.idle) == 1 {
		p.timer.Reset(idleTimeout)
	}
}

// sweep closes connections that have been idle for too long.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	old := 0
	for ; old < len(p.idle) && now.Sub(p.idle[old].idleSince) >= idleTimeout; old++ {
		p.idle[old].abort()
	}
	kept := copy(p.idle, p.idle[old:])
	clear(p.idle[kept:])
	if p.idle = p.idle[:kept]; kept > 0 && !p.closed {
		p.timer.Reset(idleTimeout - now.Sub(p.idle[0].idleSince))
	}
}

// shed closes so many idle connections, the longest idle first.
func (p *pool) shed(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = min(n, len(p.idle))
	for _, c := range p.idle[:n] {
		c.abort()
	}
	p.idle = slices.Delete(p.idle, 0, n)
}

// close closes the idle connections, and from now on those that come back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, c := range p.idle {
		c.abort()
	}
	p.idle = nil
}
