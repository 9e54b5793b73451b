// Package pgtest runs a PostgreSQL for tests, and makes what is between it and a test
// unreliable. The server is a process of its own in a temporary folder, which does not
// outlive the process that began it, however that ends.
//
// It is for tests and the programs that check the project. It syncs nothing to the disk: a
// server that crashes loses nothing, a machine that crashes loses all.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNone tells that no PostgreSQL is installed.
var errNone = errors.New("there is no PostgreSQL here: initdb is neither in PATH nor in /usr/lib/postgresql/*/bin")

var shared struct {
	mu     sync.Mutex // guards what follows
	server *Server
	err    error
}

// Start returns the URL of the server that all tests of a process have in common. The test is
// skipped if there is no PostgreSQL, and fails if there must be one, which the environment
// variable CI says.
func Start(t testing.TB) (url string) {
	t.Helper()
	return common(t).URL()
}

func common(t testing.TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Open()
	}
	need(t, shared.err)
	return shared.server
}

// need ends a test that has no server.
func need(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errNone) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// Database makes an empty database on the server that all tests have in common, and returns
// its URL. It is dropped when the test ends.
func Database(t testing.TB) (url string) {
	t.Helper()
	return common(t).Database(t)
}

// New starts a server for one test alone, which may crash it. Settings are as in
// postgresql.conf, "fsync=on", and go before those of this package.
func New(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := Open(settings...)
	need(t, err)
	t.Cleanup(s.Close)
	return s
}

var databases atomic.Int64

// Database makes an empty database and returns its URL. It is dropped when the test ends.
func (s *Server) Database(t testing.TB) (url string) {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	url, err := s.Make(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Run(own, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil && s.running() {
			t.Errorf("dropping the database: %v", err)
		}
	})
	return url
}

// Make makes an empty database, which is there as long as the server, and returns its URL.
func (s *Server) Make(name string) (url string, err error) {
	return s.url(name), s.Run(own, "CREATE DATABASE "+name)
}

// URL leads to the server's own database, as a user who may do anything.
func (s *Server) URL() string { return s.url(own) }

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", user, s.port, database)
}

// Run carries out statements on a database, with all rights.
func (s *Server) Run(database, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

const (
	user     = "tally"
	own      = "postgres" // the server's own database
	patience = 30 * time.Second
)

// programs is the folder with the newest PostgreSQL's programs.
func programs() (string, error) {
	if at, err := exec.LookPath("initdb"); err == nil {
		at, err = filepath.EvalSymlinks(at) // where the others are, too
		return filepath.Dir(at), err
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is a good one
	if len(found) == 0 {
		return "", errNone
	}
	return filepath.Dir(slices.Max(found)), nil
}
