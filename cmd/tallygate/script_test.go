package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tallygate/engine/tally"
	"tallygate/storage/backup"
	"tallygate/storage/badgerdb"
)

// The test binary is also the program, and the helper that scripts ask it with:
// the scripts need nothing but Go.
func TestMain(m *testing.M) {
	time.Local = time.UTC // as the scripts have it, or golden files would be of one place
	testscript.Main(m, map[string]func(){
		"tallygate": func() {
			// For a process whose output is read while it runs.
			if path := os.Getenv("OUTPUT_TO"); path != "" {
				f, err := os.Create(path)
				if err != nil {
					panic(err)
				}
				os.Stdout, os.Stderr = f, f
			}
			main()
		},
		"ask": ask,
	})
}

func TestScripts(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) { // as nohup has it; what scripts start would ignore it, too
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TALLYGATE_DATA", e.WorkDir+"/data")
			e.Setenv("TZ", "UTC")
			if os.Getenv("GORACE") == "" {
				e.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise every command takes a second under the race detector
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    cmdCode,
			"port":    cmdPort,
			"field":   cmdField,
			"until":   cmdUntil,
			"appears": cmdAppears,
			"sealed":  cmdSealed,
			"ahead":   cmdAhead,
		},
	})
}

// ask sends one request: ask [-key KEY] URL [BODY]. It prints the status, the
// headers that matter, and the body as it arrives.
func ask() {
	args := os.Args[1:]
	key := ""
	if len(args) > 1 && args[0] == "-key" {
		key, args = args[1], args[2:]
	}
	method, body := http.MethodGet, ""
	if len(args) > 1 {
		method, body = http.MethodPost, args[1]
	}
	req, err := http.NewRequest(method, args[0], strings.NewReader(body))
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+key)
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			defer resp.Body.Close()
			fmt.Println("status", resp.StatusCode)
			for _, name := range []string{"Retry-After", "X-Should-Retry", "X-Request-Id"} {
				if v := resp.Header.Get(name); v != "" {
					fmt.Println(strings.ToLower(name), v)
				}
			}
			_, err = io.Copy(os.Stdout, resp.Body)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cmdCode runs a command that must end with an exit code: code N COMMAND...
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdPort puts a port that nobody uses into a variable: port NAME.
func cmdPort(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], freePort())
}

// Ports of tests lie below those that systems give to connections and to listeners of port 0,
// so that nothing takes one between its choice and its use.
const firstPort, ports = 10_000, 22_000

var chosenPort atomic.Uint32

func init() { chosenPort.Store(rand.Uint32N(ports)) }

// freePort is a port that nobody uses, another one each time.
func freePort() string {
	for {
		port := strconv.Itoa(firstPort + int(chosenPort.Add(1)%ports))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ln.Close()
			return port
		}
	}
}

// cmdAhead writes into the stopped store what a clock that is two days ahead would:
// ahead GATEWAY CLIENT.
func cmdAhead(ts *testscript.TestScript, _ bool, args []string) {
	s, err := badgerdb.Open(context.Background(), badgerdb.Options{Dir: ts.MkAbs("data/store")})
	ts.Check(err)
	at := time.Now().Add(48 * time.Hour)
	r := tally.Reservation{ID: tally.NewID("req", at), At: at, ExpiresAt: at.Add(time.Hour), Draft: tally.Record{Gateway: tally.ID(args[0]), Client: tally.ID(args[1])}}
	_, err = s.Reserve(context.Background(), r)
	ts.Check(err)
	rec := r.Draft
	rec.Outcome, rec.Status = tally.OK, 200
	ts.Check(s.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: rec}))
	ts.Check(s.Close())
}

// cmdField puts a value of the last JSON output into a variable, or of a file:
// field NAME PATH [FILE], where a path is names and numbers with dots between.
// With !, there must be no such value.
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	file := "stdout"
	if len(args) > 2 {
		file = args[2]
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	dec.UseNumber()
	ts.Check(dec.Decode(&v))
	for _, part := range strings.Split(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			if part == "length" {
				v = len(at)
				continue
			}
			i, err := strconv.Atoi(part)
			ts.Check(err)
			if v = nil; i < len(at) {
				v = at[i]
			}
		default:
			v = nil
		}
	}
	if neg != (v == nil) {
		ts.Fatalf("%s is %v", args[1], v)
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// cmdUntil repeats a command until it succeeds and, after a --, its output
// contains a text: until COMMAND... [-- TEXT].
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	text := ""
	if i := slices.Index(args, "--"); i >= 0 {
		args, text = args[:i], strings.Join(args[i+1:], " ")
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if ts.Exec(args[0], args[1:]...) == nil && strings.Contains(ts.ReadFile("stdout"), text) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q has not come to that", args)
		}
	}
}

// cmdAppears waits until a file that is being written contains a text:
// appears FILE TEXT.
func cmdAppears(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q does not appear in:\n%s", args[1], text)
		}
	}
}

// cmdSealed makes sure that no file in a folder is open to others or holds one
// of some texts: sealed FOLDER TEXT...
func cmdSealed(ts *testscript.TestScript, _ bool, args []string) {
	looked := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSocket != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			ts.Fatalf("%s has mode %v", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		looked++
		return contents(path, func(b []byte) {
			for _, text := range args[1:] {
				if strings.Contains(string(b), text) {
					ts.Fatalf("%s holds %s", path, text)
				}
			}
		})
	}))
	if looked < 4 {
		ts.Fatalf("only %d files", looked)
	}
}

// contents calls f with what a file holds, and of a backup, which is compressed, with what each
// of its rows does.
func contents(path string, f func([]byte)) error {
	b, err := os.ReadFile(path)
	if err != nil || filepath.Ext(path) != ".tgbackup" {
		f(b)
		return err
	}
	r, err := backup.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		key, value, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		f(key)
		f(value)
	}
}
