package gateway

import (
	"io"
	"net/http"
	"time"
)

// Patience with callers, and what they may send ahead of a body. A caller that
// sends or takes a byte now and then would otherwise hold a connection for ever.
const (
	headPatience  = 10 * time.Second // for the head of a request
	bodyPatience  = 60 * time.Second // for a request, whole, and from then on for more of its body
	slowestUpload = 1 << 10          // bytes a second, from then on
	spillPatience = 5 * time.Second  // for more of a body that is too large
	idlePatience  = 3 * time.Minute  // between two requests of a connection
	writePatience = 60 * time.Second // for a caller to take what it is sent
	maxHead       = 32 << 10         // bytes
)

// upload is the body of a request on its way, which may take as long as bytes keep
// coming: so much that it is no caller who only wants to hold a connection.
type upload struct {
	io.Reader
	w     http.ResponseWriter
	began time.Time
	until time.Time // of the deadline in force, the server's own at first
	bytes int64
	more  bool // some came with the latest read
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if u.more {
		u.wait()
	}
	n, err := u.Reader.Read(p)
	u.bytes, u.more = u.bytes+int64(n), n > 0
	return n, err
}

// wait lets what comes next take its time.
func (u *upload) wait() {
	until := time.Now().Add(bodyPatience)
	if most := u.began.Add(bodyPatience + time.Duration(u.bytes)*time.Second/slowestUpload); most.Before(until) {
		until = most
	}
	if until.Sub(u.until) >= time.Second { // moving it costs
		u.until = until
		http.NewResponseController(u.w).SetReadDeadline(until) // best effort: a recorder has none
	}
}

// HTTPServer makes a server of s, with those of the bounds in force that
// net/http looks after. The caller adds its log, and serves what [Server.Listen]
// makes of its listener: the other bounds are looked after there.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headPatience,
		ReadTimeout:       bodyPatience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    maxHead,
		ConnContext:       keepVisit,
		ConnState:         follow,
	}
}
