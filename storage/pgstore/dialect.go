package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What follows is PostgreSQL's and YugabyteDB's: records lie in partitions of a week, by the
// day on which they were settled, so that old ones go without a trace.

const recordTable = `
CREATE TABLE record (
  day        int4 NOT NULL,            -- UTC, of its settlement
  node       text NOT NULL,
  seq        int8 NOT NULL,            -- dense, by node
  settled    int8 NOT NULL,            -- nanoseconds since 1970
  at         timestamptz NOT NULL,     -- admission
  id         text NOT NULL,
  gateway    text NOT NULL,
  client     text NOT NULL,
  key        text NOT NULL,
  provider   text NOT NULL,
  token      text NOT NULL,
  model      text NOT NULL,
  endpoint   text NOT NULL,
  code       text NOT NULL,
  outcome    text NOT NULL,
  country    text NOT NULL,
  tags       text NOT NULL,
  visitor    bool NOT NULL,            -- of a website's visitor
  status     int4 NOT NULL,
  input      int8 NOT NULL,            -- tokens of all kinds
  output     int8 NOT NULL,
  cost       int8 NOT NULL,
  credits    int8 NOT NULL,
  events     int8 NOT NULL,            -- that it stands for
  took_ms    int8 NOT NULL,
  body       bytea NOT NULL,           -- all of it but
  detail     bytea,                    -- what went wrong with attempts, which is forgotten first
  PRIMARY KEY (day, node, seq)
) PARTITION BY RANGE (day);
CREATE INDEX record_settled ON record (settled, node, seq);
CREATE INDEX record_client ON record (client, settled);
CREATE INDEX record_id ON record (id);
CREATE INDEX record_detail ON record (day) WHERE detail IS NOT NULL;
`

// weekDays is how many days a partition has.
const weekDays = 7

func weekTable(week int64) string { return fmt.Sprintf("record_w%d", week) }

// makeWeek makes the partition of a week, if it is not there.
func makeWeek(ctx context.Context, tx pgx.Tx, week int64) error {
	name := weekTable(week)
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relname = $1)`, name).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.Exec(ctx, `CREATE TABLE `+name+` (LIKE record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`)
	if err == nil {
		// Unlike CREATE ... PARTITION OF, this lets those who read and write go on.
		_, err = tx.Exec(ctx, fmt.Sprintf(`ALTER TABLE record ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, name,
			week*weekDays, (week+1)*weekDays))
	}
	return err
}

// dropWeeks removes the partitions of all weeks before one, and says whether there were any.
func dropWeeks(ctx context.Context, tx pgx.Tx, before int64) (dropped bool, err error) {
	rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = 'record'`)
	if err != nil {
		return false, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return false, err
	}
	for _, name := range names {
		var week int64
		if _, err := fmt.Sscanf(name, "record_w%d", &week); err != nil || week >= before {
			continue
		}
		if _, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+name); err != nil {
			return false, err
		}
		dropped = true
	}
	return dropped, nil
}

// settings of the server without which an answer does not survive a crash of it.
const syncSettings = `SELECT current_setting('fsync'), current_setting('synchronous_commit'),
  (SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'async')`
