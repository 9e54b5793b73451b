package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tallygate/cmd/tallygate/process"
)

// terminalProgram is the real program in a terminal of its own.
type terminalProgram struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	done chan struct{} // closed once it has ended and everything was read
	err  error         // of its end

	mu   sync.Mutex // guards the fields that follow
	out  strings.Builder
	seen int // how much of out was looked at
}

// startInTerminal runs the program as somebody would who types its name.
func startInTerminal(t *testing.T, env []string, args ...string) *terminalProgram {
	t.Helper()
	return startAnyInTerminal(t, env, "tallygate", args...)
}

// startAnyInTerminal runs any program so.
func startAnyInTerminal(t *testing.T, env []string, name string, args ...string) *terminalProgram {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(err)
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(err)
	must(unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 36, Col: 120}))
	p := &terminalProgram{t: t, cmd: exec.Command(name, args...), pty: master, done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor"), env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(p.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.out.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		p.err = p.cmd.Wait()
		slave.Close() // what was written before is read first
		<-read
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			p.cmd.Process.Signal(unix.SIGTERM)
			p.ends()
		}
		master.Close()
	})
	return p
}

var escapes = regexp.MustCompile(`\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[\[(][0-9;?<>=$"]*[A-Za-z]|\x1b[A-Za-z=>]`)

// text is what was written since sees last succeeded, without escapes.
func (p *terminalProgram) text() (text string, at int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return escapes.ReplaceAllString(p.out.String()[p.seen:], ""), p.out.Len()
}

// sees waits until a text was written.
func (p *terminalProgram) sees(want string) {
	p.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		text, at := p.text()
		if strings.Contains(text, want) {
			p.mu.Lock()
			p.seen = at
			p.mu.Unlock()
			return
		}
		select {
		case <-p.done:
			if text, _ := p.text(); strings.Contains(text, want) {
				return
			}
			p.t.Fatalf("it ended (%v) and never said %q:\n%s", p.err, want, text)
		case <-deadline:
			p.t.Fatalf("it never said %q:\n%s", want, text)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *terminalProgram) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		if _, err := io.WriteString(p.pty, k); err != nil {
			p.t.Fatal(err)
		}
	}
}

const (
	enter  = "\r"
	right  = "\x1b[C"
	ctrlS  = "\x13"
	leaves = "\x1b[?1049l" // the terminal shows again what it showed before
)

// ends waits for the end, which must leave the terminal as it was.
func (p *terminalProgram) ends() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(40 * time.Second):
		p.t.Fatal("it does not end")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.out.String()
	if left := strings.LastIndex(out, leaves); left < strings.LastIndex(out, "\x1b[?1049h") {
		p.t.Error("the terminal was not restored")
	}
}

// endedWell fails if the program did not end as one that was asked to.
func (p *terminalProgram) endedWell() {
	p.t.Helper()
	if p.err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, after, _ := strings.Cut(p.out.String(), leaves)
		p.t.Errorf("it ended with %v: %s", p.err, escapes.ReplaceAllString(after, ""))
	}
}

