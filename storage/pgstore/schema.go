package pgstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tallygate/engine/tally"
)

// Schema is the version of the database's schema that this program makes.
const Schema = 2

//go:embed schema1.sql
var schema1 string

// laterSchemas make of each version the next one, from that of schema1 on. They may come
// twice. Programs of an earlier version go on over what they make, while nodes are brought to
// a new one by one; a step over which they cannot raises cluster.least, too.
var laterSchemas = [Schema - 1]string{
	// Until when nothing is lent, since the database may have forgotten what was (exchange.go).
	`ALTER TABLE cluster ADD COLUMN IF NOT EXISTS doubt timestamptz`,
}

// prepare makes the schema, if the database is empty, or brings it to this version, and says
// whose it is. Two nodes that come at once may both try, and one of them finds it made.
func prepare(ctx context.Context, pool *pgxpool.Pool) (store, print string, err error) {
	c := pool.Config().ConnConfig
	for range 20 {
		var version, least int64
		err = pool.QueryRow(ctx, `SELECT id, key_print, version, least FROM cluster WHERE one = 1`).Scan(&store, &print,
			&version, &least)
		var pg *pgconn.PgError
		switch {
		case err == nil && least > Schema:
			return "", "", tally.Errorf(tally.Invalid,
				"the nodes' database has the schema %d, and this program knows %d", least, Schema).
				WithHint("use a program of the version of the other nodes, or a later one")
		case err == nil && version < Schema:
			if err = bring(ctx, pool, version); err == nil || passing(err) {
				continue
			}
			return "", "", refused(err, c)
		case err == nil:
			return store, print, nil
		case !errors.As(err, &pg) || pg.Code != "42P01": // no such table
			return "", "", refused(err, c)
		}
		if err = nowhereElse(ctx, c); err != nil {
			return "", "", err
		}
		if err = makeSchema(ctx, pool); err == nil {
			continue
		}
		if errors.As(err, &pg) && (pg.Code == "42P07" || pg.Code == "23505" ||
			passing(err)) { // another node, or another program, was first
			time.Sleep(100 * time.Millisecond)
			continue
		}
		return "", "", refused(err, c)
	}
	return "", "", tally.Errorf(tally.Conflict, "the database %s/%s has tables of something else: %w", c.Host,
		c.Database, causesOf(err)).
		WithHint("give the nodes a database of their own: createdb -O %s tally", c.User)
}

// nowhereElse refuses to begin in an empty database where what the nodes share may be at another
// of the hosts that were named: one that has it, or does not answer.
func nowhereElse(ctx context.Context, c *pgx.ConnConfig) error {
	if !severalHosts(c) {
		return nil
	}
	ways := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	found := map[string]error{} // by host: nil for an empty one
	for _, way := range ways {
		at := net.JoinHostPort(way.Host, strconv.Itoa(int(way.Port)))
		if err, asked := found[at]; !asked || err != nil && !errors.Is(err, errElsewhere) {
			found[at] = isEmpty(ctx, c, way)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(found)) {
		switch err := found[at]; {
		case errors.Is(err, errElsewhere):
			return tally.Errorf(tally.Conflict,
				"what the nodes share is at %s, and an empty database is at another host that was named and takes changes", at).
				WithHint("name the hosts of one database only: its primary and its standbys")
		case err != nil:
			return tally.Errorf(tally.Unavailable,
				"the database is empty, and %s, which was named as well and may have what the nodes share, cannot be asked: %w",
				at, causesOf(err)).
				WithHint("start again once all hosts answer; for a first start name the new database alone")
		}
	}
	return nil
}

// errElsewhere is of a host that has what nodes share.
var errElsewhere = errors.New("it has a schema")

// isEmpty reports with nil that a host has no schema.
func isEmpty(ctx context.Context, c *pgx.ConnConfig, way *pgconn.FallbackConfig) error {
	one := c.Copy()
	one.Host, one.Port, one.TLSConfig = way.Host, way.Port, way.TLSConfig
	one.Fallbacks, one.ValidateConnect = nil, nil
	conn, err := pgx.ConnectConfig(ctx, one)
	if err == nil {
		defer conn.Close(ctx)
		if _, err = conn.Exec(ctx, "SELECT id FROM cluster"); err == nil {
			return errElsewhere
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3D000") { // no such table, or database
		return nil
	}
	return err
}

func makeSchema(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, schema1+recordTable); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO cluster (one, id, version, least, key_print, rev, audit_seq, audit_hash, entries, pruned, thinned, coarse)
			VALUES (1, $1, 1, 1, '', 0, 0, '', 0, 0, 0, 0)`, "st_"+rand.Text())
		if err != nil {
			return err
		}
		return steps(ctx, tx, 1)
	})
}

// bring brings the schema from a version to this one. Nodes may serve meanwhile.
func bring(ctx context.Context, pool *pgxpool.Pool, from int64) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return steps(ctx, tx, from) })
}

func steps(ctx context.Context, tx pgx.Tx, from int64) error {
	for _, step := range laterSchemas[from-1:] {
		if _, err := tx.Exec(ctx, step); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `UPDATE cluster SET version = $1 WHERE version < $1`, Schema)
	return err
}
