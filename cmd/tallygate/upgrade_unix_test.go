//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
)

// A connection that stays open between requests outlives the program that let it in, time and
// again, also where there are as many as files allow.
func TestConnectionsOutliveUpgrades(t *testing.T) {
	t.Run("some", func(t *testing.T) { outliveUpgrades(t, 3, 1000, 3) })
	// Of so many a few may have been closed, while they were silent, to leave files for others.
	t.Run("as many as files allow", func(t *testing.T) { outliveUpgrades(t, 100, 200, 50) })
}

// outliveUpgrades has so many callers ask before and after upgrades of a process that may have so
// many files open. At least so many find their connections again each time.
func outliveUpgrades(t *testing.T, many, files, least int) {
	t.Parallel()
	s := serveWith(t, files)
	callers := make([]http.Client, many)
	reused := 0
	trace := &httptrace.ClientTrace{GotConn: func(is httptrace.GotConnInfo) {
		if is.Reused {
			reused++
		}
	}}
	ask := func() {
		t.Helper()
		for i := range callers {
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "http://"+s.address+"/readyz", nil)
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
		if out, err := s.command("upgrade").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		ask()
	}
	if reused < 2*least {
		t.Errorf("%d of %d requests went over a connection that was there", reused, 2*many)
	}
}
