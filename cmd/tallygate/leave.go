package main

import (
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"tallygate/cmd/tallygate/process"
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
	o := tui.LeavingOptions{Env: env, Stop: func() tea.Cmd { return tea.Quit }, Cannot: process.CannotHandOver}
	if process.CannotHandOver == "" {
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
	return errors.Join(s.leave.failed, s.run.Close())
}

// abandon lets go of an engine that has not started.
func (s *session) abandon() error {
	if s.run != nil {
		return s.run.Close()
	}
	return errors.Join(s.sockets.Close(), s.lock.Release())
}

// goOnInBackground hands the serving over to a process of its own.
func (s *session) goOnInBackground() error {
	fmt.Fprintln(s.app.stderr, "handing over: requests under way finish first, new ones wait")
	url := s.run.BaseURL()
	pid, err := s.run.HandOver(s.log.Output(), s.goOn...)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.app.stdout, "tallygate serves %s in the background: process %d, log %s (tallygate shows it, tallygate stop ends it)\n",
		url, pid, s.log.Name())
	return nil
}
