// Package sshd lets people in over ssh: with a terminal to the interface, with a command to
// the command line. It knows keys and connections; who may come in, what the interface is
// and what commands do it is told, as a [House].
//
// A stranger costs little, and gets nothing: admit.go bounds how many knock at a time and
// how often, and visit.go what somebody who is in may ask of the server, which is a
// terminal and a command, no forwarding, no files. hostkey.go keeps the key that the server
// is known by, words.go reads a command line without a shell.
package sshd

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"

	"tallygate/engine/tally"
)

// Bounds on guests, beside those of admit.go.
const (
	maxSessions    = 16
	maxLooking     = 12 // of viewers: whatever they do, an owner gets in
	authTries      = 6  // keys that one connection may try; an agent may have several
	loginPatience  = 10 * time.Second
	unusedPatience = time.Minute     // for a connection or a channel that asks for nothing
	leavePatience  = 3 * time.Second // for a session that was told to end
)

// Options are what a server is made of.
type Options struct {
	Dir  string        // where the host key is
	Idle time.Duration // after which a session ends that nothing is typed into; 0: never
	Log  *slog.Logger
}

// House is what guests come to.
type House struct {
	// Guests are those who may come in, and a context that ends when that may have changed.
	Guests func() ([]*tally.Guest, context.Context)
	// Run does a command, and returns its exit code.
	Run func(ctx context.Context, v *Visit, args []string) int
	// Show makes the interface; done is called once it has ended.
	Show func(ctx context.Context, v *Visit, options ...tea.ProgramOption) (p *tea.Program, done func())
}

// Server lets guests in.
type Server struct {
	Options
	house  House
	server *ssh.Server
	closed chan struct{}
	once   sync.Once

	inside sync.WaitGroup // visits, and what watches over them

	mu     sync.Mutex // guards the fields that follow
	ln     net.Listener
	links  map[*link]bool
	visits map[*Visit]bool
	ending bool
	strangers
}

// New makes a server with the host key of the data folder, which it makes if there is none.
func New(o Options) (*Server, error) {
	key, err := hostKey(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{Options: o, closed: make(chan struct{}), links: map[*link]bool{}, visits: map[*Visit]bool{}}
	s.server, err = wish.NewServer(
		wish.WithHostKeyPEM(key),
		wish.WithVersion("tallygate"),
		wish.WithPublicKeyAuth(func(ctx ssh.Context, key ssh.PublicKey) bool {
			linkOf(ctx).offers(ctx.User(), key)
			return s.guestOf(key) != nil
		}),
		wish.WithMiddleware(func(ssh.Handler) ssh.Handler { return s.receive }),
	)
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "start ssh: %w", err)
	}
	s.server.HandshakeTimeout = loginPatience
	s.server.ConnCallback = func(ctx ssh.Context, c net.Conn) net.Conn {
		l := c.(*link)
		ctx.SetValue(linkKey{}, l)
		return l
	}
	s.server.ServerConfigCallback = func(ctx ssh.Context) *gossh.ServerConfig {
		return &gossh.ServerConfig{MaxAuthTries: authTries, AuthLogCallback: func(_ gossh.ConnMetadata, _ string, err error) {
			if err == nil {
				s.known(linkOf(ctx))
			}
		}}
	}
	// Nothing but sessions: no forwarding of any kind.
	s.server.ChannelHandlers = map[string]ssh.ChannelHandler{"session": s.session}
	s.server.RequestHandlers = map[string]ssh.RequestHandler{}
	s.server.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
	return s, nil
}

// Serve lets guests into a house until Close.
func (s *Server) Serve(ln net.Listener, h House) {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		ln.Close()
		return
	}
	s.house, s.ln = h, ln
	s.inside.Go(s.watch)
	s.mu.Unlock()
	if err := s.server.Serve(doorway{ln, s}); !errors.Is(err, ssh.ErrServerClosed) && !s.isClosed() {
		s.Log.Error("ssh ended", "error", err)
	}
}

func (s *Server) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// Close tells everybody to leave, and returns once they have.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.mu.Lock()
		if s.ending = true; s.ln != nil {
			s.ln.Close()
		}
		s.mu.Unlock()
		s.endVisits(func(*Visit) bool { return true }, "The gateway stops or moves, and this session has ended with it.")
		// Who has read the last words hangs up.
		for late := time.Now().Add(leavePatience); s.busy() && time.Now().Before(late); {
			time.Sleep(10 * time.Millisecond)
		}
		s.server.Close()
		s.mu.Lock()
		for l := range s.links { // of those that have not said who they are the server knows nothing
			l.hangUp()
		}
		s.flush()
		s.mu.Unlock()
		s.inside.Wait()
	})
}

func (s *Server) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		if l.known {
			return true
		}
	}
	return len(s.visits) > 0
}

// guestOf is who comes in by a key, nil if nobody does.
func (s *Server) guestOf(key ssh.PublicKey) *tally.Guest {
	if key == nil {
		return nil
	}
	line := key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
	guests, _ := s.house.Guests()
	if i := slices.IndexFunc(guests, func(g *tally.Guest) bool { return g.Key == line }); i >= 0 {
		return guests[i]
	}
	return nil
}

// watch sends those away who may not be here any more.
func (s *Server) watch() {
	for {
		guests, changed := s.house.Guests()
		s.endVisits(func(v *Visit) bool {
			return v.Guest.ID != "" && !slices.ContainsFunc(guests, func(g *tally.Guest) bool { return g.ID == v.Guest.ID })
		}, removed)
		select {
		case <-changed.Done():
		case <-s.closed:
			return
		}
	}
}

// endVisits ends sessions for a reason.
func (s *Server) endVisits(which func(*Visit) bool, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.visits {
		if which(v) {
			v.finish(why)
		}
	}
}
