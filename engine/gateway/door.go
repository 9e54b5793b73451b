package gateway

import (
	"cmp"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tallygate/engine/tally"
)

const (
	// spareFiles is the least that is left for what comes and goes: files of the
	// store's compactions, exports, the owner's own commands.
	spareFiles = 24
	// manyFiles is a limit that nobody has to count files under: an eighth of it is
	// more than a store has.
	manyFiles  = 1 << 16
	countEvery = 5 * time.Second
	countsKept = 12 // a minute: files of the store come and go
	// lull is how long a connection has said nothing before it may be closed for
	// another: one that has just come is about to ask, or has just been answered.
	lull = 500 * time.Millisecond
	// atDoor is how often a connection that came is tried again while there is no
	// room. Others wait behind it, in the system's queue.
	atDoor = 20 * time.Millisecond
	// lookEvery is how often all connections are looked through for lively ones.
	lookEvery = 100 * time.Millisecond
	// patchSize bounds what must be taken of an answer within writePatience: a
	// caller that takes less in that time is as good as gone.
	patchSize = 128 << 10
)

// Files tells how many files the process may have open, 0 for any number, and how
// many it has, 0 if that is not known.
type Files func() (limit, open int)

// Upstreams are the connections to upstreams.
type Upstreams interface {
	// Open is how many there are, with the idle ones and those that are being made.
	Open() int
	// Bound has idle ones closed where there would be more than most.
	Bound(most int)
}

// Door lets connections in. Of the files that the process may have open, less those
// of its store and some to spare, each connection takes one, and one more as long as
// it is lively, since a request that comes in must be able to go out: a store that
// cannot open a file is the end of the process. What is left is for idle connections
// to upstreams. More connections wait in the system's queue. When there is no room
// those that say nothing make it, the longest silent first, and those before all whose
// address has more than its share; a connection with a request under way is never
// closed. Every write to one has a deadline.
type Door struct {
	net.Listener
	files Files
	out   Upstreams
	most  int // connections, with those to upstreams; 0 for as many as there are files for
	log   *slog.Logger
	freed chan struct{} // gets a token when a connection has ended
	shut  chan struct{}
	once  sync.Once

	heir Heir // once connections are ended

	mu      sync.Mutex // guards the fields that follow
	visits  map[*visit]struct{}
	guests  map[netip.Addr]*guest
	calling int // requests that may need a connection to an upstream
	room    int // for visits, and for connections to upstreams
	lively  int // visits that ask, or have asked or come just now, as counted lately
	looked  time.Time
	others  []int // files that are no connections, as counted lately
	counted time.Time
	warned  time.Time
}

// guest is the network that connections come from.
type guest struct {
	from    netip.Addr
	visits  int
	calling int
}

// Listen makes the door of s at a listener: HTTPServer's server serves there. There are at
// most so many connections, if a number is given.
func (s *Server) Listen(ln net.Listener, files Files, out Upstreams, most int) *Door {
	d := &Door{Listener: ln, files: files, out: out, most: most, log: s.Logger, freed: make(chan struct{}, 1), shut: make(chan struct{}),
		visits: map[*visit]struct{}{}, guests: map[netip.Addr]*guest{}}
	d.count()
	s.door = d
	return d
}

// Room is how many connections there may be, and how many requests that ask an
// upstream at the same time.
func (d *Door) Room() (connections, requests int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.room, d.calls()
}

// calls is the most requests that may ask an upstream at the same time.
func (d *Door) calls() int { return d.room - d.room/2 }

// Open is how many connections there are.
func (d *Door) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.visits)
}

// Heir is who comes after a server that ends.
type Heir struct {
	// Arrived reads what has come on a connection, without waiting for more.
	Arrived func(c net.Conn, b []byte) (n int)
	// Take keeps what another process can go on with of a connection, on which nothing was
	// read since its last answer. It is closed here then. nil if none can go on.
	Take func(c net.Conn)
}

// Returned is a connection that was let in by the process before, and handed on by it.
type Returned struct{ net.Conn }

// returning is a listener to which connections come back.
type returning interface {
	// Waiting is how many of them are not accepted yet. They are open.
	Waiting() int
}

// end ends connections that have no request under way and say nothing.
func (d *Door) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for v := range d.visits {
		v.end(now)
	}
}

// Accept waits for a connection, and for room for it.
func (d *Door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v, now := &visit{Conn: c, door: d}, time.Now()
	v.peer, v.from = networkOf(c.RemoteAddr())
	_, v.local = c.RemoteAddr().(*net.UnixAddr)
	v.quiet.Store(now.UnixNano())
	if r, is := c.(Returned); is { // it has asked before, and been silent since
		v.Conn, v.back, v.came = r.Conn, true, now
		v.asked.Store(true)
		v.quiet.Store(now.Add(-lull).UnixNano())
	}
	for !d.enter(v) {
		select {
		case <-d.freed:
		case <-d.shut:
		case <-time.After(atDoor):
		}
	}
	return v, nil
}

// Close lets nobody in any more.
func (d *Door) Close() error {
	d.once.Do(func() { close(d.shut) })
	return d.Listener.Close()
}

// networkOf is whose a connection is: of IPv6 a whole network is one caller's.
func networkOf(a net.Addr) (ip, network netip.Addr) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return ip, network
	}
	ip = unmapped(tcp.AddrPort().Addr().WithZone(""))
	if p, err := ip.Prefix(64); ip.Is6() && err == nil {
		return ip, p.Addr()
	}
	return ip, ip
}

