package control

import (
	"context"
	"io"
	"iter"
)

// Need is the right a caller needs for an operation.
type Need string

// The rights. Write includes Read.
const (
	Read  Need = "read"
	Write Need = "write"
)

// Op declares an operation with its input and output types.
type Op[In, Out any] struct {
	Name string // "clients.create"
	Need Need
	Help string // one sentence, for the command line and the list of operations
}

// Caller is all that screens and commands know of the engine.
type Caller interface {
	// Call runs an operation by name. Errors are *tally.Error.
	Call(ctx context.Context, op string, in, out any) error
	// Stream runs an operation by name that answers with bytes.
	Stream(ctx context.Context, op string, in any, w io.Writer) error
	// Events yields events after a sequence number, forever, until ctx ends or
	// the connection breaks. A reader that falls behind gets a GapEvent and the
	// events that are still kept. A break of the loop closes the stream.
	Events(ctx context.Context, after uint64) iter.Seq2[Event, error]
}

// Do calls the operation.
func (op Op[In, Out]) Do(ctx context.Context, c Caller, in In) (Out, error) {
	var out Out
	err := c.Call(ctx, op.Name, in, &out)
	return out, err
}

// None is the input or output of an operation that has none.
type None struct{}
