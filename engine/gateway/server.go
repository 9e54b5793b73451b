package gateway

import (
	"context"
	"log/slog"
	"net/http"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
)

// Options are what a Server is made of.
type Options struct {
	Catalog func() *tally.Catalog // the picture in force; never nil
	Router  *route.Router
	Meter   *meter.Meter
	Clock   tally.Clock // never runs back
	// Ready says why requests cannot be served, nil if they can.
	Ready   func() error
	Logger  *slog.Logger
	Version string
}

// Server is the public plane.
type Server struct{ Options }

// New makes a Server.
func New(o Options) *Server { return &Server{o} }

// ServeHTTP answers a client app.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// ServeAs answers a request as if it had come with a key, which the owner need
// not know: for trying things out.
func (s *Server) ServeAs(w http.ResponseWriter, r *http.Request, key tally.ID) {}

// Drain refuses new requests and waits for those under way, at most until ctx
// ends.
func (s *Server) Drain(ctx context.Context) error { return nil }

// InFlight is how many requests are being answered.
func (s *Server) InFlight() int { return 0 }

// Unknown is how many requests with unknown credentials were refused since the
// start. They are counted in memory only.
func (s *Server) Unknown() int64 { return 0 }