// tallygateDoes runs the program without a terminal.
func tallygateDoes(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("tallygate", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tallygate %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// records counts the requests of a data folder.
func records(t *testing.T, dir string) int {
	t.Helper()
	var report struct{ Records int }
	if err := json.Unmarshal([]byte(tallygateDoes(t, "verify", "--json", "--data", dir)), &report); err != nil {
		t.Fatal(err)
	}
	return report.Records
}

// dataFolder is the name of a folder that is not there yet.
func dataFolder(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

// Somebody who starts it for the first time gets an answer by pressing enter.
func TestFromNothingToAnAnswer(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("Welcome to tallygate")
	p.press(enter)
	p.sees("Pretend upstream")
	p.press(enter)
	p.sees("Your first client")
	p.press(ctrlS)
	p.sees("only time that the key")
	p.press(enter)
	p.sees("answered by sim")
	p.press(enter)
	p.sees("You are set up")
	p.press("q")
	p.sees("Leave tallygate?")
	p.press(right, right, enter)
	p.ends()
	p.endedWell()
	if n := records(t, dir); n != 1 {
		t.Errorf("there are %d requests, want the one of the first steps", n)
	}
	info, err := os.Stat(filepath.Join(dir, process.LogFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the log: %v, %v", info, err)
	}
}

// The first steps go on where they were left.
func TestFirstStepsAreResumed(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	p := startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("Welcome to tallygate")
	p.press(enter)
	p.sees("Pretend upstream")
	p.press(enter)
	p.sees("Your first client")
	p.press("\x03", "\x03") // ctrl+c twice is now
	p.ends()
	p = startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("Your first client")
}

func TestASecondOneAttaches(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	tallygateDoes(t, "init", "--yes", "--data", dir)
	first := startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	first.sees("serving 127.0.0.1")
	second := startInTerminal(t, nil, "--data", dir)
	second.sees(fmt.Sprintf("attached to process %d", first.cmd.Process.Pid))
	second.press("q") // nobody would notice, so nothing is asked
	second.ends()
	second.endedWell()
	select {
	case <-first.done:
		t.Error("the one that serves ended, too")
	default:
	}
}

// A passphrase is asked for twice where it is chosen, and before the interface takes the
// terminal; what is typed is not shown. What serves in the background afterwards has what it
// needs, though nobody is there to ask.
func TestPassphraseInATerminal(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	tallygateDoes(t, "init", "--yes", "--data", dir)
	const phrase = "correct-horse-canary"
	shows := func(p *terminalProgram) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		if strings.Contains(p.out.String(), phrase) {
			t.Errorf("the terminal shows what was typed:\n%s", p.out.String())
		}
	}
	p := startInTerminal(t, nil, "secrets", "wrap", "--passphrase", "--data", dir)
	p.sees("New passphrase:")
	p.press(phrase, enter)
	p.sees("Once more:")
	p.press(phrase, enter)
	p.sees("wrapped by a passphrase")
	<-p.done
	shows(p)
	p = startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("Passphrase of the key")
	p.press("another one", enter)
	p.sees("the passphrase is wrong")
	<-p.done
	p = startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("Passphrase of the key")
	p.press("\x03") // ctrl+c leaves, and the terminal shows again what is typed
	<-p.done
	p = startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("Passphrase of the key")
	p.press(phrase, enter)
	p.sees("serving 127.0.0.1")
	shows(p)
	p.press("q")
	p.sees("Leave tallygate?")
	p.press(right, enter) // it goes on in the background
	p.sees("in the background: process")
	p.ends()
	defer tallygateDoes(t, "stop", "--data", dir)
	if said := tallygateDoes(t, "secrets", "rotate", "--data", dir); !strings.Contains(said, "sealed anew") {
		t.Errorf("it says %q", said)
	}
}

// The interface opens at a place, and ends as it should when another process is told
// to stop it.
func TestInterfaceAtAPlaceIsStopped(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	tallygateDoes(t, "init", "--yes", "--data", dir)
	p := startInTerminal(t, nil, "tui", "requests", "--filter", "outcome:limited", "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("outcome:limited")
	tallygateDoes(t, "stop", "--data", dir)
	p.ends()
	p.endedWell()
}

func TestTermRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	tallygateDoes(t, "init", "--yes", "--data", dir)
	p := startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("serving 127.0.0.1")
	p.cmd.Process.Signal(unix.SIGTERM)
	p.ends()
	p.endedWell()
}

// A process in the background takes the address over while requests come all
// the time: each is answered, and each is in the store.
func TestHandOverLosesNothing(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	var made struct{ Key string }
	if err := json.Unmarshal([]byte(tallygateDoes(t, "init", "--yes", "--json", "--data", dir, "--limit", "cost=5/month")), &made); err != nil {
		t.Fatal(err)
	}
	p := startInTerminal(t, nil, "--data", dir, "--listen", "127.0.0.1:0")
	p.sees("serving 127.0.0.1")
	var status struct {
		BaseURL string `json:"base_url"`
	}
	if err := json.Unmarshal([]byte(tallygateDoes(t, "status", "--json", "--data", dir)), &status); err != nil {
		t.Fatal(err)
	}

	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func() error {
		r, err := http.NewRequest(http.MethodPost, status.BaseURL+"/chat/completions", strings.NewReader(`{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+made.Key)
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = errors.New(string(body))
		}
		return err
	}
	stop, asked := make(chan struct{}), make(chan int)
	go func() {
		var mu sync.Mutex
		var asking sync.WaitGroup
		n := 0
		for range 4 {
			asking.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					err := ask()
					mu.Lock()
					if n++; err != nil {
						t.Errorf("request %d: %v", n, err)
					}
					mu.Unlock()
				}
			})
		}
		asking.Wait()
		asked <- n
	}()
	p.press("q")
	p.sees("Leave tallygate?")
	p.press(right, enter)
	p.sees("in the background: process ")
	p.ends()
	p.mu.Lock()
	found := regexp.MustCompile(`background: process (\d+)`).FindStringSubmatch(p.out.String())
	p.mu.Unlock()
	pid, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // the new one serves now
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	n := <-asked + 20
	if got := records(t, dir); got != n {
		t.Errorf("the store has %d requests, %d were answered", got, n)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(40 * time.Second); process.ReadHolder(dir).PID == pid; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process in the background does not stop")
		}
	}
}

func TestDemoLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	p := startInTerminal(t, []string{"TMPDIR=" + tmp}, "demo")
	p.sees("PRETEND DATA")
	p.sees("Nordlicht Reisen")
	p.press("q")
	p.ends()
	p.endedWell()
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// A demo that is told to stop while it is still making its store removes it,
// too.
func TestDemoThatIsStoppedAtOnce(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	p := startInTerminal(t, []string{"TMPDIR=" + tmp}, "demo")
	p.sees("PRETEND DATA")
	p.cmd.Process.Signal(unix.SIGTERM)
	p.ends()
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// Whoever is at a terminal is asked before something is gone, and no is the answer of
// a bare enter; a script is not, nor whoever says yes at once.
func TestDestructionIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	env := []string{"TALLYGATE_DATA=" + dir}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("tallygate", args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("init", "--yes")
	for _, slug := range []string{"one", "two", "three"} {
		run("clients", "create", "--name", slug)
	}
	run("keys", "create", "--client", "one")
	for _, answer := range []string{"\r", "n\r", "maybe\r"} {
		p := startInTerminal(t, env, "clients", "delete", "one")
		p.sees("1 key stops working at once, its usage stays in the totals. It was never used.")
		p.press(answer)
		p.sees("nothing was changed")
		p.ends()
		run("clients", "show", "one")
	}
	p := startInTerminal(t, env, "clients", "delete", "one")
	p.sees("Go on? [y/N]")
	p.press("y\r")
	p.sees("deleted client one")
	p.ends()
	p = startInTerminal(t, env, "clients", "delete", "two", "--yes")
	p.sees("deleted client two")
	p.ends()
	run("clients", "delete", "three") // no terminal
	if out := run("clients", "list"); strings.Contains(out, "one") || strings.Contains(out, "two") || strings.Contains(out, "three") {
		t.Errorf("not deleted:\n%s", out)
	}
	p = startInTerminal(t, env, "settings", "set", "--unpriced", "allow")
	p.sees("counted as nothing")
	p.press("\r")
	p.ends()
	p = startInTerminal(t, env, "settings", "set", "--hold-wait", "5s")
	p.sees("hold_wait")
	p.ends()
	p = startInTerminal(t, env, "undo")
	p.sees("undoes settings: hold_wait: ")
	p.press("\r")
	p.sees("nothing was changed")
	p.ends()
	if out := run("settings", "show"); !strings.Contains(out, "5s") {
		t.Errorf("undone unasked:\n%s", out)
	}

	// The first change makes many things, and taking it back says so of each.
	env = []string{"TALLYGATE_DATA=" + t.TempDir() + "/data"}
	run("init", "--yes")
	p = startInTerminal(t, env, "undo")
	p.sees("removes gateway main\r\n  removes client default\r\n  removes key default/")
	p.press("y\r")
	p.sees("undone:")
	p.ends()
	if out := run("clients", "list"); !strings.Contains(out, "no clients") {
		t.Errorf("not undone:\n%s", out)
	}
	run("init", "--yes")
	run("undo") // no terminal
}

func TestDemoNeedsATerminal(t *testing.T) {
	out, err := exec.Command("tallygate", "demo").CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitUsage || !strings.Contains(string(out), "hint: ") {
		t.Errorf("got %v: %s", err, out)
	}
}