// enter lets a connection in; false if there is no room yet.
func (d *Door) enter(v *visit) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count()
	if !d.isShut() && d.full() { // those in the queue of one that is shut are served
		// Some may be found silent soon; until then none is closed that has room.
		if len(d.visits)+d.calling >= d.room || time.Now().UnixNano()-v.quiet.Load() > int64(lull) {
			d.makeRoom()
		}
		return false
	}
	if !v.back {
		d.lively++
	}
	d.visits[v] = struct{}{}
	d.guest(v.from).visits++
	d.bound()
	return true
}

// guest returns the guest from a network, a new one if there is none.
func (d *Door) guest(from netip.Addr) *guest {
	g := d.guests[from]
	if g == nil {
		g = &guest{from: from}
		d.guests[from] = g
	}
	return g
}

// forget drops a guest that has nothing here any more.
func (d *Door) forget(g *guest) {
	if g.visits == 0 && g.calling == 0 {
		delete(d.guests, g.from)
	}
}

// full reports whether there is no room for another connection, and for one to an
// upstream with it.
func (d *Door) full() bool {
	if len(d.visits)+d.lively+2 <= d.room {
		return false
	}
	if now := time.Now(); now.Sub(d.looked) >= lookEvery {
		d.looked, d.lively = now, 0
		before := now.Add(-lull).UnixNano()
		for v := range d.visits {
			if quiet := v.quiet.Load(); quiet == 0 || quiet > before {
				d.lively++
			}
		}
	}
	return len(d.visits)+d.lively+2 > d.room
}

func (d *Door) isShut() bool {
	select {
	case <-d.shut:
		return true
	default:
		return false
	}
}

// leave forgets a connection that has ended.
func (d *Door) leave(v *visit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.visits, v)
	g := d.guests[v.from]
	g.visits--
	d.forget(g)
	d.bound()
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

// makeRoom closes some of the connections that say nothing: of those whose network
// has more than a quarter of all, then of those that never asked anything, the
// longest silent first. While there are any of one kind the others stay, even if
// none of them has been silent for long enough yet. It reports whether it closed any.
func (d *Door) makeRoom() (some bool) {
	type silent struct {
		*visit
		since int64
	}
	var all []silent
	worst := math.MaxInt
	for v := range d.visits {
		since := v.quiet.Load()
		if v.closed || since == 0 {
			continue
		}
		rank := 0
		if v.asked.Load() {
			rank++
		}
		if d.guests[v.from].visits <= d.room/4 {
			rank += 2
		}
		if rank < worst {
			worst, all = rank, all[:0]
		}
		if rank == worst {
			all = append(all, silent{v, since})
		}
	}
	d.warn()
	slices.SortFunc(all, func(a, b silent) int { return cmp.Compare(a.since, b.since) })
	// Several at once: looking through all of them for every one would cost more
	// than they are worth.
	before := time.Now().Add(-lull).UnixNano()
	for _, c := range all[:min(len(all), 1+d.room/64)] {
		if c.since <= before {
			c.closed = true
			c.Conn.Close()
			some = true
		}
	}
	return some
}

// warn tells the owner that there is no more room, once a minute.
func (d *Door) warn() {
	if now := time.Now(); now.Sub(d.warned) >= time.Minute {
		d.warned = now
		d.log.Warn("open files run short: new connections wait, the longest silent are closed",
			"connections", len(d.visits), "requests", d.calling, "hint", "more open files allow more: ulimit -n, LimitNOFILE= of systemd")
	}
}

// bound leaves to upstreams what there is room for beside the visits.
func (d *Door) bound() { d.out.Bound(d.room - len(d.visits)) }

// count finds out what room there is, unless it has just done so.
func (d *Door) count() {
	now := time.Now()
	if now.Sub(d.counted) < countEvery {
		return
	}
	d.counted = now
	limit, open := d.files()
	room := limit - limit/8
	switch {
	case limit <= 0:
		room = math.MaxInt
	case limit < manyFiles && open == 0: // nobody knows
		if len(d.others) > 0 {
			return
		}
		room = limit / 2
	case limit < manyFiles:
		if len(d.others) == countsKept {
			d.others = d.others[1:]
		}
		if r, is := d.Listener.(returning); is {
			open -= r.Waiting()
		}
		d.others = append(d.others, open-len(d.visits)-d.out.Open())
		room = max(limit-slices.Max(d.others)-max(spareFiles, limit/8), 0)
	}
	if d.most > 0 {
		room = min(room, 2*d.most) // each may need one to an upstream
	}
	d.room = room
	d.bound()
}

// call takes a place for a request that may ask an upstream; nil if there is none.
// No network has more of them than are left for others, unless it is this machine or
// a proxy.
func (d *Door) call(v *visit, proxy bool) *guest {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count()
	left := d.calls() - d.calling
	g := d.guest(v.from) // a new one if the connection has ended meanwhile
	alone := !proxy && v.from.IsValid() && !v.from.IsLoopback()
	if left <= 0 || alone && g.calling >= left || len(d.visits)+d.calling >= d.room && !d.makeRoom() {
		d.forget(g)
		d.warn()
		return nil
	}
	d.calling++
	g.calling++
	return g
}

// called gives a place back.
func (d *Door) called(g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calling--
	g.calling--
	d.forget(g)
}

// comeIn takes a place at the door for a request that may ask an upstream.
func (x *exchange) comeIn() *tally.Refusal {
	if x.visit == nil {
		return nil
	}
	if x.guest = x.server.door.call(x.visit, isTrusted(x.visit.peer, x.cat.TrustedProxies)); x.guest == nil {
		return crowded()
	}
	return nil
}

// crowded refuses a request for want of files.
func crowded() *tally.Refusal {
	return &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeCrowded,
		Message: "The gateway has as many requests under way as it can. Try again in a moment.", RetryAfter: 2 * time.Second}
}
