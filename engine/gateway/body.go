package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/coding"
)

const (
	// MaxBody is the largest request body that is taken, in bytes.
	MaxBody = tally.MaxBodyBytes
	// keptBody is the largest buffer that is kept for the next request.
	keptBody = 256 << 10
	// firstRead bounds what is set aside before a byte of the body has come: a
	// Content-Length alone must not cost memory. A body that is longer is large.
	firstRead = 64 << 10
	// usualBodies is the memory for bodies where the owner's machine is not known.
	usualBodies = 256 << 20
	// Of a body that is refused before it has come, up to spillBytes are still read,
	// through a buffer of spillBuffer: a caller that is sending would otherwise see a
	// broken connection in the place of the refusal.
	spillBytes, spillBuffer = 16 << 20, 16 << 10
)

// budget is the memory that the bodies of all requests under way share, those that wait
// included. A part of it is left to small bodies, which are nearly all, and a further one
// to clients. Nobody has more than a part for large bodies, except for a single one.
type budget struct {
	most  int64
	taken atomic.Int64

	mu     sync.Mutex // guards what follows
	shares map[any]int64
}

// share says whose large requests may take together one of how many parts of a budget.
type share struct {
	of    any
	parts int64
}

// takeShares takes room for so many bytes more of a request that has some already, of
// each share; false if one of them has too little beside other requests.
func (b *budget) takeShares(shares []share, has, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range shares {
		if taken := b.shares[s.of]; taken > has && taken+n > b.most/s.parts {
			return false
		}
	}
	for _, s := range shares {
		b.shares[s.of] += n
	}
	return true
}

func (b *budget) giveShares(shares []share, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range shares {
		if b.shares[s.of] -= n; b.shares[s.of] == 0 {
			delete(b.shares, s.of)
		}
	}
}

// shares are those that a large request of the exchange counts for: a client, or a page
// and the visitor that it comes from.
func (x *exchange) shares() []share {
	p := x.principal
	switch {
	case p.Client != nil:
		return []share{{p.Client.ID, 2}}
	case p.Token != nil:
		return []share{{p.Token.ID, 4}, {p.IP, 16}}
	}
	return []share{{p.IP, 16}}
}

func (b *budget) take(n, spare int64) bool {
	if b.taken.Add(n) <= b.most-spare {
		return true
	}
	b.taken.Add(-n)
	return false
}

// hold takes room for so many bytes more of the request.
func (x *exchange) hold(n int) *tally.Refusal {
	spare := int64(0)
	if x.held+int64(n) > keptBody {
		if spare = x.server.bodies.most / 4; x.principal.Visitor {
			spare = x.server.bodies.most / 2
		}
	}
	if !x.server.bodies.take(int64(n), spare) {
		refusal := crowded()
		refusal.Message = "The gateway holds as many large requests as it has memory for. Try again in a moment."
		return refusal
	}
	if now := x.held + int64(n); now > firstRead {
		if !x.server.bodies.takeShares(x.shares(), x.shared, now-x.shared) {
			x.server.bodies.taken.Add(int64(-n))
			refusal := crowded()
			refusal.Message = "You have as many large requests under way here as one may have at the same time. Send this one again when one of them is answered."
			return refusal
		}
		x.shared = now
	}
	x.held += int64(n)
	return nil
}

// release gives room back.
func (x *exchange) release(n int64) {
	x.server.bodies.taken.Add(-n)
	if x.held -= n; x.shared > x.held {
		x.server.bodies.giveShares(x.shares(), x.shared-x.held)
		x.shared = x.held
	}
}

// maxBody is how large the body of this request may be.
func (x *exchange) maxBody() int64 {
	p := x.principal
	switch {
	case p.Visitor:
		return cmp.Or(p.Gateway.VisitorMaxBodyBytes, tally.DefaultVisitorBodyBytes)
	case p.Client != nil && p.Client.MaxBodyBytes > 0:
		return p.Client.MaxBodyBytes
	}
	return cmp.Or(p.Gateway.MaxBodyBytes, MaxBody)
}

// read takes the whole body and looks at it once. A large body that its size or its
// caller's limits refuse already is not read at all.
func (x *exchange) read() *tally.Refusal {
	if refusal := x.lockable(); refusal != nil {
		return refusal
	}
	length, most := x.r.ContentLength, x.maxBody()
	coded := !coding.IsNone(x.r.Header.Get("Content-Encoding"))
	if (length < 0 || length > firstRead || coded) && x.principal.Landing().Model == "" {
		if refusal := x.server.Meter.Spent(x.ctx, x.cat, x.principal, x.at); refusal != nil {
			return refusal
		}
	}
	if length > most {
		return bodyTooLarge(most)
	}
	x.upload = upload{Reader: x.r.Body, w: x.w, began: x.begin, until: x.begin.Add(bodyPatience)}
	receive := x.receive
	if coded {
		receive = x.decode
	}
	if refusal := receive(&x.upload, length, most); refusal != nil {
		return refusal
	}
	// A request is one of the period in which it is there: another one may have begun since,
	// and may have carried over what was left.
	if now := x.server.Clock(); now.Sub(x.at) >= time.Second {
		x.at = now
	}
	if x.locked() != nil {
		return x.lock()
	}
	return x.look()
}

