package transport

import (
	"bytes"
	"errors"
	"strings"
	"time"
)

// What is wrong with a head. net/http is more lenient in places. Here a head is refused if
// two readers could understand it differently.
var (
	errStatusLine = errors.New("the answer does not begin with an HTTP status line")
	errLine       = errors.New("a line of the answer's head is malformed")
	errLongHead   = errors.New("the answer's head is too large")
	errLength     = errors.New("the answer's Content-Length is malformed, or there are two of them")
	errCoding     = errors.New("the answer's Transfer-Encoding is not the one there is")
	errInterim    = errors.New("the answer has too many interim answers before it")
)

// responseHead is the head of an answer as far as it has been read.
type responseHead struct {
	at   int // offset of the first line that was not read yet
	done bool

	status    int
	old       bool  // HTTP/1.0
	length    int64 // -1 if absent
	chunked   bool
	close     bool          // the upstream will close the connection
	keepAlive time.Duration // how long the upstream will not close it, if it says so

	contentType, encoding, retryAfter, requestID string

	id     [2]int // where the best name of the request is in what was read
	idRank int    // of that name's field in requestIDs, from the end; 0 for none
}

// requestIDs are the fields in which upstreams name a request, the best first.
var requestIDs = [...]string{"x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id", "x-goog-request-id", "cf-ray"}

// usableID reports whether the name of a request can be kept and shown.
func usableID(b []byte) bool {
	return len(b) > 0 && len(b) <= 128 && bytes.IndexFunc(b, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// name takes notice of a field that may name the request; at is where its value is.
func (h *responseHead) name(field, value []byte, at int) {
	for i, known := range requestIDs {
		if rank := len(requestIDs) - i; rank > h.idRank && is(field, known) && usableID(value) {
			h.id, h.idRank = [2]int{at, at + len(value)}, rank
		}
	}
}

// read goes on reading the head at the beginning of b, which holds what has
// arrived so far: b may grow and move between calls.
func (h *responseHead) read(b []byte) error {
	if h.at == 0 {
		h.length = -1
		if n := min(len(b), len("HTTP/1.")); string(b[:n]) != "HTTP/1."[:n] {
			return errStatusLine
		}
	}
	for !h.done {
		n := bytes.IndexByte(b[h.at:], '\n')
		if n < 0 {
			if len(b) > maxHead {
				return errLongHead
			}
			return nil
		}
		if h.at+n >= maxHead {
			return errLongHead
		}
		line := bytes.TrimSuffix(b[h.at:h.at+n], []byte{'\r'}) // some write a line's end without it
		first := h.at == 0
		h.at += n + 1
		err := error(nil)
		switch {
		case first:
			err = h.statusLine(line)
		case len(line) == 0:
			h.done = true
			h.requestID = string(b[h.id[0]:h.id[1]])
			err = h.settle()
		default:
			err = h.field(line, h.at-n-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// statusLine reads "HTTP/1.1 200 OK"; the reason may be missing.
func (h *responseHead) statusLine(line []byte) error {
	const prefix = len("HTTP/1.1 ")
	if len(line) < prefix+3 || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > prefix+3 && line[prefix+3] != ' ' || !fieldValue(line) {
		return errStatusLine
	}
	h.old = line[7] == '0'
	for _, c := range line[prefix : prefix+3] {
		if c < '0' || c > '9' {
			return errStatusLine
		}
		h.status = 10*h.status + int(c-'0')
	}
	if h.status < 100 {
		return errStatusLine
	}
	return nil
}

// field reads "Name: value". It refuses characters that a name or a value cannot hold, a
// folded line, and space before the colon. The line is at an offset in what was read.
func (h *responseHead) field(line []byte, at int) error {
	n := bytes.IndexByte(line, ':')
	if n <= 0 || !token(line[:n]) || !fieldValue(line[n+1:]) {
		return errLine
	}
	value := bytes.Trim(line[n+1:], " \t")
	h.name(line[:n], value, at+n+1+bytes.Index(line[n+1:], value))
	switch name := line[:n]; len(name) { // the length tells most names apart
	case len("Connection"):
		if is(name, "connection") {
			h.connection(value)
		} else if is(name, "keep-alive") {
			h.patience(value)
		}
	case len("Retry-After"):
		if is(name, "retry-after") {
			h.retryAfter = string(value)
		}
	case len("Content-Type"):
		if is(name, "content-type") {
			h.contentType = known(value)
		}
	case len("Content-Length"):
		if is(name, "content-length") {
			return h.contentLength(value)
		}
	case len("Content-Encoding"):
		if is(name, "content-encoding") && !is(value, "identity") {
			h.encoding = string(value)
		}
	case len("Transfer-Encoding"):
		if is(name, "transfer-encoding") {
			if h.chunked || !is(value, "chunked") {
				return errCoding
			}
			h.chunked = true
		}
	}
	return nil
}

// contentLength takes a second length if it is the same: some proxies add their own.
func (h *responseHead) contentLength(value []byte) error {
	length := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return errLength
		}
		length = 10*length + int64(c-'0')
	}
	if len(value) == 0 || len(value) > 18 || h.length >= 0 && h.length != length {
		return errLength
	}
	h.length = length
	return nil
}

func (h *responseHead) connection(value []byte) {
	for option := range bytes.SplitSeq(value, []byte{','}) {
		if is(bytes.Trim(option, " \t"), "close") {
			h.close = true
		}
	}
}

// patience reads "timeout=5", in seconds.
func (h *responseHead) patience(value []byte) {
	_, rest, ok := bytes.Cut(value, []byte("timeout="))
	seconds := 0
	for i := 0; ok && i < min(len(rest), 6) && rest[i] >= '0' && rest[i] <= '9'; i++ {
		seconds = 10*seconds + int(rest[i]-'0')
	}
	h.keepAlive = time.Duration(seconds) * time.Second
}

// settle draws the conclusions from a complete head. If the head contradicts itself about
// the end of the body, the connection serves no other request.
func (h *responseHead) settle() error {
	switch {
	case h.chunked && h.old:
		return errCoding
	case h.chunked:
		h.close = h.close || h.length >= 0
		h.length = -1
	case h.status < 200 || h.status == 204 || h.status == 304:
		h.close = h.close || h.length > 0
		h.length = 0
	case h.length < 0:
		h.close = true // the body ends where the connection ends
	}
	h.close = h.close || h.old || h.status == 101
	return nil
}

// known returns a content type without an allocation if it is a usual one.
func known(value []byte) string {
	for _, s := range [...]string{"application/json", "text/event-stream", "application/json; charset=utf-8", "text/event-stream; charset=utf-8"} {
		if string(value) == s {
			return s
		}
	}
	return string(value)
}

// is reports whether a name is one that is given in lower case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// token reports whether a name has only characters that names have.
func token(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c-'0' > 9 && c|0x20-'a' > 25 && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

// fieldValue reports whether a value has no control characters in it.
func fieldValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
