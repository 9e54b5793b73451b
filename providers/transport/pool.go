package transport

import (
	"sync"
	"time"
)

// pool keeps idle connections. The one that was used last is used next: it is
// the least likely to have been closed, and the others can grow old.
type pool struct {
	mu     sync.Mutex // guards the fields that follow
	idle   []*conn    // the longest idle first
	timer  *time.Timer
	closed bool
}

// get returns a connection that can be used, nil if there is none.
func (p *pool) get() *conn {
	now := time.Now()
	for {
		p.mu.Lock()
		last := len(p.idle) - 1
		if last < 0 {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		p.mu.Unlock()
		if c.alive(now) {
			return c
		}
		c.abort()
	}
}

// put keeps a connection for the next request.
func (p *pool) put(c *conn) {
	c.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) == maxIdle {
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