// decode reads a body that was compressed.
func (x *exchange) decode(from io.Reader, _, most int64) *tally.Refusal {
	name := strings.Join(x.r.Header["Content-Encoding"], ",")
	r, err := coding.NewReader(name, io.LimitReader(from, most))
	if err != nil {
		return unknownCoding(name)
	}
	defer r.Close()
	memory := coding.Memory(name)
	if refusal := x.hold(memory); refusal != nil {
		return refusal
	}
	defer x.release(int64(memory))
	return x.receive(r, -1, most)
}

// receive reads the body, of which the length may be known.
func (x *exchange) receive(from io.Reader, length, most int64) *tally.Refusal {
	if refusal := x.hold(cap(x.body)); refusal != nil {
		return refusal
	}
	size := min(max(length, 511), firstRead) + 1
	for x.body = x.body[:0]; ; size = min(4*int64(len(x.body)), length+1) {
		if length < 0 {
			size = min(max(2*int64(len(x.body)), firstRead), most+1)
		}
		if refusal := x.grow(int(size)); refusal != nil {
			return refusal
		}
		for len(x.body) < cap(x.body) {
			n, err := from.Read(x.body[len(x.body):cap(x.body)])
			x.body = x.body[:len(x.body)+n]
			if int64(len(x.body)) > most {
				return bodyTooLarge(most)
			}
			if err == nil {
				continue
			}
			x.came = true
			if err == io.EOF {
				return nil
			}
			return brokenBody(x.r, err)
		}
	}
}

// grow makes room for a body of so many bytes.
func (x *exchange) grow(size int) *tally.Refusal {
	old := cap(x.body)
	if size <= old {
		return nil
	}
	if refusal := x.hold(size); refusal != nil { // both are there while the one is copied to the other
		return refusal
	}
	x.body = append(make([]byte, 0, size), x.body...)
	x.release(int64(old))
	return nil
}

// unread reports whether much of a body is still to come that its caller sends without
// having asked first (Expect: 100-continue). net/http reads a small rest itself.
func (x *exchange) unread() bool {
	const little = 256 << 10 // what net/http reads before it answers
	n := x.r.ContentLength
	return !x.came && (n < 0 || n > little) && x.r.Body != nil && x.r.Header["Expect"] == nil
}

// forgetBody lets go of a body that is not sent any more: an answer may take long.
func (x *exchange) forgetBody() {
	x.body = nil
	x.envelope.Forget()
	if x.own.envelope != nil {
		x.own.envelope.Forget()
	}
	for _, f := range x.forms {
		f.envelope.Forget()
	}
	x.release(x.held)
}

// readOn takes some more of a body whose request is answered already: of a client's
// as much as it may send, since it may not look for an answer before it has sent all.
func (x *exchange) readOn() {
	x.forgetBody()
	most := int64(spillBytes)
	if p := x.principal; p != nil && !p.Visitor {
		most = max(most, x.maxBody())
	}
	if !x.server.bodies.take(spillBuffer, 0) {
		return
	}
	defer x.server.bodies.taken.Add(-spillBuffer)
	rc := http.NewResponseController(x.w)
	rc.Flush()
	rc.SetReadDeadline(time.Now().Add(spillPatience))
	io.CopyN(io.Discard, x.r.Body, most) // whatever comes of it, the answer is the same
}

func bodyTooLarge(most int64) *tally.Refusal {
	size := fmt.Sprintf("%s bytes", tally.Group(most))
	if most%(1<<20) == 0 {
		size = fmt.Sprintf("%d MiB", most>>20)
	}
	return &tally.Refusal{Status: http.StatusRequestEntityTooLarge, Type: tally.TypeInvalid, Code: tally.CodeTooLarge,
		Message: fmt.Sprintf("The request is larger than %s, the most that may be sent here with this credential. Send less, or ask the owner of this gateway to allow more.", size)}
}

func unknownCoding(name string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusUnsupportedMediaType, Type: tally.TypeInvalid, Code: tally.CodeBadRequest,
		Message: fmt.Sprintf("The body of the request is compressed with %.40q. Send it as it is, or compressed once with one of %s.", name, coding.Names)}
}

func brokenBody(r *http.Request, err error) *tally.Refusal {
	var late net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &late) && late.Timeout() {
		return &tally.Refusal{Status: http.StatusRequestTimeout, Type: tally.TypeInvalid, Code: tally.CodeBadRequest,
			Message: fmt.Sprintf("The body of the request did not arrive: nothing came for a minute, or less than %d bytes a second in all. Send it again over a better line.", slowestUpload)}
	}
	if name := r.Header.Get("Content-Encoding"); !coding.IsNone(name) {
		return tally.BadRequest("", fmt.Sprintf("The body of the request broke off, or is not compressed with %.40q, as its Content-Encoding says.", name))
	}
	return tally.BadRequest("", "The body of the request broke off.")
}
