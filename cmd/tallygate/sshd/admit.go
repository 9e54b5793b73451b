package sshd

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// Bounds on those who are not known. A login that fails costs its address a token; an
// address without one is hung up on at once, until it has one again. Where failures come
// from everywhere, connections are taken one after the other, so that they do not take the
// time of the proxy.
const (
	maxPending   = 64
	pendingFrom  = 10 // one address
	failuresFrom = 20 // tokens of one address
	forgiveAfter = 3 * time.Second
	failures     = 100 // tokens of all
	paceEvery    = 50 * time.Millisecond
	maxAddresses = 4096
	tellEvery    = time.Minute
)

// strangers is what is kept of those who have failed to come in. The lock of the server
// guards it.
type strangers struct {
	pending int
	from    map[netip.Prefix]*stranger
	all     tokens

	failed int // since it was told last
	last   *link
	tell   *time.Timer // nil while nothing is to be told
}

type stranger struct {
	pending int
	tokens
}

// tokens are spent by failures and come back with time.
type tokens struct {
	spent float64
	at    time.Time
}

func (t *tokens) left(now time.Time, most int, every time.Duration) int {
	t.spent = max(t.spent-float64(now.Sub(t.at))/float64(every), 0)
	t.at = now
	return most - int(t.spent)
}

// link is a connection.
type link struct {
	net.Conn
	server *Server
	from   netip.Prefix
	unused *time.Timer
	once   sync.Once

	known     bool // guarded by the server's lock, as are the fields that follow
	used      int  // open channels
	user, key string
}

type linkKey struct{}

func linkOf(ctx ssh.Context) *link { return ctx.Value(linkKey{}).(*link) }

// doorway is a listener that hangs up on those there is no room for.
type doorway struct {
	net.Listener
	server *Server
}

func (d doorway) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l, pace := d.server.admit(c)
		if l == nil {
			c.Close()
			continue
		}
		if pace {
			time.Sleep(paceEvery)
		}
		return l, nil
	}
}

// admit takes a connection, if there is room for it; pace is whether there are many.
func (s *Server) admit(c net.Conn) (l *link, pace bool) {
	l = &link{Conn: c, server: s, from: network(c.RemoteAddr())}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from == nil || len(s.from) > maxAddresses {
		s.from = map[netip.Prefix]*stranger{} // who is forgotten may try a few times more
	}
	who := s.from[l.from]
	if who == nil {
		who = &stranger{}
		s.from[l.from] = who
	}
	if s.ending || s.pending >= maxPending || who.pending >= pendingFrom || who.left(now, failuresFrom, forgiveAfter) < 1 {
		return nil, false
	}
	s.pending++
	who.pending++
	s.links[l] = true
	l.unused = time.AfterFunc(unusedPatience, l.hangUp)
	return l, s.all.left(now, failures, paceEvery) < 1
}

// network is what an address belongs to: of IPv6 a customer has many.
func network(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits)
	return p
}

// offers notes what somebody wants to come in by, for the log.
func (l *link) offers(user string, key ssh.PublicKey) {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.user, l.key = user, gossh.FingerprintSHA256(key)
}

// known notes that a connection is a guest's.
func (s *Server) known(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.known {
		l.known = true
		s.settle(l)
	}
}

// settle ends that a connection is pending. It is called under the lock.
func (s *Server) settle(l *link) {
	s.pending--
	if who := s.from[l.from]; who != nil {
		who.pending = max(who.pending-1, 0) // it may be another one since, if addresses were forgotten
	}
}

// Close forgets a connection as well.
func (l *link) Close() error {
	l.once.Do(func() {
		s := l.server
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.links, l)
		l.unused.Stop()
		if l.known {
			return
		}
		s.settle(l)
		s.all.spent++
		if who := s.from[l.from]; who != nil {
			who.spent++
		}
		s.failed, s.last = s.failed+1, l
		if s.tell == nil {
			s.flush()
			s.tell = time.AfterFunc(tellEvery, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.flush()
				s.tell = nil
			})
		}
	})
	return l.Conn.Close()
}

// hangUp ends a connection that nothing good comes from.
func (l *link) hangUp() { l.Conn.Close() }

// flush tells of failures, many in a line. It is called under the lock.
func (s *Server) flush() {
	if s.failed == 0 {
		return
	}
	s.Log.Warn("nobody was let in over ssh", "times", s.failed, "last_from", s.last.RemoteAddr().String(), "user",
		s.last.user, "key", s.last.key)
	s.failed = 0
}

// use counts the channels of a connection: one without any is hung up on after a while.
func (l *link) use(n int) {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.used += n; l.used == 0 {
		l.unused.Reset(unusedPatience)
	} else {
		l.unused.Stop()
	}
}
