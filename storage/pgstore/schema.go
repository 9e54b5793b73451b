package pgstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
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
// whose it is. Two nodes that
// come at once may both try, and one of them finds it made.
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
