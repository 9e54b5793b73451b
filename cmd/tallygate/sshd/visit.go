package sshd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	"charm.land/wish/v2/bubbletea"
	gossh "golang.org/x/crypto/ssh"

	"tallygate/engine/tally"
)

// Visit is one session of a guest.
type Visit struct {
	Guest          tally.Guest
	Stdin          io.Reader // at its end where the guest has a terminal
	Stdout, Stderr io.Writer
	Terminal       bool
	Width          int               // of the terminal, in columns
	Env            map[string]string // what the guest says of the terminal

	ssh.Context // of the connection
	ctx         context.Context
	end         context.CancelCauseFunc
	link        *link
	looks       bool // it counts among those of viewers
	idle        *time.Timer
	patience    time.Duration // how long nothing may come; 0: for ever
	sizes       chan tea.WindowSizeMsg
	begun       bool          // a command, or the interface; the filter of requests writes it
	served      chan struct{} // closed once what was begun has ended
}

// Done implements context.Context for the session, as do Err and Deadline.
func (v *Visit) Done() <-chan struct{}                   { return v.ctx.Done() }
func (v *Visit) Err() error                              { return v.ctx.Err() }
func (v *Visit) Deadline() (deadline time.Time, ok bool) { return v.ctx.Deadline() }

// removed is what those are told who may come in no more.
const removed = "You may come in no more: your key was removed."

// ended is why a session ends that could go on, for the guest.
type ended string

func (e ended) Error() string { return string(e) }

// finish ends a session for a reason. One that does not end by itself is cut off.
func (v *Visit) finish(why string) {
	v.end(ended(why))
	time.AfterFunc(leavePatience, func() {
		s := v.link.server
		s.mu.Lock()
		stays := s.visits[v]
		s.mu.Unlock()
		if stays {
			v.link.hangUp()
		}
	})
}

// touch notes that somebody is there.
func (v *Visit) touch() {
	if v.patience > 0 {
		v.idle.Reset(v.patience)
	}
}

// session takes a channel, if there is room for it.
func (s *Server) session(srv *ssh.Server, conn *gossh.ServerConn, ch gossh.NewChannel, ctx ssh.Context) {
	v := &Visit{Context: ctx, link: linkOf(ctx), sizes: make(chan tea.WindowSizeMsg, 1), Env: map[string]string{},
		served: make(chan struct{})}
	v.ctx, v.end = context.WithCancelCause(ctx)
	defer v.end(context.Canceled)
	key, _ := ctx.Value(ssh.ContextKeyPublicKey).(ssh.PublicKey)
	guest := s.guestOf(key)
	v.looks = guest == nil || guest.Role != tally.RoleOwner
	s.mu.Lock()
	open, looking := len(s.visits), 0
	for other := range s.visits {
		if other.looks {
			looking++
		}
	}
	room := open < maxSessions && (!v.looks || looking < maxLooking) && !s.ending
	if room {
		s.visits[v] = true
		s.inside.Add(1)
	}
	s.mu.Unlock()
	if !room {
		ch.Reject(gossh.ResourceShortage, fmt.Sprintf("%d sessions are open, or the gateway ends: try again later",
			open))
		return
	}
	v.link.use(+1)
	v.idle = time.AfterFunc(unusedPatience, func() {
		v.finish("Nothing was typed for " + wait(s.Idle) + ", and this session has ended.")
	})
	defer func() {
		if v.begun {
			<-v.served
		}
		v.idle.Stop()
		v.link.use(-1)
		s.mu.Lock()
		delete(s.visits, v)
		s.mu.Unlock()
		s.inside.Done()
	}()
	ssh.DefaultSessionHandler(srv, conn, filtered{ch, v}, v)
}

