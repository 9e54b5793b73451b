//go:build !unix

package transport

import "time"

// trusted is how long an idle connection is believed to be open, on systems where it cannot
// be looked at without waiting. Few upstreams close a connection sooner.
const trusted = time.Second

// alive reports whether an idle connection can be used.
func (c *conn) alive(now time.Time) bool {
	return !c.expired(now) && now.Sub(c.idleSince) < trusted && c.silent()
}

// look is not needed here.
func (c *conn) look(uintptr) {}

const canReceive = false

// receive is not needed here.
func (c *conn) receive(uintptr) bool { return true }
