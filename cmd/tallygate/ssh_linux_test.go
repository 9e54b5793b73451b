package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shows opens the interface for a guest, with OpenSSH in a terminal.
func (p *place) shows(t *testing.T, who string) *terminalProgram {
	t.Helper()
	s := startAnyInTerminal(t, nil, "ssh", p.as(who)...)
	if who == "bob" {
		s.sees("viewer") // in the header, with the name
	} else {
		s.sees(who + " over ssh")
	}
	return s
}

// An owner changes things in the interface over ssh, and a viewer is told that others do.
func TestInterfaceOverSSH(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	ana := p.shows(t, "ana")
	ana.press("3")
	ana.sees("default")
	bob := p.shows(t, "bob")
	bob.press("3")
	bob.sees("default")
	bob.press("n")
	bob.sees("look, not change: ask the owner")
	bob.press("q")
	bob.ends()
	bob.endedWell()
	ana.press("n")
	ana.sees("New client")
	ana.press("Far Away", ctrlS)
	p.until("the owner has made a client", func() bool {
		return strings.Contains(p.runs("tallygate", "clients", "list"),
			"far-away")
	})
	if log := p.runs("tallygate", "audit", "list", "far-away", "--json"); !strings.Contains(log,
		`"actor": "ssh ana, interface"`) {
		t.Errorf("the audit log has %s", log)
	}
	ana.press("\x03", "\x03")
	ana.ends()
}

// Whatever a terminal says of its size, the session goes on.
func TestSillySizes(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	s := p.shows(t, "bob")
	for _, size := range []unix.Winsize{{}, {Row: 65535, Col: 65535}, {Row: 1, Col: 1}, {Row: 65535, Col: 1},
		{Col: 65535}, {Row: 36, Col: 120}} {
		if err := unix.IoctlSetWinsize(int(s.pty.Fd()), unix.TIOCSWINSZ, &size); err != nil {
			t.Fatal(err)
		}
		s.press("2")
		time.Sleep(100 * time.Millisecond) // ssh tells one size at a time
		s.press("3")
	}
	s.sees("default")
	s.press("q")
	s.ends()
	s.endedWell()
	text, err := os.ReadFile(p.log)
	if err != nil || strings.Contains(string(text), "panic") || strings.Contains(string(text), "failed") {
		t.Errorf("the log, %v:\n%s", err, text)
	}
}

// A session in which nobody types ends after a while, though its picture goes on, and says
// why.
func TestIdleInterfaceEnds(t *testing.T) {
	t.Parallel()
	p := startPlace(t, "--ssh-idle", "3s")
	s := p.shows(t, "bob")
	s.sees("Nothing was typed for 3s")
	s.ends()
}

// A guest who is removed while looking on goes at once, and so does everybody when the
// gateway stops. Both are told why.
func TestInterfaceEnds(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	s := p.shows(t, "bob")
	p.runs("tallygate", "ssh", "remove", "bob")
	s.sees("your key was removed")
	s.ends()
	s = p.shows(t, "ana")
	p.runs("tallygate", "stop")
	s.sees("The gateway stops or moves")
	s.ends()
}

// The local interface shows the engine of another machine, and knows a viewer.
func TestInterfaceOfHost(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	path := p.fakes(t, `for a; do case $a in *@*) who=${a%@*}; esac; done
exec /usr/bin/env PATH="`+os.Getenv("PATH")+`" ssh -F "`+filepath.Join(p.dir, "config")+`" -i "`+p.dir+`/$who" "$@"
`)
	env := []string{"PATH=" + path, "TALLYGATE_DATA=" + filepath.Join(p.dir, "none"), "TALLYGATE_HOST=bob@127.0.0.1"}
	s := startInTerminal(t, env)
	s.sees("viewer")
	s.press("3")
	s.sees("default")
	s.press("n")
	s.sees("look, not change: ask the owner")
	p.served()
	s.press("7")
	s.sees("sim-small")
	p.runs("tallygate", "ssh", "remove", "bob")
	s.sees("reconnecting")
	s.press("q")
	s.ends()
	s.endedWell()
}
