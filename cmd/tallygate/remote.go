package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// reachPatience is how long a machine elsewhere may take to answer.
const reachPatience = 20 * time.Second

// elsewhere is whether the engine is not one of a data folder of this machine.
func (a *app) elsewhere() bool { return a.guest != nil || a.host != "" }

// reach is the way to an engine elsewhere.
func (a *app) reach(program string) (connection, error) {
	if a.guest != nil {
		a.introduce(a.guest, program)
		return connection{a.guest, func() error { return nil }}, nil
	}
	to, err := parseHost(a.host)
	if err != nil {
		return connection{}, err
	}
	client := control.NewRemote(to.dial)
	a.introduce(client, program)
	return connection{client, func() error { client.Close(); return nil }}, nil
}

// host is a machine that is reached over ssh.
type host struct{ name, port string }

// hostForm is user@server:port, of which the server is needed. Nothing of it can be taken
// for an option of ssh, or for more than a word by a shell.
var hostForm = regexp.MustCompile(`^((?:` + hostWord + `@)?)(` + hostWord + `|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$`)

const hostWord = `[A-Za-z0-9_][A-Za-z0-9._-]*`

func parseHost(text string) (host, error) {
	m := hostForm.FindStringSubmatch(text)
	if m == nil {
		return host{}, tally.Errorf(tally.Invalid, "--host: %.100q is not a machine", text).
			WithHint("like ana@server.example, or ana@server.example:2222, or a name of your ~/.ssh/config")
	}
	return host{m[1] + strings.Trim(m[2], "[]"), m[3]}, nil
}

// dial starts ssh, which starts a relay on the other side.
func (h host) dial(ctx context.Context) (net.Conn, error) {
	// Nothing is asked: a screen is in the way, or a script. A host key that is not known
	// yet is refused, and ssh by hand asks about it.
	args := []string{"-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-o", "ConnectTimeout=10",
		"-o", "ServerAliveInterval=15"}
	if h.port != "" {
		args = append(args, "-p", h.port)
	}
	cmd := exec.Command("ssh", append(args, "--", h.name, "tallygate", "relay")...)
	cmd.WaitDelay = time.Second
	c := &sshConn{cmd: cmd, host: h}
	cmd.Stderr = &c.said
	var out io.ReadCloser
	var err error
	if c.in, err = cmd.StdinPipe(); err == nil {
		out, err = cmd.StdoutPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return nil, tally.Errorf(tally.Unavailable, "there is no ssh on this machine").
			WithHint("install OpenSSH's client, which --host uses")
	}
	if err != nil {
		return nil, tally.Errorf(tally.Unavailable, "start ssh: %w", err)
	}
	c.out = bufio.NewReader(out)
	greeted := make(chan error, 1)
	go func() { greeted <- c.greeting() }() // ends with ssh
	late := time.NewTimer(reachPatience)
	defer late.Stop()
	select {
	case err = <-greeted:
		if err == nil {
			return c, nil
		}
		c.Close()
		return nil, c.failure()
	case <-late.C:
		c.Close()
		return nil, tally.Errorf(tally.Unavailable, "%s has not answered within %s", h.name,
			control.FormatSpan(reachPatience)).WithHint("try: %s", h.byHand())
	case <-ctx.Done():
		c.Close()
		return nil, ctx.Err()
	}
}

// byHand is a command that shows what is the matter.
func (h host) byHand() string {
	words := "ssh "
	if h.port != "" {
		words += "-p " + h.port + " "
	}
	return words + h.name + " tallygate status"
}

// sshConn is a connection through ssh. Deadlines are none of its: calls have contexts, and
// the ones of [control.NewRemote] are asked for signs of life.
type sshConn struct {
	cmd  *exec.Cmd
	host host
	in   io.WriteCloser
	out  *bufio.Reader
	said lastWords
	once sync.Once
	err  error // of ssh's end
}

// longestGreeting bounds what a shell may say before the relay does, in bytes.
const longestGreeting = 64 << 10

func (c *sshConn) greeting() error {
	for n := 0; n < longestGreeting; {
		line, err := c.out.ReadSlice('\n')
		if string(line) == relayGreeting {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		n += len(line)
	}
	return errors.New("no relay")
}

// failure says why there is no relay: in ssh's words, or in those of what it has started.
func (c *sshConn) failure() error {
	words := c.said.String()
	var exit *exec.ExitError
	errors.As(c.err, &exit)
	switch {
	case exit != nil && exit.ExitCode() == 127:
		return tally.Errorf(tally.Unavailable, "there is no tallygate on %s", c.host.name).
			WithHint("install it there, where ssh finds it: ssh %s command -v tallygate", c.host.name)
	case words == "":
		return tally.Errorf(tally.Unavailable, "%s answered, but not as tallygate", c.host.name).
			WithHint("try: %s", c.host.byHand())
	case exit != nil && exit.ExitCode() == 255:
		return tally.Errorf(tally.Unavailable, "ssh cannot reach %s: %s", c.host.name, words).
			WithHint("try: %s; keys with a passphrase are unlocked with ssh-add", c.host.byHand())
	}
	return tally.Errorf(tally.Unavailable, "%s says: %s", c.host.name, words).WithHint("try: %s", c.host.byHand())
}

// Read implements net.Conn, as do the methods below.
func (c *sshConn) Read(b []byte) (int, error)  { return c.out.Read(b) }
func (c *sshConn) Write(b []byte) (int, error) { return c.in.Write(b) }
func (c *sshConn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		ends := time.AfterFunc(time.Second, func() { c.cmd.Process.Kill() })
		c.err = c.cmd.Wait()
		ends.Stop()
	})
	return nil
}
func (c *sshConn) LocalAddr() net.Addr              { return sshAddr("here") }
func (c *sshConn) RemoteAddr() net.Addr             { return sshAddr(c.host.name) }
func (c *sshConn) SetDeadline(time.Time) error      { return nil }
func (c *sshConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sshConn) SetWriteDeadline(time.Time) error { return nil }

type sshAddr string

// Network implements net.Addr, as does String.
func (sshAddr) Network() string  { return "ssh" }
func (a sshAddr) String() string { return string(a) }

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// mostWords is how much of what ssh says is kept, in bytes.
const mostWords = 1 << 10

// Write implements io.Writer.
func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(b)
	if over := w.buf.Len() - mostWords; over > 0 {
		w.buf.Next(over)
	}
	return len(b), nil
}

// String is what was said, in one line.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(strings.FieldsFunc(w.buf.String(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
