package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"

	"tallygate/engine/tally"
)

// Stream declares an operation whose result is bytes, as many as it takes.
type Stream[In any] struct {
	Name string
	Need Need
	Help string
}

// Do calls the operation. What was written before an error is not whole.
func (op Stream[In]) Do(ctx context.Context, c Caller, in In, w io.Writer) error {
	return c.Stream(ctx, op.Name, in, w)
}

// failedTrailer has the error of a stream that ended before its end.
const failedTrailer = "Tallygate-Error"

// HandleStream implements an operation on a server, as [Handle] does.
func HandleStream[In any](s *Server, op Stream[In], h func(context.Context, In, io.Writer) error) {
	if s.ops[op.Name] != nil {
		panic("control: operation " + op.Name + " is implemented twice")
	}
	info := describe(op.Name, op.Need, op.Help, reflect.TypeFor[In](), reflect.TypeFor[None]())
	info.Output = "bytes"
	s.ops[op.Name] = &operation{info: info, in: reflect.TypeFor[In](), stream: func(ctx context.Context, body []byte, w io.Writer) error {
		var v In
		if err := decodeInput(body, &v); err != nil {
			return err
		}
		return h(ctx, v, w)
	}}
}

// serveStream answers with what an operation writes. An error before its first byte is an
// answer of its own.
func (p plane) serveStream(w http.ResponseWriter, r *http.Request, op *operation, body []byte) {
	out := &streamOut{w: w, quiet: p.beat(w)}
	err := p.guarded(op.info.Name, func() error { return op.stream(withOp(r, op.info.Name), body, out) })
	out.quiet()
	switch {
	case err == nil && !out.begun:
		out.begin()
	case err != nil && !out.begun:
		writeError(w, err)
	case err != nil:
		text, _ := json.Marshal(tally.AsError(err)) // of strings only
		w.Header().Set(failedTrailer, string(text))
	}
}

// streamOut sends the head of an answer with its first bytes.
type streamOut struct {
	w     http.ResponseWriter
	quiet func() // ends the heartbeats before it
	begun bool
}

func (o *streamOut) begin() {
	o.quiet()
	o.begun = true
	o.w.Header().Set("Content-Type", "application/octet-stream")
	o.w.Header().Set("Trailer", failedTrailer)
	o.w.WriteHeader(http.StatusOK)
}

func (o *streamOut) Write(b []byte) (int, error) {
	if !o.begun {
		o.begin()
	}
	return o.w.Write(b)
}

// Stream implements Caller.
func (c *Client) Stream(ctx context.Context, op string, in any, w io.Writer) error {
	body, err := json.Marshal(in)
	if err != nil {
		return tally.Errorf(tally.Internal, "write the input of %s: %w", op, err)
	}
	ctx, life, done := c.watched(ctx)
	defer done()
	resp, err := c.send(ctx, http.MethodPost, op, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	life.most.Store(looks * int64(streamPatience/callPatience))
	from := &failingReader{r: resp.Body, life: life}
	_, err = io.Copy(w, from)
	silent := c.silence(ctx)
	switch {
	case silent != nil:
		return silent
	case ctx.Err() != nil:
		return unreachable(ctx.Err())
	case from.err != nil:
		return tally.Errorf(tally.Unavailable, "the connection to the engine broke: %w", from.err).WithHint("see tallygate status")
	case err != nil:
		return err
	}
	text := resp.Trailer.Get(failedTrailer)
	if text == "" {
		return nil
	}
	var e tally.Error
	if json.Unmarshal([]byte(text), &e) != nil || e.Code == "" {
		return tally.Errorf(tally.Unavailable, "the engine failed on the way")
	}
	return &e
}

// failingReader remembers why reading ended, if not at the end: what is wrong with the
// engine is another thing than what is wrong with where it is written to. The engine is
// waited for only while it is read from.
type failingReader struct {
	r    io.Reader
	life *watch
	err  error
}

func (f *failingReader) Read(b []byte) (int, error) {
	f.life.sign()
	f.life.paused.Store(false)
	n, err := f.r.Read(b)
	f.life.paused.Store(true)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
