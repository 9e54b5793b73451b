package gateway

import (
	"net/http"
	"sync"
	"time"

	"tallygate/providers"
)

// silence is how long a caller hears nothing before it is sent a comment: less than
// anything on the way takes a silent connection for dead.
const silence = 15 * time.Second

// comment is what it hears then. Every reader of events skips it.
var comment = []byte(": still waiting\n\n")

// lineOut writes a stream to the caller and flushes it. A caller that takes nothing
// for a while is as good as gone.
//
// While the request's goroutine waits for the upstream, which may think for minutes,
// the timer writes in its place. What it writes first is the head of the answer: from
// then on no other upstream can be asked.
type lineOut struct {
	x     *exchange
	rc    *http.ResponseController
	timer *time.Timer

	mu    sync.Mutex       // guards the fields that follow, and what of x is the answer's
	reply *providers.Reply // that is waited for; nil while nothing is
	call  *call            // to it
	spoke time.Time        // when the caller was last told something
	err   error            // the first failure; later writes are not tried
	over  bool
}

// next waits for the next events of an upstream.
func (l *lineOut) next(reply *providers.Reply, c *call) ([]byte, error) {
	l.mu.Lock()
	l.reply, l.call = reply, c
	if l.timer == nil {
		l.spoke = time.Now()
		l.timer = time.AfterFunc(silence, l.tick)
	}
	l.mu.Unlock()
	chunk, err := reply.Body.Next()
	l.mu.Lock()
	l.reply = nil
	l.mu.Unlock()
	return chunk, err
}

// tick breaks a silence.
func (l *lineOut) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	left := silence - time.Since(l.spoke)
	if left <= 0 && l.reply != nil {
		l.x.beginStream(l.reply)
		ping := comment
		if t := l.x.translator; t != nil { // nobody else uses it while an upstream is waited for
			ping = t.Ping(nil)
		}
		if l.write(ping) != nil {
			l.call.leave()
			return
		}
	}
	if left <= 0 {
		left = silence
	}
	l.timer.Reset(left)
}

// begin writes the head of the answer, unless the silence was broken before.
func (l *lineOut) begin(reply *providers.Reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.x.beginStream(reply)
}

func (l *lineOut) send(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(b)
}

// last sends the end of the stream and keeps the reason; false if the stream has ended
// already.
func (l *lineOut) last(b []byte, why error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.write(b)
	l.err = why
	return true
}

// write is send with mu held.
func (l *lineOut) write(b []byte) error {
	if l.err != nil || len(b) == 0 {
		return l.err
	}
	l.spoke = time.Now()
	if _, l.err = l.x.w.Write(b); l.err == nil {
		l.err = l.rc.Flush()
	}
	return l.err
}

// end lets go of the caller, whose connection may serve other requests.
func (l *lineOut) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// beginStream writes the head of a stream, once.
func (x *exchange) beginStream(reply *providers.Reply) {
	if x.started {
		return
	}
	h := x.head(reply)
	h["X-Accel-Buffering"] = noBuffering
	if !x.principal.Visitor {
		h["Trailer"] = costTrailer
	}
	if x.translator != nil {
		h["Content-Type"] = []string{x.translator.ContentType()}
	}
	x.writeHead(reply.Status)
}
