package pgstore

// An exchange is one batch of statements, and one transaction: in READ COMMITTED, where the
// locks do the work, or in SERIALIZABLE. $1 to $3 are the node, its epoch and the number of
// the operation.
//
// The node's row is locked first, and changes last. So until then fenced is true for all
// statements or for none: of two copies of an operation, the second waits, and finds the
// number taken.
const (
	sqlPatience = `SELECT set_config('statement_timeout', '3s', true), set_config('lock_timeout', '1s', true)`

	sqlLockNode = `SELECT 1 FROM node WHERE id = $1 FOR UPDATE`

	fenced = `EXISTS (SELECT 1 FROM node WHERE id = $1 AND epoch = $2 AND op = $3 - 1)`

	sqlTakeNumber = `UPDATE node SET op = $3, beat = now() WHERE id = $1 AND epoch = $2 AND op = $3 - 1`
)

// sqlBegin begins counters. All who do so have them in one order, so that they do not wait
// for each other in a circle.
//
// A counter begins with what the period has seen: a limit may have been added in its middle.
// What others have shipped, and the entries of the book of money, are used and granted from
// the start; the node has said itself what it has used. $8 to $12 are the rows of sums that
// tell, each with the place of its counter. Of periods that are not made of quarters of an hour
// only the entries are told: the periods are over before the rest would matter.
const sqlBegin = `
WITH born AS (
  INSERT INTO quota (subject, metric, starts, ends, granted)
  SELECT subject, metric, starts, ends, 0
  FROM unnest($4::text[], $5::int2[], $6::int8[], $7::int8[]) AS a (subject, metric, starts, ends)
  WHERE ` + fenced + `
  ORDER BY subject, metric, starts, ends
  ON CONFLICT (subject, metric, starts, ends) DO NOTHING
  RETURNING subject, metric, starts, ends
)
INSERT INTO lease (subject, metric, starts, ends, node, granted, used)
SELECT born.subject, born.metric, born.starts, born.ends, s.node, ` + seeded + `, ` + seeded + `
FROM born
JOIN unnest($4::text[], $5::int2[], $6::int8[], $7::int8[])
  WITH ORDINALITY AS a (subject, metric, starts, ends, place)
  ON a.subject = born.subject AND a.metric = born.metric AND a.starts = born.starts AND a.ends = born.ends
JOIN unnest($8::int8[], $9::int2[], $10::int2[], $11::text[], $12::text[]) AS r (place, family, gran, d1, d2)
  ON r.place = a.place
JOIN sums AS s ON s.family = r.family AND s.gran = r.gran AND s.d1 = r.d1 AND s.d2 = r.d2
  AND s.bucket >= div(greatest(born.starts, 0)::numeric, CASE r.gran WHEN 0 THEN 900 ELSE 60 END)::int4
  AND s.bucket < least(div(born.ends::numeric, CASE r.gran WHEN 0 THEN 900 ELSE 60 END), 2147483647)::int4
WHERE s.node <> $1
GROUP BY born.subject, born.metric, born.starts, born.ends, s.node`

// seeded is what rows of sums say of a counter's metric, whose places are those of the
// columns.
const seeded = `(` + low + `sum((ARRAY[s.counted, s.tokens, s.cost, s.credits, s.sessions, s.balance])[born.metric + 1])` + high + `)::int8`

// sqlLockQuotas is a statement of its own: the one after it sees what those have done whom it
// has waited for.
const sqlLockQuotas = `
SELECT 1 FROM quota AS q
JOIN unnest($4::text[], $5::int2[], $6::int8[], $7::int8[]) AS a (subject, metric, starts, ends)
  ON q.subject = a.subject AND q.metric = a.metric AND q.starts = a.starts AND q.ends = a.ends
WHERE ` + fenced + `
ORDER BY q.subject, q.metric, q.starts, q.ends
FOR UPDATE OF q`

