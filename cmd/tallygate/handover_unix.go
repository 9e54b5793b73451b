//go:build unix

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"tallygate/engine/tally"
)

// cannotHandOver says why serving cannot go on in the background, "" if it can.
const cannotHandOver = ""

// inheritedAt is where a child finds what it inherits: after the three standard
// files.
const inheritedAt = 3

// keepSocket returns the listening socket itself, which stays open when the
// listener is closed. Connections that nobody accepts wait in its backlog.
func keepSocket(ln net.Listener) (*os.File, error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, tally.Errorf(tally.Internal, "a listener on %s cannot be handed over", ln.Addr().Network())
	}
	return tcp.File()
}

// inheritedListener is the socket that a parent has handed over.
func inheritedListener(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "file %d is no listening socket: %w", fd, err).WithHint("--inherit is for tallygate itself; use --listen")
	}
	return ln, nil
}

// serveInBackground starts a process that serves the folder over a socket, and
// returns once it does.
func (s *session) serveInBackground(socket *os.File) (pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	child := exec.Command(self, "serve", "--data", s.dir, "--listen", s.opts.listen, "--durability", s.opts.durability,
		"--profile", s.opts.profile, "--log-format", s.opts.logFormat, "--inherit", strconv.Itoa(inheritedAt))
	child.ExtraFiles = []*os.File{socket}
	child.Stdout, child.Stderr = s.logTo, s.logTo
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives the terminal
	if err := child.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }() // ends with the child, or with this process
	for deadline := time.Now().Add(comingUp); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			return 0, tally.Errorf(tally.Unavailable, "the process in the background ended at once")
		default:
		}
		if by := readHolder(s.dir); by.PID == child.Process.Pid && by.Socket != "" && answers(context.Background(), by.Socket) {
			return by.PID, nil
		}
	}
	return 0, tally.Errorf(tally.Unavailable, "the process %d in the background does not answer", child.Process.Pid)
}
