package control

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// opPatience is how long operations under way may go on once a server stops.
const opPatience = 5 * time.Second

// Serve answers callers of a listener, all of whom have a right, until ctx
// ends. Operations that without names are for none of them. Then it closes the
// listener, ends streams of events, gives operations under way a moment, and returns nil.
func (s *Server) Serve(ctx context.Context, ln net.Listener, have Need, without ...string) error {
	return s.serveWith(ctx, ln, plane{Server: s, have: have, without: without, stop: ctx.Done()})
}

func (s *Server) serveWith(ctx context.Context, ln net.Listener, h http.Handler) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withPeer,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections of our own clients
	}
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true) // all of a caller's calls over one connection: [NewRemote]
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		srv.Close()
		return err
	case <-ctx.Done():
	}
	late, stop := context.WithTimeout(base, opPatience)
	defer stop()
	if srv.Shutdown(late) != nil {
		cancel()
		srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