// sqlShare is the rule of [lease.Ask.Share] for the rows of asked, whose columns are numeric.
// Sums stay within 64 bits one by one, as there.
const sqlShare = `
room AS (
  SELECT asked.*, ` + low + `cap - others` + high + ` AS avail FROM asked
), offer AS (
  SELECT room.*, least(avail, ` + low + `want
      + least(extra, div(greatest(0, ` + low + `avail - want` + high + `), 2 * nodes))` + high + `) AS most
  FROM room
), share AS (
  SELECT offer.*, greatest(have, CASE WHEN avail < need THEN have ELSE most END) AS granted
  FROM offer
)`

const low, high = `greatest(-9223372036854775808, least(9223372036854775807, `, `))`

// sqlGrant grants what is asked for, and says what is wanted. $14 is how many nodes there are.
// While the database is in doubt what it has lent, each node keeps what it says it has.
const sqlGrant = `
WITH told AS MATERIALIZED (
  SELECT a.subject, a.metric, a.starts, a.ends, a.used, a.cap::numeric AS cap, a.have::numeric AS have,
    a.need::numeric AS need, a.want::numeric AS want, a.extra::numeric AS extra, $14::numeric AS nodes,
    coalesce((SELECT sum(l.granted) FROM lease AS l WHERE l.subject = a.subject AND l.metric = a.metric
      AND l.starts = a.starts AND l.ends = a.ends AND l.node <> $1), 0)::numeric AS others
  FROM unnest($4::text[], $5::int2[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[],
      $12::int8[], $13::int8[]) AS a (subject, metric, starts, ends, cap, have, need, want, extra, used)
  JOIN quota AS q
    ON q.subject = a.subject AND q.metric = a.metric AND q.starts = a.starts AND q.ends = a.ends
  WHERE ` + fenced + `
), asked AS (
  SELECT subject, metric, starts, ends, used, have, need, want, extra, nodes, others,
    CASE WHEN (SELECT doubt FROM cluster WHERE one = 1) > now()
      THEN ` + low + `others + have` + high + ` ELSE cap END AS cap
  FROM told
), ` + sqlShare + `, total AS (
  UPDATE quota AS q SET granted = (` + low + `share.others + share.granted` + high + `)::int8,
    wanted = CASE WHEN share.granted < share.want THEN clock_timestamp() ELSE q.wanted END
  FROM share
  WHERE q.subject = share.subject AND q.metric = share.metric AND q.starts = share.starts AND q.ends = share.ends
  RETURNING 1
)
INSERT INTO lease (subject, metric, starts, ends, node, granted, used)
SELECT subject, metric, starts, ends, $1, granted::int8, used FROM share
ORDER BY subject, metric, starts, ends
ON CONFLICT (subject, metric, starts, ends, node) DO UPDATE SET granted = excluded.granted, used = excluded.used`

// sqlStands tells what stands, whether or not the operation was carried out. Being one
// statement, it tells of one instant.
const sqlStands = `
SELECT ` + epochOf + `, node.op, coalesce(a.place, 0), x.granted, x.elsewhere, x.others
FROM node
LEFT JOIN unnest($2::text[], $3::int2[], $4::int8[], $5::int8[])
  WITH ORDINALITY AS a (subject, metric, starts, ends, place) ON true
LEFT JOIN LATERAL (
  SELECT coalesce(sum(CASE WHEN l.node = $1 THEN l.granted END), 0)::int8 AS granted,
    (` + low + `coalesce(sum(CASE WHEN l.node <> $1 THEN l.used END), 0)` + high + `)::int8 AS elsewhere,
    (` + low + `coalesce(sum(CASE WHEN l.node <> $1 THEN l.granted END), 0)` + high + `)::int8 AS others
  FROM lease AS l
  WHERE l.subject = a.subject AND l.metric = a.metric AND l.starts = a.starts AND l.ends = a.ends
) AS x ON true
WHERE node.id = $1`
