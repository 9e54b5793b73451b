package main

import (
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/tally"
	"tallygate/tui"
	"tallygate/tui/screen"
)

// leaving is what is done once the interface has ended.
type leaving struct {
	background bool  // hand over to a process that goes on serving
	failed     error // why the interface ended, if nobody asked for it
}

// leavingDialog makes the question that a quit at the top asks. Nobody notices
// when an interface leaves that is attached to another process, and nobody uses
// what is pretend: then nothing is asked.
func (s *session) leavingDialog(env *screen.Env, pretend bool) func() screen.Dialog {
	if s.lock == nil || pretend {
		return nil
	}
	o := tui.LeavingOptions{Env: env, Stop: func() tea.Cmd { return tea.Quit }, Cannot: cannotHandOver}
	if cannotHandOver == "" {
		o.Background = func() tea.Cmd {
			s.leave.background = true
			return tea.Quit
		}
	}
	return func() screen.Dialog { return tui.NewLeaving(o) }
}

// close ends what the session has open, in the way that the user chose.
func (s *session) close() error {
	if s.lock == nil {
		if s.attach.close != nil {
			return s.attach.close()
		}
		return nil
	}
	select {
	case err := <-s.opened:
		if err != nil {
			return errors.Join(err, s.abandon())
		}
	default: // it was left before the store was opened
		return errors.Join(s.leave.failed, s.abandon())
	}
	if s.leave.background && s.leave.failed == nil {
		return s.goOnInBackground()
	}
	if s.end != nil {
		s.end()
	}
	fmt.Fprintln(s.app.stderr, "stopping: requests under way may finish (ctrl+c again cuts them off)")
	return errors.Join(s.leave.failed, s.run.stop())
}

// abandon lets go of an engine that has not started.
func (s *session) abandon() error {
	if s.run.node != nil {
		return s.run.stop()
	}
	return errors.Join(s.run.public.Close(), s.unlock())
}

// goOnInBackground stops the engine inside and starts one in a process of its
// own. The listening socket stays open in between, so that new connections wait
// instead of failing.
func (s *session) goOnInBackground() error {
	socket, err := keepSocket(s.run.public)
	if err != nil {
		return errors.Join(err, s.run.stop())
	}
	defer socket.Close()
	fmt.Fprintln(s.app.stderr, "handing over: requests under way finish first, new ones wait")
	s.run.retire()
	if err := s.run.stop(); err != nil {
		return err
	}
	pid, err := s.serveInBackground(socket)
	if err != nil {
		return tally.Errorf(tally.CodeOf(err), "nothing serves any more: %w", err).WithHint("the log is %s; start again with: tallygate serve", s.logTo.Name())
	}
	fmt.Fprintf(s.app.stdout, "tallygate serves %s in the background: process %d, log %s (tallygate shows it, kill %d stops it)\n",
		baseURL(s.run.public.Addr()), pid, s.logTo.Name(), pid)
	return nil
}

// comingUp is how long a process in the background may take to open a store.
const comingUp = 60 * time.Second
