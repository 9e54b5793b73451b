package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tallygate/cmd/tallygate/sshd"
	"tallygate/engine/tally"
)

// place is a gateway that serves over ssh, with ana as its owner and bob as a viewer.
type place struct {
	testing.TB
	dir, data, url, port string
	key                  string // of the gateway's client
	log                  string // the path of it
	server               *exec.Cmd
	ended                chan error
}

// startPlace starts a gateway, which ends with the test. OpenSSH's client comes in.
func startPlace(t testing.TB, flags ...string) *place {
	t.Helper()
	for _, name := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("there is no OpenSSH here: %v", err) // .ci/run makes sure that there is
		}
	}
	dir := t.TempDir()
	p := &place{TB: t, dir: dir, data: filepath.Join(dir, "data"), port: freePort(), log: filepath.Join(dir, "log"),
		ended: make(chan error, 1)}
	var made struct{ Key string }
	if err := json.Unmarshal([]byte(p.runs("tallygate", "init", "--yes", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	p.key = made.Key
	p.runs("tallygate", "clients", "update", "default", "--limit", "requests=none/minute", "--limit", "requests=none/month")
	for name, role := range map[string]string{"ana": "owner", "bob": "viewer", "eve": ""} {
		p.runs("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name))
		if role != "" {
			p.runs("tallygate", "ssh", "add", name, "--key-file", filepath.Join(dir, name+".pub"), "--role", role)
		}
	}
	config := fmt.Sprintf(`Host *
  Port %s
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile %q
  StrictHostKeyChecking accept-new
  ConnectTimeout 20
`, p.port, filepath.Join(dir, "known"))
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.url = "http://127.0.0.1:" + freePort()
	args := append([]string{"serve", "--listen", strings.TrimPrefix(p.url, "http://"), "--ssh", "127.0.0.1:" + p.port,
		"--log-file", p.log}, flags...)
	p.server = exec.Command("tallygate", args...)
	p.server.Env = p.env()
	var aside bytes.Buffer // what no log has: races that were found, and panics
	p.server.Stderr = &aside
	if err := p.server.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.server.Wait() }()
	t.Cleanup(func() {
		p.server.Process.Kill()
		if <-p.ended; aside.Len() > 0 {
			t.Errorf("the server says %s", aside.String())
		}
	})
	p.until("it serves", func() bool {
		resp, err := http.Get(p.url + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return p
}

func (p *place) env() []string {
	return append(os.Environ(), "TALLYGATE_DATA="+p.data, "TZ=UTC", "GORACE=atexit_sleep_ms=0", "OPENAI_API_KEY=")
}

func (p *place) until(what string, is func() bool) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(p.log)
			p.Fatalf("not so that %s; the log:\n%s", what, text)
		}
	}
}

// runs runs a program of this machine's, which succeeds.
func (p *place) runs(name string, args ...string) string {
	p.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = p.env()
	var aside strings.Builder
	cmd.Stderr = &aside
	out, err := cmd.Output()
	if err != nil {
		p.Fatalf("%s %q: %v: %s", name, args, err, aside.String())
	}
	return string(out)
}

// as are the arguments of ssh with which somebody comes in.
func (p *place) as(who string, args ...string) []string {
	return append([]string{"-F", filepath.Join(p.dir, "config"), "-i", filepath.Join(p.dir, who), who + "@127.0.0.1"},
		args...)
}

// did is what came of a command over ssh.
type did struct {
	out, err string
	code     int
}

func (p *place) ssh(in io.Reader, args ...string) did {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", args...)
	var out, aside bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &aside
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		p.Fatalf("ssh %q: %v", args, err)
	}
	return did{out.String(), aside.String(), cmd.ProcessState.ExitCode()}
}

// do runs a command for somebody.
func (p *place) do(who string, command string) did {
	p.Helper()
	return p.ssh(nil, p.as(who, command)...)
}

func (d did) wants(t testing.TB, code int, out, aside string) {
	t.Helper()
	if d.code != code || !strings.Contains(d.out, out) || !strings.Contains(d.err, aside) {
		t.Errorf("exit code %d, want %d; out %q, want %q; err %q, want %q", d.code, code, d.out, out, d.err, aside)
	}
}

// Commands over ssh are those of the local command line, held to the guest's role by the
// engine, with their exit codes; what is the server's own is not a guest's.
func TestCommandsOverSSH(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	p.do("ana", "clients list --json").wants(t, 0, `"slug": "default"`, "")
	p.do("ana", "tallygate clients create --name 'Hotel Aurora' --limit cost=5/month").wants(t, 0,
		"created client hotel-aurora", "")
	p.do("bob", "clients show 'Hotel Aurora'").wants(t, 0, "cost=5/month", "")
	p.do("bob", "clients delete hotel-aurora").wants(t, 1, "", "this connection may only look")
	p.do("bob", "ssh add eve --key 'ssh-ed25519 AAAA' --role owner").wants(t, 1, "", "this connection may only look")
	p.do("bob", "backup create --to -").wants(t, 1, "", "this connection may only look")
	p.do("ana", "clients show nobody").wants(t, exitNotFound, "", "there is no client")
	p.do("ana", "clients 'list").wants(t, exitUsage, "", "ends within quotes")
	p.do("ana", "rm -rf /").wants(t, exitUsage, "", "there is no command")
	p.do("ana", "clients list; touch "+p.dir+"/made").wants(t, exitUsage, "", "")
	if _, err := os.Stat(p.dir + "/made"); err == nil {
		t.Error("a shell ran")
	}
	p.do("eve", "clients list").wants(t, 255, "", "Permission denied (publickey)")
	p.ssh(nil, p.as("ana")...).wants(t, exitUsage, "", "needs a terminal")
	for _, command := range []string{"stop", "serve", "demo", "tui", "upgrade", "init --yes", "backup list /", "service"} {
		p.do("ana", command).wants(t, 1, "", "acts on the server itself")
	}
	for command, says := range map[string]string{
		"config apply /etc/passwd --yes":                             "/etc/passwd would be a file of the server",
		"config export --to /tmp/x.yaml":                             "--to names something of the server",
		"backup create":                                              "a backup would be a file of the server",
		"clients list --output /tmp/x.csv":                           "--output names something of the server",
		"clients list --data /":                                      "--data names",
		"clients list --data -":                                      "--data names",
		"clients list --output -":                                    "--output names something of the server",
		"requests export --force --output=-":                         "--output names something of the server",
		"secrets wrap --new-passphrase-file -":                       "--new-passphrase-file names",
		"clients list --config /etc/passwd":                          "--config names",
		"clients list --host ana@other":                              "--host names",
		"ssh add eve --role owner --key-file /etc/passwd":            "--key-file reads a file of the server",
		"providers create --name x --kind openai --api-key-env HOME": "the environment variable HOME is not set",
		"tokens mint --secret-key-env HOME":                          "the environment variable HOME is not set",
	} {
		if got := p.do("ana", command); got.code == 0 || !strings.Contains(got.err, says) ||
			!strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: %+v", command, got)
		}
	}
	p.ssh(strings.NewReader("sk-not-a-real-key-0123456789"), p.as("ana",
		"providers create --name spare --kind openai --no-import --api-key-stdin")...).wants(t, 0, "created provider spare", "")
	set := p.do("ana", "config export")
	p.ssh(strings.NewReader(set.out), p.as("ana", "config apply - --yes")...).wants(t, 0, "nothing", "")
	p.ssh(strings.NewReader(strings.Replace(set.out, "Hotel Aurora", "Hotel Boreal", 1)), p.as("bob", "config apply - --yes")...).wants(t,
		1, "", "this connection may only look")
	whole := p.do("ana", "backup create --to -")
	path := filepath.Join(p.dir, "all.tgbackup")
	if err := os.WriteFile(path, []byte(whole.out), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := p.runs("tallygate", "backup", "check", path); !strings.Contains(said, "whole") {
		t.Errorf("%s", said)
	}
	if log := p.runs("tallygate", "audit", "list", "hotel-aurora", "--json"); !strings.Contains(log,
		`"actor": "ssh ana, command line"`) {
		t.Errorf("the audit log has %s", log)
	}
	info, err := os.Stat(filepath.Join(p.data, sshd.HostKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the host key: %v, %v", info, err)
	}
}

// A guest gets a terminal and a command, and no other way into or out of the server.
func TestNothingIsForwarded(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	web := strings.TrimPrefix(p.url, "http://")
	p.ssh(strings.NewReader("GET / HTTP/1.0\r\n\r\n"), append([]string{"-W", web}, p.as("ana")...)...).wants(t, 255, "",
		"open failed")
	p.ssh(nil, append([]string{"-o", "ExitOnForwardFailure=yes", "-R", "0:" + web},
		p.as("ana", "status")...)...).wants(t, 255, "", "forward")
	p.ssh(nil, append([]string{"-s"}, p.as("ana", "sftp")...)...).wants(t, 255, "", "subsystem request failed")
	p.ssh(nil, append([]string{"-o", "PreferredAuthentications=password,keyboard-interactive"},
		p.as("ana", "status")...)...).wants(t, 255, "", "Permission denied (publickey)")
	c := p.dials("ana")
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"auth-agent-req@openssh.com", "x11-req"} {
		if ok, _ := s.SendRequest(what, true, nil); ok {
			t.Errorf("%s is granted", what)
		}
	}
	if s.Setenv("LD_PRELOAD", "x") == nil || s.Setenv("LANG", "C") != nil {
		t.Error("the environment is not what it should be")
	}
}

// dials comes in without OpenSSH, where it would be in the way.
func (p *place) dials(who string) *ssh.Client {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, who))
	if err != nil {
		p.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		p.Fatal(err)
	}
	c, err := dialSSH(p.port, key)
	if err != nil {
		p.Fatal(err)
	}
	return c
}

