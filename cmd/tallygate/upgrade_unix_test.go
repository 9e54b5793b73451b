//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tallygate/cmd/tallygate/process"
)

// A connection that stays open between requests outlives the program that let it in, time and
// again.
func TestConnectionsOutliveUpgrades(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	env := append(os.Environ(), "TALLYGATE_DATA="+dir, "GORACE=atexit_sleep_ms=0")
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command("tallygate", args...)
		cmd.Env = env
		return cmd
	}
	if out, err := run("init", "--yes", "--json").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	address := "127.0.0.1:" + freePort()
	served := run("serve", "--listen", address)
	if err := served.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		served.Process.Signal(syscall.SIGTERM)
		served.Wait()
	}()
	for by := (process.Holder{}); by.Socket == "" || !by.Answers(t.Context()); by = process.ReadHolder(dir) {
		time.Sleep(20 * time.Millisecond)
	}
	callers := make([]http.Client, 3)
	reused := 0
	trace := &httptrace.ClientTrace{GotConn: func(is httptrace.GotConnInfo) {
		if is.Reused {
			reused++
		}
	}}
	ask := func() {
		t.Helper()
		for i := range callers {
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "http://"+address+"/readyz", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := callers[i].Do(r)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			if answer.Body.Close(); answer.StatusCode != http.StatusOK {
				t.Errorf("it answers %s", answer.Status)
			}
		}
	}
	for i := range callers {
		callers[i].Transport = &http.Transport{MaxIdleConns: 1}
	}
	ask()
	for range 2 {
		if out, err := run("upgrade").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		ask()
	}
	if reused != 2*len(callers) {
		t.Errorf("%d of %d requests went over a connection that was there", reused, 2*len(callers))
	}
}
