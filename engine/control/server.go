package control

import (
	"context"
	"iter"
	"net"
	"net/http"

	"tallygate/engine/tally"
)

// Handle implements an operation on a server. It panics if the operation has
// an implementation already: that is a defect of the program.
func Handle[In, Out any](s *Server, op Op[In, Out], h func(context.Context, In) (Out, error)) {
	panic("being built")
}

// EventSource yields kept and then live events after a sequence number.
type EventSource func(ctx context.Context, after uint64) iter.Seq[tally.Event]

// Server answers operations over HTTP.
type Server struct{}

// NewServer makes a server that streams events from a source.
func NewServer(events EventSource) *Server { return &Server{} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Dialer opens a connection to a control server.
type Dialer func(ctx context.Context) (net.Conn, error)

// Client is the Caller over a byte stream.
type Client struct{}

// NewClient makes a client.
func NewClient(dial Dialer) *Client { return &Client{} }

// Memory returns a listener and the dialer that reaches it, in this process.
func Memory() (net.Listener, Dialer) { return nil, nil }
