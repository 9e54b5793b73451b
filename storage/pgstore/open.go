package pgstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
)

// Identity says which node a data folder belongs to.
type Identity struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Nodes string `json:"nodes"` // the database's own ID
	Store string `json:"store"` // where the database is, for people: without user and password
	// Moving says that a store of one machine was about to move: the database may have
	// nothing of it.
	Moving bool `json:"moving,omitempty"`
}

// IdentityFile is the file of a data folder that says so.
const IdentityFile = "node"

// ReadIdentity reads which node a data folder belongs to, nil if it has a store of its own.
func ReadIdentity(dir string) (*Identity, error) {
	path := filepath.Join(dir, IdentityFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var id Identity
	if json.Unmarshal(text, &id) != nil || id.Name == "" || id.ID == "" {
		return nil, tally.Errorf(tally.Corrupt, "the file %s, which says of which node the folder is, is damaged", path).
			WithHint("put it back from a copy; without one, start a new node in a new folder, " +
				"and free what this one was lent on another node: tallygate nodes forget NAME --stopped")
	}
	return &id, nil
}

func (id *Identity) write(dir string) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, IdentityFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err := cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// dial opens connections to a database.
func dial(ctx context.Context, url string, most int32) (*pgxpool.Pool, error) {
	return dialFor(ctx, url, most, func() string { return "" })
}

// dialFor is dial, with connections to the database of this ID only, as soon as that is known.
func dialFor(ctx context.Context, url string, most int32, id func() string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "the address of the nodes' database cannot be read").
			WithHint("it is like postgres://tally@db.example.com/tally; the password comes from PGPASSWORD or PGPASSFILE")
	}
	c.MaxConns = most
	c.ConnConfig.ConnectTimeout = 5 * time.Second
	c.PingTimeout = 2 * time.Second // of one that was idle: then the next one is tried
	c.ConnConfig.ValidateConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		if err := takesChanges(ctx, c); err != nil {
			return err
		}
		return isOf(ctx, c, id())
	}
	if c.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// A pooler may give each transaction another connection to the database, which knows
		// no statements by the names that they were given on the last one.
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, refused(err, c.ConnConfig)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, refused(err, c.ConnConfig)
	}
	return pool, nil
}

// errReadOnly is of a standby, and of a database that was set to take no changes.
var errReadOnly = errors.New("it is a standby, or was set to be read-only")

// takesChanges refuses a connection on which nothing can be changed. If a URL names several
// hosts, the next one is tried then.
func takesChanges(ctx context.Context, c *pgconn.PgConn) error {
	is, err := c.Exec(ctx, "SHOW transaction_read_only").ReadAll()
	if err == nil && string(is[0].Rows[0][0]) == "on" {
		err = errReadOnly
	}
	return err
}

// errOther is of a server that takes changes, and has another database, or an empty one.
var errOther = errors.New("it is not the database of these nodes")

// isOf refuses a connection to another database than that of an ID. Where a URL names several
// hosts, more than one may take changes, and the next one is tried while the first restarts: a
// node that once talked to a wrong one would stay there.
func isOf(ctx context.Context, c *pgconn.PgConn, id string) error {
	if id == "" {
		return nil
	}
	is, err := c.Exec(ctx, "SELECT id FROM cluster WHERE one = 1").ReadAll()
	var pg *pgconn.PgError
	switch {
	case err == nil && len(is) == 1 && len(is[0].Rows) == 1 && string(is[0].Rows[0][0]) == id:
		return nil
	case err == nil, errors.As(err, &pg) && pg.Code == "42P01": // no such table
		return errOther
	}
	return err
}

// severalHosts reports whether a URL names more than one.
func severalHosts(c *pgx.ConnConfig) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.Host != c.Host || f.Port != c.Port
	})
}

// refused is why a database cannot be used.
func refused(err error, c *pgx.ConnConfig) error {
	at := c.Host + "/" + c.Database
	if errors.Is(err, errReadOnly) {
		if severalHosts(c) {
			return tally.Errorf(tally.Unavailable, "no host that was named for the database %s takes changes: %w",
				c.Database, causesOf(err)).
				WithHint("see that one of them is the primary, and that this machine may connect to it")
		}
		return tally.Errorf(tally.Unavailable, "the database %s takes no changes: %w", at, errReadOnly).
			WithHint("name the primary, or all hosts of which one is it: postgres://%s@db1,db2/%s", c.User, c.Database)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case strings.HasPrefix(pg.Code, "28"):
			return tally.Errorf(tally.Denied, "the database %s does not let %s in: %s", at, c.User, pg.Message).
				WithHint("give the password in PGPASSWORD, or in the file that PGPASSFILE names")
		case pg.Code == "3D000":
			return tally.Errorf(tally.NotFound, "there is no database %s at %s", c.Database, c.Host).
				WithHint("make it: createdb -O %s %s", c.User, c.Database)
		case pg.Code == "42501":
			return tally.Errorf(tally.Denied, "%s may not do what is needed in %s: %s", c.User, at, pg.Message).
				WithHint("let it own the database: ALTER DATABASE %s OWNER TO %s", c.Database, c.User)
		}
		return tally.Errorf(tally.Unavailable, "the database %s refuses: %s", at, pg.Message).
			WithHint("look at the database's log")
	}
	return tally.Errorf(tally.Unavailable, "the database %s is out of reach: %w", at, causesOf(err)).
		WithHint("see that it runs and that this machine may connect to it: psql %q",
			"host="+c.Host+" dbname="+c.Database+" user="+c.User)
}

// sqlEnroll makes the row of a node that has not begun an epoch yet.
const sqlEnroll = `INSERT INTO node (id, name, host, version, state, epoch, op, joined, beat, shipped, records, seen, said)
	VALUES ($1, $2, $3, $4, 'left', 0, 0, now(), now(), 0, 0, 0, '{}')`

// newIdentity is that of a new node.
func newIdentity(o Options, nodes string, pool *pgxpool.Pool) Identity {
	c := pool.Config().ConnConfig
	at := "postgres://" + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
	return Identity{ID: "nd_" + rand.Text(), Name: cmp.Or(o.Name, "node"), Nodes: nodes, Store: at}
}

// hostOf is what tells two processes of one identity apart.
func hostOf(o Options) string {
	if o.Host != "" {
		return o.Host
	}
	machine, _ := os.Hostname() // without one the folder tells
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		dir = o.Dir
	}
	return machine + ":" + dir
}
