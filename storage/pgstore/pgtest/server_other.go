//go:build !unix

package pgtest

// Server is a PostgreSQL, of which there is none on this system.
type Server struct{ port int }

// Open tells that there is no PostgreSQL.
func Open(...string) (*Server, error) { return nil, errNone }

// Crash ends the server at once.
func (*Server) Crash() {}

// StartAgain starts a server that has crashed.
func (*Server) StartAgain() error { return errNone }

// Close stops the server and removes all of it.
// Tool fails.
func (*Server) Tool(string, ...string) error { return errNone }

func (*Server) Close() {}

func (*Server) running() bool { return false }
