package control

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/tally"
)

const (
	heartbeatEvery = 900 * time.Millisecond // an engine that hangs is noticed within two seconds
	linePatience   = 15 * time.Second       // for a reader to take what it is sent
	maxBatch       = 256                    // events between two flushes
)

// Event is one thing that happened in the engine, as the owner is told of it.
type Event struct {
	Seq     uint64          `json:"seq"` // ascends by one, and jumps ahead when the engine starts
	Kind    tally.EventKind `json:"kind"`
	At      time.Time       `json:"at"`
	Request *RequestView    `json:"request,omitempty"` // of a RecordEvent
	Rev     int64           `json:"rev,omitempty"`     // of a ConfigEvent
	Second  *tally.Second   `json:"second,omitempty"`  // of a TickEvent
}

// serveEvents streams events as lines of JSON. An empty line is a heartbeat:
// the writer learns from it that a reader is gone, the reader that the engine
// is there.
func (p plane) serveEvents(w http.ResponseWriter, r *http.Request) {
	var after uint64
	if s := r.URL.Query().Get("after"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			writeError(w, tally.Errorf(tally.Invalid, "after=%q is not a sequence number", s))
			return
		}
		after = n
	}
	p.following.Add(1)
	defer p.following.Add(-1)
	ctx, cancel := context.WithCancel(r.Context())
	live := make(chan Event)
	go func() {
		defer close(live)
		for e := range p.events(ctx, after) {
			select {
			case live <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range live { // the source's goroutine has ended when this has
		}
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := lineWriter{w: w, rc: http.NewResponseController(w)}
	if out.flush() != nil {
		return
	}
	beat := time.NewTicker(p.heartbeat)
	defer beat.Stop()
	for {
		select {
		case e, ok := <-live:
			if !ok || out.event(e) != nil {
				return
			}
		batch:
			for range maxBatch {
				select {
				case e, ok := <-live:
					if !ok || out.event(e) != nil {
						break batch
					}
				default:
					break batch
				}
			}
		case <-beat.C:
			out.buf.WriteByte('\n')
		case <-p.stop:
			return
		case <-ctx.Done():
			return
		}
		if out.flush() != nil {
			return
		}
	}
}

// lineWriter gathers lines and writes them under a deadline.
type lineWriter struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf bytes.Buffer
}

func (l *lineWriter) event(e Event) error { return json.NewEncoder(&l.buf).Encode(e) }

func (l *lineWriter) flush() error {
	l.rc.SetWriteDeadline(time.Now().Add(linePatience)) // best effort: a recorder has none
	_, err := l.w.Write(l.buf.Bytes())
	l.buf.Reset()
	if err == nil {
		err = l.rc.Flush()
	}
	return err
}
