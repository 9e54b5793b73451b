//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Server is a PostgreSQL. Its methods are for one goroutine.
type Server struct {
	folder   string // its data, its socket and its log
	bin      string
	port     int
	settings []string
	as       *syscall.SysProcAttr
	process  *os.Process
	ended    chan struct{} // closed when the process has ended
	guard    *exec.Cmd
	alive    io.Closer // the guard waits until it is closed
}

// guard waits for the end of its input, which comes with the end of the process that has
// the other side. Then it stops the server and removes the folder.
const guard = `cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
rm -rf "$1"`

// Open starts a server, which its caller closes. Its error says so if none is installed.
// Settings are as for [New].
func Open(settings ...string) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, settings: settings}
	if s.folder, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, err
	}
	// A signal to the group of the tests, of a terminal, is not for the server.
	s.as = &syscall.SysProcAttr{Setpgid: true}
	if err := s.begin(); err != nil {
		s.Close()
		os.RemoveAll(s.folder)
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *Server) begin() error {
	if os.Geteuid() == 0 { // the server refuses to be root
		if err := s.becomePostgres(); err != nil {
			return err
		}
	}
	s.guard = s.command("/bin/sh", "-c", guard, "sh", s.folder)
	in, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.alive = in
	if err := s.guard.Start(); err != nil {
		return err
	}
	out, err := s.command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", user, "-A", "trust",
		"-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for range 20 { // others look for a free port, too
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.launch(); err == nil {
			return nil
		}
	}
	return err
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// becomePostgres lets the server run as the user that its package has made.
func (s *Server) becomePostgres() error {
	u, err := osuser.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	s.as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.folder, uid, gid)
}

// command is a program that has nothing of this process but its rights.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.SysProcAttr = s.folder, s.as
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C"}
	return cmd
}

// Tool carries out one of PostgreSQL's programs, in the server's folder. It finds the server
// by itself.
func (s *Server) Tool(name string, args ...string) error {
	cmd := s.command(filepath.Join(s.bin, name), args...)
	cmd.Env = append(cmd.Env, "PGHOST=127.0.0.1", fmt.Sprintf("PGPORT=%d", s.port), "PGUSER="+user)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// freePort is one that no connection of this machine gets by itself.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no port is free")
}

// launch starts the process and waits until it answers.
func (s *Server) launch() error {
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.folder}
	for _, x := range append([]string{"listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off",
		"shared_buffers=32MB", "max_connections=200", "log_min_messages=fatal"}, s.settings...) {
		args = append(args, "-c", x)
	}
	cmd := s.command(filepath.Join(s.bin, "postgres"), args...)
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.process, s.ended = cmd.Process, ended
	go func() {
		cmd.Wait()
		close(ended)
	}()
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := s.Run(own, "SELECT 1")
		if err == nil {
			return nil
		}
		if !s.running() {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("the server has ended: %s", text)
		}
		if time.Now().After(until) {
			s.Crash()
			return err
		}
	}
}

// running reports whether the server has a process.
func (s *Server) running() bool {
	if s.process == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Crash ends the server at once: connections break, and transactions that are not committed
// are lost. It waits until the process is gone.
func (s *Server) Crash() {
	if s.running() {
		s.process.Signal(syscall.SIGQUIT)
		<-s.ended
	}
}

// StartAgain starts a server that has crashed, at the same address, and waits until it
// answers.
func (s *Server) StartAgain() error { return s.launch() }

// Close stops the server and removes all of it.
func (s *Server) Close() {
	s.Crash()
	if s.alive != nil {
		s.alive.Close()
		s.guard.Wait() // its folder may have been removed already, which is no fault
	}
}
