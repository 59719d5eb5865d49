-- A summary is written on until it is handed in; each version that was stays as it was.
ALTER TABLE summaries ADD COLUMN state INTEGER NOT NULL DEFAULT 1; -- the contract's number
ALTER TABLE summaries ADD COLUMN etag TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX summaries_standing ON summaries (domain, department, from_on, to_on) WHERE state IN (2, 3);

-- What was handed in, and when it was returned.
CREATE TABLE summary_versions (
  summary_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  submitted_on TEXT NOT NULL,    -- the business day
  returned_on TEXT NOT NULL,     -- the business day; empty: not returned
  body {blob} NOT NULL,          -- the contract's Summary as it was handed in
  PRIMARY KEY (summary_id, version)
);