// wait is a length of time for people.
func wait(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// filtered is a channel that only a terminal and a command can be asked of.
type filtered struct {
	gossh.NewChannel
	visit *Visit
}

func (f filtered) Accept() (gossh.Channel, <-chan *gossh.Request, error) {
	ch, all, err := f.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	some := make(chan *gossh.Request)
	go func() { // ends with the channel
		defer close(some)
		defer f.visit.end(context.Canceled)
		for r := range all {
			if f.visit.passes(r) {
				some <- r
			}
		}
	}()
	return ch, some, nil
}

// maxEnv bounds what a guest can say of a terminal.
const maxEnv = 16

// terminalVariables are those that change how something is drawn.
var terminalVariables = []string{"COLORTERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM_PROGRAM", "LANG",
	"LC_ALL", "LC_CTYPE"}

// passes reports whether a request is for the library; others are answered.
func (v *Visit) passes(r *gossh.Request) bool {
	answer := false
	switch r.Type {
	case "pty-req":
		return true
	case "shell", "exec":
		v.begun = true
		return true
	case "env":
		var kv struct{ Name, Value string }
		// Who reads them begins with the command.
		read := !v.begun && gossh.Unmarshal(r.Payload, &kv) == nil
		answer = read && len(v.Env) < maxEnv && len(kv.Value) < 100 && slices.Contains(terminalVariables, kv.Name)
		if answer {
			v.Env[kv.Name] = kv.Value
		}
	case "window-change":
		if answer = len(r.Payload) >= 8; answer {
			size := clamped(int64(binary.BigEndian.Uint32(r.Payload)), int64(binary.BigEndian.Uint32(r.Payload[4:])))
			select {
			case <-v.sizes: // the latest is enough
			default:
			}
			v.sizes <- size
		}
	case "signal":
		var s struct{ Name string }
		if gossh.Unmarshal(r.Payload, &s) == nil && slices.Contains([]string{"INT", "TERM", "HUP"}, s.Name) {
			v.end(context.Canceled)
		}
	}
	if r.WantReply {
		r.Reply(answer, nil)
	}
	return false
}

// The sizes of terminals that are drawn. What a terminal says of itself may be anything,
// and pictures of that size are made.
const (
	usualWidth, usualHeight = 80, 24
	maxWidth, maxHeight     = 500, 200
)

func clamped(width, height int64) tea.WindowSizeMsg {
	if width <= 0 || height <= 0 {
		return tea.WindowSizeMsg{Width: usualWidth, Height: usualHeight}
	}
	return tea.WindowSizeMsg{Width: int(min(width, maxWidth)), Height: int(min(height, maxHeight))}
}

// desk is a session whose reads count as signs of life, and that has a plausible size.
type desk struct {
	ssh.Session
	visit *Visit
	pty   ssh.Pty
}

func (d desk) Pty() (ssh.Pty, <-chan ssh.Window, bool) { return d.pty, nil, d.visit.Terminal }
func (d desk) Environ() []string {
	var out []string
	for name, value := range d.visit.Env {
		out = append(out, name+"="+value)
	}
	return out
}

func (d desk) Read(b []byte) (int, error) {
	n, err := d.Session.Read(b)
	if n > 0 {
		d.visit.touch()
	}
	return n, err
}

// told is where a command writes to: that it does is a sign of life, too.
type told struct {
	io.Writer
	visit *Visit
}

func (t told) Write(b []byte) (int, error) {
	t.visit.touch()
	return t.Writer.Write(b)
}

// receive is what becomes of a session once it has said what it wants.
func (s *Server) receive(sess ssh.Session) {
	v := sess.Context().(*Visit)
	defer close(v.served)
	code := s.serve(v, sess)
	if why, is := context.Cause(v.ctx).(ended); is {
		fmt.Fprintln(sess.Stderr(), "tallygate: "+string(why))
	}
	sess.Exit(code)
}

func (s *Server) serve(v *Visit, sess ssh.Session) (code int) {
	guest := s.guestOf(sess.PublicKey()) // the key that was signed with, of those that were tried
	if guest != nil {
		s.mu.Lock()
		v.Guest = *guest
		s.mu.Unlock()
	}
	if s.guestOf(sess.PublicKey()) == nil { // of a removal from here on the session is told
		fmt.Fprintln(sess.Stderr(), "tallygate: "+removed)
		return 1
	}
	if v.patience = s.Idle; v.patience > 0 {
		v.touch()
	} else {
		v.idle.Stop()
	}
	d := desk{Session: sess, visit: v}
	d.pty, _, v.Terminal = sess.Pty()
	size := clamped(int64(d.pty.Window.Width), int64(d.pty.Window.Height))
	d.pty.Window.Width, d.pty.Window.Height = size.Width, size.Height
	v.Stdin, v.Stdout, v.Stderr, v.Width = d, told{sess, v}, told{sess.Stderr(), v}, size.Width
	words, err := Words(sess.RawCommand())
	if len(words) > 0 && words[0] == "tallygate" {
		words = words[1:]
	}
	what := "interface"
	if len(words) > 0 {
		what = "command"
	}
	from := sess.RemoteAddr().String()
	s.Log.Info("a guest has come in over ssh", "guest", guest.Name, "role", string(guest.Role), "for", what, "from", from)
	defer func() { s.Log.Info("a guest has left", "guest", guest.Name, "for", what, "from", from, "code", code) }()
	switch {
	case err != nil:
		e := tally.AsError(err)
		fmt.Fprintf(sess.Stderr(), "error: %s\nhint: %s\n", e.Message, e.Hint)
		return 2
	case len(words) > 0:
		if v.Terminal {
			v.Stdin = strings.NewReader("")
			go d.heed() // ends with the channel
		}
		return s.house.Run(v.ctx, v, words)
	case !v.Terminal:
		fmt.Fprintln(sess.Stderr(),
			"error: the interface needs a terminal\nhint: ssh -t asks for one; without one name a command, like: status")
		return 2
	}
	return s.show(v, d)
}

// heed reads what is typed while a command runs, for the one key that ends it: a terminal
// leaves it to this side.
func (d desk) heed() {
	b := make([]byte, 256)
	for {
		n, err := d.Read(b)
		if err != nil {
			return
		}
		if slices.Contains(b[:n], 0x03) {
			d.visit.end(context.Canceled)
		}
	}
}

// show runs the interface.
func (s *Server) show(v *Visit, d desk) int {
	program, done := s.house.Show(v.ctx, v, bubbletea.MakeOptions(d)...)
	defer done()
	defer context.AfterFunc(v.ctx, program.Quit)()
	var resizing sync.WaitGroup
	defer resizing.Wait()
	over := make(chan struct{})
	defer close(over)
	resizing.Go(func() {
		for {
			select {
			case size := <-v.sizes:
				program.Send(size)
			case <-over:
				return
			}
		}
	})
	if _, err := program.Run(); err != nil {
		s.Log.Error("the interface of a guest failed", "guest", v.Guest.Name, "error", err)
		return 1
	}
	return 0
}
