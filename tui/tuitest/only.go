package tuitest

import (
	"testing"

	"tallygate/engine/control"
	"tallygate/tui/screen"
)

// Only is an interface of one screen.
func Only[S screen.Screen](make func(*screen.Env) S) Setup {
	return Setup{Screens: func(e *screen.Env) []screen.Screen { return []screen.Screen{make(e)} }}
}

// Last is the input of the latest call of an operation; the test fails if there was
// none.
func Last[In, Out any](t *testing.T, d *Driver, op control.Op[In, Out]) (in In) {
	t.Helper()
	sent := Sent(d.World, op)
	if len(sent) == 0 {
		t.Fatalf("%s was not called:\n%s", op.Name, d.Screen())
	}
	return sent[len(sent)-1]
}
