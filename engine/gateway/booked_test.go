package gateway

import (
	"context"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// failing fails every call.
type failing struct {
	providers.Provider
	err error
}

func (f failing) Do(context.Context, providers.Call) (*providers.Reply, error) { return nil, f.err }
func (failing) Close() error                                                   { return nil }

// Of an upstream that stops with its stream, a stream that we have closed is booked
// by its time; one that it has ended itself, or never begun, by what was held.
func TestStreamsThatNeverBegan(t *testing.T) {
	for _, x := range []struct {
		err  providers.UpstreamError
		held bool
	}{
		{providers.UpstreamError{Fault: providers.ServerError, Status: 504}, true},
		{providers.UpstreamError{Fault: providers.TimedOut, Status: 408}, true},
		{providers.UpstreamError{Fault: providers.BadAnswer, Status: 200}, true},
		{providers.UpstreamError{Fault: providers.Unreachable}, true},
		{providers.UpstreamError{Fault: providers.TimedOut}, false},
		{providers.UpstreamError{Fault: providers.Gone}, false},
	} {
		w := newWorld(t)
		w.kinds[0].StopsBilling = true
		w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return failing{err: &x.err}, nil }
		w.open()
		w.chat(`,"max_tokens":4000,"stream":true`)
		if rec := w.one(); rec.Basis != tally.Held || (rec.Tokens.Output == 4000) != x.held {
			t.Errorf("%v: %s, %d tokens of output", &x.err, rec.Basis, rec.Tokens.Output)
		}
	}
}
