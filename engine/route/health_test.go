package route

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/providers"
)

// A provider that hangs, or is not there, costs three requests their time and not all:
// it is asked last then. Each half minute one request finds out whether it is back. So is
// one that asks to be left alone.
func TestSilentProvidersAreAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t).use()
		order := func(want string) {
			t.Helper()
			targets, refusal := n.router.Plan(n.cat, n.principal(), "m", noon)
			if refusal != nil {
				t.Fatal(refusal)
			}
			Order(targets, time.Now())
			got := ""
			for _, x := range targets {
				got += x.Upstream.Config.Name
			}
			if got != want {
				t.Errorf("asked in the order %s, want %s", got, want)
			}
		}
		ends := func(provider string, err *providers.UpstreamError) {
			for id, u := range *n.router.live.Load() {
				if string(id) == provider {
					u.Report(err, time.Now())
				}
			}
		}
		hangs := &providers.UpstreamError{Fault: providers.TimedOut}
		away := &providers.UpstreamError{Fault: providers.Unreachable, Free: true}

		// One that asks to be left alone is, for so long but not for ever, unless it answers.
		busy := &providers.UpstreamError{Fault: providers.Busy, Status: 429, RetryAfter: 20 * time.Second}
		ends("a", busy)
		order("ba")
		if until := n.router.Quiet("a", time.Now()); !until.Equal(time.Now().Add(20 * time.Second)) {
			t.Errorf("it is to be left alone until %v", until)
		}
		if n.router.Silent("a") {
			t.Error("one that says that it is busy is called silent")
		}
		time.Sleep(20*time.Second - time.Nanosecond)
		order("ba")
		time.Sleep(time.Nanosecond)
		order("ab")
		if until := n.router.Quiet("a", time.Now()); !until.IsZero() {
			t.Errorf("it is to be left alone until %v, which is over", until)
		}
		busy.RetryAfter = 24 * time.Hour
		ends("a", busy)
		time.Sleep(longestQuiet)
		order("ab")
		ends("a", busy)
		ends("a", nil)
		order("ab")

		// What one caller has asked for, and cannot have, is no reason to leave it alone.
		for _, fault := range []providers.Fault{providers.Refused, providers.NotHere, providers.TooLarge} {
			ends("a", &providers.UpstreamError{Fault: fault, Status: 429, RetryAfter: time.Minute})
			order("ab")
		}

		ends("a", hangs)
		ends("a", away)
		order("ab")
		ends("a", &providers.UpstreamError{Fault: providers.Gone}) // says nothing
		ends("a", &providers.UpstreamError{Fault: providers.NoFiles, Free: true})
		ends("a", hangs)
		order("ba")
		if !n.router.Silent("a") || n.router.Silent("b") {
			t.Error("the wrong one is called silent")
		}
		time.Sleep(restTime - time.Second)
		order("ba")
		time.Sleep(time.Second)
		order("ab") // the one that tries
		order("ba")
		ends("a", hangs)
		time.Sleep(restTime - time.Second)
		order("ba")
		time.Sleep(time.Second)
		order("ab")
		ends("a", nil)
		if order("ab"); n.router.Silent("a") {
			t.Error("one that answers is called silent")
		}

		// Whoever answers, be it with an error, is not silent.
		for _, answer := range []*providers.UpstreamError{nil, {Fault: providers.ServerError, Status: 500}, {Fault: providers.TimedOut, Status: 504},
			{Fault: providers.Unreachable}, // it has taken the request
		} {
			ends("a", hangs)
			ends("a", hangs)
			ends("a", answer)
			ends("a", hangs)
			ends("a", answer)
			order("ab")
		}

		// Of several the gateway's order counts, and the first of them is tried.
		for range silentAfter {
			ends("a", hangs)
			ends("b", away)
		}
		order("ab")
		ends("b", nil)
		order("ba")
		for range silentAfter {
			ends("b", hangs)
		}
		time.Sleep(restTime)
		order("ab")
	})
}

// What is mended has a new start.
func TestChangedProvidersAreNotSilent(t *testing.T) {
	n := newNet(t).use()
	for range silentAfter {
		(*n.router.live.Load())["a"].Report(&providers.UpstreamError{Fault: providers.TimedOut}, noon)
	}
	n.providers[0].Rev++
	n.use()
	if n.router.Silent("a") || strings.Contains(n.log.String(), "ERROR") {
		t.Errorf("it is silent still: %s", &n.log)
	}
}
