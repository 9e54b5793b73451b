package gateway

import (
	"net/http"
	"time"
)

// Patience with callers, and what they may send ahead of a body. A caller that
// sends or takes a byte now and then would otherwise hold a connection for ever.
const (
	headPatience  = 10 * time.Second // for the head of a request
	bodyPatience  = 60 * time.Second // for a request, whole
	spillPatience = 5 * time.Second  // for more of a body that is too large
	idlePatience  = 3 * time.Minute  // between two requests of a connection
	writePatience = 60 * time.Second // for a caller to take what it is sent
	maxHead       = 32 << 10         // bytes
)

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
