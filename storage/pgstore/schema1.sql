-- The schema of the nodes' database, version 1; schema.go says what came later. Plain SQL: what
-- CockroachDB and YugabyteDB do not take stands in dialect.go, or nowhere.
--
-- Times of periods are seconds since 1970, days are days since 1970, money is nano-USD.
-- Texts that are not UTF-8, or have a zero byte in them, stand in hexadecimal behind "\x";
-- so do those that begin with a backslash (text.go).

-- One row: whose database it is, and how far what is not of one node has come.
CREATE TABLE cluster (
  one        int2 PRIMARY KEY CHECK (one = 1),
  id         text NOT NULL,            -- nodes know it by that
  version    int8 NOT NULL,            -- of the schema
  least      int8 NOT NULL,            -- a program must know this version of it to use it
  key_print  text NOT NULL,            -- of the key file that all nodes have; '' before the first one has told
  rev        int8 NOT NULL,            -- of the latest change of entities
  audit_seq  int8 NOT NULL,
  audit_hash text NOT NULL,
  entries    int8 NOT NULL,            -- number of the latest entry of the book of money
  pruned     int8 NOT NULL,            -- records settled before this day are gone
  thinned    int8 NOT NULL,            -- and of those before this one, some
  coarse     int8 NOT NULL             -- sums before this time are coarse
);

CREATE TABLE node (
  id      text PRIMARY KEY,
  name    text NOT NULL UNIQUE,
  host    text NOT NULL,
  version text NOT NULL,               -- of its program
  state   text NOT NULL,               -- live, left or forgotten
  epoch   int8 NOT NULL,
  op      int8 NOT NULL,               -- number of its latest exchange in the epoch
  joined  timestamptz NOT NULL,
  beat    timestamptz NOT NULL,        -- when it was last heard
  shipped int8 NOT NULL,               -- its records up to this one are here
  records int8 NOT NULL,               -- that it keeps
  seen    int8 NOT NULL,               -- up to when, nanoseconds since 1970, entries were made there
  said    text NOT NULL                -- what it says of itself, JSON (nodes.go)
);

-- What of a counter is lent out: the sum of its leases.
CREATE TABLE quota (
  subject text NOT NULL,
  metric  int2 NOT NULL,
  starts  int8 NOT NULL,
  ends    int8 NOT NULL,
  granted int8 NOT NULL,
  wanted  timestamptz,                 -- when a node last got too little of it
  PRIMARY KEY (subject, metric, starts, ends)
);
CREATE INDEX quota_wanted ON quota (wanted) WHERE wanted IS NOT NULL;
CREATE INDEX quota_ends ON quota (ends);

-- What a node may use of a counter, and has told that it used. The node '' is the book of
-- money, whose entries count on counters, too.
CREATE TABLE lease (
  subject text NOT NULL,
  metric  int2 NOT NULL,
  starts  int8 NOT NULL,
  ends    int8 NOT NULL,
  node    text NOT NULL,
  granted int8 NOT NULL,
  used    int8 NOT NULL,
  PRIMARY KEY (subject, metric, starts, ends, node)
);
CREATE INDEX lease_node ON lease (node, ends);

-- Sessions that run, of clients with a limit on them.
CREATE TABLE session (
  client text NOT NULL,
  member text NOT NULL,
  ends   int8 NOT NULL,                -- in nanoseconds since 1970
  begun  text NOT NULL,                -- the request that began it
  PRIMARY KEY (client, member)
);
CREATE INDEX session_ends ON session (ends);

CREATE TABLE entity (
  kind text NOT NULL,
  id   text NOT NULL,
  rev  int8 NOT NULL,
  body text NOT NULL,                  -- JSON
  PRIMARY KEY (kind, id)
);

-- What acts have come to, so that one whose answer was lost is not done twice.
CREATE TABLE act (
  id   text PRIMARY KEY,
  rev  int8 NOT NULL,
  made timestamptz NOT NULL
);

CREATE TABLE audit (
  seq   int8 PRIMARY KEY,
  at    timestamptz NOT NULL,
  actor text NOT NULL,
  kind  text NOT NULL,
  id    text NOT NULL,
  name  text NOT NULL,
  body  text NOT NULL                  -- JSON, to the byte: its hash is of it
);

-- The book of money.
CREATE TABLE entry (
  client  text NOT NULL,
  id      text NOT NULL,
  seq     int8 NOT NULL,               -- in the order in which they were made
  at      timestamptz NOT NULL,
  gateway text NOT NULL,
  kind    text NOT NULL,
  cost    int8 NOT NULL,
  credits int8 NOT NULL,
  funds   int8 NOT NULL,
  reason  text NOT NULL,
  among   text NOT NULL,               -- the node whose records it is one of; '' if it is none
  body    bytea NOT NULL,              -- all of it
  PRIMARY KEY (client, id)
);
CREATE UNIQUE INDEX entry_seq ON entry (seq);
CREATE INDEX entry_at ON entry (at);

-- Rollups, by node; of the node '' are the entries of the book of money. The columns are for
-- people, and for limits that begin to count; body has all figures.
CREATE TABLE sums (
  family   int2 NOT NULL,
  gran     int2 NOT NULL,              -- 0: quarters of an hour, 1: hours, 2: days, 3: minutes, of entries alone
  bucket   int4 NOT NULL,              -- in units of gran since 1970
  d1       text NOT NULL,
  d2       text NOT NULL,
  node     text NOT NULL,
  requests int8 NOT NULL,
  refused  int8 NOT NULL,
  errors   int8 NOT NULL,
  counted  int8 NOT NULL,              -- requests, by limits
  tokens   int8 NOT NULL,
  cost     int8 NOT NULL,
  credits  int8 NOT NULL,
  sessions int8 NOT NULL,
  balance  int8 NOT NULL,              -- credits less what was paid in advance
  body     bytea NOT NULL,
  PRIMARY KEY (family, gran, bucket, d1, d2, node)
);
CREATE INDEX sums_value ON sums (family, gran, d1, d2, bucket);

-- When a subject was last used, by node.
CREATE TABLE last_use (
  subject text NOT NULL,
  node    text NOT NULL,
  at      int8 NOT NULL,               -- nanoseconds since 1970
  PRIMARY KEY (subject, node)
);

-- What one node does for all, and until when.
CREATE TABLE duty (
  name  text PRIMARY KEY,
  node  text NOT NULL,
  until timestamptz NOT NULL
);
