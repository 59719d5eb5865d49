-- What happens after a listing: marks, objections, repairs, revocation.

-- What is going on about a listing, the contract's names between commas.
ALTER TABLE listings ADD COLUMN marks TEXT NOT NULL DEFAULT '';
-- The day on which it ended before its term; empty while it holds.
ALTER TABLE listings ADD COLUMN ended_on TEXT NOT NULL DEFAULT '';
-- The record's id in credit, once credit has acknowledged it.
ALTER TABLE listings ADD COLUMN record TEXT NOT NULL DEFAULT '';

-- What happened to listings: appended, never changed. Kinds and marks are the contract's numbers.
CREATE TABLE listing_events (
  seq {serial},
  listing TEXT NOT NULL,
  kind INTEGER NOT NULL,
  mark INTEGER NOT NULL,
  done_by TEXT NOT NULL,
  department TEXT NOT NULL,
  done_on TEXT NOT NULL,
  document_number TEXT NOT NULL,
  text TEXT NOT NULL,
  recorded_at BIGINT NOT NULL,
  late BOOLEAN NOT NULL         -- later than the law allows
);
CREATE INDEX listing_events_of ON listing_events (listing, seq);

-- Objections 异议 and repairs 信用修复 of listings.
CREATE TABLE filings (
  filing TEXT PRIMARY KEY,      -- grows with time
  kind TEXT NOT NULL,           -- OBJECTION or REPAIR
  listing TEXT NOT NULL,
  list_id TEXT NOT NULL,
  uscc TEXT NOT NULL,
  department TEXT NOT NULL,     -- that listed
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  commitment TEXT NOT NULL,     -- of a repair
  state TEXT NOT NULL,          -- OPEN, UPHELD, APPROVED, REJECTED or CLOSED
  filed_at BIGINT NOT NULL,
  filed_by TEXT NOT NULL,       -- the client
  filed_for TEXT NOT NULL,      -- its department; empty where the enterprise itself filed
  due_on TEXT NOT NULL,
  due_provisional BOOLEAN NOT NULL,
  basis TEXT NOT NULL,          -- the rules by which the term and the earliest day were reckoned
  decided_at BIGINT,
  decided_by TEXT NOT NULL,
  explanation TEXT NOT NULL
);
CREATE UNIQUE INDEX filings_open ON filings (listing, kind) WHERE state = 'OPEN';
CREATE INDEX filings_subject ON filings (uscc, kind, filing);

-- What credit is still to be told of listings, in order, until it has acknowledged it.
CREATE TABLE deliveries (
  seq {serial},
  case_id TEXT NOT NULL,
  act INTEGER NOT NULL,         -- 1 take the record in, 2 withdraw it, 3 repaired, 4 mark it, 5 unmark it
  body {blob} NOT NULL,         -- credit's RecordInput, WithdrawRecordRequest or MarkRecordRequest
  attempts INTEGER NOT NULL,
  next_at BIGINT NOT NULL,      -- when to try again
  error TEXT NOT NULL           -- why the last attempt failed, for the operator
);
CREATE INDEX deliveries_of ON deliveries (case_id, seq);
CREATE INDEX deliveries_due ON deliveries (next_at);
INSERT INTO deliveries (case_id, act, body, attempts, next_at, error)
  SELECT case_id, 1, record, attempts, next_at, error FROM outgoing ORDER BY case_id;
DROP TABLE outgoing;
