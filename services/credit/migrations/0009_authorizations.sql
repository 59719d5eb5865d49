-- Grants 授权 of subjects to departments. Nothing of one ever changes but that it is taken back, once.
CREATE TABLE authorizations (
  uscc TEXT NOT NULL,
  authorization_id TEXT NOT NULL, -- grows with time
  department TEXT NOT NULL,       -- to which it is made
  items TEXT NOT NULL,            -- names between commas
  purpose TEXT NOT NULL,
  valid_from TEXT NOT NULL,       -- the first day
  valid_until TEXT NOT NULL,      -- the last day
  evidence TEXT NOT NULL,         -- the paper: its name and number
  evidence_hash TEXT NOT NULL,    -- the paper's SHA-256; empty where none was given
  text_version TEXT NOT NULL,     -- of the text that was agreed to
  basis TEXT NOT NULL,            -- the rule that bounds its term
  created_at BIGINT NOT NULL,
  recorded_by TEXT NOT NULL,      -- the client
  recorded_for TEXT NOT NULL,     -- its department; empty where the enterprise itself gave it
  revoked_at BIGINT,
  revoked_by TEXT NOT NULL DEFAULT '',
  revoke_reason TEXT NOT NULL DEFAULT '',
  position TEXT NOT NULL,         -- of its present state in the feed
  PRIMARY KEY (uscc, authorization_id)
);
CREATE UNIQUE INDEX authorizations_id ON authorizations (authorization_id);
CREATE INDEX authorizations_department ON authorizations (department, authorization_id);

-- The grants under which a look was open, ids between commas.
ALTER TABLE accesses ADD COLUMN authorizations TEXT NOT NULL DEFAULT '';

-- What departments send and look at, counted where it happens. Counts of one thing are spread over shards, so that those who count beside each
-- other seldom wait for each other; what is read is their sum.
CREATE TABLE usage_counts (
  day TEXT NOT NULL,              -- the business day
  department TEXT NOT NULL,       -- a service of the suite stands under its own name
  item TEXT NOT NULL,             -- empty: none in particular, or none of the catalogue
  kind TEXT NOT NULL,             -- ACCEPTED, DUPLICATES, REJECTED, PROFILES, RECORDS, REPORTS, OTHERS or FEED
  shard INTEGER NOT NULL,
  counted BIGINT NOT NULL,
  PRIMARY KEY (day, department, item, kind, shard)
);
