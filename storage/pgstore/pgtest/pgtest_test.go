package pgtest

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// Databases are on one server, are a test's own, and are gone after it.
func TestDatabase(t *testing.T) {
	var first string
	t.Run("own", func(t *testing.T) {
		first = Database(t)
		for _, url := range []string{first, Database(t)} {
			if _, err := connect(t, url).Exec(t.Context(), `CREATE TABLE x (id int8)`); err != nil {
				t.Error(err)
			}
		}
	})
	if conn, err := pgx.Connect(t.Context(), first); err == nil {
		conn.Close(t.Context())
		t.Error("the database outlives its test")
	}
	if one, two := Start(t), Start(t); one != two {
		t.Errorf("servers at %s and %s", one, two)
	}
}

// What was committed outlives a crash, what was not does not, and the address is the same.
func TestCrash(t *testing.T) {
	s := New(t, "max_connections=17")
	url := s.Database(t)
	conn := connect(t, url)
	for _, sql := range []string{`CREATE TABLE x (id int8)`, `INSERT INTO x VALUES (1)`, `BEGIN`, `INSERT INTO x VALUES (2)`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s.Crash()
	if _, err := conn.Exec(t.Context(), `COMMIT`); err == nil {
		t.Error("a connection outlives the server")
	}
	if err := s.StartAgain(); err != nil {
		t.Fatal(err)
	}
	var rows int
	var most string
	row := connect(t, url).QueryRow(t.Context(), `SELECT count(*), current_setting('max_connections') FROM x`)
	if err := row.Scan(&rows, &most); err != nil || rows != 1 || most != "17" {
		t.Errorf("%d rows, %s connections, %v", rows, most, err)
	}
}

// ending tells how a test has been ended.
type ending struct {
	testing.TB
	how string
}

func (e *ending) Helper()     {}
func (e *ending) Skip(...any) { e.how = "skipped" }

func (e *ending) Fatal(...any) { e.how = "failed" }

// A test without a server is skipped where none is installed, but not where there must be one.
func TestNeed(t *testing.T) {
	for _, tc := range []struct {
		ci   string
		err  error
		want string
	}{
		{"", nil, ""},
		{"", errNone, "skipped"},
		{"true", errNone, "failed"},
		{"", errors.New("no room"), "failed"},
	} {
		t.Setenv("CI", tc.ci)
		e := &ending{TB: t}
		if need(e, tc.err); e.how != tc.want {
			t.Errorf("with CI=%q and %v: %q, want %q", tc.ci, tc.err, e.how, tc.want)
		}
	}
}
