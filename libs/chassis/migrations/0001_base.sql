-- Tables that the chassis keeps in every service's database.

-- What others follow: one row a change, written in the transaction of the change. On PostgreSQL `xid` is the writing transaction, so
-- that a reader stops below the oldest one still running; on SQLite, where one connection writes, it is 0.
CREATE TABLE outbox (
  seq {serial},
  xid BIGINT NOT NULL,
  subject TEXT NOT NULL,      -- the enterprise's code, so that a follower may take part of the feed
  payload {blob} NOT NULL     -- the change as the contract's message, without its position
);
CREATE INDEX outbox_order ON outbox (xid, seq);

-- How far this service has followed another's feed; moved in the transaction of the effect.
CREATE TABLE cursors (
  feed TEXT PRIMARY KEY,
  position TEXT NOT NULL
);

-- Answers to mutations that came with a request id: the same id gives the same answer.
CREATE TABLE requests (
  caller TEXT NOT NULL,
  method TEXT NOT NULL,
  request_id TEXT NOT NULL,
  digest TEXT NOT NULL,       -- of the request, so that an id used for another request is told
  answer {blob},              -- null only inside the transaction that does the work
  at BIGINT NOT NULL,         -- microseconds since 1970
  PRIMARY KEY (caller, method, request_id)
);

-- Work that outlives its call. A worker holds a lease; when it dies the lease runs out and another takes over.
CREATE TABLE operations (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  caller TEXT NOT NULL,
  department TEXT NOT NULL,
  request {blob} NOT NULL,
  metadata {blob} NOT NULL,   -- google.protobuf.Any, rewritten as the work goes on
  checkpoint {blob} NOT NULL, -- the worker's own note of how far it is
  result {blob},              -- google.longrunning.Operation, once done
  done BOOLEAN NOT NULL,
  lease_owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  language TEXT NOT NULL,     -- in which the caller reads how it ended
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX operations_open ON operations (done, lease_until);

-- Every decision, append-only: who, when, what, about whom, on what basis. The leaves of a later public log: never rewritten.
CREATE TABLE decisions (
  seq {serial},
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  department TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  basis TEXT NOT NULL,
  detail TEXT NOT NULL        -- JSON with stable keys
);
CREATE INDEX decisions_subject ON decisions (subject, seq);
