-- Objections 异议 and repairs 信用修复 of records.
CREATE TABLE filings (
  filing TEXT PRIMARY KEY,      -- grows with time
  kind TEXT NOT NULL,           -- OBJECTION or REPAIR
  uscc TEXT NOT NULL,
  record TEXT NOT NULL,
  item TEXT NOT NULL,
  department TEXT NOT NULL,     -- of the record
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  state TEXT NOT NULL,          -- OPEN, UPHELD, APPROVED or REJECTED
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
CREATE UNIQUE INDEX filings_open ON filings (record, kind) WHERE state = 'OPEN';
CREATE INDEX filings_subject ON filings (uscc, kind, filing);

-- What is going on about a record, names between commas.
ALTER TABLE records ADD COLUMN marks TEXT NOT NULL DEFAULT '';