func dialSSH(port string, keys ...ssh.Signer) (*ssh.Client, error) {
	return ssh.Dial("tcp", "127.0.0.1:"+port, &ssh.ClientConfig{User: "x", Auth: []ssh.AuthMethod{ssh.PublicKeys(keys...)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second})
}

// A flood of strangers is a few lines in the log; requests are served meanwhile, and a
// guest comes in afterwards.
func TestFloodOfBadKeys(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	var keys []ssh.Signer
	for range 8 {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	var flood sync.WaitGroup
	for range 8 {
		flood.Go(func() {
			for range 25 {
				if c, err := dialSSH(p.port, keys...); err == nil {
					c.Close()
					t.Error("a stranger came in")
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { flood.Wait(); close(over) }()
	for served := 0; ; served++ {
		p.served()
		select {
		case <-over:
		default:
			continue
		}
		if served == 0 {
			t.Log("the flood was over at once")
		}
		break
	}
	p.until("a guest comes in", func() bool { return p.do("bob", "status").code == 0 })
	text, err := os.ReadFile(p.log)
	if n := strings.Count(string(text), "nobody was let in"); err != nil || n == 0 || n > 3 {
		t.Errorf("%d lines of the log tell of it, %v", n, err)
	}
}

// served has a request answered.
func (p *place) served() {
	p.Helper()
	if err := p.asks(); err != nil {
		p.Error(err)
	}
}

func (p *place) asks() error {
	r, err := http.NewRequest(http.MethodPost, p.url+"/v1/chat/completions",
		strings.NewReader(`{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(body))
	}
	return err
}

// Who does not say who it is is hung up on, and there is an end to sessions.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	opens := func(c *ssh.Client) (open int) {
		for range 40 {
			if _, err := c.NewSession(); err == nil {
				open++
			} else if !strings.Contains(err.Error(), "sessions are open") {
				t.Fatal(err)
			}
		}
		return open
	}
	bob, ana := p.dials("bob"), p.dials("ana")
	defer bob.Close()
	defer ana.Close()
	if open := opens(bob); open != 12 {
		t.Errorf("a viewer has %d sessions open", open)
	}
	p.do("ana", "status").wants(t, 0, "serving", "") // there is room for owners
	if open := opens(ana); open != 4 {
		t.Errorf("an owner has %d sessions open", open)
	}
	p.do("ana", "status").wants(t, 255, "", "sessions are open")
	bob.Close()
	p.until("there is room again", func() bool { return p.do("ana", "status").code == 0 })
	silent, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, silent); err != nil {
		t.Errorf("it is not hung up on: %v", err)
	}
}

// A guest who is removed goes, and who sits there as the gateway stops is told.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	// follow starts a command that does not end by itself, and returns what it has said once
	// it has ended.
	follow := func(who string) (says func() string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, "ssh", p.as(who, "requests tail")...)
		aside, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(aside)
		for { // ssh may have something to say before
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("%q, %v", line, err)
			}
			if strings.Contains(line, "following") {
				break
			}
		}
		return func() string {
			rest, _ := io.ReadAll(lines)
			cmd.Wait()
			return string(rest)
		}
	}
	bob := follow("bob")
	p.do("ana", "ssh remove bob").wants(t, 0, "may come in no more", "")
	if said := bob(); !strings.Contains(said, "your key was removed") {
		t.Errorf("it says %q", said)
	}
	p.do("bob", "status").wants(t, 255, "", "Permission denied")
	ana := follow("ana")
	p.runs("tallygate", "stop")
	if said := ana(); !strings.Contains(said, "The gateway stops or moves") {
		t.Errorf("it says %q", said)
	}
	text, _ := os.ReadFile(p.log)
	if n := strings.Count(string(text), "a guest has left"); n < 3 {
		t.Errorf("%d have left:\n%s", n, text)
	}
}

// Others may not read the host key: then serving is refused, with what to do.
func TestHostKeyOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	run := func(args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "tallygate", append(args, "--data", dir)...)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	run("init", "--yes")
	if err := os.WriteFile(filepath.Join(dir, sshd.HostKeyFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chmod(filepath.Join(dir, sshd.HostKeyFile), 0o644) // whatever the mask
	if out := run("serve", "--listen", "127.0.0.1:0", "--ssh", "127.0.0.1:0"); !strings.Contains(out,
		"others can read the host key") || !strings.Contains(out, "chmod 600") {
		t.Errorf("%s", out)
	}
}

// The local commands ask the engine of another machine, through OpenSSH, and say in its
// words what is the matter.
func TestHost(t *testing.T) {
	t.Parallel()
	p := startPlace(t)
	real, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	// What an owner has in ~/.ssh/config.
	path := p.fakes(t, fmt.Sprintf(`for a; do case $a in *@*) who=${a%%%%@*}; esac; done
exec %s -F %q -i %q/$who "$@"
`, real, filepath.Join(p.dir, "config"), p.dir))
	run := func(path string, args ...string) did {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "tallygate", args...)
		cmd.Env = append(os.Environ(), "PATH="+path, "GORACE=atexit_sleep_ms=0",
			"TALLYGATE_DATA="+filepath.Join(p.dir, "none"))
		var out, aside bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &aside
		cmd.Run()
		return did{out.String(), aside.String(), cmd.ProcessState.ExitCode()}
	}
	run(path, "--host", "ana@127.0.0.1", "clients", "list").wants(t, 0, "default", "")
	run(path, "--host", "ana@127.0.0.1:"+p.port, "clients", "create", "--name", "Far").wants(t, 0, "created client far",
		"")
	run(path, "--host", "bob@127.0.0.1", "clients", "show", "far").wants(t, 0, "Far", "")
	run(path, "--host", "bob@127.0.0.1", "clients", "delete", "far").wants(t, 1, "", "this connection may only look")
	run(path, "--host", "eve@127.0.0.1", "clients", "list").wants(t, exitUnreachable, "", "Permission denied (publickey)")
	run(path, "--host", "ana@127.0.0.1", "serve").wants(t, exitUsage, "", "is for this machine")
	for _, command := range []string{"stop", "upgrade"} {
		run(path, "--host", "ana@127.0.0.1", command).wants(t, 1, "", "acts on the server itself")
	}
	back := filepath.Join(p.dir, "far")
	run(path, "--host", "ana@127.0.0.1", "backup", "create", "--to", back).wants(t, 0, "read it again", "")
	for _, host := range []string{"-oProxyCommand=touch x", "ana@-x", "a b", "ana@server;x", "", "ana@server:",
		"@server", "$(x)"} {
		if host != "" {
			run(path, "--host="+host, "clients", "list").wants(t, exitUsage, "", "is not a machine")
		}
	}
	for script, says := range map[string]string{
		"echo 'ssh: Could not resolve hostname' >&2; exit 255\n": "ssh cannot reach server: ssh: Could not resolve hostname",
		"echo 'sh: tallygate: not found' >&2; exit 127\n":        "there is no tallygate on server",
		"echo 'error: nothing serves here' >&2; exit 3\n":        "server says: error: nothing serves here",
		"echo hello\n": "server answered, but not as tallygate",
	} {
		run(p.fakes(t, script), "--host", "server", "clients", "list").wants(t, exitUnreachable, "", says)
	}
	// A relay on the other side, where a shell says something first.
	self, err := exec.LookPath("tallygate")
	if err != nil {
		t.Fatal(err)
	}
	noisy := p.fakes(t, fmt.Sprintf("echo Welcome to $HOSTNAME\nTALLYGATE_DATA=%q exec %s relay\n", p.data, self))
	run(noisy, "--host", "server", "clients", "list", "--json").wants(t, 0, `"slug": "far"`, "")
	run(noisy, "--host", "server", "status").wants(t, 0, "serving", "")
	run(t.TempDir()+":"+filepath.Dir(self), "--host", "server", "status").wants(t, exitUnreachable, "",
		"there is no ssh on this machine")
}

// fakes returns a PATH with an ssh that a script is.
func (p *place) fakes(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

func TestParseHost(t *testing.T) {
	for text, want := range map[string]host{
		"server": {"server", ""}, "ana@server.example": {"ana@server.example", ""}, "ana@10.0.0.1:2222": {"ana@10.0.0.1",
			"2222"},
		"ana@[2001:db8::1]:22": {"ana@2001:db8::1", "22"}, "a.b-c_d@host": {"a.b-c_d@host", ""},
	} {
		if got, err := parseHost(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if _, err := parseHost("-v"); tally.CodeOf(err) != tally.Invalid {
		t.Error(err)
	}
}
